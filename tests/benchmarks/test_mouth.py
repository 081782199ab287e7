"""Clicks, clocks and their pairing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import mouth
from benchmarks.ear import SOURCES, Heard
from benchmarks.fec import encode
from benchmarks.mouth import Offset, delays_ms, onsets, train
from engine.frames import SAMPLE_RATE, Source
from signaling import opus

CLICKS = 20


def begins(pcm: np.ndarray) -> list[int]:
    """Samples at which a click follows on silence."""
    loud = np.flatnonzero(pcm)
    return [int(loud[0]), *(int(at) for at in loud[1:][np.diff(loud) > mouth.RATE // 10])]


def as_int16(pcm: np.ndarray) -> np.ndarray:
    return (pcm * 32767).astype(np.int16)


def test_a_train_has_its_clicks_apart_and_anywhere_in_a_packet() -> None:
    at = np.array(begins(train(200))) / mouth.RATE
    assert len(at) == 200
    assert np.diff(at).min() >= mouth.LEAST_APART_S - 0.001
    assert np.diff(at).max() <= mouth.MOST_APART_S + 0.001
    phases, _ = np.histogram(at % 0.02, bins=4, range=(0, 0.02))
    assert phases.min() > 25


def test_onsets_are_found_in_what_opus_made_of_them() -> None:
    pcm = train(CLICKS)
    decoder = opus.Decoder()
    decoded = np.concatenate([decoder.decode(packet) for packet in encode(as_int16(pcm))])
    expected = np.array(begins(pcm)) / mouth.RATE
    found = np.array(onsets(decoded)) / SAMPLE_RATE
    assert len(found) == CLICKS
    # libopus delays by its look-ahead of 6.5 ms, the same for all
    shifts_ms = 1000 * (found - expected)
    assert shifts_ms == pytest.approx(np.full(CLICKS, 6.5), abs=1.5)


def test_silence_and_faint_noise_hold_no_click() -> None:
    noise = np.random.default_rng(1).normal(0, 100, SAMPLE_RATE).astype(np.int16)
    assert onsets(np.zeros(SAMPLE_RATE, np.int16)) == onsets(noise) == []


def test_the_page_clock_lies_where_all_readings_agree() -> None:
    offset = Offset.of([(1000.0, 5.0, 1004.0), (1010.0, 12.0, 1010.5), (1020.0, 23.8, 1024.0)])
    # offsets within [995, 999], [998, 998.5] and [996.2, 1000.2]
    assert offset.ms == pytest.approx(998.25)
    assert offset.error_ms == pytest.approx(0.25)


def test_a_clock_that_was_set_meanwhile_is_refused() -> None:
    with pytest.raises(ValueError, match="moved by"):
        Offset.of([(1000.0, 5.0, 1001.0), (1010.0, 25.0, 1011.0)])


def test_each_click_is_paired_with_the_frame_that_came_next() -> None:
    delays = delays_ms([1.0, 1.3, 1.7], [1.02, 1.325, 1.719])
    assert delays == pytest.approx([20.0, 25.0, 19.0])


def test_a_click_without_a_frame_is_infinitely_late() -> None:
    delays = delays_ms([1.0, 1.3, 1.7], [1.02, 1.719])
    assert delays[0] == pytest.approx(20.0)
    assert math.isinf(delays[1])
    assert delays[2] == pytest.approx(19.0)


def test_a_click_counts_until_the_frame_that_holds_it() -> None:
    pcm = np.zeros(3 * 320, np.int16)
    pcm[400:464] = 16_000
    frames = Heard(
        pcm,
        np.array([10.00, 10.02, 10.04]),
        np.arange(3) * 960,
        np.full(3, 320),
        np.full(3, SOURCES.index(Source.RECEIVED)),
    )
    report = mouth._report([(9_995.0, 10.0)], Offset(10.0, 0.1), frames, clicks=1)
    # 9.995 s on the page is 10.005 s here; the second Frame holds the click
    assert report.figures["mouth_p50_ms"] == pytest.approx(15.0)
    assert (report.figures["clicks"], report.figures["lost_clicks"]) == (1, 0)
