"""After the master key was rotated: data keys of sessions and people are wrapped anew.

What they sealed stays as it is. Each document is changed by itself, at its version; so this may be
ended at any time and run again, and what is wrapped with the current key already is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from api.store.base import Stale
from api.store.crypto import Damaged, MasterKeys, WrongKey
from api.store.documents import Dealership, SessionHead, TrainingSession, User
from api.store.kinds import SESSIONS, USERS
from api.store.repositories.scoped import ATTEMPTS, Now, utc_now
from api.store.repositories.sessions import Sessions
from api.store.repositories.users import Users
from api.store.store import Store

BATCH: Final = 20
"""Documents in memory at once; a session's may have 8 MiB."""

Told = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many were wrapped anew, and which do not open with any master key at hand."""

    done: int
    failed: tuple[str, ...]


def place(document: SessionHead | User) -> str:
    """What a data key is bound to: ``dealership:collection:id``."""
    name = USERS.name if isinstance(document, User) else SESSIONS.name
    return f"{document.dealership_id}:{name}:{document.id}"


async def rewrap(
    store: Store,
    masters: MasterKeys,
    now: Now = utc_now,
    told: Told = lambda name, count: None,
) -> Rewrapped:
    """Wrap every data key with the current master key. Raises `Unavailable`.

    `told` is called after each batch with the collection's name and how many were looked at.
    """
    done, failed = await _rewrap_checks(store, masters, now), []
    for repository in (store.sessions, store.users):
        looked_at = 0
        async for batch in _batches(repository):
            for document in batch:
                try:
                    done += await _rewrap(repository, document, masters, now)
                except (Damaged, WrongKey):
                    failed.append(f"{document.dealership_id}/{document.id}")
            looked_at += len(batch)
            told(SESSIONS.name if isinstance(repository, Sessions) else USERS.name, looked_at)
    return Rewrapped(done, tuple(failed))


async def wrapped_by(store: Store, masters: MasterKeys) -> Counter[str]:
    """How many data keys each master key wraps. What is no wrapped key counts under ``""``."""
    counts: Counter[str] = Counter()
    async for dealership in _dealerships(store):
        if dealership.key_check is not None:
            counts[masters.key_of(dealership.key_check)] += 1
    for repository in (store.sessions, store.users):
        async for batch in _batches(repository):
            for document in batch:
                if document.data_key is None:
                    continue
                try:
                    counts[masters.key_of(document.data_key)] += 1
                except Damaged:
                    counts[""] += 1
    return counts


async def _rewrap_checks(store: Store, masters: MasterKeys, now: Now) -> int:
    """Key checks are made anew with the current key; those of other keys stay, for the next start
    to refuse."""
    done = 0
    async for found in _dealerships(store):
        check = found.key_check
        if check is None or masters.key_of(check) == masters.current:
            continue
        masters.verify(check)
        changed = found.changed(now(), key_check=masters.check_value())
        await store.dealerships.save(found.id, changed)
        done += 1
    return done


async def _dealerships(store: Store) -> AsyncIterator[Dealership]:
    after = ""
    while found := await store.dealerships.every(after, BATCH):
        for dealership in found:
            yield dealership
        after = found[-1].id


async def _batches(
    repository: Sessions | Users,
) -> AsyncIterator[list[TrainingSession] | list[User]]:
    after = ""
    while batch := await repository.every(after, BATCH):
        yield batch
        after = batch[-1].id


async def _rewrap(
    repository: Sessions | Users,
    document: TrainingSession | User | None,
    masters: MasterKeys,
    now: Now,
) -> bool:
    """Whether it had to be. Raises `Damaged`, `WrongKey`."""
    for attempt in range(ATTEMPTS):
        # One that was erased meanwhile has no key, and gets none again.
        if document is None or document.data_key is None:
            return False
        wrapped = masters.rewrap(document.data_key, place=place(document))
        if wrapped == document.data_key:
            return False
        changed = document.changed(now(), data_key=wrapped)
        try:
            if isinstance(repository, Users):
                assert isinstance(changed, User)
                await repository.save(document.dealership_id, changed)
            else:
                assert isinstance(changed, TrainingSession)
                await repository.save(document.dealership_id, changed)
        except Stale:
            if attempt == ATTEMPTS - 1:
                raise
            document = await repository.get(document.dealership_id, document.id)
            continue
        return True
    raise AssertionError("unreachable")
