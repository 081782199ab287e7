"""Unbroken speech is cut where it is quiet between two words that are sure."""

from __future__ import annotations

import numpy as np

from engine.asr.cut import EDGE_MS, cut_point
from engine.asr.window import Hypothesis, Kind, SpokenWord, Window
from engine.frames import Pcm

START = 32_000
SECONDS = 13
WORD_MS = 500


def hypothesis(words: list[SpokenWord], pcm: Pcm) -> Hypothesis:
    end = START + len(pcm)
    return Hypothesis(Window("s", "t", 1, Kind.FINAL, START, end, end, pcm), words)


def evenly(count: int) -> list[SpokenWord]:
    return [SpokenWord(f"w{i}", i * WORD_MS, (i + 1) * WORD_MS) for i in range(count)]


def loud(quiet_ms: dict[int, int]) -> Pcm:
    """Noise with dips: 40 ms at each key (ms), divided by its value."""
    noise = np.random.default_rng(1).normal(0, 3_000, SECONDS * 16_000)
    for at_ms, divisor in quiet_ms.items():
        noise[(at_ms - 20) * 16 : (at_ms + 20) * 16] /= divisor
    return noise.astype(np.int16)


def test_the_quietest_boundary_of_the_last_seconds_is_cut_at() -> None:
    words = evenly(26)
    pcm = loud({5_040: 1_000, 9_960: 100, 11_500: 10})
    kept, cut = cut_point(hypothesis(words, pcm), 25)
    assert [word.text for word in kept] == [f"w{i}" for i in range(20)]
    assert abs(cut - START - 9_960 * 16) <= 10 * 16


def test_a_quiet_sound_inside_a_word_is_no_place_to_cut() -> None:
    kept, cut = cut_point(hypothesis(evenly(26), loud({10_250: 1_000, 11_000: 10})), 25)
    assert len(kept) == 22
    assert abs(cut - START - 11_000 * 16) <= 10 * 16


def test_only_settled_words_are_kept() -> None:
    kept, cut = cut_point(hypothesis(evenly(26), loud({12_000: 1_000})), 20)
    assert len(kept) <= 20
    assert cut <= START + 10_120 * 16


def test_a_word_at_the_edge_of_the_window_is_left_to_the_next() -> None:
    words = evenly(26)
    kept, cut = cut_point(hypothesis(words, loud({13_000: 1_000})), 26)
    assert kept[-1].end_ms <= SECONDS * 1_000 - EDGE_MS
    assert cut <= START + SECONDS * 16_000


def test_words_that_no_second_hypothesis_settled_are_kept_all_the_same() -> None:
    """A recognizer too slow for partial words answers the cut alone: its words used to be lost."""
    kept, cut = cut_point(hypothesis(evenly(26), loud({11_500: 100})), 0)
    assert len(kept) == 23
    assert abs(cut - START - 11_500 * 16) <= 10 * 16


def test_a_window_without_words_is_cut_at_its_end() -> None:
    pcm = loud({})
    assert cut_point(hypothesis([], pcm), 0) == ([], START + len(pcm))


def test_a_window_whose_words_leave_no_choice_is_kept_whole() -> None:
    pcm = loud({})
    for word in (SpokenWord("late", 12_700, 13_000), SpokenWord("early", 0, 0)):
        assert cut_point(hypothesis([word], pcm), 1) == ([word], START + len(pcm))


def test_a_cut_lies_inside_the_window_and_behind_its_beginning() -> None:
    rng = np.random.default_rng(3)
    pcm = loud({})
    for _ in range(50):
        ends = np.sort(rng.integers(0, 13_000, 30))
        starts = np.concatenate([[0], ends[:-1]])
        words = [SpokenWord("w", int(a), int(b)) for a, b in zip(starts, ends, strict=True)]
        kept, cut = cut_point(hypothesis(words, pcm), int(rng.integers(0, 31)))
        assert START < cut <= START + len(pcm)
        assert kept == words[: len(kept)]
