"""Teams of a dealership."""

from __future__ import annotations

from api.store.base import MAX_MANY, Database, equal, has
from api.store.documents import Team
from api.store.kinds import TEAMS
from api.store.repositories.scoped import Now, Page, Scoped, utc_now


class Teams(Scoped[Team, Team]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, TEAMS, now)

    async def add(self, dealership_id: str, team: Team) -> None:
        """Raises `Duplicate` for a name that the dealership has already."""
        await self._add(dealership_id, team)

    async def get(self, dealership_id: str, team_id: str) -> Team | None:
        return await self._find(dealership_id, equal("id", team_id))

    async def page(self, dealership_id: str, offset: int = 0, limit: int = 50) -> Page[Team]:
        """By name."""
        return await self._page(dealership_id, [], ["name"], offset, limit)

    async def managed_by(self, dealership_id: str, user_id: str) -> list[Team]:
        where = [has("managerIds", user_id)]
        return await self._list(dealership_id, where, ["name"], limit=MAX_MANY)

    async def save(self, dealership_id: str, changed: Team) -> None:
        """Raises `Missing`, `Stale` or `Duplicate`."""
        await self._save(dealership_id, changed)

    async def remove(self, dealership_id: str, team_id: str) -> bool:
        return bool(await self._remove(dealership_id, equal("id", team_id)))
