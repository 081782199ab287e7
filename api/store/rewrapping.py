"""After the master key was rotated: data keys of sessions, people, uploads are wrapped anew.

What they sealed stays as it is. Each document is changed by itself, at its version; so this may be
ended at any time and run again, and what is wrapped with the current key already is left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from api.store.base import Stale
from api.store.crypto import Damaged, MasterKeys, WrongKey
from api.store.documents import Dealership, SessionHead, TrainingSession, User
from api.store.kinds import SESSIONS, UPLOADS, USERS
from api.store.repositories.scoped import ATTEMPTS, Now, utc_now
from api.store.store import Store
from api.store.uploads import Upload

BATCH: Final = 20
"""Documents in memory at once; a session's may have 8 MiB."""

Told = Callable[[str, int], None]
Keyed = SessionHead | User | Upload
"""What has a data key of its own."""
K = TypeVar("K", TrainingSession, User, Upload)


class _Repository(Protocol[K]):
    async def every(self, after: str, limit: int) -> Sequence[K]: ...

    async def get(self, dealership_id: str, each_id: str, /) -> K | None: ...

    async def save(self, dealership_id: str, changed: K, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many were wrapped anew, and which do not open with any master key at hand."""

    done: int
    failed: tuple[str, ...]


def place(document: Keyed) -> str:
    """What a data key is bound to: ``dealership:collection:id``."""
    return f"{document.dealership_id}:{_collection(document)}:{document.id}"


def _collection(document: Keyed) -> str:
    if isinstance(document, Upload):
        return UPLOADS.name
    return USERS.name if isinstance(document, User) else SESSIONS.name


async def rewrap(
    store: Store,
    masters: MasterKeys,
    now: Now = utc_now,
    told: Told = lambda name, count: None,
) -> Rewrapped:
    """Wrap every data key with the current master key. Raises `Unavailable`.

    `told` is called after each batch with the collection's name and how many were looked at.
    """
    failed: list[str] = []
    done = await _rewrap_checks(store, masters, now)
    done += await _rewrap_all(store.sessions, masters, now, told, failed)
    done += await _rewrap_all(store.users, masters, now, told, failed)
    done += await _rewrap_all(store.uploads, masters, now, told, failed)
    return Rewrapped(done, tuple(failed))


async def wrapped_by(store: Store, masters: MasterKeys) -> Counter[str]:
    """How many data keys each master key wraps. What is no wrapped key counts under ``""``."""
    counts: Counter[str] = Counter()
    async for dealership in _dealerships(store):
        if dealership.key_check is not None:
            counts[masters.key_of(dealership.key_check)] += 1
    await _count(store.sessions, masters, counts)
    await _count(store.users, masters, counts)
    await _count(store.uploads, masters, counts)
    return counts


async def _count(repository: _Repository[K], masters: MasterKeys, counts: Counter[str]) -> None:
    async for batch in _batches(repository):
        for document in batch:
            if document.data_key is None:
                continue
            try:
                counts[masters.key_of(document.data_key)] += 1
            except Damaged:
                counts[""] += 1


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


async def _batches(repository: _Repository[K]) -> AsyncIterator[Sequence[K]]:
    after = ""
    while batch := await repository.every(after, BATCH):
        yield batch
        after = batch[-1].id


async def _rewrap_all(
    repository: _Repository[K], masters: MasterKeys, now: Now, told: Told, failed: list[str]
) -> int:
    """How many were wrapped anew; those that do not open are added to `failed`."""
    done = looked_at = 0
    async for batch in _batches(repository):
        for document in batch:
            try:
                done += await _rewrap(repository, document, masters, now)
            except (Damaged, WrongKey):
                failed.append(f"{document.dealership_id}/{document.id}")
        looked_at += len(batch)
        told(_collection(batch[0]), looked_at)
    return done


async def _rewrap(
    repository: _Repository[K], document: K | None, masters: MasterKeys, now: Now
) -> bool:
    """Whether it had to be. Raises `Damaged`, `WrongKey`."""
    for attempt in range(ATTEMPTS):
        # One that was erased meanwhile has no key, and gets none again.
        if document is None or document.data_key is None:
            return False
        wrapped = masters.rewrap(document.data_key, place=place(document))
        if wrapped == document.data_key:
            return False
        try:
            changed = document.changed(now(), data_key=wrapped)
            await repository.save(document.dealership_id, changed)
        except Stale:
            if attempt == ATTEMPTS - 1:
                raise
            document = await repository.get(document.dealership_id, document.id)
            continue
        return True
    raise AssertionError("unreachable")
