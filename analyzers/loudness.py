"""How loud: frame level, momentary loudness, active speech level, steadiness."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import (
    FLOOR_DBFS,
    FRAME_SAMPLES,
    FRAMES_PER_S,
    FULL_SCALE,
    SAMPLE_RATE,
    Pcm,
    check,
    dbfs,
    power_of,
)
from analyzers.kernel import F8, F8S, I8, I8S, PCM, kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MARGIN_DB = 15.9
"""ITU-T P.56: speech is active while its envelope is within this margin of the active level."""


@kernel(F8, PCM)
def mean_square(pcm: Pcm) -> float:
    """Mean square of int16 samples in full-scale units, 0.0-1.0; 0.0 for no samples."""
    total = np.int64(0)
    for sample in pcm:
        total += np.int64(sample) * np.int64(sample)
    return total / (max(pcm.size, 1) * FULL_SCALE * FULL_SCALE)


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


class Level:
    """RMS level of the newest frame."""

    def __init__(self) -> None:
        self.power = 0.0
        """Mean square in full-scale units."""

    def reset(self) -> None:
        self.power = 0.0

    def push(self, pcm: Pcm) -> float:
        """Level (dBFS) of int16 samples of any number."""
        self.power = float(mean_square(pcm))
        return self.level_dbfs

    @property
    def level_dbfs(self) -> float:
        return dbfs(self.power)


def k_weighting(rate_hz: int) -> Floats:
    """Coefficients (b0, b1, b2, a1, a2) of the two K-weighting stages, shape (10,).

    ITU-R BS.1770-4 tabulates them for 48 kHz only. The analogue prototypes behind the table
    (De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 145, 2018),
    with s normalised to the corner frequency,
        shelf  (Vh s^2 + Vb s/Q + 1) / (s^2 + s/Q + 1)      1681.97 Hz, Q 0.70718, Vh = 3.99984 dB
        high   s^2 / (s^2 + s/Q + 1)                          38.135 Hz, Q 0.50033
    go through the bilinear transform, prewarped to their corner. At 48 kHz this is the table; at
    16 kHz the response stays within 0.07 dB of it up to 7.9 kHz.
    """
    shelf_hz, shelf_q = 1681.974450955533, 0.7071752369554196
    high_hz, high_q = 38.13547087602444, 0.5003270373238773
    top = 10.0 ** (3.999843853973347 / 20.0)
    k = math.tan(math.pi * shelf_hz / rate_hz)
    band = top**0.4996667741545416 * k / shelf_q
    norm = 1.0 + k / shelf_q + k * k
    shelf = [
        (top + band + k * k) / norm,
        2.0 * (k * k - top) / norm,
        (top - band + k * k) / norm,
        2.0 * (k * k - 1.0) / norm,
        (1.0 - k / shelf_q + k * k) / norm,
    ]
    k = math.tan(math.pi * high_hz / rate_hz)
    norm = 1.0 + k / high_q + k * k
    # The table's numerator is exactly 1, -2, 1: a gain of 0.043 dB that belongs to 48 kHz.
    k48 = math.tan(math.pi * high_hz / 48_000)
    gain = (1.0 + k48 / high_q + k48 * k48) / norm
    high = [
        gain,
        -2.0 * gain,
        gain,
        2.0 * (k * k - 1.0) / norm,
        (1.0 - k / high_q + k * k) / norm,
    ]
    return np.array(shelf + high)


@kernel(F8, PCM, F8S, F8S)
def k_weighted_energy(pcm: Pcm, c: Floats, z: Floats) -> float:
    """Sum of squares, full-scale units, behind both stages `c`; `z` (4,) is the filters' state."""
    z0, z1, z2, z3 = z[0], z[1], z[2], z[3]
    total = 0.0
    for sample in pcm:
        x = sample / FULL_SCALE
        y = c[0] * x + z0
        z0 = c[1] * x - c[3] * y + z1
        z1 = c[2] * x - c[4] * y
        w = c[5] * y + z2
        z2 = c[6] * y - c[8] * w + z3
        z3 = c[7] * y - c[9] * w
        total += w * w
    # A decaying filter would otherwise run on in denormals, which are slow.
    z[0] = z0 if abs(z0) > 1e-30 else 0.0
    z[1] = z1 if abs(z1) > 1e-30 else 0.0
    z[2] = z2 if abs(z2) > 1e-30 else 0.0
    z[3] = z3 if abs(z3) > 1e-30 else 0.0
    return total


class Momentary:
    """Momentary loudness: K-weighted power over a sliding 400 ms block (BS.1770-4, EBU Tech 3341).

    LUFS = -0.691 + 10 log10(mean square). The track counts as one channel of weight 1, as a mono
    file does in BS.1770; played on two loudspeakers the same signal measures 3.01 LU more.
    `block_frames` 150 gives short-term loudness.
    """

    def __init__(self, block_frames: int = 20) -> None:
        self._c = k_weighting(SAMPLE_RATE)
        self._z = np.zeros(4)
        self._energy = np.zeros(block_frames)
        self._count = 0

    def reset(self) -> None:
        self._z[:] = 0.0
        self._count = 0

    def push(self, pcm: Pcm) -> None:
        """Take one frame int16[320]."""
        energy = k_weighted_energy(check(pcm), self._c, self._z)
        self._energy[self._count % len(self._energy)] = energy
        self._count += 1

    @property
    def lufs(self) -> float | None:
        """Loudness (LUFS), not below -100; `None` until one block has been heard."""
        if self._count < len(self._energy):
            return None
        mean = float(self._energy.sum()) / (len(self._energy) * FRAME_SAMPLES)
        return max(-0.691 + 10.0 * math.log10(mean), FLOOR_DBFS) if mean > 0.0 else FLOOR_DBFS


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
    """How much the level wanders: standard deviation of the level of each second of speech.

    Sample standard deviation (dB) of the active levels of successive, non-overlapping seconds of
    speech frames, accumulated after Welford (Technometrics 4, 1962).
    """

    MIN_BLOCKS = 5

    def __init__(self) -> None:
        self._block = np.zeros(FRAMES_PER_S)
        self.reset()

    def reset(self) -> None:
        self._filled = 0
        self._blocks = 0
        self._mean = 0.0
        self._squares = 0.0

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

    @property
    def deviation_db(self) -> float | None:
        """Standard deviation (dB); `None` before 5 s of speech."""
        if self._blocks < self.MIN_BLOCKS:
            return None
        return math.sqrt(max(self._squares, 0.0) / (self._blocks - 1))
