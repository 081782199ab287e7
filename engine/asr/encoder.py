"""Whisper's audio encoder, which can go on from where it was a moment ago.

Every position attends to every other, so a window that has grown must be encoded anew to the
letter. But what 0.5 s more of audio changes in the states of seconds ago is small: their keys and
values are kept, and only the newest positions, which had little or silence behind them, and those
that are new are computed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.asr.kernels import Floats, Norm, gelu, normalised, softmax

POSITIONS_PER_S = 50
MAX_POSITIONS = 1500
ROWS = 256
"""Queries at a time: the weights of all 1500 would be 54 MB of fresh memory in every layer."""

Tensors = dict[str, NDArray[Any]]


class Linear(NamedTuple):
    """A matrix (inputs, outputs) and what is added (outputs,)."""

    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        out: Floats = x @ self.weight
        out += self.bias
        return out


def matrix(tensors: Tensors, name: str) -> tuple[Floats, Floats]:
    """The weight (outputs, inputs) and bias of a layer."""
    return (
        tensors[f"{name}/weight"].astype(np.float32),
        tensors[f"{name}/bias"].astype(np.float32),
    )


def norm(tensors: Tensors, name: str) -> Norm:
    return Norm(
        tensors[f"{name}/layer_norm/gamma"].astype(np.float32),
        tensors[f"{name}/layer_norm/beta"].astype(np.float32),
    )


def with_scaled_queries(weight: Floats, bias: Floats, width: int, head: int) -> None:
    """Divide the first `width` outputs, which are queries, by the root of a head's width."""
    weight[:width] *= head**-0.5
    bias[:width] *= head**-0.5


def by_head(x: Floats, heads: int) -> Floats:
    """(rows, width) as (heads, rows, width of a head), a view."""
    return x.reshape(len(x), heads, -1).transpose(1, 0, 2)


def attended(queries: Floats, keys: Floats, values: Floats) -> Floats:
    """Attention of (heads, rows, head) over (heads, positions, head): (rows, width)."""
    heads, rows, head = queries.shape
    mixed = np.empty((rows, heads, head), np.float32)
    for first in range(0, rows, ROWS):
        weights = softmax(queries[:, first : first + ROWS] @ keys.transpose(0, 2, 1))
        mixed[first : first + ROWS] = (weights @ values).transpose(1, 0, 2)
    return mixed.reshape(rows, -1)


class _Layer(NamedTuple):
    attention_norm: Norm
    projections: Linear
    output: Linear
    forward_norm: Norm
    inner: Linear
    outer: Linear


class Memory(NamedTuple):
    """Keys and values of a window's positions: each (layers, heads, positions, head)."""

    keys: Floats
    values: Floats


class Encoder:
    """Stateless; what it may go on from is handed in."""

    def __init__(self, tensors: Tensors) -> None:
        """Raises `KeyError` for a checkpoint that lacks a tensor."""
        self.heads = int(tensors["encoder/num_heads"])
        self.width = tensors["encoder/conv1/bias"].shape[0]
        self._first = self._convolution(tensors, "encoder/conv1")
        self._second = self._convolution(tensors, "encoder/conv2")
        self._places = tensors["encoder/position_encodings/encodings"].astype(np.float32)
        self._layers: list[_Layer] = []
        while f"encoder/layer_{len(self._layers)}/ffn/linear_0/weight" in tensors:
            self._layers.append(self._layer(tensors, f"encoder/layer_{len(self._layers)}"))
        self._norm = norm(tensors, "encoder")

    @property
    def layers(self) -> int:
        return len(self._layers)

    def memory(self, positions: int = MAX_POSITIONS) -> Memory:
        """Room for the keys and values of a window; its pages are taken as they are written."""
        shape = self.layers, self.heads, positions, self.width // self.heads
        return Memory(np.empty(shape, np.float32), np.empty(shape, np.float32))

    def states(self, mel: Floats, memory: Memory, first: int = 0) -> Floats:
        """The states (positions, width) from position `first` to the end of the window.

        `mel` (frames, 80) is scaled and even in length; two frames make a position. `memory` holds
        the keys and values of the positions before `first` and takes those of the rest.
        """
        end = len(mel) // 2
        x = self._convolved(mel, first)
        x += self._places[first:end]
        for index, layer in enumerate(self._layers):
            keys, values = memory.keys[index], memory.values[index]
            projected = layer.projections(normalised(x, layer.attention_norm))
            keys[:, first:end] = by_head(projected[:, self.width : 2 * self.width], self.heads)
            values[:, first:end] = by_head(projected[:, 2 * self.width :], self.heads)
            queries = by_head(projected[:, : self.width], self.heads)
            x += layer.output(attended(queries, keys[:, :end], values[:, :end]))
            inner = layer.inner(normalised(x, layer.forward_norm))
            gelu(inner)
            x += layer.outer(inner)
        return normalised(x, self._norm)

    def _convolved(self, mel: Floats, first: int) -> Floats:
        """Both convolutions (3 taps; the second takes every other frame) from `first` on."""
        # Position p needs frames 2p - 1 to 2p + 1 of the first, which need one more either side.
        begin = max(2 * first - 1, 0)
        padded = np.pad(mel[max(begin - 1, 0) :], ((int(begin == 0), 1), (0, 0)))
        once = self._first(_taps(padded))
        gelu(once)
        if first == 0:
            once = np.pad(once, ((1, 0), (0, 0)))
        twice = self._second(_taps(once)[::2])
        gelu(twice)
        return twice

    @staticmethod
    def _convolution(tensors: Tensors, name: str) -> Linear:
        weight, bias = matrix(tensors, name)
        # (out, in, tap) -> (tap, in, out): three frames in a row are one input
        flat = weight.transpose(2, 1, 0).reshape(-1, len(bias))
        return Linear(np.ascontiguousarray(flat), bias)

    def _layer(self, tensors: Tensors, name: str) -> _Layer:
        weight, bias = matrix(tensors, f"{name}/self_attention/linear_0")
        with_scaled_queries(weight, bias, self.width, self.width // self.heads)
        return _Layer(
            norm(tensors, f"{name}/self_attention"),
            _linear(weight, bias),
            _linear(*matrix(tensors, f"{name}/self_attention/linear_1")),
            norm(tensors, f"{name}/ffn"),
            _linear(*matrix(tensors, f"{name}/ffn/linear_0")),
            _linear(*matrix(tensors, f"{name}/ffn/linear_1")),
        )


def _linear(weight: Floats, bias: Floats) -> Linear:
    return Linear(np.ascontiguousarray(weight.T), bias)


def _taps(frames: Floats) -> Floats:
    """Each three frames in a row as one row."""
    windows = np.lib.stride_tricks.sliding_window_view(frames, 3, axis=0)
    return windows.transpose(0, 2, 1).reshape(len(windows), -1)
