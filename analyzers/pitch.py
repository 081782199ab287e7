"""Fundamental frequency while it sounds, and how far it ranges."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import FRAME_SAMPLES, FRAMES_PER_S, FULL_SCALE, Pcm, check
from analyzers.kernel import F4S, F8, F8S, I8, I8S, PCM, kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Singles = NDArray[np.float32]

MIN_F0_HZ = 65.0
MAX_F0_HZ = 400.0

HOP_MS = 10
HOPS = 2
"""Values of F0 in one frame."""

_RATE = 8000.0
_HOP = 80
_MIN_LAG = 20
_MAX_LAG = 123
_WINDOW = 160
_SPAN = _WINDOW + _MAX_LAG + 2
_LAGS = _MAX_LAG - _MIN_LAG + 3
"""One lag more at each end, for the parabola through a peak at the border."""
_TAPS = 47
_SLOTS = 6
"""Candidates of a hop; slot 0 is "unvoiced"."""
_LOOK_AHEAD = 4
"""Hops heard after the one that is decided."""
_ROWS = _LOOK_AHEAD + 1

VOICING_THRESHOLD = 0.6
CERTAIN_PERIODICITY = 0.8
"""A correlation at which a sound is voiced even where it has no clear F0, as in creaky voice."""
SILENCE_THRESHOLD = 0.05
_OCTAVE_COST = 0.03
_OCTAVE_JUMP_COST = 0.5
_VOICING_CHANGE_COST = 0.14
_PEAK_DECAY = 0.5 ** (1.0 / (10.0 * HOPS * FRAMES_PER_S))


def low_pass() -> Singles:
    """The anti-alias filter before halving the rate: a Hamming-windowed sinc at 1.4 kHz.

    Cutting far below 4 kHz also takes away most of what makes the second formant pose as pitch.
    """
    n = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(2 * 1400.0 / 16000.0 * n) * np.hamming(_TAPS)
    return np.asarray(taps / taps.sum(), np.float32)


@kernel(F8, PCM, F4S, F4S, F4S)
def halve_rate(pcm: Pcm, taps: Singles, tail: Singles, x: Singles) -> float:
    """Append `pcm`, low-passed and at 8 kHz, to `x`; `tail` (_TAPS - 1 + 320,) is the filter's."""
    keep = _TAPS - 1
    for i in range(keep):
        tail[i] = tail[i + pcm.size]
    for i in range(pcm.size):
        tail[keep + i] = pcm[i] / FULL_SCALE
    new = pcm.size // 2
    first = x.size - new
    for i in range(first):
        x[i] = x[i + new]
    for i in range(new):
        x[first + i] = 0.0
    for k in range(_TAPS):
        tap = taps[k]
        for i in range(new):
            x[first + i] += tap * tail[2 * i + 1 + k]
    return 0.0


@kernel(F8, F4S, I8, F4S, F4S)
def correlate(x: Singles, first: int, y: Singles, r: Singles) -> float:
    """Normalised cross-correlation `r` (_LAGS,) of `x` from `first` on; returns its peak amplitude.

    `y` (_SPAN,) is scratch for the span without its mean.
    """
    mean = np.float32(0.0)
    for i in range(_SPAN):
        mean += x[first + i]
    mean /= np.float32(_SPAN)
    loudest = 0.0
    for i in range(_SPAN):
        y[i] = x[first + i] - mean
        loudest = max(loudest, abs(y[i]))
    # Lag in the inner loop: no sum is carried, so that it vectorises without reordering floats.
    for k in range(_LAGS):
        r[k] = 0.0
    head = 0.0
    energy = 0.0
    for i in range(_WINDOW):
        here = y[i]
        for k in range(_LAGS):
            r[k] += here * y[i + k + _MIN_LAG - 1]
        head += here * here
        energy += y[i + _MIN_LAG - 1] ** 2
    for k in range(_LAGS):
        norm = head * energy
        r[k] = r[k] / math.sqrt(norm) if norm > 1e-18 else 0.0
        if k + 1 < _LAGS:
            at = k + _MIN_LAG - 1
            energy = max(energy + y[at + _WINDOW] ** 2 - y[at] ** 2, 0.0)
    return loudest


@kernel(F8, F4S, F8, F8S, F8S, I8)
def find_candidates(
    r: Singles, loudness: float, strength: Floats, octave: Floats, row: int
) -> float:
    """Write the hop's candidates: `strength` (_SLOTS,) and log2 F0 into `row` of `octave`.

    `loudness` is the peak amplitude as a share of the recent maximum. Returns the highest
    correlation at any lag.
    """
    first = row * _SLOTS
    for c in range(_SLOTS):
        strength[c] = -1.0
        octave[first + c] = 0.0
    quiet = loudness * (1.0 + VOICING_THRESHOLD) / SILENCE_THRESHOLD
    strength[0] = VOICING_THRESHOLD + max(0.0, 2.0 - quiet)
    periodicity = 0.0
    for k in range(_LAGS):
        periodicity = max(periodicity, r[k])
    for k in range(1, _LAGS - 1):
        if r[k] < 0.3 or r[k] < r[k - 1] or r[k] <= r[k + 1]:
            continue
        bend = 2.0 * r[k] - r[k - 1] - r[k + 1]
        shift = 0.5 * (r[k + 1] - r[k - 1]) / bend if bend > 0.0 else 0.0
        height = min(r[k] + 0.25 * (r[k + 1] - r[k - 1]) * shift, 1.0)
        log_f0 = math.log2(_RATE / (k + _MIN_LAG - 1 + shift))
        value = height + _OCTAVE_COST * (log_f0 - math.log2(MIN_F0_HZ))
        weakest = 1
        for c in range(2, _SLOTS):
            if strength[c] < strength[weakest]:
                weakest = c
        if value > strength[weakest]:
            strength[weakest] = value
            octave[first + weakest] = log_f0
    return min(periodicity, 1.0)


