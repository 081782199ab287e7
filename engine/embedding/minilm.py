"""all-MiniLM-L6-v2 in numpy: a sentence in, a vector of unit length out.

A BERT encoder (Devlin et al. 2018: six layers, twelve heads, post-norm, erf GELU), the mean of its
last states over the sentence's tokens, scaled to length one (Reimers & Gurevych 2019). The weights
stay mapped: of the word table only the rows in use are ever read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from tokenizers import Tokenizer

from engine.embedding.safetensors import read_floats

Floats = NDArray[np.float32]

MODEL = "minilm-l6-v2"
"""Its entry in `engine/models.toml`."""
WIDTH = 384
HEADS = 12
LAYERS = 6
EPSILON = np.float32(1e-12)
SQRT_HALF = np.float32(0.5**0.5)
MAX_TOKENS = 64
"""Of a sentence, with the two that frame it; what is longer is cut."""


class MiniLM:
    """Raises `BadTensors`, `KeyError` for weights of another model, and `OSError`."""

    def __init__(self, folder: Path) -> None:
        self._weights = read_floats(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._layers = [_Layer(self._weights, number) for number in range(LAYERS)]

    def embed(self, sentences: Sequence[str]) -> Floats:
        """One vector of unit length for each sentence: float32 of shape [sentences, WIDTH]."""
        vectors = np.empty((len(sentences), WIDTH), np.float32)
        for row, sentence in enumerate(sentences):
            states = self._embedded(self._tokenizer.encode(sentence).ids)
            for layer in self._layers:
                states = layer(states)
            mean = states.mean(axis=0)
            vectors[row] = mean / np.linalg.norm(mean)
        return vectors

    def _embedded(self, ids: Sequence[int]) -> Floats:
        weights = self._weights
        states = weights["embeddings.word_embeddings.weight"][list(ids)]
        states = states + weights["embeddings.position_embeddings.weight"][: len(ids)]
        states += weights["embeddings.token_type_embeddings.weight"][0]
        return _Norm(weights, "embeddings")(states)


class _Linear:
    def __init__(self, weights: dict[str, Floats], name: str) -> None:
        self._weight = weights[f"{name}.weight"].T
        self._bias = weights[f"{name}.bias"]

    def __call__(self, x: Floats) -> Floats:
        y: Floats = x @ self._weight
        y += self._bias
        return y


class _Norm:
    def __init__(self, weights: dict[str, Floats], name: str) -> None:
        self._weight = weights[f"{name}.LayerNorm.weight"]
        self._bias = weights[f"{name}.LayerNorm.bias"]

    def __call__(self, x: Floats) -> Floats:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON)
        x *= self._weight
        x += self._bias
        return x


class _Layer:
    def __init__(self, weights: dict[str, Floats], number: int) -> None:
        name = f"encoder.layer.{number}"
        self._query = _Linear(weights, f"{name}.attention.self.query")
        self._key = _Linear(weights, f"{name}.attention.self.key")
        self._value = _Linear(weights, f"{name}.attention.self.value")
        self._out = _Linear(weights, f"{name}.attention.output.dense")
        self._norm = _Norm(weights, f"{name}.attention.output")
        self._widen = _Linear(weights, f"{name}.intermediate.dense")
        self._narrow = _Linear(weights, f"{name}.output.dense")
        self._final_norm = _Norm(weights, f"{name}.output")

    def __call__(self, x: Floats) -> Floats:
        x = self._norm(x + self._out(self._attended(x)))
        wide = self._widen(x)
        gate: Floats = erf(wide * SQRT_HALF)
        gate += np.float32(1)
        wide *= gate
        wide *= np.float32(0.5)
        return self._final_norm(x + self._narrow(wide))

    def _attended(self, x: Floats) -> Floats:
        """Each head's mix of values, [tokens, WIDTH]."""
        query, key, value = (_heads(part(x)) for part in (self._query, self._key, self._value))
        scores = query @ key.transpose(0, 2, 1)
        scores *= np.float32((WIDTH // HEADS) ** -0.5)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=-1, keepdims=True)
        mixed = (scores @ value).transpose(1, 0, 2)
        return np.asarray(mixed.reshape(len(x), WIDTH), np.float32)


def _heads(x: Floats) -> Floats:
    """[tokens, WIDTH] as [HEADS, tokens, WIDTH / HEADS]."""
    return x.reshape(len(x), HEADS, WIDTH // HEADS).transpose(1, 0, 2)
