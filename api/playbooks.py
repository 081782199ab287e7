"""What calls are held with: shipped playbooks, dealerships' own, and what judges by them.

Each shipped playbook that a call was held with is kept in a folder by its digest, so that the call
can be told with it when a newer version has taken its place; a dealership's own stay in the store.
Memory holds `MAX_HELD` of those, the ones used last.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import ValidationError

from api.settings import Settings
from api.store.repositories.playbooks import PlaybookVersions
from api.store.teaching import PlaybookVersion
from api.words import LANGUAGE as WORDS_LANGUAGE
from api.words import terms_of
from engine import playbook
from engine.asr.domain import Term
from engine.embedding.embedder import Embedder, Statistics
from engine.embedding.minilm import MODEL
from engine.models import ModelError, catalogue
from engine.objections import LANGUAGE, Judge, Judges
from engine.playbook import Playbook

log = structlog.get_logger(__name__)

DIGEST_LENGTH = 16
NO_SENTENCES = Statistics(0, 0.0, 0, 0, 0, 0)
MAX_HELD = 32
"""Dealerships' own playbooks in memory, some 1 MB each."""

MAX_TRIALS = 4
"""Judges of playbooks that are being tried; calls have others."""


@dataclass(frozen=True, slots=True)
class Held:
    """What calls in a language are held with. `words` are the dealership's own."""

    playbook: Playbook | None
    words: tuple[Term, ...] = ()


class Playbooks:
    """`folder` is the node's own; `embedder` is None where phrases alone decide."""

    def __init__(self, folder: Path, embedder: Embedder | None) -> None:
        self._folder = folder
        self._embedder = embedder
        self._judges = Judges(embedder)
        self._trials = Judges(embedder, MAX_TRIALS)
        self._shipped: dict[str, Playbook] = {}
        self._versions: PlaybookVersions | None = None
        self._known: dict[str, Playbook] = {}
        self._own: OrderedDict[str, Held] = OrderedDict()
        """By the id of the version."""
        self._reading = asyncio.Lock()
        self._preparing: dict[Judge, asyncio.Task[None]] = {}

    async def start(self, versions: PlaybookVersions | None = None) -> None:
        """Read what is shipped; exemplars are embedded while calls may begin already. `versions`
        are dealerships' own."""
        self._versions = versions
        await asyncio.to_thread(self._load)
        if self._embedder is not None:
            self._embedder.start()
            for each in self._shipped.values():
                self.judge(each)

    async def stop(self) -> None:
        """End the embedder. May be called again."""
        preparing = list(self._preparing.values())
        for task in preparing:
            task.cancel()
        await asyncio.gather(*preparing, return_exceptions=True)
        if self._embedder is not None:
            await self._embedder.stop()

    async def shipped_source(self, language: str) -> str | None:
        """As it was written."""
        if language not in self._shipped:
            return None
        return await asyncio.to_thread(playbook.source)

    @property
    def shipped(self) -> list[Playbook]:
        """One for each language that has one."""
        return list(self._shipped.values())

    async def of(self, dealership_id: str, language: str) -> Held:
        """What the dealership's calls in `language` are held with from now on: what it published
        last, or what is shipped. Raises `StoreError`."""
        shipped = Held(self._shipped.get(language))
        if self._versions is None:
            return shipped
        head = await self._versions.published(dealership_id, language)
        if head is None:
            return shipped
        if head.id in self._own:
            self._own.move_to_end(head.id)
            return self._own[head.id]
        version = await self._versions.get(dealership_id, language, head.number)
        return shipped if version is None else await self._held(version) or shipped

    def judge(self, used: Playbook) -> Judge:
        """Its exemplars are embedded, if they are not yet, while phrases decide."""
        judge = self._judges.of(used)
        self._prepare(judge)
        return judge

    async def prepared(self, used: Playbook, within_s: float) -> Judge:
        """A judge for a trial, with its exemplars where they are embedded `within_s`."""
        judge = self._trials.of(used)
        preparing = self._prepare(judge)
        if preparing is not None:
            await asyncio.wait([preparing], timeout=within_s)
        return judge

    async def find(self, dealership_id: str, digest: str) -> Playbook | None:
        """One that a call of the dealership was, or could be, held with: a shipped one, or its own.
        Raises `StoreError`."""
        known = self._known.get(digest)
        if known is not None or not _is_digest(digest):
            return known
        found = await asyncio.to_thread(self._read, digest)
        if found is not None or self._versions is None:
            return found
        version = await self._versions.of_digest(dealership_id, digest)
        held = None if version is None else await self._held(version)
        return None if held is None else held.playbook

    def statistics(self) -> Statistics:
        return NO_SENTENCES if self._embedder is None else self._embedder.statistics()

    @property
    def is_judging(self) -> bool:
        """Whether sentences are compared with exemplars by now."""
        return any(self._judges.of(each).is_prepared for each in self._shipped.values())

    async def _held(self, version: PlaybookVersion) -> Held | None:
        """None for one that this version of Forecourt does not understand any more."""
        async with self._reading:
            held = self._own.pop(version.id, None)
            if held is None:
                try:
                    held = await asyncio.to_thread(_made, version)
                except ValueError as error:
                    log.error("playbook_unusable", version=version.id, error=type(error).__name__)
                    return None
            self._own[version.id] = held
            if len(self._own) > MAX_HELD:
                self._own.popitem(last=False)
            return held

    def _prepare(self, judge: Judge) -> asyncio.Task[None] | None:
        """The task that embeds its exemplars; None where there is nothing to do."""
        if self._embedder is None or judge.is_prepared or judge.playbook.language != LANGUAGE:
            return None
        task = self._preparing.get(judge)
        if task is None:
            task = asyncio.create_task(judge.prepare(), name=f"judge-{judge.playbook.digest}")
            self._preparing[judge] = task
            task.add_done_callback(lambda _: self._preparing.pop(judge, None))
        return task

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


def _made(version: PlaybookVersion) -> Held:
    """Raises `ValueError`."""
    words = terms_of(version.domain_words) if version.language == WORDS_LANGUAGE else ()
    return Held(playbook.parse(version.source.encode()), words)


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