@kernel(F8, F8S, F8S, I8S, F8S, I8)
def decide(strength: Floats, octave: Floats, back: Ints, cost: Floats, hop: int) -> float:
    """Extend the cheapest paths by hop number `hop`; return F0 (Hz) `_LOOK_AHEAD` hops before it.

    `octave` and `back` (_ROWS * _SLOTS,) are rings of candidates and of the slots they came from;
    `cost` (2 * _SLOTS,) holds the cost of the best path to each candidate, and scratch.
    """
    here = hop % _ROWS * _SLOTS
    before = (hop + _ROWS - 1) % _ROWS * _SLOTS
    best = 0
    for c in range(_SLOTS):
        least = 1e9
        for b in range(_SLOTS):
            now, was = octave[here + c], octave[before + b]
            step = 0.0
            if (now > 0.0) != (was > 0.0):
                step = _VOICING_CHANGE_COST
            elif now > 0.0:
                step = _OCTAVE_JUMP_COST * abs(now - was)
            if cost[b] + step < least:
                least = cost[b] + step
                back[here + c] = b
        cost[_SLOTS + c] = least - strength[c]
        if cost[_SLOTS + c] < cost[_SLOTS + best]:
            best = c
    for c in range(_SLOTS):
        cost[c] = cost[_SLOTS + c] - cost[_SLOTS + best]
    slot = best
    for i in range(_LOOK_AHEAD):
        slot = back[(hop + _ROWS - i) % _ROWS * _SLOTS + slot]
    decided = octave[(hop + 1) % _ROWS * _SLOTS + slot]
    return 2.0**decided if decided > 0.0 else 0.0


@kernel(I8, PCM, F4S, F4S, F4S, F4S, F4S, F8S, F8S, I8S, F8S, F8S, F8S, F8S, I8)
def follow_pitch(
    pcm: Pcm,
    taps: Singles,
    tail: Singles,
    x: Singles,
    y: Singles,
    r: Singles,
    strength: Floats,
    octave: Floats,
    back: Ints,
    cost: Floats,
    periodicity: Floats,
    peak: Floats,
    hops_hz: Floats,
    hop: int,
) -> int:
    """Advance by one frame from hop number `hop` on; write `hops_hz` (2,); return the next number.

    `peak` (3,) is the running peak amplitude, and the best correlation at any lag in the newest hop
    and in the two decided ones, which wait in the ring `periodicity` (_ROWS,).
    """
    halve_rate(pcm, taps, tail, x)
    peak[2] = 0.0
    for h in range(HOPS):
        loudest = correlate(x, h * _HOP, y, r)
        peak[0] = max(peak[0] * _PEAK_DECAY, loudest)
        loudness = loudest / peak[0] if peak[0] > 0.0 else 0.0
        row = (hop + h) % _ROWS
        periodicity[row] = find_candidates(r, loudness, strength, octave, row)
        hops_hz[h] = decide(strength, octave, back, cost, hop + h)
        peak[1] = periodicity[row]
        peak[2] = max(peak[2], periodicity[(row + 1) % _ROWS])
    return hop + HOPS


