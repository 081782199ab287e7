"""States are those of CTranslate2, and the same whether computed at once or gone on with."""

from __future__ import annotations

import ctranslate2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.asr.encoder import MAX_POSITIONS, Encoder
from engine.asr.kernels import Floats
from engine.asr.mel import LogMel, scaled
from engine.frames import SAMPLE_RATE, Pcm

SHORT = 120
"""Positions: 2.4 s."""


def spectrum(reading: Pcm, seconds: float, positions: int) -> Floats:
    begin = int(0.6 * SAMPLE_RATE)
    pcm = reading[begin : begin + int(seconds * SAMPLE_RATE)]
    return scaled(LogMel().frames(pcm, 0, 2 * positions))


@pytest.fixture(scope="module")
def short(reading: Pcm) -> Floats:
    return spectrum(reading, 2.0, SHORT)


@pytest.mark.parametrize(
    ("seconds", "positions"),
    [(12.8, MAX_POSITIONS), (5.0, 280), (0.0, 30)],
    ids=["30 s", "short context", "nothing"],
)
def test_states_equal_those_of_ctranslate2(
    encoder: Encoder,
    reference: ctranslate2.models.Whisper,
    reading: Pcm,
    seconds: float,
    positions: int,
) -> None:
    mel = spectrum(reading, seconds, positions)
    theirs = reference.encode(
        ctranslate2.StorageView.from_array(np.ascontiguousarray(mel.T[None])), to_cpu=True
    )
    ours = encoder.states(mel, encoder.memory())
    assert ours.shape == (positions, encoder.width)
    assert np.abs(ours - np.asarray(theirs)[0]).max() <= 1e-2


@settings(max_examples=25)
@given(st.integers(0, SHORT - 1))
def test_going_on_from_a_kept_position_equals_computing_from_the_start(
    encoder: Encoder, short: Floats, first: int
) -> None:
    memory = encoder.memory()
    whole = encoder.states(short, memory)
    keys, values = memory.keys[:, :, :SHORT].copy(), memory.values[:, :, :SHORT].copy()
    memory.keys[:, :, first:] = np.nan
    memory.values[:, :, first:] = np.nan
    rest = encoder.states(short, memory, first)
    assert np.abs(rest - whole[first:]).max() <= 1e-3
    assert np.abs(memory.keys[:, :, :SHORT] - keys).max() <= 1e-3
    assert np.abs(memory.values[:, :, :SHORT] - values).max() <= 1e-3


def test_a_window_that_has_grown_is_nearly_as_if_computed_from_the_start(
    encoder: Encoder, reading: Pcm
) -> None:
    """What was kept does not know what has come; what is computed anew knows all."""
    memory = encoder.memory()
    encoder.states(spectrum(reading, 3.0, 180), memory)
    grown = spectrum(reading, 3.5, 205)
    kept = encoder.states(grown, memory, 110)
    fresh = encoder.states(grown, encoder.memory())[110:]
    likeness = (kept * fresh).sum(axis=1) / (
        np.linalg.norm(kept, axis=1) * np.linalg.norm(fresh, axis=1)
    )
    assert likeness.min() >= 0.9
    assert np.median(likeness) >= 0.99


def test_rooms_hold_keys_and_values_of_each_layer_and_head(encoder: Encoder) -> None:
    memory = encoder.memory(SHORT)
    shape = encoder.layers, encoder.heads, SHORT, encoder.width // encoder.heads
    assert memory.keys.shape == memory.values.shape == shape
