"""Which managers were mailed about which week."""

from __future__ import annotations

from datetime import datetime

from api.store.base import Database, Duplicate, Stale, below, equal
from api.store.kinds import DIGESTS
from api.store.repositories.scoped import Now, Scoped, utc_now
from api.store.teaching import WeeklyDigest

MAX_ATTEMPTS = 5


class Digests(Scoped[WeeklyDigest, WeeklyDigest]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, DIGESTS, now)

    async def get(self, dealership_id: str, user_id: str, week: str) -> WeeklyDigest | None:
        return await self._find(dealership_id, equal("userId", user_id), equal("week", week))

    async def claim(
        self, dealership_id: str, user_id: str, week: str, lost_before: datetime
    ) -> WeeklyDigest | None:
        """The right to send it, for one of concurrent callers; None where somebody else has it.

        A claim older than `lost_before` is a crashed node's and may be taken over, `MAX_ATTEMPTS`
        times in all; then it has failed.
        """
        now = self._now()
        found = await self.get(dealership_id, user_id, week)
        if found is None:
            made = WeeklyDigest.new(dealership_id, now, user_id=user_id, week=week, claimed_at=now)
            try:
                await self._add(dealership_id, made)
            except Duplicate:
                return None
            return made
        if found.state != "claimed" or found.claimed_at > lost_before:
            return None
        if found.attempts >= MAX_ATTEMPTS:
            changed = found.changed(now, state="failed")
        else:
            changed = found.changed(now, claimed_at=now, attempts=found.attempts + 1)
        try:
            await self._save(dealership_id, changed)
        except Stale:
            return None
        return changed

    async def sent(self, dealership_id: str, claimed: WeeklyDigest) -> None:
        """Raises `Stale` where another took the claim over meanwhile."""
        now = self._now()
        await self._save(dealership_id, claimed.changed(now, state="sent", sent_at=now))

    async def forget_before(self, dealership_id: str, before: datetime) -> int:
        return await self._remove(dealership_id, below("createdAt", before))

    async def remove_of_user(self, dealership_id: str, user_id: str) -> int:
        return await self._remove(dealership_id, equal("userId", user_id))
