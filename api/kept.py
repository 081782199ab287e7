"""One call's journal and recording as an operator reads them: of a node's disk, or of its blobs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from api.accounts.vault import Vault
from api.auth import keys
from api.completion import blob_of
from api.folders import Folders
from api.sealed import SealedDisk
from api.settings import Settings
from api.store import open_database
from api.store.base import Missing, StoreError
from api.store.blobs import Blobs, open_blobs
from api.store.crypto import DataKey
from api.store.documents import TrainingSession
from api.store.store import Store
from engine.session import TRACKS, TRAINEE


@dataclass(frozen=True, slots=True)
class Kept:
    """In the clear: never write it down. `recordings` are by track."""

    session_id: str
    journal: bytes = field(repr=False)
    recordings: dict[str, bytes] = field(repr=False)


async def kept(settings: Settings, session_id: str, *, with_audio: bool = False) -> Kept:
    """A call of the node that `settings` are of, whether or not it runs.

    Raises `StoreError`, `Missing` where nothing is kept, `BadSecrets`, `WrongKey`, `Damaged`,
    `OSError`.
    """
    session, key = await _opened(settings, session_id)
    found = await asyncio.to_thread(_on_disk, settings.sessions, session, key, with_audio)
    if found is None and session.journal is None:
        # It was put away after its document had been read.
        session, key = await _opened(settings, session_id)
    if found is None:
        found = await _in_blobs(open_blobs(settings.blobs_url), session, key, with_audio)
    return found


async def _opened(settings: Settings, session_id: str) -> tuple[TrainingSession, DataKey]:
    vault = Vault(keys.load(settings.data / keys.FILE_NAME).masters())
    database = open_database(settings.store_url)
    try:
        if await database.schema() == 0:
            raise StoreError(f"{database.location} holds no store.")
        await database.open()
        session = await Store(database).sessions.of_id(session_id)
    finally:
        await database.close()
    key = None if session is None else vault.key_of(session)
    if session is None or key is None:
        raise Missing(
            f"There is no journal of session {session_id}: there is no such session, its recording "
            "was refused, or it was erased."
        )
    return session, key


def _on_disk(
    sessions: Path, session: TrainingSession, key: DataKey, with_audio: bool
) -> Kept | None:
    folder = Folders(sessions).of(session.dealership_id, session.id)
    disk = SealedDisk(key, session.dealership_id, session.id)
    try:
        journal = b"".join(disk.chunks(folder.journal))
        tracks = [track for track in TRACKS if with_audio and folder.recording(track).exists()]
        recordings = {track: b"".join(disk.chunks(folder.recording(track))) for track in tracks}
    except FileNotFoundError:
        # Never there, or put away at this moment.
        return None
    return Kept(session.id, journal, recordings)


async def _in_blobs(blobs: Blobs, session: TrainingSession, key: DataKey, with_audio: bool) -> Kept:
    async def read(part: str) -> bytes:
        blob = blob_of(session.dealership_id, session.id, part)
        opened = await blobs.get(key, blob)
        return b"".join([chunk async for chunk in opened.read()])

    if session.journal is None:
        raise Missing(f"Of session {session.id} there is no journal on this node's disk.")
    recordings = {}
    if with_audio and session.recording is not None:
        recordings[TRAINEE] = await read("recording")
    for track in session.recordings if with_audio else ():
        recordings[track] = await read(f"recording {track}")
    return Kept(session.id, await read("journal"), recordings)
