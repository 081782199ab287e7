"""Whisper's text decoder: many tokens of many windows in one pass.

Unlike a decoder that steps token by token, a pass takes rows of tokens that may or may not turn out
to be right (a draft) and says for each what comes next. Rows of several windows share the pass, so
that each weight is read once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.asr.encoder import Memory, Tensors, attended, by_head, matrix, norm, with_scaled_queries
from engine.asr.kernels import (
    Floats,
    Norm,
    Packed,
    gelu,
    normalised,
    packed,
    softmax,
    times,
)

MAX_TOKENS = 448


@dataclass(slots=True)
class Rows:
    """Tokens of one window in a pass, at `at` and after; `said` has those before it.

    `said` and `heard` are keys and values of tokens and of the window's encoder states, of which
    the first `positions` count. `attention`, if wanted, takes the weights on the first `audible`
    positions: (tokens, alignment heads, audible).
    """

    tokens: NDArray[np.int64]
    at: int
    said: Memory
    heard: Memory
    positions: int
    attention: Floats | None = None
    audible: int = 0


class _Layer(NamedTuple):
    self_norm: Norm
    projections: Packed
    self_output: Packed
    cross_norm: Norm
    queries: Packed
    output: Packed
    forward_norm: Norm
    inner: Packed
    outer: Packed
    key_value_weight: Floats
    key_value_bias: Floats


class Decoder:
    """Stateless but for its weights. `alignment` lists the (layer, head) pairs that follow the
    audio word by word; they are part of a model's configuration."""

    def __init__(self, tensors: Tensors, alignment: list[tuple[int, int]]) -> None:
        """Raises `KeyError` for a checkpoint that lacks a tensor."""
        self.heads = int(tensors["decoder/num_heads"])
        self._embeddings = tensors["decoder/embeddings/weight"]
        self.width = self._embeddings.shape[1]
        self._places = tensors["decoder/position_encodings/encodings"].astype(np.float32)
        self._layers: list[_Layer] = []
        while f"decoder/layer_{len(self._layers)}/ffn/linear_0/weight" in tensors:
            self._layers.append(self._layer(tensors, f"decoder/layer_{len(self._layers)}"))
        self._norm = norm(tensors, "decoder")
        vocabulary = self._embeddings.astype(np.float32)
        self._vocabulary = packed(vocabulary, np.zeros(len(vocabulary), np.float32))
        self.alignment = alignment

    def memory(self, positions: int = MAX_TOKENS) -> Memory:
        """Room for keys and values of tokens, or of encoder states."""
        shape = len(self._layers), self.heads, positions, self.width // self.heads
        return Memory(np.empty(shape, np.float32), np.empty(shape, np.float32))

    def hear(self, states: Floats, heard: Memory, first: int) -> None:
        """Put the keys and values of encoder `states` (positions, width) at `first` and after."""
        end = first + len(states)
        for index, layer in enumerate(self._layers):
            projected = states @ layer.key_value_weight
            projected += layer.key_value_bias
            heard.keys[index, :, first:end] = by_head(projected[:, : self.width], self.heads)
            heard.values[index, :, first:end] = by_head(projected[:, self.width :], self.heads)

    def states(self, batch: list[Rows]) -> Floats:
        """What the decoder makes of all rows of the batch, one after another: (rows, width)."""
        tokens = np.concatenate([rows.tokens for rows in batch])
        places = np.concatenate([np.arange(r.at, r.at + len(r.tokens)) for r in batch])
        x = self._embeddings[tokens].astype(np.float32)
        x += self._places[places]
        ends = np.cumsum([len(rows.tokens) for rows in batch]).tolist()
        spans = list(zip([0, *ends[:-1]], ends, batch, strict=True))
        mixed = np.empty_like(x)
        for index, layer in enumerate(self._layers):
            projected = times(normalised(x, layer.self_norm), layer.projections)
            for begin, end, rows in spans:
                mixed[begin:end] = self._recalled(index, rows, projected[begin:end])
            x += times(mixed, layer.self_output)
            queries = times(normalised(x, layer.cross_norm), layer.queries)
            for begin, end, rows in spans:
                mixed[begin:end] = self._listened(index, rows, queries[begin:end])
            x += times(mixed, layer.output)
            inner = times(normalised(x, layer.forward_norm), layer.inner)
            gelu(inner)
            x += times(inner, layer.outer)
        return normalised(x, self._norm)

    def logits(self, states: Floats) -> Floats:
        """(rows, width) to unnormalised log-probabilities (rows, vocabulary)."""
        return times(states, self._vocabulary)

    def scores(self, state: Floats, tokens: NDArray[np.int64]) -> Floats:
        """The logits (tokens,) of `tokens` alone, behind one `state` (width,)."""
        some = self._vocabulary
        few = Packed(some.weight[tokens], some.scale[tokens], some.bias[tokens])
        logits: Floats = times(state[None], few)[0]
        return logits

    def _recalled(self, index: int, rows: Rows, projected: Floats) -> Floats:
        """Attention to the tokens before, and the row's own."""
        width, first, end = self.width, rows.at, rows.at + len(rows.tokens)
        keys, values = rows.said.keys[index], rows.said.values[index]
        keys[:, first:end] = by_head(projected[:, width : 2 * width], self.heads)
        values[:, first:end] = by_head(projected[:, 2 * width :], self.heads)
        queries = by_head(projected[:, :width], self.heads)
        scores = queries @ keys[:, :end].transpose(0, 2, 1)
        if end - first > 1:
            later = np.triu(np.full((end - first, end - first), -1e9, np.float32), 1)
            scores[:, :, first:] += later
        mixed: Floats = (softmax(scores) @ values[:, :end]).transpose(1, 0, 2)
        return mixed.reshape(len(mixed), -1)

    def _listened(self, index: int, rows: Rows, queries: Floats) -> Floats:
        """Attention to the audio."""
        keys = rows.heard.keys[index, :, : rows.positions]
        values = rows.heard.values[index, :, : rows.positions]
        if rows.attention is None:
            return attended(by_head(queries, self.heads), keys, values)
        weights = softmax(by_head(queries, self.heads) @ keys.transpose(0, 2, 1))
        for place, (layer, head) in enumerate(self.alignment):
            if layer == index:
                end = rows.at + len(rows.tokens)
                rows.attention[rows.at : end, place] = weights[head, :, : rows.audible]
        mixed: Floats = (weights @ values).transpose(1, 0, 2)
        return mixed.reshape(len(mixed), -1)

    def _layer(self, tensors: Tensors, name: str) -> _Layer:
        head = self.width // self.heads
        weight, bias = matrix(tensors, f"{name}/self_attention/linear_0")
        with_scaled_queries(weight, bias, self.width, head)
        query_weight, query_bias = matrix(tensors, f"{name}/attention/linear_0")
        with_scaled_queries(query_weight, query_bias, self.width, head)
        key_value_weight, key_value_bias = matrix(tensors, f"{name}/attention/linear_1")
        return _Layer(
            norm(tensors, f"{name}/self_attention"),
            packed(weight, bias),
            packed(*matrix(tensors, f"{name}/self_attention/linear_1")),
            norm(tensors, f"{name}/attention"),
            packed(query_weight, query_bias),
            packed(*matrix(tensors, f"{name}/attention/linear_2")),
            norm(tensors, f"{name}/ffn"),
            packed(*matrix(tensors, f"{name}/ffn/linear_0")),
            packed(*matrix(tensors, f"{name}/ffn/linear_1")),
            np.ascontiguousarray(key_value_weight.T),
            key_value_bias,
        )
