"""What people say of a moment, or span, of a call: comments with answers, notes, stamps, bookmarks.

A comment answers another one or none: an answer to an answer joins the same thread, at its moment.
Texts are sealed with the call's key, and gone with it. While the call is live, all in it are told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.accounts.views import Id
from api.bus import Bus
from api.coaching import texts
from api.coaching.subject import (
    Subject,
    erased,
    key_of,
    readers,
    still_kept,
    subject,
)
from api.identity import Identity
from api.problems import Problem
from api.services import Services
from api.store.base import Stale
from api.store.coaching import MAX_MENTIONS, Annotation, AnnotationKind
from api.store.documents import TrainingSession, User
from engine.events import Bookmark, Note, Wire

MAX_TEXT = 2_000
MAX_LABEL = 200
"""Of a bookmark."""
MAX_ANNOTATIONS = 2_000
"""Of one call."""
AHEAD_MS = 2_000
"""How far a page may be ahead of a call's clock: of a live one, or at the end of a recording."""
MAX_MS = 2**53

Stamp = Literal["great", "question", "listen", "slow", "close"]
Ms = Annotated[int, Field(ge=0, le=MAX_MS)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Mentions = Annotated[list[Id], Field(default_factory=list, max_length=MAX_MENTIONS)]


class AnnotationBody(Wire):
    """A comment or a note has a text, a stamp its stamp. An answer names the comment that it
    answers, whose moment it takes."""

    kind: AnnotationKind
    at_ms: Ms
    end_ms: Ms | None = None
    parent_id: Id | None = None
    stamp: Stamp | None = None
    text: Text | None = None
    mentions: Mentions


class AnnotationChange(Wire):
    text: Text
    mentions: Mentions


class AnnotationView(Wire):
    """A comment without a text was removed, and has answers."""

    id: str
    session_id: str
    author_id: str | None
    author_name: str
    kind: AnnotationKind
    at_ms: int
    end_ms: int | None
    parent_id: str | None
    stamp: str | None
    text: str | None
    mentions: list[str]
    created_at: datetime
    updated_at: datetime
    version: int
    mine: bool


class AnnotationPage(Wire):
    """Some of `total`, by their moments."""

    items: list[AnnotationView]
    total: int


class ReaderView(Wire):
    id: str
    name: str
    role: str


class ReaderList(Wire):
    items: list[ReaderView]


class Annotating:
    """Raises `Problem` for what cannot be done, `StoreError`, and `NotRecorded`."""

    def __init__(self, services: Services, calls: Bus) -> None:
        self._services = services
        self._store = services.store
        self._calls = calls

    async def page(self, by: Identity, session_id: str, offset: int, limit: int) -> AnnotationPage:
        found = await self._store.annotations.of_session(
            by.dealership_id, session_id, offset, limit
        )
        items = await self._views(by, session_id, found.items)
        return AnnotationPage(items=items, total=found.total)

    async def view(self, by: Identity, annotation: Annotation) -> AnnotationView:
        (view,) = await self._views(by, annotation.session_id, [annotation])
        return view

    async def readers(self, by: Identity, session_id: str) -> ReaderList:
        """Who may be mentioned, by name."""
        session = await self._session(by, session_id)
        name = self._services.profiles.name
        items = [
            ReaderView(id=user.id, name=name(user), role=user.role)
            for user in await readers(self._services, session)
        ]
        items.sort(key=lambda one: (one.name.casefold(), one.id))
        return ReaderList(items=items)

    async def create(self, by: Identity, session_id: str, body: AnnotationBody) -> Annotation:
        """422 for what does not fit together, 409 where nothing can be kept of the call."""
        about = await subject(self._services, self._calls, by.dealership_id, session_id)
        _check(body, about)
        parent = await self._thread(by, session_id, body)
        told = await self._mentioned(about.session, body.mentions)
        count = await self._store.annotations.count_of_session(by.dealership_id, session_id)
        if count >= MAX_ANNOTATIONS:
            detail = f"There are {MAX_ANNOTATIONS} annotations of this call: remove some first."
            raise Problem(409, detail, code="too_many")
        made = Annotation.new(
            by.dealership_id,
            self._services.now(),
            session_id=session_id,
            author_id=by.user_id,
            kind=body.kind,
            at_ms=body.at_ms if parent is None else parent.at_ms,
            end_ms=body.end_ms if parent is None else parent.end_ms,
            parent_id=None if parent is None else parent.id,
            stamp=body.stamp,
            mentions=tuple(user.id for user in told),
        )
        if body.text:
            sealed = texts.sealed(about.key, made, "text", body.text)
            made = made.model_copy(update={"text": sealed})
        await self._services.audit.allowed(by, "note.create", "annotation", made.id)
        await self._store.annotations.add(by.dealership_id, made)
        await self._keep(made, about.session, parent)
        await self._say(by, made, body, about)
        await self._tell(by, made, told)
        return made

    async def change(
        self, by: Identity, annotation: Annotation, body: AnnotationChange
    ) -> Annotation:
        """Raises `Stale`, too."""
        session = await self._session(by, annotation.session_id)
        key = key_of(self._services, session)
        if key is None:
            raise erased()
        if annotation.kind == "comment" and annotation.text is None:
            raise _removed()
        _check_text(annotation.kind, body.text)
        told = await self._mentioned(session, body.mentions)
        sealed = texts.sealed(key, annotation, "text", body.text) if body.text else None
        mentions = tuple(user.id for user in told)
        changed = annotation.changed(self._services.now(), text=sealed, mentions=mentions)
        await self._services.audit.allowed(by, "note.update", "annotation", changed.id)
        await self._store.annotations.save(by.dealership_id, changed)
        await self._tell(by, changed, [u for u in told if u.id not in annotation.mentions])
        return changed

    async def remove(self, by: Identity, annotation: Annotation) -> None:
        """Raises `Stale`, too."""
        await self._services.audit.allowed(by, "note.delete", "annotation", annotation.id)
        await self._store.annotations.take_back(by.dealership_id, annotation)

    # the inside

    async def _session(self, by: Identity, session_id: str) -> TrainingSession:
        session = await self._store.sessions.get(by.dealership_id, session_id)
        if session is None:
            raise erased()
        return session

    async def _thread(
        self, by: Identity, session_id: str, body: AnnotationBody
    ) -> Annotation | None:
        """The comment that a thread began with."""
        if body.parent_id is None:
            return None
        parent = await self._store.annotations.get(by.dealership_id, body.parent_id)
        if parent is not None and parent.parent_id is not None:
            parent = await self._store.annotations.get(by.dealership_id, parent.parent_id)
        if parent is None or parent.session_id != session_id or parent.kind != "comment":
            raise _wrong("parentId", "there is no such comment on this call")
        if parent.text is None:
            raise _removed()
        return parent

    async def _mentioned(self, session: TrainingSession, user_ids: Sequence[str]) -> list[User]:
        if not user_ids:
            return []
        may = {user.id: user for user in await readers(self._services, session)}
        for user_id in user_ids:
            if user_id not in may:
                raise _wrong("mentions", f"{user_id} is nobody who may read this call")
        return [may[user_id] for user_id in dict.fromkeys(user_ids)]

    async def _keep(
        self, made: Annotation, session: TrainingSession, parent: Annotation | None
    ) -> None:
        """Take back what came too late: the call was erased meanwhile, or its thread removed."""
        annotations = self._store.annotations
        kept = await still_kept(self._services, session)
        if kept and parent is not None:
            now = await annotations.get(made.dealership_id, parent.id)
            if now is not None and now.text is not None:
                return
        elif kept:
            return
        with contextlib.suppress(Stale):  # it went with the call
            await annotations.take_back(made.dealership_id, made)
        raise _removed() if kept else erased()

    async def _say(
        self, by: Identity, made: Annotation, body: AnnotationBody, about: Subject
    ) -> None:
        """Tell whoever is in the call, if it is live."""
        if about.is_over:
            return
        name = await self._services.people.name_of(by.dealership_id, by.user_id)
        said: Note | Bookmark
        if made.kind == "bookmark":
            said = Bookmark(at_ms=made.at_ms, label=body.text or "", author=name[:MAX_LABEL])
        else:
            said = Note(
                id=made.id,
                kind="stamp" if made.kind == "stamp" else "note",
                text=body.text or "",
                stamp=made.stamp,
                author=name[:MAX_LABEL],
                author_id=by.user_id,
                at_ms=made.at_ms,
            )
        await self._calls.note(by.dealership_id, made.session_id, said)

    async def _tell(self, by: Identity, made: Annotation, told: Iterable[User]) -> None:
        for user in told:
            if user.id != by.user_id:
                await self._services.post.tell(
                    user,
                    "mentioned",
                    path=f"/replay#{made.session_id}?t={made.at_ms}",
                    sessionId=made.session_id,
                    atMs=made.at_ms,
                )

    async def _views(
        self, by: Identity, session_id: str, found: Sequence[Annotation]
    ) -> list[AnnotationView]:
        if not found:
            return []
        session = await self._store.sessions.get(by.dealership_id, session_id)
        key = None if session is None else key_of(self._services, session)
        called = await self._services.people.names(
            by.dealership_id, (one.author_id for one in found)
        )
        return [
            AnnotationView(
                id=one.id,
                session_id=one.session_id,
                author_id=one.author_id,
                author_name=called.get(one.author_id or "", ""),
                kind=one.kind,
                at_ms=one.at_ms,
                end_ms=one.end_ms,
                parent_id=one.parent_id,
                stamp=one.stamp,
                text=None if key is None else texts.opened(key, one, "text", one.text),
                mentions=list(one.mentions),
                created_at=one.created_at,
                updated_at=one.updated_at,
                version=one.version,
                mine=one.author_id == by.user_id,
            )
            for one in found
        ]


def _check(body: AnnotationBody, about: Subject) -> None:
    """Raises `Problem` (422)."""
    latest = about.duration_ms + AHEAD_MS
    for name, at_ms in (("atMs", body.at_ms), ("endMs", body.end_ms)):
        if at_ms is not None and at_ms > latest:
            raise _wrong(name, f"the call is {about.duration_ms} ms long")
    if body.end_ms is not None and body.end_ms < body.at_ms:
        raise _wrong("endMs", "a span ends after it begins")
    if (body.stamp is None) == (body.kind == "stamp"):
        raise _wrong("stamp", "a stamp has one, and nothing else does")
    if body.parent_id is not None and body.kind != "comment":
        raise _wrong("kind", "an answer is a comment")
    _check_text(body.kind, body.text or "")


def _check_text(kind: AnnotationKind, text: str) -> None:
    if kind in ("comment", "note") and not text.strip():
        raise _wrong("text", "there is nothing in it")
    if kind == "bookmark" and len(text) > MAX_LABEL:
        raise _wrong("text", f"a bookmark has {MAX_LABEL} letters at most")


def _wrong(field: str, message: str) -> Problem:
    errors = [{"field": field, "message": message}]
    return Problem(422, f"{field}: {message}.", errors=errors)


def _removed() -> Problem:
    return Problem(409, "This comment was removed: begin a new one.", code="removed")
