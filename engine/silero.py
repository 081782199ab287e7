"""Silero VAD v6's network in numba: half the time of onnxruntime, which reads 1.2 MB of weights for
every chunk and drives everything else out of the processor's cache.

The network (MIT, its weights as faster-whisper packages them): magnitudes of a 256-point DFT at a
hop of 128 over 64 samples of context, the chunk and 64 reflected samples; four convolutions with
ReLU down to one frame of 128; an LSTM of 128; one sigmoid. Weights are kept as int16 with a scale
for each row, which moves no probability by more than 1e-3. `tests/engine/test_silero.py` compares
it with onnxruntime.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from engine.tensors import read_floats

CHUNK = 512
CONTEXT = 64
STATE = 128
_REFLECTED = 64
_WINDOW = 256
_HOP = 128
_BINS = _WINDOW // 2 + 1
_FRAMES = 4

Floats = NDArray[np.float32]
Chunk = Floats


class Dense(NamedTuple):
    """A matrix (rows, columns) as int16, times `scale` (rows,), plus `bias` (rows,)."""

    weight: NDArray[np.int16]
    scale: Floats
    bias: Floats


class Weights(NamedTuple):
    """`cosines` and `sines` are the DFT of a frame folded at its middle: half the products."""

    window: Floats
    cosines: Dense
    sines: Dense
    convolutions: tuple[Dense, Dense, Dense, Dense]
    lstm: Dense
    output: Floats
    output_bias: float


def silero_path() -> Path:
    """Silero v6, as faster-whisper packages it (MIT). Found without importing the package."""
    spec = importlib.util.find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        raise ImportError("faster-whisper is not installed: it carries the Silero VAD model")
    return Path(spec.origin).parent / "assets" / "silero_vad_v6.onnx"


def _dense(weight: Floats, bias: Floats) -> Dense:
    scale = np.maximum(np.abs(weight).max(axis=1), 1e-12) / np.iinfo(np.int16).max
    rounded = np.round(weight / scale[:, None]).astype(np.int16)
    return Dense(np.ascontiguousarray(rounded), scale.astype(np.float32), bias.astype(np.float32))


@cache
def _weights() -> Weights:
    tensors = read_floats(silero_path())
    convolutions = []
    for layer in range(4):
        weight = tensors[f"encoder.conv_layers.{layer}.weight"]
        if layer == 3:
            # One frame alone: the taps beside it only ever meet the padding.
            weight = weight[:, :, 1:2]
        # (out, in, tap) -> (out, tap, in): a column is one frame after another
        flat = weight.transpose(0, 2, 1).reshape(len(weight), -1)
        convolutions.append(_dense(flat, tensors[f"encoder.conv_layers.{layer}.bias"]))
    first, second, third, fourth = convolutions
    inward, recurrent, bias = (tensors[f"onnx::LSTM_{number}"][0] for number in (209, 210, 211))
    angle = 2 * np.pi / _WINDOW * np.outer(np.arange(_BINS), np.arange(_BINS))
    none = np.zeros(_BINS, np.float32)
    return Weights(
        # Row 0 of the basis is the cosine of 0 Hz: the window itself.
        tensors["encoder.feature_extractor.forward_basis_buffer"][0, 0].copy(),
        _dense(np.cos(angle).astype(np.float32), none),
        _dense(np.sin(angle).astype(np.float32), none),
        (first, second, third, fourth),
        _dense(np.hstack([inward, recurrent]), bias[: 4 * STATE] + bias[4 * STATE :]),
        tensors["decoder.conv1d.weight"].ravel().copy(),
        float(tensors["decoder.conv1d.bias"][0]),
    )


_kernel: Any = numba.njit(cache=True, fastmath=True, error_model="numpy")


@_kernel
def _fold(samples, window, even, odd):  # type: ignore[no-untyped-def]
    """Each windowed frame's even part (n = 0..128) and odd part."""
    half = window.shape[0] // 2
    for at in range(even.shape[0]):
        frame = samples[at * half : at * half + 2 * half]
        even[at, 0] = frame[0] * window[0]
        even[at, half] = frame[half] * window[half]
        odd[at, 0] = odd[at, half] = 0
        for n in range(1, half):
            one, other = frame[n] * window[n], frame[2 * half - n] * window[2 * half - n]
            even[at, n] = one + other
            odd[at, n] = one - other


@_kernel
def _times_four(dense, a, b, c, d, out):  # type: ignore[no-untyped-def]
    """Four columns at once, so that each weight is read once."""
    weight, scale, bias = dense.weight, dense.scale, dense.bias
    for row in range(weight.shape[0]):
        taps = weight[row]
        p, q, r, s = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for column in range(weight.shape[1]):
            tap = np.float32(taps[column])
            p += tap * a[column]
            q += tap * b[column]
            r += tap * c[column]
            s += tap * d[column]
        out[0, row] = p * scale[row] + bias[row]
        out[1, row] = q * scale[row] + bias[row]
        out[2, row] = r * scale[row] + bias[row]
        out[3, row] = s * scale[row] + bias[row]


