"""Recordings as the analyzers take them, and signals made on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
import webrtcvad
from numpy.typing import NDArray
from scipy.signal import resample_poly

Pcm = NDArray[np.int16]


def read(path: Path) -> Pcm:
    """The first channel of any recording as 16 kHz int16."""
    signal, rate = soundfile.read(path, dtype="float64", always_2d=True)
    common = gcd(rate, 16_000)
    mono = signal[:, 0]
    return pcm(mono if rate == 16_000 else resample_poly(mono, 16_000 // common, rate // common))


def pcm(signal: NDArray[np.float64]) -> Pcm:
    """A signal in full-scale units as int16, clipped where it is too loud."""
    return np.clip(np.round(signal * 32768.0), -32768, 32767).astype(np.int16)


def sine(hz: float, level_dbfs: float, seconds: float) -> Pcm:
    """A sine whose RMS is at `level_dbfs` of the full-scale square wave."""
    t = np.arange(round(16_000 * seconds)) / 16_000
    return pcm(np.sqrt(2.0) * 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * hz * t))


def noise(level_dbfs: float, seconds: float, seed: int = 1) -> Pcm:
    """White Gaussian noise."""
    samples = np.random.default_rng(seed).standard_normal(round(16_000 * seconds))
    return pcm(10 ** (level_dbfs / 20) * samples)


def gain(signal: Pcm, db: float) -> Pcm:
    return pcm(signal / 32768.0 * 10 ** (db / 20))


def frames(signal: Pcm) -> Iterator[Pcm]:
    """Whole frames of 20 ms."""
    for start in range(0, len(signal) - 319, 320):
        yield signal[start : start + 320]


def speaking(signal: Pcm) -> NDArray[np.bool_]:
    """webrtcvad's decision per frame, with 100 ms of hangover."""
    vad = webrtcvad.Vad(2)
    decisions = []
    left = 0
    for frame in frames(signal):
        left = 5 if vad.is_speech(frame.tobytes(), 16_000) else left - 1
        decisions.append(left > 0)
    return np.array(decisions)
