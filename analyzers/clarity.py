"""What keeps a listener from understanding: noise between the words, and uncertain words.

The other parts of clarity: `clipping`, `modulation` (rooms and noise), `spectrum` (muffled voices).
`delivery.clarity` joins them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numba import types
from numpy.typing import NDArray

from analyzers.frame import FRAMES_PER_S, dbfs, power_of
from analyzers.kernel import F8, F8S, I8, kernel
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


MIN_STEADY_DB, MAX_STEADY_DB = 1.0, 8.0
"""So far above the lower quartile a frame may lie and be background, at least and at most."""
_SPREADS = 4.4
"""Of normally distributed levels, this many times the distance from the lowest tenth to the lower
quartile reaches from there to two standard deviations above the median."""


@kernel(types.void, F8S, I8, F8, F8)
def exchange(ordered: Floats, count: int, old: float, new: float) -> None:
    """In the first `count` of `ordered`, ascending, put `new` for one that equals `old`."""
    i = np.searchsorted(ordered[:count], old)
    while i > 0 and ordered[i - 1] > new:
        ordered[i] = ordered[i - 1]
        i -= 1
    while i < count - 1 and ordered[i + 1] < new:
        ordered[i] = ordered[i + 1]
        i += 1
    ordered[i] = new


@kernel(F8, F8S, I8)
def steady_power(ordered: Floats, count: int) -> float:
    """Mean of those of the first `count` > 0 of `ordered`, ascending, that are steady noise.

    These are the ones up to a gate above the lower quartile, which is as high as the lowest tenth
    lies low.
    """
    tenth, quartile = ordered[(count - 1) // 10], ordered[(count - 1) // 4]
    spread = quartile / max(tenth, 1e-12)
    least, most = 10.0 ** (MIN_STEADY_DB / 10.0), 10.0 ** (MAX_STEADY_DB / 10.0)
    gate = quartile * min(max(spread**_SPREADS, least), most)
    total = 0.0
    held = 0
    while held < count and ordered[held] <= gate:
        total += ordered[held]
        held += 1
    return total / held


class NoiseFloor:
    """Level of the background: the steady part of the newest 10 s without speech.

    Frames within 100 ms of speech are left out (breath, late onsets). Up to three quarters of the
    rest may be something else, a reverberant tail, a keystroke, speech that the voice-activity
    decision missed: the floor is the mean power of those frames only that lie close above the lower
    quartile (1 to 8 dB, see `steady_power`). Steady noise and murmur are read at their mean, a
    noise of bursts between them.
    """

    MIN_FRAMES = round(1.5 * FRAMES_PER_S)
    GUARD_FRAMES = 5

    def __init__(self, seconds: float = 10.0) -> None:
        self._powers = np.zeros(round(seconds * FRAMES_PER_S))
        self._ordered = np.zeros(len(self._powers))
        self._waiting = np.zeros(self.GUARD_FRAMES)
        self.reset()

    def reset(self) -> None:
        self._count = 0
        self._ordered[:] = math.inf
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
            at, new = self._count % len(self._powers), float(self._waiting[slot])
            old = float(self._powers[at]) if self._count >= len(self._powers) else math.inf
            self._powers[at] = new
            self._count += 1
            exchange(self._ordered, min(self._count, len(self._ordered)), old, new)
            self._stale = True
        self._waiting[slot] = power

    @property
    def level_dbfs(self) -> float | None:
        """Noise floor (dBFS); `None` before 1.5 s of it was heard."""
        if self._count < self.MIN_FRAMES:
            return None
        if self._stale:
            held = min(self._count, len(self._ordered))
            self._level = dbfs(float(steady_power(self._ordered, held)))
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
