from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from benchmarks.align import fall_db, levels_dbfs, spelling, text_of
from benchmarks.reading import (
    OUTSIDE,
    REFERENCES,
    Reading,
    ReferenceWord,
    clips,
    joined,
    load,
    outside,
    upto,
)
from tests.benchmarks.test_align import pcm_of

CLIPS = sorted(path.stem for path in REFERENCES.glob("*.json"))


def tone(duration_ms: int, *words: tuple[str, int, int]) -> Reading:
    return Reading(np.ones(duration_ms * 48, np.int16), [ReferenceWord(*word) for word in words])


def test_every_clip_has_a_reference_and_every_reference_a_clip():
    assert set(clips()) == set(CLIPS)
    assert next(iter(clips())) == "two_cities"


@pytest.mark.parametrize("name", CLIPS)
def test_a_reference_is_for_the_clip_as_it_is_shipped(name):
    reading = load(name, clips()[name])
    assert reading.words
    assert reading.words[-1].end_ms <= len(reading.audio) / 48


@pytest.mark.parametrize("name", CLIPS)
def test_reference_words_are_the_text_in_order_of_time(name):
    reading = load(name, clips()[name])
    assert reading.text == text_of(name, clips()[name])
    assert all(one.end_ms <= two.start_ms for one, two in pairwise(reading.words))


@pytest.mark.parametrize("name", CLIPS)
def test_reference_words_last_as_long_as_words_do(name):
    reading = load(name, clips()[name])
    assert all(30 <= word.end_ms - word.start_ms <= 1_100 for word in reading.words)
    assert 2.0 <= len(reading.words) / reading.speech_s <= 5.0


def test_the_sound_ends_where_a_word_before_a_pause_does():
    path = clips()["two_cities"]
    words = [(word.text, word.start_ms, word.end_ms) for word in load("two_cities", path).words]
    falls = fall_db(words, levels_dbfs(pcm_of(path)))
    assert len(falls) >= 12
    assert np.median(falls) > 15.0
    assert min(falls) > 6.0


def test_a_reference_of_another_recording_is_refused(tmp_path):
    other = tmp_path / "other.wav"
    other.write_bytes(b"RIFF")
    with pytest.raises(ValueError, match="its reference is for"):
        load("two_cities", other)


def test_the_references_name_no_place_of_a_machine():
    for name in CLIPS:
        assert json.loads((REFERENCES / f"{name}.json").read_text()).keys() == {"sha256", "words"}


def test_speech_is_the_sum_of_the_words():
    reading = tone(2_000, ("one", 100, 400), ("two", 900, 1_300))
    assert reading.speech_s == pytest.approx(0.7)
    assert reading.text == "one two"


def test_utterances_are_parted_by_pauses():
    reading = tone(3_000, ("one", 0, 400), ("two", 500, 900), ("three", 1_150, 1_500))
    assert reading.utterances == ["one two", "three"]
    assert " ".join(reading.utterances) == reading.text


def test_a_part_holds_the_words_that_end_in_it():
    part = upto(tone(2_000, ("one", 100, 400), ("two", 900, 1_300)), 1_000)
    assert [word.text for word in part.words] == ["one"]
    assert len(part.audio) == 48_000


def test_joined_readings_keep_each_word_over_its_sound():
    one, two = tone(1_000, ("one", 100, 400)), tone(500, ("two", 200, 450))
    both = joined([one, two])
    assert [word.text for word in both.words] == ["one", "two"]
    start = both.words[1].start_ms - 200
    assert not both.audio[48_000 : start * 48].any()
    assert both.audio[start * 48 : (start + 500) * 48].all()


@pytest.mark.test_data("manifest.tsv")
def test_outside_words_are_those_of_the_manifest_inside_the_audio(data_file, data_manifest):
    readings = outside(data_file.parent)
    assert set(readings) == set(json.loads(OUTSIDE.read_text()))
    for name, reading in readings.items():
        assert reading.text == spelling(data_manifest[name]["transcript"])
        assert all(one.end_ms <= two.start_ms for one, two in pairwise(reading.words))
        assert reading.words[-1].end_ms <= len(reading.audio) / 48
        assert 1.5 <= len(reading.words) / reading.speech_s <= 5.5


def test_outside_recordings_are_what_is_there_and_as_it_was(tmp_path):
    assert outside(tmp_path) == {}
    name = next(iter(json.loads(OUTSIDE.read_text())))
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(b"fLaC")
    with pytest.raises(ValueError, match="its reference is for"):
        outside(tmp_path)
