"""The end of a call's life on this node's disk: it goes to the blobs and into its document.

Each step may be cut off and done again: a blob's id follows from the session's, a blob is there
whole or not at all, the document is changed at once, and the folder goes last.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Literal

import structlog

from api.coaching.attempts import on_completed
from api.delivery import stored
from api.folders import Folder
from api.keep import Keep
from api.payloads import opened_event, sealed_field
from api.sealed import SealedDisk
from api.store.base import MAX_MANY, Duplicate
from api.store.blobs import BlobId
from api.store.crypto import Damaged, DataKey
from api.store.documents import (
    JournalBlob,
    Recording,
    SessionHead,
    SessionMetrics,
    TrainingSession,
)
from api.store.repositories.sessions import Fields
from api.told import Told
from engine.session import TRAINEE
from signaling.recorder import broken_path, continued

log = structlog.get_logger(__name__)

Erasing = Literal["withdrawn", "removed"]
"""Whether a call's document stays, with its numbers, or goes too."""
PARTS = ("recording", "journal")
"""`recording` is the trainee's; other tracks' are called by them: ``recording partner``."""
_BATCH_BYTES = 2**20


def blob_of(dealership_id: str, session_id: str, part: str) -> BlobId:
    """Where a call's recording or journal goes."""
    digest = hashlib.sha256(f"{session_id} {part}".encode()).hexdigest()
    return BlobId(dealership_id, session_id, digest[:24])


async def complete(
    keep: Keep,
    folder: Folder,
    key: DataKey,
    told: Told,
    *,
    is_recorded: bool,
    on_stored: Callable[[], object] = lambda: None,
) -> None:
    """Put a call away whose events are in the store, however long the store takes to answer.

    Of one whose recording was refused its times and scores stay, and its key is destroyed.
    `on_stored` is called when the store tells all of it, before its folder goes.
    """
    session_id = folder.session_id
    sizes: dict[str, int] = {}
    if is_recorded:
        disk = SealedDisk(key, folder.dealership_id, session_id)
        others = [t for t in await asyncio.to_thread(lambda: folder.recorded) if t != TRAINEE]
        # The trainee's is asked for in any case: it may be a blob already.
        for part in (*PARTS, *(f"{PARTS[0]} {track}" for track in others)):
            size = await stored(
                lambda part=part: _put(keep, folder, disk, key, part),  # type: ignore[misc]
                session_id,
                part,
            )
            if size is not None:
                sizes[part] = size
    document = await stored(
        lambda: written(
            keep, folder.dealership_id, session_id, key, told, sizes, is_recorded=is_recorded
        ),
        session_id,
        "session",
    )
    if document is None or (is_recorded and document.data_key is None):
        # It was erased meanwhile.
        await stored(
            lambda: _remove_blobs(keep, folder.dealership_id, session_id), session_id, "blobs"
        )
    if document is not None:
        over = document
        await stored(lambda: on_completed(keep, over), session_id, "assignment")
    on_stored()
    await stored(lambda: asyncio.to_thread(folder.remove), session_id, "folder")
    log.info("session_stored", session=session_id)


async def complete_lost(keep: Keep, head: SessionHead) -> None:
    """A call of which nothing is left but what the store has: its events, if any."""
    told = Told()
    told.start_time = head.start_time
    document = await keep.store.sessions.get(head.dealership_id, head.id)
    if document is None:
        return
    key = keep.vault.key_of(document)
    after = 0
    while found := await keep.store.events.after(head.dealership_id, head.id, after, MAX_MANY):
        after = found[-1].seq
        for event in found:
            if key is None:
                break
            try:
                told.event(opened_event(key, event))
            except Damaged as error:
                log.error("event_damaged", session=head.id, seq=event.seq, error=str(error))
    told.duration_ms = max(told.duration_ms, head.duration_ms)

    def changed(session: TrainingSession) -> Fields:
        fields = numbers(told)
        if session.recording_consent is False:
            return fields | {"data_key": None}
        if key is not None and session.data_key is not None:
            fields |= _counts(told) | _words(key, session, told)
        return fields

    over = await keep.store.sessions.change(head.dealership_id, head.id, changed)
    if over is not None:
        await on_completed(keep, over)
    log.warning("session_files_lost", session=head.id, events=told.last_seq)


async def erase(keep: Keep, folder: Folder, how: Erasing) -> None:
    """Destroy a call's key, and then all that was sealed with it; `removed`: its document, too;
    `withdrawn`: its consent holds no longer.

    Once begun the next start goes on with it. Raises `StoreError` and `OSError`.
    """
    dealership_id, session_id = folder.dealership_id, folder.session_id
    await asyncio.to_thread(folder.begin_erasing, how)
    if how == "removed":
        await remove(keep, dealership_id, session_id)
    else:
        await _destroy(keep, dealership_id, session_id)
        session = await keep.store.sessions.change(dealership_id, session_id, _over)
        session = session or await keep.store.sessions.get(dealership_id, session_id)
        if session is not None:
            await keep.store.consents.withdraw(dealership_id, session_id, session.user_id)
    await asyncio.to_thread(folder.remove)
    log.info("session_erased", session=session_id, how=how)


