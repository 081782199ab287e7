"""Waveforms and lanes: what a call looks like from afar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.journal import FileJournal, read
from engine.lanes import features_of, lanes
from engine.waveform import MAX_S, PEAKS_PER_S, Waveform

RATE = 48_000
PER_PEAK = RATE // PEAKS_PER_S


def test_each_twentieth_of_a_second_has_its_largest_sample_however_it_is_cut() -> None:
    source = np.random.default_rng(7)
    pcm = source.integers(-32768, 32768, 10 * PER_PEAK + 700).astype(np.int16)
    loud = np.abs(pcm.astype(np.int64)) * 255 / 32768
    bins = [loud[at : at + PER_PEAK] for at in range(0, len(pcm), PER_PEAK)]
    expected = [min(255, round(float(each.max()))) for each in bins]
    for size in (len(pcm), 960, 333, 1):
        waveform = Waveform(RATE)
        for at in range(0, len(pcm) if size > 1 else 3 * PER_PEAK, size):
            waveform.push(pcm[at : at + size])
        assert waveform.peaks.tolist() == expected[: len(waveform.peaks)]
        assert len(waveform.peaks) >= 3


def test_a_hole_is_silent_and_what_is_told_twice_counts_once() -> None:
    waveform = Waveform(RATE)
    waveform.push(np.full(PER_PEAK, 16384, np.int16))
    waveform.push(np.full(PER_PEAK, -1.0, np.float32), start=3 * PER_PEAK)
    waveform.push(np.full(PER_PEAK, 0.25, np.float32), start=3 * PER_PEAK)
    assert waveform.peaks.tolist() == [128, 0, 0, 255]


def test_what_is_no_sound_and_what_has_no_end_are_refused_or_cut() -> None:
    with pytest.raises(ValueError, match="int16"):
        Waveform(RATE).push(np.zeros((2, 4), np.int16))
    with pytest.raises(ValueError, match="whole"):
        Waveform(11_025 + 1)
    waveform = Waveform(20)
    waveform.push(np.ones(100, np.float32), start=MAX_S * PEAKS_PER_S - 3)
    waveform.push(np.array([np.nan, np.inf], np.float32), start=0)
    assert len(waveform.peaks) == MAX_S * PEAKS_PER_S
    assert waveform.peaks[-3:].tolist() == [255, 255, 255]


def features(t_ms: int, *, speaking: bool = True, **more: float | None) -> dict[str, object]:
    empty = {"syllables_per_s": None, "level_dbfs": -30.0, "pitch_hz": None}
    return {"t_ms": t_ms, "speaking": speaking} | empty | more


def test_lanes_have_a_value_for_each_second_and_none_where_nobody_spoke(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = FileJournal(path)
    journal.append("event", e={"k": "features"})
    for at in range(100, 1100, 100):
        journal.append(
            "features", track="trainee", f=features(at, syllables_per_s=4.0, pitch_hz=at)
        )
    journal.append("features", track="trainee", f=features(1500, speaking=False, pitch_hz=90.0))
    journal.append("features", track="partner", f=features(2100, level_dbfs=-20.0))
    journal.append("features", track="partner", f=features(2200, level_dbfs=-40.0))
    journal.close()
    path.write_bytes(path.read_bytes() + b'["00000000",{"k":"features","torn')

    made = lanes(features_of(iter([path.read_bytes()])))

    assert made["trainee"].syllables_per_s == [4.0, None]
    assert made["trainee"].level_dbfs == [-30.0, None]
    assert made["trainee"].pitch_hz == [550.0, None]
    assert made["partner"].level_dbfs == [None, None, -23.0]
    assert len(list(read(path))) == 14
