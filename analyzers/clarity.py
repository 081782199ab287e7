"""What keeps a listener from understanding: noise and uncertain words. (Clipping: `loudness`.)"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import FRAMES_PER_S, dbfs, power_of
from analyzers.pace import Word

Floats = NDArray[np.float64]

MIN_SNR_DB = -10.0
MAX_SNR_DB = 80.0


def snr_db(speech_dbfs: float, noise_dbfs: float) -> float:
    """Signal-to-noise ratio (dB, -10 to 80) of speech measured together with its noise.

    10 log10((S - N) / N) with the powers S of the frames of speech, which hold the noise as well,
    and N of the noise alone; speech no louder than the noise is at the lower bound.
    """
    noise = power_of(noise_dbfs)
    speech = power_of(speech_dbfs) - noise
    if speech <= 0.0:
        return MIN_SNR_DB
    return min(max(10.0 * math.log10(speech / noise), MIN_SNR_DB), MAX_SNR_DB)


class NoiseFloor:
    """Level of the background: the lower quartile of the newest 10 s without speech.

    Frames within 100 ms of speech are left out (breath, late onsets). Up to three quarters of the
    rest may be something else, a reverberant tail, a keystroke, speech that the voice-activity
    decision missed: none of it moves the floor. For steady noise the quartile lies 0.2 dB under the
    mean; a noise of bursts is read at its level between them.
    """

    MIN_FRAMES = round(1.5 * FRAMES_PER_S)
    GUARD_FRAMES = 5

    def __init__(self, seconds: float = 10.0) -> None:
        self._powers = np.zeros(round(seconds * FRAMES_PER_S))
        self._waiting = np.zeros(self.GUARD_FRAMES)
        self.reset()

    def reset(self) -> None:
        self._count = 0
        self._quiet = self.GUARD_FRAMES
        self._level: float | None = None
        self._stale = False

    def push(self, power: float, speaking: bool) -> None:
        """Take one frame's mean square (`loudness.mean_square`) and its voice-activity decision."""
        if speaking:
            self._quiet = 0
            return
        self._quiet += 1
        # The frame this one displaces has been followed by a whole guard without speech.
        slot = self._quiet % self.GUARD_FRAMES
        if self._quiet > 2 * self.GUARD_FRAMES:
            self._powers[self._count % len(self._powers)] = self._waiting[slot]
            self._count += 1
            self._stale = True
        self._waiting[slot] = power

    @property
    def level_dbfs(self) -> float | None:
        """Noise floor (dBFS); `None` before 1.5 s of it was heard."""
        if self._count < self.MIN_FRAMES:
            return None
        if self._stale:
            self._level = quartile_level(self._powers[: min(self._count, len(self._powers))])
            self._stale = False
        return self._level


def quartile_level(powers: Floats) -> float:
    """Level (dBFS) below which a quarter of the frame powers, float64 (n > 0,), lies."""
    return quantile_level(powers, 0.25)


def quantile_level(powers: Floats, quantile: float) -> float:
    """Level (dBFS) below which the given share (0-1) of frame powers, float64 (n > 0,), lies."""
    at = round(quantile * (len(powers) - 1))
    return dbfs(float(np.partition(powers, at)[at]))


class Certainty:
    """Mean probability the recogniser gave its words: a proxy for how intelligible they were."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._total = 0.0
        self._words = 0

    def push(self, words: Iterable[Word]) -> None:
        """Take the words of one final."""
        for word in words:
            self._total += min(max(word[3], 0.0), 1.0)
            self._words += 1

    @property
    def mean(self) -> float | None:
        """Mean word probability, 0-1; `None` before the first word."""
        return self._total / self._words if self._words else None
