"""The arithmetic of Whisper's network that numpy has no fast form of, in numba, float32.

Matrices that meet few rows at a time (a decoder's) are kept as int8 with a scale for each output:
such a product waits for memory, and a quarter of the bytes is three times the speed. One that meets
many rows (an encoder's) goes through numpy's BLAS.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_kernel: Any = numba.njit(cache=True, fastmath=True, error_model="numpy")


class Packed(NamedTuple):
    """A matrix (outputs, inputs) as int8, times `scale` (outputs,), plus `bias` (outputs,)."""

    weight: NDArray[np.int8]
    scale: Floats
    bias: Floats


def packed(weight: Floats, bias: Floats) -> Packed:
    """`weight` (outputs, inputs) rounded to 127 steps either side of zero, row by row."""
    scale = np.maximum(np.abs(weight).max(axis=1), 1e-12) / np.iinfo(np.int8).max
    rounded = np.round(weight / scale[:, None]).astype(np.int8)
    return Packed(np.ascontiguousarray(rounded), scale.astype(np.float32), bias.astype(np.float32))


@_kernel
def _times(weight, scale, bias, x, out):  # type: ignore[no-untyped-def]
    """Four rows of `x` at once, so that each weight is widened once for them."""
    rows = x.shape[0]
    for at in range(weight.shape[0]):
        taps = weight[at]
        for first in range(0, rows - 3, 4):
            one, two, three, four = x[first], x[first + 1], x[first + 2], x[first + 3]
            p, q, r, s = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for column in range(taps.shape[0]):
                tap = np.float32(taps[column])
                p += tap * one[column]
                q += tap * two[column]
                r += tap * three[column]
                s += tap * four[column]
            out[first, at] = p * scale[at] + bias[at]
            out[first + 1, at] = q * scale[at] + bias[at]
            out[first + 2, at] = r * scale[at] + bias[at]
            out[first + 3, at] = s * scale[at] + bias[at]
        for row in range(rows - rows % 4, rows):
            only = x[row]
            p = np.float32(0)
            for column in range(taps.shape[0]):
                p += np.float32(taps[column]) * only[column]
            out[row, at] = p * scale[at] + bias[at]


def times(x: Floats, by: Packed) -> Floats:
    """`x` (rows, inputs) through the matrix `by`: (rows, outputs)."""
    rows, missing = len(x), -len(x) % 4
    if missing in (1, 2):
        # Four rows cost less than two or three by themselves.
        x = np.concatenate([x, np.zeros((missing, x.shape[1]), np.float32)])
    out = np.empty((len(x), len(by.weight)), np.float32)
    _times(by.weight, by.scale, by.bias, x, out)
    return out[:rows]


@_kernel
def gelu(values):  # type: ignore[no-untyped-def]
    """In place, x times the normal distribution's integral up to x, for values in one block.

    The error function is Abramowitz & Stegun 7.1.28, off by 3e-7 at most.
    """
    flat = values.reshape(values.size)
    for at in range(flat.size):
        value = flat[at]
        x = min(abs(value) * np.float32(0.70710678), np.float32(5))
        poly = np.float32(0.0002765672) + x * np.float32(0.0000430638)
        poly = np.float32(0.0001520143) + x * poly
        poly = np.float32(0.0092705272) + x * poly
        poly = np.float32(0.0422820123) + x * poly
        poly = np.float32(0.0705230784) + x * poly
        poly = np.float32(1) + x * poly
        poly *= poly
        poly *= poly
        poly *= poly
        poly *= poly
        outside = np.float32(0.5) / poly
        flat[at] = value * (np.float32(1) - outside if value > 0 else outside)


@_kernel
def _normalise(x, gain, offset, out):  # type: ignore[no-untyped-def]
    size = np.float32(x.shape[1])
    for at in range(x.shape[0]):
        row = x[at]
        mean = np.float32(0)
        for column in range(x.shape[1]):
            mean += row[column]
        mean /= size
        variance = np.float32(0)
        for column in range(x.shape[1]):
            off = row[column] - mean
            variance += off * off
        by = np.float32(1) / np.sqrt(variance / size + np.float32(1e-5))
        for column in range(x.shape[1]):
            out[at, column] = (row[column] - mean) * by * gain[column] + offset[column]


class Norm(NamedTuple):
    """Layer normalisation (Ba, Kiros, Hinton 2016)."""

    gain: Floats
    offset: Floats


def normalised(x: Floats, by: Norm) -> Floats:
    out = np.empty_like(x)
    _normalise(x, by.gain, by.offset, out)
    return out


@_kernel
def _softmax(rows):  # type: ignore[no-untyped-def]
    """In place. A power of two is a polynomial for its fraction (off by 2e-7) times a float whose
    exponent bits are its whole part: plain arithmetic, which vectorises where `exp` does not."""
    size = rows.shape[1]
    bits = np.empty(size, np.int32)
    doubled = bits.view(np.float32)
    for at in range(rows.shape[0]):
        row = rows[at]
        top = row[0]
        for column in range(size):
            top = max(top, row[column])
        for column in range(size):
            power = max((row[column] - top) * np.float32(1.44269504), np.float32(-126))
            whole = np.floor(power)
            y = power - whole
            poly = np.float32(0.00900056) + y * np.float32(0.00187591)
            poly = np.float32(0.05580977) + y * poly
            poly = np.float32(0.24016231) + y * poly
            poly = np.float32(0.69315145) + y * poly
            row[column] = np.float32(1) + y * poly
            bits[column] = (np.int32(whole) + np.int32(127)) << np.int32(23)
        total = np.float32(0)
        for column in range(size):
            row[column] *= doubled[column]
            total += row[column]
        by = np.float32(1) / total
        for column in range(size):
            row[column] *= by


def softmax(scores: Floats) -> Floats:
    """Over the last axis, in place: `scores`, contiguous, itself."""
    _softmax(scores.reshape(-1, scores.shape[-1]))
    return scores
