"""The node's playbooks, and what judges objections by them.

Each playbook that a call was held with is kept in a folder by its digest, so that the call can be
told with it when a newer version has taken its place.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog
from pydantic import ValidationError

from api.settings import Settings
from engine import playbook
from engine.embedding.embedder import Embedder, Statistics
from engine.embedding.minilm import MODEL
from engine.models import ModelError, catalogue
from engine.objections import Judge, Judges
from engine.playbook import Playbook

log = structlog.get_logger(__name__)

DIGEST_LENGTH = 16
NO_SENTENCES = Statistics(0, 0.0, 0, 0, 0, 0)


class Playbooks:
    """`folder` is the node's own; `embedder` is None where phrases alone decide."""

    def __init__(self, folder: Path, embedder: Embedder | None) -> None:
        self._folder = folder
        self._embedder = embedder
        self._judges = Judges(embedder)
        self._shipped: dict[str, Playbook] = {}
        self._known: dict[str, Playbook] = {}
        self._preparing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read what is shipped; exemplars are embedded while calls may begin already."""
        await asyncio.to_thread(self._load)
        if self._embedder is not None:
            self._embedder.start()
            self._preparing = asyncio.create_task(self._prepare(), name="playbooks")

    async def stop(self) -> None:
        """End the embedder. May be called again."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        if self._embedder is not None:
            await self._embedder.stop()

    def of(self, language: str) -> Playbook | None:
        """What calls in `language` are held with."""
        return self._shipped.get(language)

    def judge(self, used: Playbook) -> Judge:
        return self._judges.of(used)

    async def find(self, digest: str) -> Playbook | None:
        """One that a call of this node was, or could be, held with."""
        known = self._known.get(digest)
        if known is not None or not _is_digest(digest):
            return known
        return await asyncio.to_thread(self._read, digest)

    def statistics(self) -> Statistics:
        return NO_SENTENCES if self._embedder is None else self._embedder.statistics()

    @property
    def is_judging(self) -> bool:
        """Whether sentences are compared with exemplars by now."""
        return any(self._judges.of(each).is_prepared for each in self._shipped.values())

    def _load(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        shipped = playbook.shipped()
        self._shipped[shipped.language] = self._known[shipped.digest] = shipped
        kept = self._path(shipped.digest)
        if not kept.exists():
            half = kept.with_suffix(".part")
            half.write_text(shipped.model_dump_json(), encoding="utf-8")
            half.replace(kept)

    def _read(self, digest: str) -> Playbook | None:
        try:
            found = Playbook.model_validate_json(self._path(digest).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.error("playbook_unreadable", digest=digest, error=repr(error))
            return None
        return found if found.digest == digest else None

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.json"

    async def _prepare(self) -> None:
        for each in self._shipped.values():
            await self._judges.of(each).prepare()


def open_playbooks(settings: Settings) -> Playbooks:
    """The node's, with the sentence model where it is wanted and in the cache. Reads 90 MB."""
    embedder: Embedder | None = None
    if settings.objections == "model":
        try:
            embedder = Embedder(catalogue().verify(MODEL))
        except ModelError as error:
            log.warning("objections_by_phrases_alone", why=str(error))
    return Playbooks(settings.data / "playbooks", embedder)


def _is_digest(text: str) -> bool:
    return len(text) == DIGEST_LENGTH and all(c in "0123456789abcdef" for c in text)
