"""A dealership's own playbooks: written as drafts, checked, tried, published, restored.

A published version never changes: calls name it by its content. `MAX_WAITING` sources wait to be
read at once, one after the other: reading one takes up to half a second of a core.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from api.identity import Identity
from api.playbook_views import (
    HeadView,
    TryBody,
    TryView,
    VersionBody,
    VersionView,
    head_view,
    shipped_view,
    stored,
    version_view,
)
from api.playbooks import Playbooks
from api.problems import Problem
from api.services import Services
from api.store.base import Duplicate
from api.store.teaching import DomainWord, PlaybookHead, PlaybookVersion
from api.trial import tried
from api.words import LANGUAGE, Words, faults_of, terms_of
from engine import playbook
from engine.document import Fault
from engine.playbook import Playbook, PlaybookError

MAX_WAITING = 8
MAX_DRAFTS = 50
"""Of a language."""
MAX_LISTED = 200
MAX_FAULTS = 50
EXEMPLARS_WITHIN_S = 8.0
"""How long a trial waits for a new playbook's exemplars before phrases decide."""
_LANGUAGE_LINE = re.compile(r"^language\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Read:
    """What a source came to: a playbook, or faults by line."""

    playbook: Playbook | None
    faults: Sequence[Fault] = ()


class Editing:
    def __init__(self, services: Services, books: Playbooks, words: Words) -> None:
        self._services = services
        self._versions = services.store.playbooks
        self._books = books
        self._words = words
        self._reading = asyncio.Lock()
        self._waiting = 0

    # what there is

    async def list(self, by: Identity) -> list[HeadView]:
        """The newest first, shipped ones last; drafts are for who may write them."""
        heads = await self._versions.newest(by.dealership_id, MAX_LISTED)
        shown = [head for head in heads if head.status != "draft" or _writes(by)]
        authors = (version.author_id for version in shown)
        names = await self._services.people.names(by.dealership_id, authors)
        views = [head_view(head, names.get(head.author_id)) for head in shown]
        for shipped in self._books.shipped:
            own = await self._versions.published(by.dealership_id, shipped.language)
            views.append(shipped_view(shipped, is_used=own is None))
        return views

    async def find(self, by: Identity, language: str, number: int) -> PlaybookVersion | None:
        """None, too, for a draft that `by` may not write."""
        found = await self._versions.get(by.dealership_id, language, number)
        if found is not None and found.status == "draft" and not _writes(by):
            return None
        return found

    async def view(self, version: PlaybookVersion) -> VersionView:
        names = await self._services.people.names(version.dealership_id, [version.author_id])
        return version_view(version, names.get(version.author_id))

    # drafts

    async def draft(self, by: Identity, language: str, body: VersionBody) -> PlaybookVersion:
        """A new one. Raises `Problem` (409) beyond `MAX_DRAFTS`."""
        if await self._versions.count_drafts(by.dealership_id, language) >= MAX_DRAFTS:
            detail = f"There are {MAX_DRAFTS} drafts already: delete or publish some first."
            raise Problem(409, detail, code="too_many_drafts")
        written = await self._written(body.source)
        number = await self._versions.last_number(by.dealership_id, language)
        while True:
            number += 1
            made = PlaybookVersion.new(
                by.dealership_id,
                self._services.now(),
                language=language,
                number=number,
                author_id=by.user_id,
                remark=body.remark,
                domain_words=stored(body.domain_words),
                **written,
            )
            try:
                await self._versions.add(by.dealership_id, made)
            except Duplicate:
                continue  # somebody else's draft came first
            await self._record(by, "playbook.write", made)
            return made

    async def change(
        self, by: Identity, version: PlaybookVersion, body: VersionBody
    ) -> PlaybookVersion:
        """Write a draft anew. Raises `Problem` (409) for what is none, and `Stale`."""
        _require_draft(version)
        written = await self._written(body.source)
        changed = version.changed(
            self._services.now(),
            author_id=by.user_id,
            remark=body.remark,
            domain_words=stored(body.domain_words),
            **written,
        )
        await self._record(by, "playbook.write", version)
        await self._versions.save(by.dealership_id, changed)
        return changed

    async def remove(self, by: Identity, version: PlaybookVersion) -> None:
        """Raises `Problem` (409) for what is no draft."""
        _require_draft(version)
        await self._record(by, "playbook.write", version)
        if not await self._versions.remove_draft(
            by.dealership_id, version.language, version.number
        ):
            raise _no_draft()

    async def restore(self, by: Identity, version: PlaybookVersion) -> PlaybookVersion:
        """A draft like `version`."""
        words = [word.model_dump() for word in version.domain_words]
        body = VersionBody.model_validate(
            {"source": version.source, "domain_words": words, "remark": version.remark}
        )
        return await self.draft(by, version.language, body)

    async def publish(self, by: Identity, version: PlaybookVersion) -> PlaybookVersion:
        """From now on the dealership's calls in its language are held with it. Raises `Problem`
        (409) for what is no draft or has faults, and `Stale`."""
        _require_draft(version)
        read = await self.read(version.source)
        _refuse([*read.faults, *_other_language(version, read.playbook)], version.domain_words)
        used = read.playbook
        assert used is not None
        now = self._services.now()
        published = version.changed(
            now, status="published", published_at=now, title=used.title, digest=used.digest
        )
        await self._record(by, "playbook.publish", version)
        await self._versions.save(by.dealership_id, published)
        assert published.published_at is not None
        await self._versions.retire_before(
            by.dealership_id, version.language, published.published_at
        )
        # Its exemplars are embedded before the first call asks for them.
        self._books.judge(used)
        return published

    # trying

    async def read(self, source: str) -> Read:
        """Raises `Problem` (429) where too many wait."""
        async with self._turn():
            return await asyncio.to_thread(_read, source)

    async def attempt(self, by: Identity, body: TryBody) -> TryView:
        """Raises `Problem`: 404 for a version that is not there, 409 for what has faults."""
        used, words = await self._chosen(by, body)
        if body.domain_words is not None:
            words = stored(body.domain_words)
        _refuse((), words)
        corrector = None
        if used.language == LANGUAGE:
            corrector = await self._words.of(terms_of(words))
        judge = await self._books.prepared(used, EXEMPLARS_WITHIN_S)
        return await tried(used, judge, corrector, body.sentence, body.session_type, body.speaker)

    async def _chosen(self, by: Identity, body: TryBody) -> tuple[Playbook, Sequence[DomainWord]]:
        if body.source is not None:
            return await self._usable(body.source), ()
        if body.number:
            version = await self.find(by, body.language, body.number)
            if version is None:
                raise Problem(404, "There is no such version of a playbook.")
            return await self._usable(version.source), version.domain_words
        if body.number is None:
            held = await self._books.of(by.dealership_id, body.language)
            found, terms = held.playbook, held.words
        else:
            shipped = {each.language: each for each in self._books.shipped}
            found, terms = shipped.get(body.language), ()
        if found is None:
            detail = f"There is no playbook for calls in the language {body.language!r} yet."
            raise Problem(409, detail, code="no_playbook")
        return found, [DomainWord(term=each.term, spoken=each.spoken) for each in terms]

    # the inside

    async def _written(self, source: str) -> dict[str, object]:
        """A draft's fields that follow from its source."""
        found = (await self.read(source)).playbook
        title, digest = ("", "") if found is None else (found.title, found.digest)
        return {"source": source, "title": title, "digest": digest}

    async def _usable(self, source: str) -> Playbook:
        """Raises `Problem` (409) with each fault."""
        found = await self.read(source)
        _refuse(found.faults, ())
        assert found.playbook is not None
        return found.playbook

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING:
            detail = "Several playbooks are being checked just now: try again in a few seconds."
            raise Problem(429, detail, headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._reading:
                yield
        finally:
            self._waiting -= 1

    async def _record(self, by: Identity, action: str, version: PlaybookHead) -> None:
        target = f"{version.language}:{version.number}"
        await self._services.audit.allowed(by, action, "playbook", target)


def editing_of(request: Request) -> Editing:
    """The editing of the node that serves `request`."""
    editing: Editing = request.app.state.editing
    return editing


def _writes(by: Identity) -> bool:
    return by.reach("playbook.write") != "-"


def _read(source: str) -> Read:
    try:
        return Read(playbook.parse(source.encode("utf-8", "surrogatepass")))
    except PlaybookError as error:
        return Read(None, error.faults)


def _require_draft(version: PlaybookHead) -> None:
    if version.status != "draft":
        raise _no_draft()


def _other_language(version: PlaybookVersion, found: Playbook | None) -> list[Fault]:
    if found is None or found.language == version.language:
        return []
    at = _LANGUAGE_LINE.search(version.source)
    line = 1 if at is None else version.source.count("\n", 0, at.start()) + 1
    told = f"The language is {found.language!r}, but this playbook is for {version.language!r}."
    return [Fault(line, f"{told} Correct it.")]


def _no_draft() -> Problem:
    detail = "This version was published and never changes: restore it as a draft to go on from it."
    return Problem(409, detail, code="no_draft")


def _refuse(faults: Sequence[Fault], words: Sequence[DomainWord]) -> None:
    """Raises `Problem` (409) where there are any."""
    errors = [{"field": f"line {each.line}", "message": each.message} for each in faults]
    errors += [
        {"field": f"domainWords.{number}", "message": message}
        for number, message in faults_of(words)
    ]
    if errors:
        first = f"{errors[0]['field']}: {errors[0]['message']}"
        detail = f"The playbook has faults: {len(errors)} in all. The first is at {first}"
        raise Problem(409, detail, errors=errors[:MAX_FAULTS], code="faulty")
