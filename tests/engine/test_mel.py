"""The spectrum is the one Whisper was trained on, and the same however it is asked for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.asr.kernels import Floats
from engine.asr.mel import BANDS, HOP, PER_S, RANGE, LogMel, scaled
from engine.frames import SAMPLE_RATE, Pcm
from tests.engine.timeline import silence

SPOKEN_S = 3.0
FRAMES = 400
"""Of 4 s, a second of which lies behind the audio."""


@pytest.fixture(scope="module")
def mel() -> LogMel:
    return LogMel()


@pytest.fixture(scope="module")
def spoken(reading: Pcm) -> Pcm:
    """Speech that does not end on a frame."""
    begin = int(0.6 * SAMPLE_RATE)
    return reading[begin : begin + int(SPOKEN_S * SAMPLE_RATE) + 77]


@pytest.fixture(scope="module")
def at_once(mel: LogMel, spoken: Pcm) -> Floats:
    return mel.frames(spoken, 0, FRAMES)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 1.0, 12.8, 30.0])
def test_the_spectrum_equals_that_of_whispers_own_features(
    mel: LogMel, reading: Pcm, seconds: float
) -> None:
    pcm = reading[int(0.6 * SAMPLE_RATE) :][: int(seconds * SAMPLE_RATE)]
    padded = np.concatenate([pcm, silence(31.0)])[: 31 * SAMPLE_RATE]
    whole = FeatureExtractor(feature_size=BANDS)(padded / np.float32(32768))
    frames = 30 * PER_S
    assert np.abs(scaled(mel.frames(pcm, 0, frames)) - whole.T[:frames]).max() <= 1e-3


def test_frame_by_frame_equals_at_once(mel: LogMel, spoken: Pcm, at_once: Floats) -> None:
    one_by_one = np.concatenate([mel.frames(spoken, n, n + 1) for n in range(FRAMES)])
    assert one_by_one.shape == at_once.shape == (FRAMES, BANDS)
    assert np.abs(one_by_one - at_once).max() <= 1e-4


@settings(max_examples=50)
@given(st.lists(st.integers(1, FRAMES - 1), max_size=6))
def test_spans_in_a_row_equal_at_once(
    mel: LogMel, spoken: Pcm, at_once: Floats, cuts: list[int]
) -> None:
    edges = [0, *sorted(set(cuts)), FRAMES]
    spans = [mel.frames(spoken, a, b) for a, b in pairwise(edges)]
    assert np.abs(np.concatenate(spans) - at_once).max() <= 1e-4


@settings(max_examples=50)
@given(st.integers(0, int(SPOKEN_S * SAMPLE_RATE)))
def test_frames_whose_window_was_whole_do_not_change_when_more_is_said(
    mel: LogMel, spoken: Pcm, at_once: Floats, samples: int
) -> None:
    """This is what a window that grows keeps."""
    whole = max(samples - 200, 0) // HOP
    if whole:
        before = mel.frames(spoken[:samples], 0, whole)
        assert np.abs(before - at_once[:whole]).max() <= 1e-4


def test_what_is_far_below_the_loudest_band_is_lifted(at_once: Floats) -> None:
    values = scaled(at_once.copy())
    assert values.max() - values.min() == pytest.approx(RANGE / 4)
    assert values.max() == pytest.approx((at_once.max() + 4) / 4)
