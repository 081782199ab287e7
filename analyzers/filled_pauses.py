"""Filled pauses ("uh", "um", "er") heard in the signal.

A recognizer writes few of them, so they are looked for as sounds. After Goto, Itou & Hayamizu ("A
real-time filled pause detection system for spontaneous speech recognition", Eurospeech 1999) a
filled pause is a stretch in which the vocal tract does not move. Here its vowel must be neutral as
well, because other vowels are held too, at the end of a clause. An "um" is found by its vowel; a
hummed "mm" is not looked for, nor is one in whisper. The open vowel of a word can pass for a
neutral one where somebody holds it for a quarter of a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import FRAME_MS, FULL_SCALE, Pcm, check
from analyzers.kernel import B1, F4S, F8S, I8, I8S, PCM, kernel

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

MIN_STEADY_MS = 240
"""Vowels of fluent speech rarely hold still as long. Filled pauses under 200 ms are missed."""
MAX_STEADY_MS = 2000
"""What holds longer is sung, or a machine."""
MIN_VOICED = 0.1
"""Share of the stretch with a periodic frame. Low, since many end in a creaky voice."""
APART_MS = 100
"""A second stretch sooner after a filled pause belongs to it."""

F1_HZ = (450.0, 950.0)
F2_HZ = (1120.0, 1750.0)
F2_TO_F1 = (1.5, 3.0)
"""Neutral vowels of men and women, [ə], [ɜ] and [ʌ]: 478/1436 to 606/1695 Hz (Deterding 1997) and
623/1200 to 753/1426 Hz (Hillenbrand et al. 1995), with what speakers differ by."""
MAX_F1_BANDWIDTH_HZ = 900.0
"""Nasal vowels have a broad first formant."""
MAX_F2_BANDWIDTH_HZ = 400.0
NO_FORMANT_HZ = 1000.0
"""A pole of a larger bandwidth is the slope of the spectrum, no formant."""

MAX_STEP = 0.5
"""Distance of a spectrum to the mean of its stretch, in cepstra of natural logarithms."""
MIN_CONTRAST = 0.5
"""Norm of the cepstrum below which the spectrum is too flat for a vowel."""
BELOW_PEAK_DB = 28.0
MIN_LEVEL_DBFS = -65.0
_PEAK_DECAY_DB = 0.04
_MEMORY_FRAMES = 8

_RATE = 8000.0
_TAPS = 31
_HOP = 160
_WINDOW = 240
_ORDER = 10
_LAGS = _ORDER + 1
_LANES = 16
"""Lags computed: those used, filled up to what a vector register holds."""
_CEPSTRA = 12
_PREEMPHASIS = 0.95
_WHITENING = 1.001

# Fields of the kernel's state.
_LENGTH, _MISSED, _VOICED, _AGO = 0, 1, 2, 3
_PEAK = 0


def low_pass() -> Singles:
    """The anti-alias filter before halving the rate: a Hamming-windowed sinc at 3.6 kHz."""
    n = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(2 * 3600.0 / 16000.0 * n) * np.hamming(_TAPS)
    return np.asarray(taps / taps.sum(), np.float32)


@kernel(I8, PCM, B1, F4S, F4S, F4S, F4S, F4S, F4S, F4S, F8S, F8S, F8S, F8S, F8S, F8S, I8S)
def follow_stretch(
    pcm: Pcm,
    voiced: bool,
    taps: Singles,
    window: Singles,
    even: Singles,
    odd: Singles,
    x: Singles,
    y: Singles,
    work: Singles,
    lags: Floats,
    prediction: Floats,
    mean: Floats,
    shape: Floats,
    ended: Floats,
    levels: Floats,
    run: Ints,
) -> int:
    """Advance by one frame; return the length (frames) of a steady stretch that it ended, or 0.

    `even` and `odd` (15 + 160,) are the filter's input, `x` (240,) the newest 30 ms at 8 kHz and
    `y` (240,) the same, pre-emphasised; `lags` (3 * 11,) the autocorrelations of the newest three
    frames; `work` (272,) and `prediction` (45,) are scratch. Of the stretch under way, `mean` (12,)
    is the cepstrum, `shape` (11,) the sum of normalised autocorrelations and `run` (4,) holds what
    is named above; `ended` (11,) is the `shape` of the one that ended. `levels` (1,) holds the
    decaying peak level (dBFS).
    """
    # Even and odd samples apart, so that the sums below run over neighbours.
    half = _TAPS // 2
    for i in range(half):
        even[i] = even[i + _HOP]
        odd[i] = odd[i + _HOP]
    for i in range(_HOP):
        even[half + i] = pcm[2 * i] / FULL_SCALE
        odd[half + i] = pcm[2 * i + 1] / FULL_SCALE
    before = x[_WINDOW - 1]
    for i in range(_WINDOW - _HOP):
        x[i] = x[i + _HOP]
        y[i] = y[i + _HOP]
    first = _WINDOW - _HOP
    for i in range(first, _WINDOW):
        x[i] = 0.0
    for k in range(_TAPS):
        tap = taps[k]
        skip = (k + 1) // 2
        if k % 2 == 0:
            for i in range(_HOP):
                x[first + i] += tap * odd[skip + i]
        else:
            for i in range(_HOP):
                x[first + i] += tap * even[skip + i]
    for i in range(first, _WINDOW):
        y[i] = x[i] - np.float32(_PREEMPHASIS) * before
        before = x[i]

    total = 0.0
    power = 0.0
    for i in range(_WINDOW):
        total += x[i]
        power += x[i] * x[i]
    total /= _WINDOW
    level = 10.0 * math.log10(max(power / _WINDOW - total * total, 1e-10))
    levels[_PEAK] = max(level, levels[_PEAK] - _PEAK_DECAY_DB)

    for i in range(2 * _LAGS):
        lags[i] = lags[i + _LAGS]
    weighted = work[: _WINDOW + _LANES]
    for i in range(_WINDOW):
        weighted[i] = window[i] * y[i]
    # Lag in the inner loop: no sum is carried, so that it vectorises without reordering floats.
    products = work[_WINDOW + _LANES :]
    products[:] = 0.0
    for i in range(_WINDOW):
        here = weighted[i]
        for k in range(_LANES):
            products[k] += here * weighted[i + k]
    for k in range(_LAGS):
        lags[2 * _LAGS + k] = products[k]

    # Linear prediction (Durbin) of three frames together: a creaky voice has few pulses in one.
    r = prediction[:_LAGS]
    for k in range(_LAGS):
        r[k] = lags[k] + lags[_LAGS + k] + lags[2 * _LAGS + k]
    error = r[0] * _WHITENING + 1e-8
    a = prediction[_LAGS : 2 * _LAGS]
    swap = prediction[2 * _LAGS : 3 * _LAGS]
    for i in range(1, _LAGS):
        correlation = r[i]
        for j in range(1, i):
            correlation += a[j] * r[i - j]
        reflection = -correlation / error
        for j in range(1, i):
            swap[j] = a[j] + reflection * a[i - j]
        for j in range(1, i):
            a[j] = swap[j]
        a[i] = reflection
        error *= 1.0 - reflection * reflection
    cepstrum = prediction[3 * _LAGS :]
    contrast = 0.0
    for m in range(1, _CEPSTRA + 1):
        value = -a[m] if m < _LAGS else 0.0
        for k in range(max(1, m - _ORDER), m):
            value -= k / m * cepstrum[k - 1] * a[m - k]
        cepstrum[m - 1] = value
        contrast += value * value

    sounds = (
        level > levels[_PEAK] - BELOW_PEAK_DB
        and level > MIN_LEVEL_DBFS
        and contrast > MIN_CONTRAST * MIN_CONTRAST
    )
    distance = 0.0
    for m in range(_CEPSTRA):
        distance += (cepstrum[m] - mean[m]) ** 2
    length = run[_LENGTH]
    over = 0
    if length > 0 and sounds and distance < MAX_STEP * MAX_STEP:
        run[_LENGTH] += 1 + run[_MISSED]
        run[_MISSED] = 0
        for m in range(_CEPSTRA):
            mean[m] += (cepstrum[m] - mean[m]) / min(run[_LENGTH], _MEMORY_FRAMES)
    elif length > 0 and sounds and run[_MISSED] == 0:
        run[_MISSED] = 1
        return 0
    else:
        over = length if run[_VOICED] >= MIN_VOICED * length else 0
        run[_AGO] = run[_MISSED]
        run[_LENGTH] = 1 if sounds else 0
        run[_MISSED] = 0
        run[_VOICED] = 0
        for k in range(_LAGS):
            ended[k] = shape[k]
            shape[k] = 0.0
        for m in range(_CEPSTRA):
            mean[m] = cepstrum[m]
    if sounds:
        run[_VOICED] += 1 if voiced else 0
        for k in range(_LAGS):
            shape[k] += lags[2 * _LAGS + k] / (lags[2 * _LAGS] + 1e-12)
    return over


def formants(lags: Floats) -> list[tuple[float, float]]:
    """(frequency, bandwidth) in Hz of the poles above 0 Hz, from low to high.

    `lags` (11,) are autocorrelations at 8 kHz; poles of the linear prediction they give, as in
    Atal & Hanauer (1971). No poles where there is no energy.
    """
    if lags[0] <= 0.0:
        return []
    r = lags / lags[0]
    row = np.abs(np.subtract.outer(np.arange(_ORDER), np.arange(_ORDER)))
    normal = r[row] + (_WHITENING - 1.0) * np.eye(_ORDER)
    poles = np.roots(np.concatenate(([1.0], np.linalg.solve(normal, -r[1:]))))
    return sorted(
        (
            float(np.angle(pole)) * _RATE / (2 * math.pi),
            -math.log(max(abs(pole), 1e-9)) * _RATE / math.pi,
        )
        for pole in poles
        if pole.imag > 1e-6
    )


def is_neutral(poles: Sequence[tuple[float, float]]) -> bool:
    """Whether `formants` are those of a neutral vowel: its first two, one right after the other."""
    narrow = [(hz, width_hz) for hz, width_hz in poles if width_hz < NO_FORMANT_HZ]
    return any(
        F1_HZ[0] <= f1_hz <= F1_HZ[1]
        and F2_HZ[0] <= f2_hz <= F2_HZ[1]
        and F2_TO_F1[0] <= f2_hz / f1_hz <= F2_TO_F1[1]
        and f1_width_hz <= MAX_F1_BANDWIDTH_HZ
        and f2_width_hz <= MAX_F2_BANDWIDTH_HZ
        for (f1_hz, f1_width_hz), (f2_hz, f2_width_hz) in pairwise(narrow)
    )


@dataclass(frozen=True, slots=True)
class FilledPause:
    """A filled pause that sounds from about `start_ms` to `end_ms` of session time. Of an "um" that
    is the vowel."""

    start_ms: int
    end_ms: int


class FilledPauses:
    """Hears filled pauses as they end.

    Every 20 ms the spectral envelope of the newest 70 ms below 4 kHz is taken by linear prediction.
    A stretch goes on while the envelope stays near the mean of the stretch; one that lasted 240 ms
    to 2 s is a filled pause if its two lowest formants are those of a neutral vowel. No stretch
    begins 28 dB below the recent peak, or in a spectrum as flat as that of noise.
    """

    def __init__(self) -> None:
        self._taps = low_pass()
        self._window = np.hamming(_WINDOW).astype(np.float32)
        self._even = np.zeros(_TAPS // 2 + _HOP, np.float32)
        self._odd = np.zeros(_TAPS // 2 + _HOP, np.float32)
        self._x = np.zeros(_WINDOW, np.float32)
        self._y = np.zeros(_WINDOW, np.float32)
        self._work = np.zeros(_WINDOW + 2 * _LANES, np.float32)
        self._lags = np.zeros(3 * _LAGS)
        self._prediction = np.zeros(3 * _LAGS + _CEPSTRA)
        self._mean = np.zeros(_CEPSTRA)
        self._shape = np.zeros(_LAGS)
        self._ended = np.zeros(_LAGS)
        self._levels = np.zeros(1)
        self._run = np.zeros(4, np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget what was heard; a stretch under way does not count."""
        for singles in (self._even, self._odd, self._x, self._y):
            singles[:] = 0.0
        for floats in (self._lags, self._mean, self._shape, self._ended):
            floats[:] = 0.0
        self._levels[:] = MIN_LEVEL_DBFS
        self._run[:] = 0
        self._last_end_ms: int | None = None
        self.count = 0
        """Filled pauses since the last reset."""

    def push(self, pcm: Pcm, voiced: bool, start_ms: int) -> FilledPause | None:
        """Take one frame int16[320] that begins at `start_ms`; return a filled pause it ended.

        `voiced` is `Pitch.voiced` for the same frame. Raises `ValueError` for another shape.
        """
        length = int(
            follow_stretch(
                check(pcm),
                voiced,
                self._taps,
                self._window,
                self._even,
                self._odd,
                self._x,
                self._y,
                self._work,
                self._lags,
                self._prediction,
                self._mean,
                self._shape,
                self._ended,
                self._levels,
                self._run,
            )
        )
        if not MIN_STEADY_MS <= length * FRAME_MS <= MAX_STEADY_MS:
            return None
        if not is_neutral(formants(self._ended)):
            return None
        end_ms = start_ms - int(self._run[_AGO]) * FRAME_MS
        heard = FilledPause(end_ms - (length + 2) * FRAME_MS, end_ms)
        last_end_ms, self._last_end_ms = self._last_end_ms, end_ms
        if last_end_ms is not None and heard.start_ms - last_end_ms < APART_MS:
            return None
        self.count += 1
        return heard
