"""Everything that is kept of a person, as a ZIP archive that is made while it is sent.

Nothing of it touches the disk. At most one window of a file and one list of documents are in
memory. What is removed meanwhile does not break it off: its manifest tells what is missing.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from api.accounts.views import user_view
from api.archive import Pipe, entry
from api.bus import Bus
from api.coaching.own import Coached
from api.content.own import projects_of
from api.jobs.own import of_person
from api.jobs.views import job_view
from api.past import Recorded
from api.problems import Problem
from api.services import Services
from api.store.base import Missing
from api.store.crypto import Damaged
from api.store.documents import SessionHead, User
from api.store.repositories.scoped import walk
from api.store.uploads import Upload
from api.upload_views import batch_view, upload_view

MANIFEST: Final = "manifest.json"
Parts = AsyncGenerator[bytes, None]
"""Closed by whoever reads it: a file that is open in an archive must be closed before that."""


async def archive(services: Services, calls: Bus, user: User) -> Parts:
    """The archive's bytes: profile, sign-ins, consents, notices, comments, assignments, jobs,
    batches, content, deliveries, and of each call its document, events, recording and what coaches
    made of it; then what was uploaded and what jobs made of that, and last a manifest.

    Raises `StoreError` where the store is away.
    """
    pipe, store = Pipe(), services.store
    of = user.dealership_id, user.id
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as out:
        made = _Archive(out, pipe, services.now())
        made.add("profile.json", user_view(user, services.profiles))
        signed_in = await store.tokens.live_of_user(*of)
        told = [
            {"signedInUntil": token.expires_at.isoformat(), "browser": token.user_agent}
            for token in signed_in
        ]
        made.add("sign-ins.json", told)
        consents = [consent async for consent in walk(store.consents.of_user, *of)]
        made.add("consents.json", consents)
        notices = [notice async for notice in walk(store.notifications.of_user, *of)]
        made.add("notifications.json", notices)
        own = Coached(services, user)
        made.add("comments.json", await own.comments())
        made.add("assignments.json", await own.assignments())
        made.add("jobs.json", [job_view(job) async for job in of_person(store.jobs, *of)])
        projects = [each async for each in projects_of(store, *of)]
        made.add("content.json", projects)
        remarks = [each async for each in walk(store.content_comments.of_author, *of)]
        made.add("remarks.json", remarks)
        deliveries = [each async for each in walk(store.deliveries.of_user, *of)]
        made.add("deliveries.json", deliveries)
        batches = [batch_view(batch) async for batch in walk(store.batches.of_user, *of)]
        made.add("batches.json", batches)
        yield made.take()
        async for head in walk(store.sessions.of_user, *of):
            folder = f"calls/{head.id}"
            parts = made.as_far(folder, _call(made, folder, calls, own, head))
            async with aclosing(parts):
                async for part in parts:
                    yield part
        async for upload in walk(store.uploads.of_user, *of):
            if upload.status == "ready":
                folder = f"uploads/{upload.id}"
                parts = made.as_far(folder, _upload(made, folder, services, upload))
                async with aclosing(parts):
                    async for part in parts:
                        yield part
        made.add(MANIFEST, {"userId": user.id, "madeAt": made.at, "missing": made.missing})
    yield made.take()


class _Archive:
    """What is made so far, at the time `at`; `missing` names what is not whole in it, and why."""

    def __init__(self, out: zipfile.ZipFile, pipe: Pipe, at: datetime) -> None:
        self.at = at
        self.missing: list[dict[str, str]] = []
        self._out = out
        self._pipe = pipe

    def take(self) -> bytes:
        """What was not taken yet."""
        return self._pipe.take()

    def add(self, name: str, content: Any) -> None:
        info = entry(name, self.at)
        info.compress_type = zipfile.ZIP_DEFLATED
        self._out.writestr(info, json.dumps(content, indent=1, ensure_ascii=False, default=_told))

    async def put(self, name: str, file: Recorded, at: datetime) -> Parts:
        """A file of the time `at`."""
        with self._out.open(entry(name, at), "w", force_zip64=True) as into:
            async for chunk in file.read(0, file.size):
                into.write(chunk)
                yield self.take()

    async def as_far(self, folder: str, parts: Parts) -> Parts:
        """`parts` of a folder, as far as it is there to be read."""
        try:
            async with aclosing(parts):
                async for part in parts:
                    yield part
        except (Problem, Missing, Damaged) as error:
            self.missing.append({"folder": folder, "why": str(error)})


async def _call(made: _Archive, folder: str, calls: Bus, own: Coached, head: SessionHead) -> Parts:
    made.add(f"{folder}/call.json", await calls.view(head.dealership_id, head.id))
    about = {"annotations": await own.said_of(head), "scorecard": await own.card_of(head)}
    made.add(f"{folder}/coaching.json", about)
    events = await calls.events(head.dealership_id, head.id, 0)
    made.add(f"{folder}/events.json", events)
    yield made.take()
    recording = await calls.recording(head.dealership_id, head.id)
    if recording is not None:
        async with aclosing(made.put(f"{folder}/recording.ogg", recording, made.at)) as parts:
            async for part in parts:
                yield part


async def _upload(made: _Archive, folder: str, services: Services, upload: Upload) -> Parts:
    file = await services.uploading.open(upload)
    view = upload_view(services.uploading, upload)
    made.add(f"{folder}/upload.json", view)
    async with aclosing(made.put(f"{folder}/{view.name}", file, upload.created_at)) as parts:
        async for part in parts:
            yield part


def _told(content: object) -> Any:
    """What JSON does not know, in its words."""
    if isinstance(content, BaseModel):
        return content.model_dump(mode="json", by_alias=True)
    return str(content)
