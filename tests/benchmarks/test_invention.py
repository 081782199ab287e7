from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.invention import (
    LEVELS_DBFS,
    RECORDED_S,
    Heard,
    _report,
    frames,
    generated,
    recordings,
)
from benchmarks.noises import MAKERS
from benchmarks.reading import load, narrowed, upto
from benchmarks.recognition import Recognition
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE
from tests.benchmarks.manifests import row, write


def test_every_kind_is_heard_at_every_level_and_never_twice_the_same():
    pieces = list(generated(2.0))
    assert [(one.kind, one.level_dbfs) for one in pieces] == [
        (kind, level) for kind in MAKERS for level in LEVELS_DBFS
    ]
    assert {len(one.pcm) for one in pieces} == {2 * SAMPLE_RATE}
    white = [one.pcm.astype(float) for one in pieces if one.kind == "white"]
    assert abs(np.corrcoef(white)[0, 1]) < 0.1


def test_a_recording_is_heard_long_enough_and_from_another_place_each_time(tmp_path: Path):
    write(tmp_path, [row("desk.wav", kind="noise"), row("speech.wav")])
    pieces = list(recordings(tmp_path))
    assert [(one.kind, one.level_dbfs) for one in pieces] == [
        ("desk.wav", level) for level in LEVELS_DBFS
    ]
    assert {len(one.pcm) for one in pieces} == {int(RECORDED_S * SAMPLE_RATE)}
    loudest = [np.argmax(np.abs(one.pcm[: 2 * SAMPLE_RATE].astype(int))) for one in pieces]
    assert len(set(loudest)) == 3


def test_frames_follow_one_another_and_hold_the_samples():
    pcm = np.arange(3 * FRAME_SAMPLES, dtype=np.int16)
    made = list(frames(pcm))
    assert [frame.start_sample for frame in made] == [0, 320, 640]
    np.testing.assert_array_equal(np.concatenate([frame.pcm for frame in made]), pcm)


def test_speech_on_the_same_way_is_heard(two_cities: Path, default_model: Path):
    speech = narrowed(upto(load("two_cities", two_cities), 5_000).audio)
    recognition = Recognition(default_model)
    assert "best of times" in recognition.text(frames(speech)).lower()
    assert recognition.decoded > 0


def test_invented_words_are_counted_by_the_hour_and_shown():
    heard = {
        "white": Heard(20.0, 0, {-50.0: [], -35.0: [], -20.0: []}),
        "keyboard": Heard(10.0, 4, {-50.0: [], -35.0: ["thank", "you"], -20.0: ["okay"]}),
    }
    report = _report(heard)
    assert report.figures == {
        "invented_words": 3,
        "minutes": 30.0,
        "words_per_hour": 6.0,
        "windows": 4,
    }
    assert ("keyboard", "3 in 10.0 min, 4 windows", "-35 dBFS: thank you; -20 dBFS: okay") in (
        report.rows
    )


@pytest.mark.parametrize("seconds", [1.0, 1.001])
def test_pieces_are_whole_frames(seconds):
    piece = next(generated(seconds))
    assert len(piece.pcm) % FRAME_SAMPLES == 0
    assert piece.minutes * 60 >= seconds