class Pitch:
    """F0 of one voice, 65-400 Hz, every 10 ms: two values with each frame.

    Normalised cross-correlation of a 20 ms window with itself (Talkin, "RAPT", 1995) on the signal
    low-passed to 1.4 kHz, a parabola through each peak; candidates and their costs as in Boersma
    (1993): a small bonus for high candidates, "unvoiced" as a candidate that wins below a
    correlation of 0.6 or at 5 % of the recent peak amplitude. The choice lies on the cheapest path
    through the hops so far; it is taken 40 ms late, which halves the octave errors.
    """

    DELAY_MS = 63
    """The newer value belongs to the signal this long before the end of the newest frame."""

    def __init__(self) -> None:
        self._taps = low_pass()
        self._tail = np.zeros(_TAPS - 1 + FRAME_SAMPLES, np.float32)
        self._x = np.zeros(_SPAN + _HOP, np.float32)
        self._y = np.zeros(_SPAN, np.float32)
        self._r = np.zeros(_LAGS, np.float32)
        self._strength = np.zeros(_SLOTS)
        self._octave = np.zeros(_ROWS * _SLOTS)
        self._back = np.zeros(_ROWS * _SLOTS, np.int64)
        self._cost = np.zeros(2 * _SLOTS)
        self._periodicity = np.zeros(_ROWS)
        self._peak = np.zeros(3)
        self._hop = 0
        self.hops_hz = np.zeros(HOPS)
        """F0 (Hz) of the two newest decided hops, the older first, 0.0 where not voiced."""

    def reset(self) -> None:
        for array in (self._tail, self._x):
            array[:] = 0.0
        for values in (self._octave, self._cost, self._periodicity, self._peak, self.hops_hz):
            values[:] = 0.0
        self._back[:] = 0
        self._hop = 0

    @property
    def f0_hz(self) -> float | None:
        """Fundamental frequency (Hz) of the newest decided hop, `None` when it is not voiced."""
        newest = float(self.hops_hz[-1])
        return newest if newest > 0.0 else None

    @property
    def voiced(self) -> bool:
        """Whether the newest window, 23 ms ago, repeats itself: known early, right less often."""
        return bool(self._peak[1] >= VOICING_THRESHOLD)

    @property
    def decided_voiced(self) -> bool:
        """Whether either hop of `hops_hz` is voiced, also where a creaky voice has no clear F0."""
        return bool(self.hops_hz.any() or self._peak[2] >= CERTAIN_PERIODICITY)

    def push(self, pcm: Pcm) -> float | None:
        """Take one frame int16[320]; return `f0_hz`."""
        self._hop = follow_pitch(
            check(pcm),
            self._taps,
            self._tail,
            self._x,
            self._y,
            self._r,
            self._strength,
            self._octave,
            self._back,
            self._cost,
            self._periodicity,
            self._peak,
            self.hops_hz,
            self._hop,
        )
        return self.f0_hz


class PitchRange:
    """How far F0 moved in the last 10 s of voiced frames, in semitones.

    `semitones` is the range, 12 log2(P95 / P5); `variation_semitones` the standard deviation of
    12 log2(F0) as (P84.1 - P15.9) / 2, which is the standard deviation of a normal distribution.
    Percentiles, not extremes and squares: a few octave errors must not look like expression.
    """

    MIN_FRAMES = FRAMES_PER_S

    def __init__(self, seconds: float = 10.0) -> None:
        self._semitones = np.zeros(round(seconds * FRAMES_PER_S))
        self._count = 0

    def reset(self) -> None:
        self._count = 0

    def push(self, f0_hz: float) -> None:
        """Take the F0 (Hz, > 0) of one voiced frame."""
        self._semitones[self._count % len(self._semitones)] = 12.0 * math.log2(f0_hz)
        self._count += 1

    @property
    def semitones(self) -> float | None:
        """Range (semitones, >= 0); `None` before 1 s of voiced speech."""
        return self._between(0.05, 0.95)

    @property
    def variation_semitones(self) -> float | None:
        """Standard deviation (semitones, >= 0); `None` before 1 s of voiced speech."""
        spread = self._between(0.159, 0.841)
        return None if spread is None else spread / 2.0

    def _between(self, low: float, high: float) -> float | None:
        if self._count < self.MIN_FRAMES:
            return None
        held = np.sort(self._semitones[: min(self._count, len(self._semitones))])
        last = len(held) - 1
        return float(held[round(high * last)] - held[round(low * last)])


class PitchSpread:
    """F0 over a whole call: median, range and variation, as `PitchRange` defines them.

    A histogram of quarter-tenths of a semitone between 65 and 400 Hz, so that memory does not grow.
    """

    MIN_HOPS = HOPS * FRAMES_PER_S
    STEP_SEMITONES = 0.025

    def __init__(self) -> None:
        span = 12.0 * math.log2(MAX_F0_HZ / MIN_F0_HZ)
        self._counts = np.zeros(math.ceil(span / self.STEP_SEMITONES) + 1, np.int64)

    def reset(self) -> None:
        self._counts[:] = 0

    def push(self, f0_hz: float) -> None:
        """Take the F0 (Hz) of one hop; what is not between 65 and 400 Hz is not counted."""
        if MIN_F0_HZ <= f0_hz <= MAX_F0_HZ:
            self._counts[int(12.0 * math.log2(f0_hz / MIN_F0_HZ) / self.STEP_SEMITONES)] += 1

    @property
    def median_hz(self) -> float | None:
        """Median F0 (Hz); `None` before 1 s of voiced speech, as all of these."""
        middle = self._quantile(0.5)
        return None if middle is None else MIN_F0_HZ * 2.0 ** (middle / 12.0)

    @property
    def range_semitones(self) -> float | None:
        low, high = self._quantile(0.05), self._quantile(0.95)
        return None if low is None or high is None else high - low

    @property
    def variation_semitones(self) -> float | None:
        low, high = self._quantile(0.159), self._quantile(0.841)
        return None if low is None or high is None else (high - low) / 2.0

    def _quantile(self, share: float) -> float | None:
        total = np.cumsum(self._counts)
        if total[-1] < self.MIN_HOPS:
            return None
        at = int(np.searchsorted(total, share * float(total[-1]), "right"))
        return (at + 0.5) * self.STEP_SEMITONES
