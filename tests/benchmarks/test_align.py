from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from benchmarks.align import aligned, drawn_in, fall_db, levels_dbfs, spelling
from signaling.publisher import load_audio


def pcm_of(path: Path) -> np.ndarray:
    """A recording as 16 kHz mono int16."""
    wide = load_audio(path).astype(np.float64)
    return np.clip(np.round(resample_poly(wide, 1, 3)), -32768, 32767).astype(np.int16)


def frames(*spans: tuple[float, int]) -> np.ndarray:
    """Levels (dBFS) of 10 ms frames from (level, milliseconds) spans."""
    return np.concatenate([np.full(duration // 10, level) for level, duration in spans])


def test_levels_are_in_decibels_of_full_scale():
    square = np.tile(np.array([16384, -16384], np.int16), 800)
    assert levels_dbfs(square) == pytest.approx(np.full(10, -6.02), abs=0.01)
    assert levels_dbfs(np.zeros(1600, np.int16)) == pytest.approx(np.full(10, -100.0))


def test_a_silence_of_sixty_ms_at_the_end_of_a_word_is_cut_off():
    levels = frames((-60, 100), (-20, 300), (-60, 600))
    assert drawn_in([("word", 100, 700)], levels) == [("word", 100, 400)]
    assert drawn_in([("word", 100, 460)], levels) == [("word", 100, 400)]


def test_a_shorter_silence_at_the_end_stays_for_it_may_be_a_stop():
    levels = frames((-60, 100), (-20, 300), (-60, 600))
    assert drawn_in([("word", 100, 450)], levels) == [("word", 100, 450)]


def test_a_silence_before_a_word_is_cut_off():
    levels = frames((-60, 500), (-20, 300), (-60, 200))
    assert drawn_in([("word", 300, 800)], levels) == [("word", 500, 800)]


def test_a_silence_inside_a_word_stays():
    levels = frames((-20, 100), (-60, 200), (-20, 100), (-60, 600))
    assert drawn_in([("word", 0, 400)], levels) == [("word", 0, 400)]


def test_a_word_that_is_hardly_heard_keeps_its_edges():
    levels = frames((-60, 200), (-20, 20), (-60, 780))
    assert drawn_in([("a", 100, 400)], levels) == [("a", 100, 400)]


def test_the_fall_at_pauses_is_large_where_ends_sit_right_and_small_where_they_do_not():
    levels = frames((-20, 500), (-60, 300), (-20, 400))
    assert fall_db([("one", 0, 500), ("two", 800, 1200)], levels) == [pytest.approx(40.0)]
    assert fall_db([("one", 0, 650), ("two", 800, 1200)], levels) == [pytest.approx(0.0)]
    assert fall_db([("one", 0, 500), ("two", 600, 1200)], levels) == []


def test_alignment_agrees_with_the_word_times_that_come_with_the_clips(librivox):
    gaps = []
    for wav, text in librivox:
        theirs = [
            (word["t"].split("(")[0], word["b"] * 1000, (word["b"] + word["d"]) * 1000)
            for word in json.loads(wav.with_suffix(".json").read_text())["w"]
            if not word["t"].startswith("<")
        ]
        pcm = pcm_of(wav)
        ours = drawn_in(aligned(pcm, " ".join(text.read_text().split())), levels_dbfs(pcm))
        assert [word for word, _, _ in ours] == [word for word, _, _ in theirs]
        gaps += [abs(a - b) for one, two in zip(ours, theirs, strict=True)
                 for a, b in zip(one[1:], two[1:], strict=True)]  # fmt: skip
    assert np.median(gaps) == pytest.approx(0.0, abs=1.0)
    assert np.percentile(gaps, 95) <= 50.0
    assert max(gaps) <= 120.0


@pytest.mark.test_data("align/pypar/*.flac")
def test_alignment_agrees_with_another_aligner(data_file):
    theirs = [
        (word["alignedWord"].lower(), word["start"] * 1000, word["end"] * 1000)
        for word in json.loads(data_file.with_suffix(".json").read_text())["words"]
        if word["alignedWord"] not in ("<silent>", "sp")
    ]
    pcm = pcm_of(data_file)
    ours = drawn_in(aligned(pcm, " ".join(word for word, _, _ in theirs)), levels_dbfs(pcm))
    gaps = [abs(one[2] - two[2]) for one, two in zip(ours, theirs, strict=True)]
    assert np.median(gaps) <= 20.0
    assert np.percentile(gaps, 90) <= 60.0


def test_a_word_without_pronunciation_is_named(librivox):
    with pytest.raises(ValueError, match="lacks forecourtish"):
        aligned(pcm_of(librivox[0][0]), "he was forecourtish")


def test_a_text_that_is_not_said_is_refused():
    tone = (3000 * np.sin(np.arange(16_000) * 0.2)).astype(np.int16)
    with pytest.raises(ValueError, match="not every word"):
        aligned(tone, " ".join(["incredulity"] * 60))


def test_words_follow_each_other(two_cities):
    pcm = pcm_of(two_cities)[: 16_000 * 5]
    words = aligned(pcm, "it was the best of times it was the worst of times")
    assert all(end <= start for (_, _, end), (_, start, _) in pairwise(words))


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("Printing, then — for our purpose.", "printing then for our purpose"),
        ("the patient’s life, 'tis true", "the patient's life tis true"),
        ('picture-books; "forty-two line"', "picture books forty two line"),
    ],
)
def test_texts_are_spelled_as_the_dictionary_does(written, spelled):
    assert spelling(written) == spelled
