"""What the last run of this node left behind: folders on its disk, calls in the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from api import completion
from api.coaching.attempts import on_completed
from api.folders import Folder, Folders
from api.keep import Keep
from api.sealed import SealedDisk
from api.store.crypto import Damaged, DataKey, WrongKey
from api.store.documents import SessionHead, TrainingSession
from api.told import Told
from engine.journal import read

log = structlog.get_logger(__name__)

STOPPED = "node_stopped"
"""Why a node's calls end, or are interrupted, when it is stopped."""
UNREADABLE = (LookupError, OSError, TypeError, ValueError)
"""What a damaged journal, or one of another version, comes down to."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A call that was not put away. `last_seq` counts what the store has, too.

    `is_whole`: the node stopped of its own accord, so that no event is missing behind `last_seq`.
    """

    folder: Folder
    head: TrainingSession
    key: DataKey = field(repr=False)
    told: Told
    delivered_seq: int

    @property
    def last_seq(self) -> int:
        return max(self.told.last_seq, self.delivered_seq)

    @property
    def is_over(self) -> bool:
        return self.told.status == "completed"

    @property
    def is_whole(self) -> bool:
        return self.told.reason == STOPPED and self.told.last_seq >= self.delivered_seq


async def clear(keep: Keep, folders: Folders) -> list[Unfinished]:
    """Finish what needs no call any more; returns the calls to be taken up, or put away.

    A journal that cannot be understood is set aside as it is, and its call told by what the store
    has. Raises `StoreError` and `OSError`.
    """
    found: list[Unfinished] = []
    kept: set[str] = set()
    for folder in await asyncio.to_thread(folders.all):
        try:
            unfinished = await _look(keep, folder)
        except WrongKey as error:
            # The operator may have put the wrong secrets.toml there: nothing is touched.
            log.error("session_locked", session=folder.session_id, error=str(error))
            kept.add(folder.session_id)
            continue
        if unfinished is not None:
            found.append(unfinished)
            kept.add(folder.session_id)
    for head in await keep.store.sessions.unfinished(keep.node):
        if head.id not in kept and head.status != "created":
            await _give_up(keep, head)
    return found


async def _look(keep: Keep, folder: Folder) -> Unfinished | None:
    dealership_id, session_id = folder.dealership_id, folder.session_id
    head = await keep.store.sessions.get(dealership_id, session_id)
    if how := folder.erasing:
        await completion.erase(keep, folder, "withdrawn" if how == "withdrawn" else "removed")
        return None
    if head is None:
        # Without its document's key nobody can read it; but it may be another store's.
        log.error("folder_without_session", session=session_id)
        return None
    if head.status == "completed" or head.data_key is None:
        await on_completed(keep, head)
        await asyncio.to_thread(folder.remove)
        return None
    try:
        key = keep.vault.key_of(head)
        assert key is not None
        told = await asyncio.to_thread(_told, folder, key)
        if told.status == "created" and head.status != "created":
            raise ValueError("the journal of a call that has begun tells nothing of it")
    except (Damaged, *UNREADABLE) as error:
        aside = await asyncio.to_thread(folder.set_aside)
        log.error("journal_unreadable", session=session_id, kept=aside.name, error=repr(error))
        return None
    if told.status == "created":
        await asyncio.to_thread(folder.forget_unbegun)
        return None
    delivered_seq = await keep.store.events.last_seq(dealership_id, session_id)
    return Unfinished(folder, head, key, told, delivered_seq)


def _told(folder: Folder, key: DataKey) -> Told:
    disk = SealedDisk(key, folder.dealership_id, folder.session_id)
    if not folder.journal.exists():
        return Told()
    told = Told(read(folder.journal, disk))
    if told.first is not None and told.first["id"] != folder.session_id:
        raise ValueError("the journal is another call's")
    if told.status != "created" and (told.first is None or told.start_time is None):
        raise ValueError("the journal does not say when its call began")
    return told


async def _give_up(keep: Keep, head: SessionHead) -> None:
    try:
        await completion.complete_lost(keep, head)
    except (Damaged, WrongKey) as error:
        log.error("session_locked", session=head.id, error=str(error))
