"""Everything that is kept of a person, as a ZIP archive that is made while it is sent.

Nothing of it touches the disk. At most one recording's window and one page of documents are in
memory.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from api.accounts.views import user_view
from api.archive import Pipe, entry
from api.bus import Bus
from api.coaching.own import Coached
from api.services import Services
from api.store.documents import SessionHead, User
from api.store.repositories.sessions import SessionFilter

_PAGE = 100


async def archive(services: Services, calls: Bus, user: User) -> AsyncIterator[bytes]:
    """The archive's bytes: profile, sign-ins, consents, notices, comments, assignments, and of each
    call its document, events, recording and what coaches made of it; then what was uploaded."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as out:
        _add(out, "profile.json", user_view(user, services.profiles), services.now())
        store, dealership_id = services.store, user.dealership_id
        signed_in = await store.tokens.live_of_user(dealership_id, user.id)
        told = [
            {"signedInUntil": token.expires_at.isoformat(), "browser": token.user_agent}
            for token in signed_in
        ]
        _add(out, "sign-ins.json", told, services.now())
        consents: list[Any] = []
        while found := await store.consents.of_user(dealership_id, user.id, len(consents), _PAGE):
            consents += [consent.model_dump(mode="json", by_alias=True) for consent in found]
        _add(out, "consents.json", consents, services.now())
        inbox = await store.notifications.page(dealership_id, user.id, limit=_PAGE)
        notices = [each.model_dump(mode="json", by_alias=True) for each in inbox.items]
        _add(out, "notifications.json", notices, services.now())
        own = Coached(services, user)
        _add(out, "comments.json", await own.comments(), services.now())
        _add(out, "assignments.json", await own.assignments(), services.now())
        yield pipe.take()
        async for head in _calls_of(services, user):
            about = {"annotations": await own.said_of(head), "scorecard": await own.card_of(head)}
            _add(out, f"calls/{head.id}/coaching.json", about, services.now())
            async for part in _call(services, calls, out, pipe, head):
                yield part
        async for part in _uploads(services, out, pipe, user):
            yield part
    yield pipe.take()


async def _calls_of(services: Services, user: User) -> AsyncIterator[SessionHead]:
    offset = 0
    only = SessionFilter(user_ids=[user.id])
    sessions = services.store.sessions
    while True:
        page = await sessions.page(
            user.dealership_id, only, sort="createdAt", offset=offset, limit=_PAGE
        )
        for head in page.items:
            yield head
        offset += len(page.items)
        if not page.items:
            return


async def _call(
    services: Services, calls: Bus, out: zipfile.ZipFile, pipe: Pipe, head: SessionHead
) -> AsyncIterator[bytes]:
    folder = f"calls/{head.id}"
    _add(out, f"{folder}/call.json", await calls.view(head.dealership_id, head.id), services.now())
    events = await calls.events(head.dealership_id, head.id, 0)
    _add(out, f"{folder}/events.json", events, services.now())
    yield pipe.take()
    recording = await calls.recording(head.dealership_id, head.id)
    if recording is None:
        return
    info = entry(f"{folder}/recording.ogg", services.now())
    with out.open(info, "w", force_zip64=True) as file:
        async for chunk in recording.read(0, recording.size):
            file.write(chunk)
            yield pipe.take()


async def _uploads(
    services: Services, out: zipfile.ZipFile, pipe: Pipe, user: User
) -> AsyncIterator[bytes]:
    """Photos, recordings and what was made of them, each in a folder of its own id."""
    uploading, told = services.uploading, 0
    while True:
        page = await services.store.uploads.page(
            user.dealership_id, user_ids=[user.id], offset=told, limit=_PAGE
        )
        for each in page.items:
            picture = await uploading.open(each)
            name = f"uploads/{each.id}/{uploading.name_of(each)}"
            with out.open(entry(name, each.created_at), "w", force_zip64=True) as file:
                async for chunk in picture.read():
                    file.write(chunk)
                    yield pipe.take()
        told += len(page.items)
        if not page.items:
            return


def _add(out: zipfile.ZipFile, name: str, content: Any, now: datetime) -> None:
    told = content
    if isinstance(content, BaseModel):
        told = content.model_dump(mode="json", by_alias=True)
    info = entry(name, now)
    info.compress_type = zipfile.ZIP_DEFLATED
    out.writestr(info, json.dumps(told, indent=1, ensure_ascii=False, default=str))
