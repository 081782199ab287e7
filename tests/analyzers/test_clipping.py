"""Clipped samples are runs at the top of the scale, wherever the frame border falls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.clipping import Clipping, clipped_samples
from tests.analyzers.recordings import frames, gain, noise, sine


def clipped_reference(signal):
    """Run lengths by numpy, one pass over the whole signal."""
    ends = np.flatnonzero(np.diff(signal.astype(np.int64))) + 1
    runs = np.split(signal.astype(np.int64), ends)
    return sum(len(run) for run in runs if len(run) >= 3 and abs(run[0]) >= 0.985 * 32767)


def measured(signal):
    meter = Clipping()
    for frame in frames(signal):
        meter.push(frame)
    return meter


def test_overdriven_speech_counts_as_a_run_length_count_does(reading):
    signal = gain(reading, 30)
    counted = measured(signal).total_pct / 100 * (len(signal) // 320) * 320
    assert counted == pytest.approx(clipped_reference(signal[: len(signal) // 320 * 320]))
    assert counted > 1000


def test_speech_below_full_scale_does_not_clip(reading):
    assert measured(reading).total_pct == 0.0
    assert measured(sine(1000, -3.2, 1.0)).total_pct == 0.0
    assert measured(noise(-20, 1.0)).total_pct == 0.0


def test_full_scale_square_clips_entirely():
    square = np.tile(np.repeat(np.array([32767, -32768], np.int16), 8), 2000)
    meter = measured(square)
    assert meter.total_pct == pytest.approx(100.0)
    assert meter.recent_pct == pytest.approx(100.0)


def test_a_constant_below_the_top_does_not_clip():
    assert measured(np.full(3200, 20_000, np.int16)).total_pct == 0.0


@given(
    st.lists(st.sampled_from([0, 32767, -32768, 32400, -32300, 32100]), max_size=60),
    st.integers(0, 60),
)
def test_a_border_anywhere_changes_no_count(samples, border):
    signal = np.array(samples, np.int16)
    run = np.zeros(2, np.int64)
    split = clipped_samples(signal[:border], run) + clipped_samples(signal[border:], run)
    assert split == clipped_reference(signal) if len(signal) else split == 0


def test_recent_clipping_is_forgotten_after_three_seconds_and_total_is_not():
    meter = Clipping()
    for _ in range(5):
        meter.push(np.full(320, 32767, np.int16))
    for _ in range(149):
        meter.push(np.zeros(320, np.int16))
    assert meter.recent_pct == pytest.approx(100.0 / 150)
    meter.push(np.zeros(320, np.int16))
    assert meter.recent_pct == 0.0
    assert meter.total_pct == pytest.approx(100.0 * 5 / 155)
    meter.reset()
    assert meter.total_pct == 0.0
