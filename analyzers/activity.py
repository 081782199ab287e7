"""How loud the speech is while it is speech: active level (ITU-T P.56), steadiness, drift."""

from __future__ import annotations

import math
import statistics
from collections import deque

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import (
    FLOOR_DBFS,
    FRAMES_PER_S,
    FULL_SCALE,
    SAMPLE_RATE,
    Pcm,
    dbfs,
    power_of,
)
from analyzers.kernel import F8, F8S, I8, I8S, PCM, kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MARGIN_DB = 15.9
"""ITU-T P.56: speech is active while its envelope is within this margin of the active level."""


_GATE_HANGOVER = 10
_GATE_PASSES = 2


@kernel(F8, F8S, I8, I8)
def active_power(powers: Floats, first: int, count: int) -> float:
    """Active power of `count` frames, the oldest of them at `first` in the ring `powers`.

    P.56 by frames: the mean of the frames that exceed a gate 15.9 dB below that same mean, and of
    the 0.2 s after each. On speech this stays within 0.2 dB of `ActiveLevel`, and it can slide.
    0.0 when `count` is 0.
    """
    level = 0.0
    for i in range(count):
        level += powers[i]
    level /= max(count, 1)
    for _ in range(_GATE_PASSES):
        gate = level * 10.0 ** (-MARGIN_DB / 10.0)
        total = 0.0
        kept = 0
        left = 0
        for i in range(count):
            power = powers[(first + i) % powers.size]
            left = _GATE_HANGOVER if power >= gate else left - 1
            if left >= 0:
                total += power
                kept += 1
        level = total / max(kept, 1)
    return level


_THRESHOLDS = 15
_TIME_CONSTANT_S = 0.03
_HANGOVER_S = 0.2


@kernel(F8, PCM, F8S, I8S, I8S, I8S)
def follow_activity(
    pcm: Pcm, envelope: Floats, position: Ints, last: Ints, histogram: Ints
) -> float:
    """Advance P.56 method B over `pcm`; return the frame's sum of squares in full-scale units.

    `envelope` (2,) holds p and q of the two-stage exponential average; `position` (3,) the sample
    count, how many thresholds q exceeds, and how many are active with hangover. Thresholds are
    nested, so that `histogram[k]` (16,), the samples with k of them active, says it all;
    `last[k]` (16,) is when exactly k thresholds were last exceeded.
    """
    g = math.exp(-1.0 / (SAMPLE_RATE * _TIME_CONSTANT_S))
    hangover = int(_HANGOVER_S * SAMPLE_RATE)
    p, q = envelope[0], envelope[1]
    now, above, active = position[0], position[1], position[2]
    next_up = 2.0 ** (above - _THRESHOLDS)
    total = 0.0
    for sample in pcm:
        x = sample / FULL_SCALE
        total += x * x
        p = g * p + (1.0 - g) * abs(x)
        q = g * q + (1.0 - g) * p
        now += 1
        while above < _THRESHOLDS and q >= next_up:
            above += 1
            next_up *= 2.0
        while above > 0 and q < 0.5 * next_up:
            above -= 1
            next_up *= 0.5
        last[above] = now
        while active > above and now - last[active] > hangover:
            active -= 1
        active = max(active, above)
        histogram[active] += 1
    envelope[0] = p if p > 1e-30 else 0.0
    envelope[1] = q if q > 1e-30 else 0.0
    position[0], position[1], position[2] = now, above, active
    return total


