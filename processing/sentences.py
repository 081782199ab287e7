"""Sentences become vectors in this process: for work that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.embedding.minilm import Floats, MiniLM


class Sentences:
    """Implements `engine.objections.Embedding`; `folder` holds the model."""

    def __init__(self, folder: Path) -> None:
        self._model = MiniLM(folder)

    def submit(self, sentence: str, done: Callable[[Floats | None], None]) -> None:
        """`done` is called before this returns."""
        done(self._model.embed([sentence])[0])

    async def embed(self, sentences: Sequence[str]) -> list[Floats | None]:
        return list(self._model.embed(sentences))