async def remove(keep: Keep, dealership_id: str, session_id: str) -> None:
    """Destroy a call, but for what a node's disk has of it. Raises `StoreError`."""
    await _destroy(keep, dealership_id, session_id)
    await keep.store.consents.remove_of(dealership_id, session_id)
    await keep.store.sessions.remove(dealership_id, session_id)


async def _destroy(keep: Keep, dealership_id: str, session_id: str) -> None:
    """Its key first: nothing that was sealed with it can be read any more."""
    await keep.store.sessions.erase(dealership_id, session_id)
    await keep.store.events.remove_of(dealership_id, session_id)
    await keep.store.annotations.remove_of(dealership_id, session_id)
    await keep.store.scorecards.remove_of(dealership_id, session_id)
    await _remove_blobs(keep, dealership_id, session_id)


def _over(session: TrainingSession) -> Fields:
    return {} if session.status == "completed" else {"status": "completed"}


async def _remove_blobs(keep: Keep, dealership_id: str, session_id: str) -> None:
    listed = keep.blobs.list(dealership_id, session_id)
    for blob in [blob async for blob, _ in listed]:
        await keep.blobs.delete(blob)


async def _put(keep: Keep, folder: Folder, disk: SealedDisk, key: DataKey, part: str) -> int | None:
    """Store one file as a blob, unless it is one already; its size, None where there is none."""
    kind, _, track = part.partition(" ")
    path = folder.recording(track or TRAINEE) if kind == PARTS[0] else folder.journal
    if kind == PARTS[0] and await asyncio.to_thread(broken_path(path).exists):
        await asyncio.to_thread(lambda: continued(path, disk).close())
    blob = blob_of(folder.dealership_id, folder.session_id, part)
    if await asyncio.to_thread(path.exists):
        try:
            return await keep.blobs.put(key, blob, _chunks(disk.chunks(path)))
        except Duplicate:
            log.info("blob_stored_before", session=folder.session_id, part=part)
    elif not await keep.blobs.exists(blob):
        return None
    return (await keep.blobs.get(key, blob)).size


async def _chunks(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The same in larger parts, each read in a thread."""

    def next_part() -> bytes:
        part = bytearray()
        while len(part) < _BATCH_BYTES and (chunk := next(chunks, None)) is not None:
            part += chunk
        return bytes(part)

    while part := await asyncio.to_thread(next_part):
        yield part


async def written(
    keep: Keep,
    dealership_id: str,
    session_id: str,
    key: DataKey,
    told: Told,
    sizes: Mapping[str, int],
    *,
    is_recorded: bool = True,
) -> TrainingSession | None:
    """The document of a call that is over: with what was told, and the blobs of its parts, which
    have these `sizes`. None where it was erased. Raises `StoreError`."""
    before = await keep.store.sessions.get(dealership_id, session_id)
    if before is None:
        return None
    words = await asyncio.to_thread(_words, key, before, told) if is_recorded else {}
    files: dict[str, object] = {}
    recordings = {
        part.partition(" ")[2]: Recording(
            blob_id=blob_of(dealership_id, session_id, part).blob_id,
            size_bytes=size,
            duration_ms=told.duration_ms,
        )
        for part, size in sizes.items()
        if part.startswith(PARTS[0])
    }
    if "" in recordings:
        files["recording"] = recordings.pop("")
    if recordings:
        files["recordings"] = recordings
    if "journal" in sizes:
        files["journal"] = JournalBlob(
            blob_id=blob_of(dealership_id, session_id, "journal").blob_id,
            size_bytes=sizes["journal"],
        )

    def changed(session: TrainingSession) -> Fields:
        fields = numbers(told)
        if not is_recorded:
            return fields | {"data_key": None}
        if session.data_key is None:
            return fields
        return fields | _counts(told) | files | words

    return await keep.store.sessions.change(dealership_id, session_id, changed)


def _counts(told: Told) -> dict[str, object]:
    return {
        "feedback_count": told.feedback_count,
        "feedback_counts": dict(told.feedback_counts),
    }


def numbers(told: Told) -> dict[str, object]:
    """What is kept of every call."""
    fields: dict[str, object] = {
        "status": "completed",
        "start_time": told.start_time,
        "end_time": told.end,
        "duration_ms": told.duration_ms,
    }
    if told.metrics is not None:
        fields["metrics"] = SessionMetrics(**dict(told.metrics.scores))
        fields["quantities"] = told.metrics.quantities.model_dump(by_alias=True)
    return fields


def _words(key: DataKey, session: SessionHead, told: Told) -> dict[str, object]:
    fields: dict[str, object] = {
        "transcript": sealed_field(key, session, "transcript", told.transcript),
        "feedback": sealed_field(key, session, "feedback", told.feedback),
    }
    if told.summary is not None:
        fields["summary"] = sealed_field(key, session, "summary", told.summary)
    return fields
