"""Fundamental frequency while it sounds, and how far it ranges."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import FRAMES_PER_S, FULL_SCALE, Pcm, check
from analyzers.kernel import F4S, F8, F8S, PCM, kernel

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

MIN_F0_HZ = 65.0
MAX_F0_HZ = 400.0

_RATE = 8000.0
_HOP = 160
_MIN_LAG = 20
_MAX_LAG = 123
_WINDOW = 240
_SPAN = _WINDOW + _MAX_LAG + 2
_LAGS = _MAX_LAG - _MIN_LAG + 3
"""One lag more at each end, for the parabola through a peak at the border."""
_TAPS = 47
_CANDIDATES = 5
"""Voiced candidates kept per frame; slot 0 is "unvoiced"."""

VOICING_THRESHOLD = 0.6
SILENCE_THRESHOLD = 0.05
_OCTAVE_COST = 0.04
_OCTAVE_JUMP_COST = 0.7
_VOICING_CHANGE_COST = 0.14
_PEAK_DECAY = 0.5 ** (1.0 / (10.0 * FRAMES_PER_S))


def low_pass() -> Singles:
    """The anti-alias filter before halving the rate: a Hamming-windowed sinc at 1.4 kHz.

    Cutting far below 4 kHz also takes away most of what makes the second formant pose as pitch.
    """
    n = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(2 * 1400.0 / 16000.0 * n) * np.hamming(_TAPS)
    return np.asarray(taps / taps.sum(), np.float32)


@kernel(F8, PCM, F4S, F4S, F4S, F4S, F8S, F8S)
def follow_pitch(
    pcm: Pcm,
    taps: Singles,
    tail: Singles,
    x: Singles,
    r: Singles,
    path: Floats,
    peak: Floats,
) -> float:
    """F0 (Hz) of the window that ends with `pcm`, 0.0 when unvoiced; updates every other array.

    `tail` (_TAPS - 1 + 320,) is the filter's input, `x` (_SPAN,) the low-passed signal at 8 kHz,
    `r` (_LAGS,) scratch, `peak` (2,) the running peak amplitude and the best
    correlation at any lag, and `path` (2 * (_CANDIDATES + 1),)
    the log2 frequency and cost of the best path to each candidate of the newest frame.
    """
    keep = _TAPS - 1
    for i in range(keep):
        tail[i] = tail[i + pcm.size]
    for i in range(pcm.size):
        tail[keep + i] = pcm[i] / FULL_SCALE
    for i in range(_SPAN - _HOP):
        x[i] = x[i + _HOP]
    for i in range(_HOP):
        x[_SPAN - _HOP + i] = 0.0
    for k in range(_TAPS):
        tap = taps[k]
        for i in range(_HOP):
            x[_SPAN - _HOP + i] += tap * tail[2 * i + 1 + k]

    mean = np.float32(0.0)
    for i in range(_SPAN):
        mean += x[i]
    mean /= np.float32(_SPAN)
    loudest = 0.0
    head = 0.0
    for i in range(_SPAN):
        loudest = max(loudest, abs(x[i] - mean))
    for i in range(_WINDOW):
        head += (x[i] - mean) ** 2
    peak[0] = max(peak[0] * _PEAK_DECAY, loudest)

    # Lag in the inner loop: no sum is carried, so that it vectorises without reordering floats.
    for k in range(_LAGS):
        r[k] = 0.0
    for i in range(_WINDOW):
        here = x[i] - mean
        for k in range(_LAGS):
            r[k] += here * (x[i + k + _MIN_LAG - 1] - mean)
    energy = 0.0
    periodicity = 0.0
    for i in range(_WINDOW):
        energy += (x[i + _MIN_LAG - 1] - mean) ** 2
    for k in range(_LAGS):
        norm = head * energy
        r[k] = r[k] / math.sqrt(norm) if norm > 1e-18 else 0.0
        periodicity = max(periodicity, r[k])
        if k + 1 < _LAGS:
            first = k + _MIN_LAG - 1
            energy += (x[first + _WINDOW] - mean) ** 2 - (x[first] - mean) ** 2
            energy = max(energy, 0.0)

    peak[1] = min(periodicity, 1.0)

    octave = np.zeros(_CANDIDATES + 1)
    strength = np.full(_CANDIDATES + 1, -1.0)
    quiet = (
        loudest / peak[0] * (1.0 + VOICING_THRESHOLD) / SILENCE_THRESHOLD if peak[0] > 0 else 0.0
    )
    strength[0] = VOICING_THRESHOLD + max(0.0, 2.0 - quiet)
    for k in range(1, _LAGS - 1):
        if r[k] < 0.3 or r[k] < r[k - 1] or r[k] <= r[k + 1]:
            continue
        bend = 2.0 * r[k] - r[k - 1] - r[k + 1]
        shift = 0.5 * (r[k + 1] - r[k - 1]) / bend if bend > 0.0 else 0.0
        height = min(r[k] + 0.25 * (r[k + 1] - r[k - 1]) * shift, 1.0)
        lag = k + _MIN_LAG - 1 + shift
        log_f0 = math.log2(_RATE / lag)
        value = height + _OCTAVE_COST * (log_f0 - math.log2(MIN_F0_HZ))
        weakest = 1
        for c in range(2, _CANDIDATES + 1):
            if strength[c] < strength[weakest]:
                weakest = c
        if value > strength[weakest]:
            strength[weakest] = value
            octave[weakest] = log_f0

    cost = np.zeros(_CANDIDATES + 1)
    best = 0
    for c in range(_CANDIDATES + 1):
        least = 1e9
        for b in range(_CANDIDATES + 1):
            if (octave[c] > 0.0) != (path[b] > 0.0):
                step = _VOICING_CHANGE_COST
            elif octave[c] > 0.0:
                step = _OCTAVE_JUMP_COST * abs(octave[c] - path[b])
            else:
                step = 0.0
            least = min(least, path[_CANDIDATES + 1 + b] + step)
        cost[c] = least - strength[c]
        if cost[c] < cost[best]:
            best = c
    for c in range(_CANDIDATES + 1):
        path[c] = octave[c]
        path[_CANDIDATES + 1 + c] = cost[c] - cost[best]
    return 2.0 ** octave[best] if octave[best] > 0.0 else 0.0


class Pitch:
    """F0 of one voice, 65-400 Hz, once per 20 ms frame.

    Normalised cross-correlation of a 30 ms window with itself (Talkin, "RAPT", 1995) on the signal
    low-passed to 1.4 kHz, a parabola through each peak; candidates and their costs as in Boersma
    (1993): a small bonus for high candidates, "unvoiced" as a candidate that wins below a
    correlation of 0.6 or at 5 % of the recent peak amplitude. The choice is the end of the
    cheapest path so far, so that a single frame does not jump an octave; it never looks ahead.
    """

    DELAY_MS = 23
    """The value belongs to the signal this long before the end of the newest frame."""

    def __init__(self) -> None:
        self._taps = low_pass()
        self._tail = np.zeros(_TAPS - 1 + 320, np.float32)
        self._x = np.zeros(_SPAN, np.float32)
        self._r = np.zeros(_LAGS, np.float32)
        self._path = np.zeros(2 * (_CANDIDATES + 1))
        self._peak = np.zeros(2)
        self.f0_hz: float | None = None
        """Fundamental frequency (Hz) of the newest window, `None` when it is not voiced."""

    def reset(self) -> None:
        self._tail[:] = 0.0
        self._x[:] = 0.0
        self._path[:] = 0.0
        self._peak[:] = 0.0
        self.f0_hz = None

    @property
    def voiced(self) -> bool:
        """Whether the newest window repeats itself, also where a creaky voice has no clear F0."""
        return bool(self._peak[1] >= VOICING_THRESHOLD)

    def push(self, pcm: Pcm) -> float | None:
        """Take one frame int16[320]; return `f0_hz`."""
        f0_hz = follow_pitch(
            check(pcm), self._taps, self._tail, self._x, self._r, self._path, self._peak
        )
        self.f0_hz = float(f0_hz) if f0_hz > 0.0 else None
        return self.f0_hz


class PitchRange:
    """Range of the last 10 s of voiced frames in semitones: 12 log2(P95 / P5) of F0.

    Percentiles, not extremes: a few octave errors must not look like expression.
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
        if self._count < self.MIN_FRAMES:
            return None
        held = np.sort(self._semitones[: min(self._count, len(self._semitones))])
        last = len(held) - 1
        return float(held[round(0.95 * last)] - held[round(0.05 * last)])
