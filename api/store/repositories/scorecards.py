"""Scorecards of calls."""

from __future__ import annotations

from datetime import datetime

from api.store.base import Database, below, equal
from api.store.coaching import Scorecard
from api.store.kinds import SCORECARDS
from api.store.repositories.scoped import Now, Scoped, utc_now


class Scorecards(Scoped[Scorecard, Scorecard]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, SCORECARDS, now)

    async def add(self, dealership_id: str, scorecard: Scorecard) -> None:
        """Raises `Duplicate` for a call that has one."""
        await self._add(dealership_id, scorecard)

    async def of_session(self, dealership_id: str, session_id: str) -> Scorecard | None:
        return await self._find(dealership_id, equal("sessionId", session_id))

    async def published_of(
        self,
        dealership_id: str,
        user_id: str,
        *,
        before: datetime | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> list[Scorecard]:
        """A trainee's, the newest first; those published earlier than `before`."""
        where = [equal("userId", user_id), equal("status", "published")]
        if before is not None:
            where.append(below("publishedAt", before))
        return await self._list(dealership_id, where, ["-publishedAt"], offset, limit)

    async def save(self, dealership_id: str, changed: Scorecard) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def remove_of(self, dealership_id: str, session_id: str) -> int:
        return await self._remove(dealership_id, equal("sessionId", session_id))

    async def disown(self, dealership_id: str, author_id: str) -> int:
        """Of a person who is erased: what they wrote of others stays, without them."""
        touched = 0

        def without(scorecard: Scorecard) -> Scorecard:
            return scorecard.changed(self._now(), author_id=None)

        where = [equal("authorId", author_id)]
        while some := await self._change_all(dealership_id, where, without):
            touched += some
        return touched
