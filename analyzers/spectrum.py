"""Where a voice's energy lies: octave bands of the speech range, and how strong its consonants are.

Both work on blocks of 5 ms, and on the octaves that telephones carry as well as microphones.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from analyzers.frame import FRAME_SAMPLES, FRAMES_PER_S, FULL_SCALE, SAMPLE_RATE, Pcm, check
from analyzers.kernel import B1, I8S, PCM, kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

F8M: Any = types.Array(types.float64, 2, "C")

BANDS_HZ = (250, 500, 1000, 2000, 4000)
"""Centres of the octave bands, those of IEC 60268-16 without its lowest and highest."""
BANDS = len(BANDS_HZ)
BLOCKS = 4
"""Energies per frame and band: one for each 5 ms."""
BLOCKS_PER_S = BLOCKS * FRAMES_PER_S

_BLOCK = FRAME_SAMPLES // BLOCKS
_LOW, _HIGH = BANDS_HZ.index(500), BANDS_HZ.index(2000)
_GUARD_FRAMES = 5
_NOISE_FRAMES = 5 * FRAMES_PER_S

MIN_BALANCE_DB, MAX_BALANCE_DB = -40.0, 40.0


def octave(centre_hz: float, rate_hz: int) -> Floats:
    """A Butterworth band-pass of order 4, one octave wide: (gain, a1, a2) of its sections, (2, 3).

    Each section is gain (1 - z^-2) / (1 + a1 z^-1 + a2 z^-2). The low-pass prototype of order 2
    goes to the band by p -> (s^2 + low high) / (s (high - low)) and into z by the bilinear
    transform, prewarped to both edges.
    """
    low, high = (
        2.0 * math.tan(math.pi * centre_hz * edge / rate_hz)
        for edge in (math.sqrt(0.5), math.sqrt(2.0))
    )
    half = (high - low) * np.exp(0.75j * math.pi) / 2.0
    root = np.sqrt(half * half - low * high)
    analogue = np.array([half + root, half - root])
    poles = (2.0 + analogue) / (2.0 - analogue)
    sections = np.stack([np.ones(2), -2.0 * poles.real, np.abs(poles) ** 2], axis=1)
    # The transform keeps the prototype's gain of 1 where its frequency is 0: at sqrt(low high).
    z = np.exp(-2j * math.atan(math.sqrt(low * high) / 2.0))
    response = np.prod((1.0 - z * z) / (1.0 + sections[:, 1] * z + sections[:, 2] * z * z))
    sections[:, 0] = abs(response) ** -0.5
    return np.asarray(sections)


@kernel(types.void, PCM, F8M, F8M, F8M)
def band_energies(pcm: Pcm, c: Floats, z: Floats, energies: Floats) -> None:
    """Mean square of each octave, full-scale units, in each 5 ms of `pcm`, into `energies`.

    `energies` is (BLOCKS, BANDS); `c` (6, BANDS) holds the coefficients of both sections of every
    band, `z` (4, BANDS) their state.
    """
    for block in range(BLOCKS):
        for b in range(BANDS):
            energies[block, b] = 0.0
        for i in range(block * _BLOCK, (block + 1) * _BLOCK):
            x = pcm[i] / FULL_SCALE
            # Bands in the inner loop: they do not wait for each other.
            for b in range(BANDS):
                u = c[0, b] * x
                y = u + z[0, b]
                z[0, b] = z[1, b] - c[1, b] * y
                z[1, b] = -u - c[2, b] * y
                u = c[3, b] * y
                w = u + z[2, b]
                z[2, b] = z[3, b] - c[4, b] * w
                z[3, b] = -u - c[5, b] * w
                energies[block, b] += w * w
        for b in range(BANDS):
            energies[block, b] /= _BLOCK
    for i in range(4):
        for b in range(BANDS):
            # A decaying filter would otherwise run on in denormals, which are slow.
            if abs(z[i, b]) < 1e-30:
                z[i, b] = 0.0


class Bands:
    """Splits a track into five octaves, 177 Hz to 5.7 kHz, once for all that works on them."""

    def __init__(self) -> None:
        filters = [octave(centre_hz, SAMPLE_RATE).ravel() for centre_hz in BANDS_HZ]
        self._c = np.ascontiguousarray(np.stack(filters, axis=1))
        self._z = np.zeros((4, BANDS))
        self._energies = np.zeros((BLOCKS, BANDS))

    def reset(self) -> None:
        self._z[:] = 0.0

    def push(self, pcm: Pcm) -> Floats:
        """Take one frame int16[320]; return the mean square of each octave in each 5 ms.

        float64 (4, 5) in full-scale units, the same array at every call.
        """
        band_energies(check(pcm), self._c, self._z, self._energies)
        return self._energies


@kernel(types.void, F8M, B1, F8M, I8S)
def follow_balance(energies: Floats, speaking: bool, levels: Floats, counts: Ints) -> None:
    """Add one frame of speech, or of the noise between.

    `levels` (2, BANDS): mean energy of the frames of speech, mean log energy of the noise;
    `counts` (3,): frames of either, and since speech was last heard.
    """
    counts[2] = 0 if speaking else counts[2] + 1
    if not speaking and counts[2] <= _GUARD_FRAMES:
        return
    row = 0 if speaking else 1
    counts[row] += 1
    # Noise may change during a call, what a voice is made of does not.
    n = counts[row] if speaking else min(counts[row], _NOISE_FRAMES)
    for b in range(BANDS):
        mean = 0.0
        for block in range(BLOCKS):
            mean += energies[block, b] / BLOCKS
        value = mean if speaking else math.log(max(mean, 1e-12))
        levels[row, b] += (value - levels[row, b]) / n


class Balance:
    """Level of the octave around 2 kHz, where consonants are told apart, against that of 500 Hz.

    Standard speech (ANSI S3.5-1997, normal effort) has -11 dB. A hand, a pocket or a wall before
    the microphone takes the high octave away and leaves the low one. Both lie within 300-3400 Hz,
    so that a telephone does not count as muffled. The noise between the words, averaged over the
    last 5 s of it in the log domain, is taken out of both octaves; more than 100 ms from speech.
    """

    MIN_FRAMES = 5 * FRAMES_PER_S

    def __init__(self) -> None:
        self._levels = np.zeros((2, BANDS))
        self._counts = np.zeros(3, np.int64)

    def reset(self) -> None:
        self._levels[:] = 0.0
        self._counts[:] = 0

    def push(self, energies: Floats, speaking: bool) -> None:
        """Take one frame's energies (`Bands.push`) and its voice-activity decision."""
        follow_balance(energies, speaking, self._levels, self._counts)

    @property
    def consonants_db(self) -> float | None:
        """2 kHz octave over 500 Hz octave (dB, -40 to 40) of all speech; `None` before 5 s of it.

        A consonant octave that the noise hides is at the lower bound.
        """
        if self._counts[0] < self.MIN_FRAMES:
            return None
        low, high = (self._speech(band) for band in (_LOW, _HIGH))
        if high <= 0.0:
            return MIN_BALANCE_DB
        if low <= 0.0:
            return MAX_BALANCE_DB
        return min(max(10.0 * math.log10(high / low), MIN_BALANCE_DB), MAX_BALANCE_DB)

    def _speech(self, band: int) -> float:
        noise = math.exp(float(self._levels[1, band])) if self._counts[1] else 0.0
        return float(self._levels[0, band]) - noise
