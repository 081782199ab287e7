"""What a dealership has to sell."""

from __future__ import annotations

from typing import Final

from api.store.base import MAX_MANY, Database, at_least, below, equal
from api.store.content import Vehicle
from api.store.kinds import VEHICLES
from api.store.repositories.scoped import Now, Page, Scoped, utc_now

SOUGHT: Final = ("keys.make", "keys.model", "keys.stock", "keys.vin")
MAX_WORDS: Final = 4
LAST: Final = "\U0010ffff"
"""Behind every character: what begins with a word lies before the word with this."""


class Vehicles(Scoped[Vehicle, Vehicle]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, VEHICLES, now)

    async def add(self, dealership_id: str, vehicle: Vehicle) -> None:
        """Raises `Duplicate` for a VIN that the dealership has."""
        await self._add(dealership_id, vehicle)

    async def get(self, dealership_id: str, vehicle_id: str) -> Vehicle | None:
        return await self._find(dealership_id, equal("id", vehicle_id))

    async def of_vin(self, dealership_id: str, vin: str) -> Vehicle | None:
        return await self._find(dealership_id, equal("vin", vin))

    async def page(self, dealership_id: str, offset: int = 0, limit: int = 50) -> Page[Vehicle]:
        """The newest first."""
        return await self._page(dealership_id, [], ["-createdAt"], offset, limit)

    async def search(self, dealership_id: str, text: str, limit: int = 50) -> list[Vehicle]:
        """Those whose make, model, stock number or VIN begins with one of the first `MAX_WORDS` of
        `text`, and that each of them is in, year and trim included. The newest first."""
        words = text.lower().split()[:MAX_WORDS]
        found = {
            vehicle.id: vehicle
            for word in words
            for key in SOUGHT
            for vehicle in await self._list(
                dealership_id,
                [at_least(key, word), below(key, word + LAST)],
                ["-createdAt"],
                limit=MAX_MANY,
            )
            if all(each in _told(vehicle) for each in words)
        }
        return sorted(found.values(), key=lambda each: each.created_at, reverse=True)[:limit]

    async def count(self, dealership_id: str) -> int:
        return await self._count(dealership_id, [])

    async def every(self, dealership_id: str, after: str = "") -> list[Vehicle]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after)

    async def save(self, dealership_id: str, changed: Vehicle) -> None:
        """Raises `Missing`, `Stale` or `Duplicate`."""
        await self._save(dealership_id, changed)

    async def remove(self, dealership_id: str, vehicle_id: str) -> bool:
        """Whether there was one."""
        return bool(await self._remove(dealership_id, equal("id", vehicle_id)))

    async def disown(self, dealership_id: str, from_id: str, to_id: str) -> int:
        """Of a person who is erased: what they entered goes on as `to_id`'s."""

        def handed(vehicle: Vehicle) -> Vehicle:
            return vehicle.changed(self._now(), user_id=to_id)

        touched = 0
        where = [equal("userId", from_id)]
        while some := await self._change_all(dealership_id, where, handed):
            touched += some
        return touched


def _told(vehicle: Vehicle) -> str:
    facts, keys = vehicle.facts, vehicle.keys
    return f"{facts.year} {keys.make} {keys.model} {facts.trim.lower()} {keys.stock} {keys.vin}"
