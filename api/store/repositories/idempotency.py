"""Creates that were asked for with an idempotency key."""

from __future__ import annotations

from datetime import datetime

from api.store.base import Database, Duplicate, Stale, below, equal
from api.store.documents import IdempotencyKey
from api.store.kinds import IDEMPOTENCY_KEYS
from api.store.repositories.scoped import Now, Scoped, utc_now


class IdempotencyKeys(Scoped[IdempotencyKey, IdempotencyKey]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, IDEMPOTENCY_KEYS, now)

    async def claim(
        self, dealership_id: str, user_id: str, key: str, digest: str, expires_at: datetime
    ) -> tuple[IdempotencyKey, bool]:
        """What stands under the person's key, and whether that is this claim.

        If not, its `digest` says whether the same was asked for, and its `status` is None while the
        first is still being answered. Raises `Stale` if the key changes hands all the time.
        """
        claimed = IdempotencyKey.new(
            dealership_id,
            self._now(),
            user_id=user_id,
            key=key,
            digest=digest,
            expires_at=expires_at,
        )
        for _ in range(3):
            try:
                await self._add(dealership_id, claimed)
            except Duplicate:
                where = [equal("userId", user_id), equal("key", key)]
                found = await self._find(dealership_id, *where)
                if found is not None and found.expires_at > self._now():
                    return found, found.id == claimed.id
                if found is not None:
                    await self._remove(dealership_id, equal("id", found.id))
            else:
                return claimed, True
        raise Stale("the idempotency key is in use")

    async def complete(
        self, dealership_id: str, claimed: IdempotencyKey, status: int, body: str
    ) -> None:
        """Keep the answer (`body` is sealed). Raises `Stale` if the claim was given up."""
        answered = claimed.changed(self._now(), status=status, body=body)
        await self._save(dealership_id, answered)

    async def release(self, dealership_id: str, claimed: IdempotencyKey) -> None:
        """Give up a claim that came to nothing, so that it can be tried again."""
        await self._remove(dealership_id, equal("id", claimed.id))

    async def forget_expired(self, dealership_id: str, before: datetime) -> int:
        return await self._remove(dealership_id, below("expiresAt", before))

    async def remove_of_user(self, dealership_id: str, user_id: str) -> int:
        return await self._remove(dealership_id, equal("userId", user_id))
