"""What people are to practise."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from api.store.base import MAX_MANY, Condition, Database, at_least, below, equal
from api.store.coaching import Assignment, AssignmentStatus
from api.store.kinds import ASSIGNMENTS
from api.store.repositories.scoped import Now, Page, Scoped, among, given, utc_now


class Assignments(Scoped[Assignment, Assignment]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, ASSIGNMENTS, now)

    async def add(self, dealership_id: str, assignment: Assignment) -> None:
        await self._add(dealership_id, assignment)

    async def get(self, dealership_id: str, assignment_id: str) -> Assignment | None:
        return await self._find(dealership_id, equal("id", assignment_id))

    async def page(
        self,
        dealership_id: str,
        *,
        user_ids: Sequence[str] | None = None,
        team_ids: Sequence[str] | None = None,
        status: AssignmentStatus | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> Page[Assignment]:
        """Those that meet all that is given, what is due first at the top."""
        where = [
            *among("userId", user_ids),
            *among("teamId", team_ids),
            *given("status", status),
        ]
        return await self._page(dealership_id, where, ["dueAt"], offset, limit)

    async def of_user(self, dealership_id: str, user_id: str, after: str = "") -> list[Assignment]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("userId", user_id))

    async def of_period(
        self, dealership_id: str, start: datetime, end: datetime, most: int
    ) -> Sequence[Assignment]:
        """Those given before `end` that are due at `start` or later, or are open still; `most` of
        each at most, which are those due first."""
        begun = below("createdAt", end)
        late = [begun, equal("status", "open"), below("dueAt", start)]
        due = [begun, at_least("dueAt", start)]
        found = await asyncio.gather(
            *(self._first(dealership_id, each, most) for each in (late, due))
        )
        return [*found[0], *found[1]]

    async def _first(
        self, dealership_id: str, where: Sequence[Condition], most: int
    ) -> list[Assignment]:
        found: list[Assignment] = []
        while len(found) < most:
            limit = min(MAX_MANY, most - len(found))
            some = await self._list(dealership_id, where, ["dueAt"], len(found), limit)
            found += some
            if len(some) < limit:
                break
        return found

    async def save(self, dealership_id: str, changed: Assignment) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def forget_before(self, dealership_id: str, before: datetime) -> int:
        """Those that were due earlier."""
        return await self._remove(dealership_id, below("dueAt", before))

    async def remove_of_user(self, dealership_id: str, user_id: str) -> int:
        return await self._remove(dealership_id, equal("userId", user_id))

    async def disown(self, dealership_id: str, author_id: str) -> int:
        """Of a person who is erased: what they gave others stays, without them."""
        touched = 0

        def without(assignment: Assignment) -> Assignment:
            return assignment.changed(self._now(), author_id=None)

        where = [equal("authorId", author_id)]
        while some := await self._change_all(dealership_id, where, without):
            touched += some
        return touched
