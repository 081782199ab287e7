"""How loud it sounds: frame level, and loudness by ITU-R BS.1770-4 and EBU Tech 3341."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import (
    FLOOR_DBFS,
    FRAME_SAMPLES,
    FULL_SCALE,
    SAMPLE_RATE,
    Pcm,
    check,
    dbfs,
)
from analyzers.kernel import F8, F8S, I8S, PCM, kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel(F8, PCM)
def mean_square(pcm: Pcm) -> float:
    """Mean square of int16 samples in full-scale units, 0.0-1.0; 0.0 for no samples."""
    total = np.int64(0)
    for sample in pcm:
        total += np.int64(sample) * np.int64(sample)
    return total / (max(pcm.size, 1) * FULL_SCALE * FULL_SCALE)


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


DUAL_MONO_LU = 10.0 * math.log10(2.0)
"""Add this (3.01 LU) to the loudness of a mono track to get that of the same track on two
loudspeakers. BS.1770 sums the power of channels, so that one channel measures 3.01 LU less than
the two it is played on. All values here are of one channel, as meters read a mono file."""

ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE = 0.1
"""-10 LU as a ratio of power."""

_MOMENTARY_FRAMES = 20
_SHORT_TERM_FRAMES = 150
_STEP_FRAMES = 5
_BIN_LU = 0.05
_BINS = 1500
"""From the absolute gate to +5 LUFS; a full-scale square wave measures +3.3."""


def lufs(power: float) -> float:
    """Loudness (LUFS) of a K-weighted mean square, not below -100 (BS.1770-4, equation 2)."""
    return max(-0.691 + 10.0 * math.log10(power), FLOOR_DBFS) if power > 0.0 else FLOOR_DBFS


@kernel(F8, PCM, F8S, F8S, F8S, I8S, I8S, F8S)
def follow_loudness(
    pcm: Pcm,
    c: Floats,
    z: Floats,
    energies: Floats,
    position: Ints,
    counts: Ints,
    sums: Floats,
) -> float:
    """Advance by one frame; every 100 ms sort a gating block of 400 ms in. Returns its energy.

    `energies` (150,) is the ring of K-weighted energies, `position` (1,) how many frames it has
    taken; `counts` and `sums` (1500,) say for each 0.05 LU above -70 LUFS how many blocks had that
    loudness and what their mean squares add up to.
    """
    energy = k_weighted_energy(pcm, c, z)
    energies[position[0] % energies.size] = energy
    position[0] += 1
    since = position[0] - _MOMENTARY_FRAMES
    if since >= 0 and since % _STEP_FRAMES == 0:
        total = 0.0
        for i in range(_MOMENTARY_FRAMES):
            total += energies[(position[0] - 1 - i) % energies.size]
        power = total / (_MOMENTARY_FRAMES * FRAME_SAMPLES)
        level = -0.691 + 10.0 * math.log10(max(power, 1e-12))
        if level >= ABSOLUTE_GATE_LUFS:
            at = min(int((level - ABSOLUTE_GATE_LUFS) / _BIN_LU), _BINS - 1)
            counts[at] += 1
            sums[at] += power
    return energy


@kernel(F8, I8S, F8S)
def gated_power(counts: Ints, sums: Floats) -> float:
    """Mean square of the blocks above both gates, from `follow_loudness`'s histogram.

    0.0 when no block is above the absolute gate.
    """
    total = 0.0
    blocks = 0
    for i in range(counts.size):
        total += sums[i]
        blocks += counts[i]
    gate = RELATIVE_GATE * total / max(blocks, 1)
    kept = 0.0
    above = 0
    for i in range(counts.size):
        if sums[i] > gate * counts[i]:
            kept += sums[i]
            above += counts[i]
    return kept / max(above, 1)


class Loudness:
    """Momentary, short-term and gated integrated loudness of one track, by the frame.

    BS.1770-4 and EBU Tech 3341: K-weighted power over 400 ms, over 3 s, and over all blocks of
    400 ms (one every 100 ms) that are above -70 LUFS and less than 10 LU below the mean of those.
    The track counts as one channel: see `DUAL_MONO_LU`.

    Memory does not grow: blocks are kept as a histogram of 0.05 LU steps, each step with its exact
    power. Only the blocks in the one step that holds the relative gate can fall on its wrong side;
    with 1 % of all blocks in that step the result moves by 0.04 LU at most, usually by none.
    """

    def __init__(self) -> None:
        self._c = k_weighting(SAMPLE_RATE)
        self._z = np.zeros(4)
        self._energies = np.zeros(_SHORT_TERM_FRAMES)
        self._position = np.zeros(1, np.int64)
        self._counts = np.zeros(_BINS, np.int64)
        self._sums = np.zeros(_BINS)

    def reset(self) -> None:
        self.interrupt()
        self._counts[:] = 0
        self._sums[:] = 0.0

    def interrupt(self) -> None:
        """Note a hole in the audio: no block reaches across it. Integrated loudness is kept."""
        self._z[:] = 0.0
        self._energies[:] = 0.0
        self._position[0] = 0

    def push(self, pcm: Pcm) -> None:
        """Take one frame int16[320]."""
        follow_loudness(
            check(pcm),
            self._c,
            self._z,
            self._energies,
            self._position,
            self._counts,
            self._sums,
        )

    @property
    def momentary_lufs(self) -> float | None:
        """Loudness of the last 400 ms (LUFS, not below -100); `None` before that."""
        return self._sliding(_MOMENTARY_FRAMES)

    @property
    def short_term_lufs(self) -> float | None:
        """Loudness of the last 3 s (LUFS, not below -100); `None` before that."""
        return self._sliding(_SHORT_TERM_FRAMES)

    @property
    def integrated_lufs(self) -> float | None:
        """Gated loudness of everything pushed (LUFS); `None` while no block exceeds -70 LUFS."""
        power = float(gated_power(self._counts, self._sums))
        return lufs(power) if power > 0.0 else None

    def _sliding(self, frames: int) -> float | None:
        position = int(self._position[0])
        if position < frames:
            return None
        first = (position - frames) % _SHORT_TERM_FRAMES
        total = float(self._energies[first : first + frames].sum())
        total += float(self._energies[: max(0, first + frames - _SHORT_TERM_FRAMES)].sum())
        return lufs(total / (frames * FRAME_SAMPLES))


@kernel(F8, F8S, F8S, F8S)
def k_weight(signal: Floats, c: Floats, z: Floats) -> float:
    """Filter `signal` in place by both stages `c`; `z` (4,) is their state. Returns its energy."""
    total = 0.0
    for i in range(signal.size):
        x = signal[i]
        y = c[0] * x + z[0]
        z[0] = c[1] * x - c[3] * y + z[1]
        z[1] = c[2] * x - c[4] * y
        signal[i] = c[5] * y + z[2]
        z[2] = c[6] * y - c[8] * signal[i] + z[3]
        z[3] = c[7] * y - c[9] * signal[i]
        total += signal[i] * signal[i]
    return total


CHANNEL_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)
"""BS.1770-4, table 3: left, right, centre, left surround, right surround."""
MIN_RATE_HZ = 8000


def block_powers(
    signal: NDArray[np.int16] | Floats, rate_hz: int, block_s: float = 0.4, step_s: float = 0.1
) -> Floats:
    """K-weighted mean squares (n,) of the whole blocks of a signal, summed over its channels.

    `signal` is int16, or float of full scale 1.0, of shape (samples,) or (samples, channels <= 5
    in the order of `CHANNEL_WEIGHTS`), at any rate from 8 kHz on. A block is `block_s` long, one
    begins every `step_s`. Empty for a signal that is shorter than a block.

    Raises `ValueError` for another shape or rate.
    """
    samples = signal[:, np.newaxis] if signal.ndim == 1 else signal
    if samples.ndim != 2 or samples.shape[1] > len(CHANNEL_WEIGHTS) or rate_hz < MIN_RATE_HZ:
        raise ValueError(
            f"expected (samples,) or (samples, 1 to 5 channels) at 8 kHz or more, "
            f"got shape {signal.shape} at {rate_hz} Hz"
        )
    scale = FULL_SCALE if signal.dtype == np.int16 else 1.0
    length = round(block_s * rate_hz)
    count = max(0, math.floor((len(samples) - length) / (step_s * rate_hz) + 1e-9) + 1)
    first = np.round(np.arange(count) * step_s * rate_hz).astype(np.int64)
    powers = np.zeros(count)
    for channel, weight in zip(samples.T, CHANNEL_WEIGHTS, strict=False):
        weighted = np.ascontiguousarray(channel, np.float64) / scale
        k_weight(weighted, k_weighting(rate_hz), np.zeros(4))
        energy = np.concatenate([[0.0], np.cumsum(weighted * weighted)])
        powers += weight * np.maximum(energy[first + length] - energy[first], 0.0) / length
    return powers


def integrated_lufs(signal: NDArray[np.int16] | Floats, rate_hz: int) -> float | None:
    """Gated integrated loudness (LUFS) of a whole signal as `block_powers` takes it (BS.1770-4).

    A signal of one channel counts as one channel: see `DUAL_MONO_LU`. Speech that was resampled
    from 48 to 16 kHz stays within 0.1 LU. `None` when no block of 400 ms is above -70 LUFS, and
    for a signal that holds NaN or infinity.
    """
    if not np.isfinite(signal).all():
        return None
    powers = block_powers(signal, rate_hz)
    powers = powers[powers >= 10.0 ** ((ABSOLUTE_GATE_LUFS + 0.691) / 10.0)]
    if len(powers) == 0:
        return None
    return lufs(float(powers[powers > RELATIVE_GATE * powers.mean()].mean()))
