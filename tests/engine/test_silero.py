"""Our Silero against onnxruntime, which runs the packaged network itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from engine.silero import CHUNK, CONTEXT, STATE, Silero, silero_path
from tests.analyzers.recordings import read


def by_onnxruntime(pcm: NDArray[np.float32]) -> list[float]:
    """Probabilities of successive chunks of `pcm` (-1 to 1, 16 kHz)."""
    network = onnxruntime.InferenceSession(str(silero_path()), providers=["CPUExecutionProvider"])
    h, c = (np.zeros((1, 1, STATE), np.float32) for _ in range(2))
    context = np.zeros(CONTEXT, np.float32)
    found = []
    for at in range(0, len(pcm) - CHUNK + 1, CHUNK):
        chunk = pcm[at : at + CHUNK]
        fed = {"input": np.concatenate([context, chunk])[None], "h": h, "c": c}
        probability, h, c = network.run(None, fed)
        context = chunk[-CONTEXT:]
        found.append(float(probability[0]))
    return found


def by_us(pcm: NDArray[np.float32], silero: Silero | None = None) -> list[float]:
    silero = silero or Silero()
    chunks = range(0, len(pcm) - CHUNK + 1, CHUNK)
    return [silero.push(pcm[at : at + CHUNK]) for at in chunks]


def test_speech_gets_the_same_probabilities(two_cities: Path) -> None:
    pcm = (read(two_cities)[: 30 * 16_000] / 32_768).astype(np.float32)
    ours, theirs = by_us(pcm), by_onnxruntime(pcm)
    assert max(theirs) > 0.99
    assert min(theirs) < 0.01
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.01, 0.3, 1.0])
def test_noise_of_any_level_gets_the_same_probabilities(level: float) -> None:
    random = np.random.default_rng(3)
    pcm = np.clip(random.normal(0, level, 5 * 16_000), -1, 1).astype(np.float32)
    np.testing.assert_allclose(by_us(pcm), by_onnxruntime(pcm), atol=1e-3)


def test_after_a_reset_nothing_is_remembered(two_cities: Path) -> None:
    pcm = (read(two_cities)[: 5 * 16_000] / 32_768).astype(np.float32)
    silero = Silero()
    once = by_us(pcm, silero)
    silero.reset()
    assert by_us(pcm, silero) == once