class ActiveLevel:
    """Active speech level over all that was pushed (ITU-T P.56, method B).

    The level is the signal's energy divided by the time it is active; it is active while its
    envelope (30 ms twice, hangover 0.2 s) exceeds a threshold 15.9 dB below that same level.
    Counts run for 15 thresholds 6.02 dB apart; the answer is interpolated between two of them, in
    dB. Silence weighs nothing.
    """

    def __init__(self) -> None:
        self._envelope = np.zeros(2)
        self._position = np.zeros(3, np.int64)
        self._last = np.zeros(_THRESHOLDS + 1, np.int64)
        self._histogram = np.zeros(_THRESHOLDS + 1, np.int64)
        self._energy = 0.0

    def reset(self) -> None:
        self._envelope[:] = 0.0
        self._position[:] = 0
        self._last[:] = 0
        self._histogram[:] = 0
        self._energy = 0.0

    def push(self, pcm: Pcm) -> None:
        """Take int16 samples of any number."""
        self._energy += follow_activity(
            pcm, self._envelope, self._position, self._last, self._histogram
        )

    @property
    def level_dbfs(self) -> float | None:
        """Active level (dBFS); `None` while nothing has exceeded the lowest threshold.

        Too high by some decibels while all activity is younger than the envelope's rise (60 ms).
        """
        active = np.cumsum(self._histogram[:0:-1])[::-1]
        before: tuple[float, float] | None = None
        for j in range(_THRESHOLDS):
            if active[j] == 0:
                break
            level = 10.0 * math.log10(self._energy / int(active[j]))
            excess = level - 20.0 * math.log10(2.0) * (j - _THRESHOLDS) - MARGIN_DB
            if excess <= 0.0:
                if before is not None:
                    share = before[1] / (before[1] - excess)
                    level = before[0] + share * (level - before[0])
                return min(max(level, FLOOR_DBFS), 0.0)
            before = (level, excess)
        return None if before is None else min(max(before[0], FLOOR_DBFS), 0.0)

    @property
    def activity(self) -> float:
        """Share of the time that is active speech, 0-1 (the activity factor of P.56)."""
        level = self.level_dbfs
        if level is None:
            return 0.0
        mean = self._energy / int(self._position[0])
        return min(1.0, mean / power_of(level))


class ShortSpeechLevel:
    """Level of the last `seconds` of speech, counting frames of speech only."""

    MIN_FRAMES = FRAMES_PER_S

    def __init__(self, seconds: float = 3.0) -> None:
        self._powers = np.zeros(round(seconds * FRAMES_PER_S))
        self._count = 0

    def reset(self) -> None:
        self._count = 0

    def push(self, power: float) -> None:
        """Take the mean square (`mean_square`) of one frame of speech."""
        self._powers[self._count % len(self._powers)] = power
        self._count += 1

    @property
    def level_dbfs(self) -> float | None:
        """Active level (dBFS, see `active_power`); `None` before 1 s of speech."""
        if self._count < self.MIN_FRAMES:
            return None
        held = min(self._count, len(self._powers))
        return dbfs(active_power(self._powers, (self._count - held) % len(self._powers), held))


class LevelVariation:
    """How the level moves within a call, from the active level of each second of speech.

    Successive, non-overlapping seconds of speech frames; pauses and what was not measured do not
    count. `deviation_db` says how much it wanders: the sample standard deviation, accumulated after
    Welford (Technometrics 4, 1962). `drift_db` says where it goes: the median of the last 30
    seconds against the median of the first 30, so that one shout or one whisper moves nothing.
    """

    MIN_BLOCKS = 5
    DRIFT_BLOCKS = 30

    def __init__(self) -> None:
        self._block = np.zeros(FRAMES_PER_S)
        self._first: list[float] = []
        self._last: deque[float] = deque(maxlen=self.DRIFT_BLOCKS)
        self.reset()

    def reset(self) -> None:
        self._filled = 0
        self._blocks = 0
        self._mean = 0.0
        self._squares = 0.0
        self._first.clear()
        self._last.clear()

    def push(self, power: float) -> None:
        """Take the mean square of one frame of speech."""
        self._block[self._filled] = power
        self._filled += 1
        if self._filled < len(self._block):
            return
        self._filled = 0
        level = dbfs(active_power(self._block, 0, len(self._block)))
        self._blocks += 1
        off = level - self._mean
        self._mean += off / self._blocks
        self._squares += off * (level - self._mean)
        if self._blocks <= self.DRIFT_BLOCKS:
            self._first.append(level)
        else:
            self._last.append(level)

    @property
    def deviation_db(self) -> float | None:
        """Standard deviation (dB); `None` before 5 s of speech."""
        if self._blocks < self.MIN_BLOCKS:
            return None
        return math.sqrt(max(self._squares, 0.0) / (self._blocks - 1))

    @property
    def drift_db(self) -> float | None:
        """Level now against the beginning (dB, negative: quieter); `None` before 60 s of speech."""
        if len(self._last) < self.DRIFT_BLOCKS:
            return None
        return statistics.median(self._last) - statistics.median(self._first)
