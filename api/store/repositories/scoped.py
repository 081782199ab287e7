"""What repositories are made of. Every question is asked within one dealership."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from api.store.base import (
    MAX_MANY,
    Collection,
    Condition,
    D,
    Database,
    H,
    Kind,
    Missing,
    Query,
    Stale,
    above,
    equal,
    one_of,
)

Now = Callable[[], datetime]
K = TypeVar("K")
WALKED = 50
"""Documents that `walk` reads at a time: some 5 ms of the media loop."""
ATTEMPTS = 50
"""How often a change is made anew because another one came first."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Page(Generic[H]):
    """Some of `total` documents."""

    items: list[H]
    total: int


class Scoped(Generic[D, H]):
    """The documents of one kind, never of more than one dealership at once.

    Documents of other dealerships are not there: they are not found, not changed and not counted,
    and nothing tells them from such as never were.
    """

    def __init__(self, database: Database, kind: Kind[D, H], now: Now = utc_now) -> None:
        self._kind = kind
        self._now = now
        self._collection: Collection[D, H] = database.collection(kind)

    async def _add(self, dealership_id: str, document: D) -> None:
        """Raises `Missing` for a document of another dealership, and `Duplicate`."""
        self._refuse_foreign(dealership_id, document)
        await self._collection.insert(document)

    async def _save(self, dealership_id: str, document: D) -> None:
        """Put what `Document.changed` made in place of what it was made from.

        Raises `Missing` for a document of another dealership, `Stale` and `Duplicate`.
        """
        self._refuse_foreign(dealership_id, document)
        await self._collection.replace(document)

    async def _find(self, dealership_id: str, *where: Condition) -> D | None:
        return await self._collection.find([equal("dealershipId", dealership_id), *where])

    async def _change(
        self, dealership_id: str, where: Sequence[Condition], change: Callable[[D], D | None]
    ) -> D | None:
        """Find one, change it, save it; again with what is there now if another came first.

        `change` may find nothing to do: None. So is the answer then, and if there is no such
        document. Raises `Stale` after `ATTEMPTS`.
        """
        for attempt in range(ATTEMPTS):
            found = await self._find(dealership_id, *where)
            changed = change(found) if found is not None else None
            if changed is None:
                return None
            try:
                await self._save(dealership_id, changed)
            except Stale:
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            return changed
        raise AssertionError("unreachable")

    async def _change_all(
        self,
        dealership_id: str,
        where: Sequence[Condition],
        change: Callable[[D], D | None],
    ) -> int:
        """Change each that meets `where`, `MAX_MANY` at most; returns how many."""
        found = await self._list(dealership_id, where, limit=MAX_MANY)
        done = [
            await self._change(dealership_id, [equal("id", one.id), *where], change)
            for one in found
        ]
        return sum(one is not None for one in done)

    async def _list(
        self,
        dealership_id: str,
        where: Sequence[Condition],
        sort: Sequence[str] = (),
        offset: int = 0,
        limit: int = 50,
    ) -> list[H]:
        scope = [equal("dealershipId", dealership_id), *where]
        return await self._collection.page(Query(scope, sort, offset, limit))

    async def _after(self, dealership_id: str, after: str, *where: Condition) -> list[H]:
        """Those that meet `where` and whose ids come after `after`, by id, at most `WALKED`."""
        return await self._list(dealership_id, [*where, above("id", after)], ["id"], limit=WALKED)

    async def _page(
        self,
        dealership_id: str,
        where: Sequence[Condition],
        sort: Sequence[str],
        offset: int,
        limit: int,
    ) -> Page[H]:
        items, total = await asyncio.gather(
            self._list(dealership_id, where, sort, offset, limit),
            self._count(dealership_id, where),
        )
        return Page(items, total)

    async def _count(self, dealership_id: str, where: Sequence[Condition]) -> int:
        return await self._collection.count([equal("dealershipId", dealership_id), *where])

    async def _remove(self, dealership_id: str, *where: Condition) -> int:
        return await self._collection.delete([equal("dealershipId", dealership_id), *where])

    def _refuse_foreign(self, dealership_id: str, document: D) -> None:
        if document.dealership_id != dealership_id:
            raise Missing(f"{self._kind.name}/{document.id} is not there")


async def walk(
    find: Callable[[str, K, str], Awaitable[Sequence[H]]], dealership_id: str, of: K
) -> AsyncIterator[H]:
    """All that `find` finds, asked page after page for what comes after the last id: whatever comes
    or goes meanwhile, nothing that stays is left out or told twice."""
    after = ""
    while found := await find(dealership_id, of, after):
        for one in found:
            yield one
        after = found[-1].id


def given(field: str, value: str | bool | None) -> list[Condition]:
    """A filter that may be left out."""
    return [] if value is None else [equal(field, value)]


def among(field: str, values: Sequence[str] | None) -> list[Condition]:
    """A filter that may be left out; an empty choice finds nothing."""
    return [] if values is None else [one_of(field, values)]
