"""The recorded audio gives the same words, metrics and cues again, within the tolerances told."""

from __future__ import annotations

import copy
from typing import Any

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.asr.whisper import ShortContextWhisper
from engine.asr.window import Hypothesis, Kind, Window
from engine.frames import SAMPLE_RATE, Pcm, Source
from engine.inputs import EventDict
from engine.journal import Record
from engine.reanalysis import (
    DELAY_MS,
    Prompt,
    Row,
    Tolerance,
    compared,
    reanalyse,
    word_error_rate,
)
from engine.replay import load
from tests.analyzers.recordings import Pcm as Samples
from tests.analyzers.recordings import gain
from tests.engine.test_replay import Take
from tests.engine.timeline import TRACK, Delayed, silence, whisper_answers

Call = tuple[list[Record], Pcm, ShortContextWhisper]
Runs = tuple[list[EventDict], list[EventDict]]


@pytest.fixture(scope="module")
def call(
    whisper: ShortContextWhisper, reading: Samples, tmp_path_factory: pytest.TempPathFactory
) -> Call:
    """A journal, and the track's samples on session time: a pause and a hole are silence in it."""
    path = tmp_path_factory.mktemp("call") / "journal.jsonl"
    take = Take(path, Delayed(whisper_answers(whisper), delay_ms=450, step_s=0.8))
    quiet = gain(reading[: 9 * SAMPLE_RATE], -12.0)
    take.session.enter("active")
    take.play(quiet[: 8 * SAMPLE_RATE])
    take.session.enter("paused")
    take.play(silence(2.0), Source.PAUSED)
    take.session.enter("active")
    take.play(silence(0.4), Source.ABSENT)
    take.play(quiet[8 * SAMPLE_RATE :])
    take.play(silence(1.0))
    take.end()
    sound = [quiet[: 8 * SAMPLE_RATE], silence(2.4), quiet[8 * SAMPLE_RATE :], silence(1.0)]
    return load(path)[0], np.concatenate(sound), whisper


@pytest.fixture(scope="module")
def runs(call: Call) -> Runs:
    records, audio, whisper = call
    return reanalyse(records, {TRACK: audio}, whisper_answers(whisper))


def test_the_same_audio_is_within_every_tolerance(runs: Runs) -> None:
    rows = compared(*runs)
    assert [row for row in rows if not row.is_within] == []
    assert {"word error rate", "speechS", "clarity", "too_quiet"} <= {row.what for row in rows}


def test_quantities_of_the_signal_come_out_as_they_were(runs: Runs) -> None:
    signal = ("speechS", "syllablesPerS", "activeLevelDbfs", "snrDb", "pauses", "longestPauseMs",
              "lufsIntegrated", "pitchMedianHz", "pitchRangeSemitones", "finalFalls",
              "finalRises", "longestMonologueMs")  # fmt: skip
    for row in compared(*runs):
        if row.what in signal:
            assert row.before == row.after, row.what


def test_what_was_not_received_is_not_heard_again(call: Call, runs: Runs) -> None:
    records, audio, whisper = call
    spoilt = audio.copy()
    spoilt[int(8.0 * SAMPLE_RATE) : int(10.4 * SAMPLE_RATE)] = 20_000
    again = reanalyse(records, {TRACK: spoilt}, whisper_answers(whisper))
    assert again == runs


def test_another_recording_is_beyond_the_tolerances(call: Call) -> None:
    records, audio, whisper = call
    rows = {
        row.what: row
        for row in compared(
            *reanalyse(records, {TRACK: gain(audio, 9.0)}, whisper_answers(whisper))
        )
    }
    for what in ("activeLevelDbfs", "levelVsBaselineDb", "lufsIntegrated"):
        assert not rows[what].is_within
    assert rows["speechS"].is_within


def test_a_recording_that_a_crash_cut_short_ends_as_a_hole(call: Call) -> None:
    records, audio, whisper = call
    short = audio[: 4 * SAMPLE_RATE]
    rows = compared(*reanalyse(records, {TRACK: short}, whisper_answers(whisper)))
    assert not next(row for row in rows if row.what == "word error rate").is_within


def a_cue(t_ms: int, code: str = "too_fast") -> dict[str, Any]:
    return {"type": "feedback", "track": TRACK, "t": t_ms, "data": {"code": code}}


@pytest.mark.parametrize(
    ("before", "after", "within"),
    [
        ([5_000], [5_900], [True]),
        ([5_000], [6_100], [False, False]),
        ([5_000, 5_800], [5_700], [True, False]),
        ([], [5_000], [False]),
        ([5_000], [], [False]),
    ],
)
def test_a_cue_has_its_own_within_a_second(
    before: list[int], after: list[int], within: list[bool]
) -> None:
    one: list[dict[str, Any]] = [{"type": "metrics", "track": TRACK, "t": 0, "data": {}}]
    rows = compared(one + [a_cue(t_ms) for t_ms in before], one + [a_cue(t_ms) for t_ms in after])
    assert [row.is_within for row in rows if row.what == "too_fast"] == within


@pytest.mark.parametrize(
    ("before", "after", "within"),
    [
        (10.0, 10.4, True),
        (10.0, 10.6, False),
        (100.0, 109.0, True),
        (None, None, True),
        (None, 0.0, False),
        (0.0, None, False),
    ],
)
def test_a_tolerance_is_absolute_or_a_share(
    before: float | None, after: float | None, within: bool
) -> None:
    assert Tolerance(0.5, 0.1 if before == 100 else 0.0).allows(before, after) is within


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=12)


@given(reference=WORDS, words=WORDS)
def test_word_error_rates_are_those_of_jiwer(reference: list[str], words: list[str]) -> None:
    expected = jiwer.wer(" ".join(reference), " ".join(words))
    assert word_error_rate(reference, words) == pytest.approx(expected)


def test_words_out_of_none_are_all_wrong() -> None:
    assert word_error_rate([], []) == 0
    assert word_error_rate([], ["a"]) == float("inf")
    assert word_error_rate(["a", "b"], []) == 1


def test_an_answer_comes_when_it_is_due_and_not_before() -> None:
    answers: list[Hypothesis] = []
    recognizer = Prompt(Hypothesis)
    recognizer.advance(1_000)
    window = Window("s", TRACK, 1, Kind.FIRST, 0, 320, 320, silence(0.02))
    recognizer.submit(window, answers.append)
    recognizer.advance(1_000 + DELAY_MS - 1)
    assert answers == []
    recognizer.advance(1_000 + DELAY_MS)
    assert [answer.window for answer in answers] == [window]


def test_rows_tell_the_values_of_both(runs: Runs) -> None:
    before, after = copy.deepcopy(runs)
    last = [event for event in after if event["type"] == "metrics"][-1]
    last["data"]["quantities"]["words"] += 9
    (row,) = [row for row in compared(before, after) if row.what == "words"]
    assert isinstance(row, Row)
    assert row.after == (row.before or 0) + 9
    assert not row.is_within
