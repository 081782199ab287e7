"""Dealerships: the tenants themselves."""

from __future__ import annotations

from api.store.base import MAX_MANY, Database, equal
from api.store.documents import Dealership
from api.store.kinds import DEALERSHIPS
from api.store.repositories.scoped import Now, Scoped, utc_now


class Dealerships(Scoped[Dealership, Dealership]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, DEALERSHIPS, now)

    async def add(self, dealership: Dealership) -> None:
        """Of the operator; a new tenant. Raises `Missing` if its `dealership_id` is not its id."""
        await self._add(dealership.id, dealership)

    async def get(self, dealership_id: str) -> Dealership | None:
        return await self._find(dealership_id, equal("id", dealership_id))

    async def save(self, dealership_id: str, changed: Dealership) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def remove(self, dealership_id: str) -> bool:
        """Of the operator. What belongs to it stays, and nobody reaches it."""
        return bool(await self._remove(dealership_id, equal("id", dealership_id)))

    async def every(self, after: str = "", limit: int = MAX_MANY) -> list[Dealership]:
        """Of the node's own sweeps, which go from one tenant to the next; by id."""
        return await self._collection.scan(after, limit)