@_kernel
def _times(dense, x, out):  # type: ignore[no-untyped-def]
    weight, scale, bias = dense.weight, dense.scale, dense.bias
    for row in range(weight.shape[0]):
        taps = weight[row]
        total = np.float32(0)
        for column in range(weight.shape[1]):
            total += np.float32(taps[column]) * x[column]
        out[row] = total * scale[row] + bias[row]


@_kernel
def _rectify(values):  # type: ignore[no-untyped-def]
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            values[row, column] = max(values[row, column], np.float32(0))


@_kernel
def _encode(  # type: ignore[no-untyped-def]
    samples, window, cosines, sines, first, second, third, fourth, parts, layers, encoded
):
    """The samples' frame of 128 features, ReLU done, into `encoded` (128,).

    `layers` hold each convolution's input with a frame of zeros before and behind it.
    """
    even, odd, real, imaginary = parts
    _fold(samples, window, even, odd)
    _times_four(cosines, even[0], even[1], even[2], even[3], real)
    _times_four(sines, odd[0], odd[1], odd[2], odd[3], imaginary)
    one, two, three = layers
    for at in range(4):
        for k in range(real.shape[1]):
            one[at + 1, k] = np.sqrt(real[at, k] ** 2 + imaginary[at, k] ** 2)
    flat, width, size = one.ravel(), one.shape[1], 3 * one.shape[1]
    _times_four(
        first,
        flat[:size],
        flat[width : width + size],
        flat[2 * width : 2 * width + size],
        flat[3 * width : 3 * width + size],
        two[1:5],
    )
    _rectify(two)
    flat, width, size = two.ravel(), two.shape[1], 3 * two.shape[1]
    for at in range(2):
        _times(second, flat[2 * at * width : 2 * at * width + size], three[at + 1])
    _rectify(three)
    frame = np.empty((1, third.bias.shape[0]), np.float32)
    _times(third, three.ravel()[: 3 * three.shape[1]], frame[0])
    _rectify(frame)
    _times(fourth, frame[0], encoded)
    for k in range(encoded.shape[0]):
        encoded[k] = max(encoded[k], np.float32(0))


@_kernel
def _step(lstm, joined, cell, gates, output, output_bias):  # type: ignore[no-untyped-def]
    """One step of the LSTM, and the probability behind it.

    `joined` is (input, hidden); gates come in ONNX's order: input, output, forget, cell.
    """
    size = cell.shape[0]
    _times(lstm, joined, gates)
    one = np.float32(1)
    total = np.float32(output_bias)
    for unit in range(size):
        enter = one / (one + np.exp(-gates[unit]))
        leave = one / (one + np.exp(-gates[size + unit]))
        forget = one / (one + np.exp(-gates[2 * size + unit]))
        cell[unit] = forget * cell[unit] + enter * np.tanh(gates[3 * size + unit])
        hidden = leave * np.tanh(cell[unit])
        joined[size + unit] = hidden
        total += max(hidden, np.float32(0)) * output[unit]
    return one / (one + np.exp(-total))


class Silero:
    """Streaming speech probability of 512-sample chunks (float32, -1 to 1, 16 kHz)."""

    def __init__(self) -> None:
        self._weights = _weights()
        self._samples = np.zeros(CONTEXT + CHUNK + _REFLECTED, np.float32)
        self._parts = tuple(np.zeros((_FRAMES, _BINS), np.float32) for _ in range(4))
        widths = (_BINS, *(len(layer.bias) for layer in self._weights.convolutions[:2]))
        self._layers = tuple(
            np.zeros((count + 2, width), np.float32)
            for count, width in zip((_FRAMES, 4, 2), widths, strict=True)
        )
        self._joined = np.zeros(2 * STATE, np.float32)
        self._encoded = self._joined[:STATE]
        self._cell = np.zeros(STATE, np.float32)
        self._gates = np.zeros(4 * STATE, np.float32)

    def reset(self) -> None:
        self._samples[:] = 0
        self._joined[:] = 0
        self._cell[:] = 0

    def push(self, chunk: Chunk) -> float:
        """Probability (0-1) that `chunk` holds speech."""
        weights, samples = self._weights, self._samples
        end = CONTEXT + CHUNK
        samples[:CONTEXT] = samples[end - CONTEXT : end]
        samples[CONTEXT:end] = chunk
        samples[end:] = samples[end - 2 : end - 2 - _REFLECTED : -1]
        _encode(
            samples,
            weights.window,
            weights.cosines,
            weights.sines,
            *weights.convolutions,
            self._parts,
            self._layers,
            self._encoded,
        )
        return float(
            _step(
                weights.lstm,
                self._joined,
                self._cell,
                self._gates,
                weights.output,
                weights.output_bias,
            )
        )


def warm() -> None:
    """Read the weights, and load or compile the kernels: before the node says it is ready."""
    Silero().push(np.zeros(CHUNK, np.float32))
