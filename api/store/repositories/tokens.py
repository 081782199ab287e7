"""Refresh tokens, by families: a sign-in and what it was renewed with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from api.store.base import MAX_MANY, Condition, Database, Missing, Stale, above, below, equal
from api.store.documents import RefreshToken
from api.store.kinds import REFRESH_TOKENS
from api.store.repositories.scoped import Now, Scoped, utc_now


class Tokens(Scoped[RefreshToken, RefreshToken]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, REFRESH_TOKENS, now)

    async def add(self, dealership_id: str, token: RefreshToken) -> None:
        await self._add(dealership_id, token)

    async def by_digest(self, digest: str) -> RefreshToken | None:
        """Of any dealership: only the token says which one. It may be used, revoked or expired."""
        return await self._collection.find([equal("digest", digest)])

    async def rotate(
        self, dealership_id: str, token: RefreshToken, successor: RefreshToken
    ) -> bool:
        """Whether `token` was neither used nor revoked; then `successor` is in its place.

        True for one of concurrent callers. If the node dies in between, the token is used and has
        no successor: the person signs in again.
        """
        if token.used_at is not None or token.revoked_at is not None:
            return False
        self._refuse_foreign(dealership_id, successor)
        if successor.family != token.family or successor.user_id != token.user_id:
            raise Missing(f"{successor.id} is of another family")
        used = token.changed(self._now(), used_at=self._now(), replaced_by=successor.id)
        try:
            await self._save(dealership_id, used)
        except Stale:
            return False
        await self._add(dealership_id, successor)
        return True

    async def live_of_user(self, dealership_id: str, user_id: str) -> list[RefreshToken]:
        """Where a person is signed in: one for each family, the newest first."""
        where = [*_live(), equal("userId", user_id), above("expiresAt", self._now())]
        return await self._list(dealership_id, where, ["-createdAt"], limit=MAX_MANY)

    async def revoke_family(self, dealership_id: str, family: str) -> int:
        """End a sign-in: its used tokens too, so that none is taken for a slow retry."""
        return await self._revoke(dealership_id, [equal("family", family)])

    async def is_live(self, dealership_id: str, user_id: str, family: str) -> bool:
        """Whether a sign-in still stands. A used token counts: its successor may be on its way."""
        where = [equal("userId", user_id), equal("family", family), equal("revokedAt", None)]
        where.append(above("expiresAt", self._now()))
        return bool(await self._list(dealership_id, where, limit=1))

    async def revoke_family_of(self, dealership_id: str, user_id: str, family: str) -> int:
        """As `revoke_family`, if the sign-in is this person's."""
        where = [equal("userId", user_id), equal("family", family)]
        return await self._revoke(dealership_id, where)

    async def revoke_of_user(self, dealership_id: str, user_id: str) -> int:
        return await self._revoke(dealership_id, [equal("userId", user_id)])

    async def _revoke(self, dealership_id: str, where: Sequence[Condition]) -> int:
        def revoke(token: RefreshToken) -> RefreshToken:
            now = self._now()
            return token.changed(now, revoked_at=now)

        where = [*where, equal("revokedAt", None)]
        revoked = 0
        while some := await self._change_all(dealership_id, where, revoke):
            revoked += some
        return revoked

    async def forget_expired(self, dealership_id: str, before: datetime) -> int:
        return await self._remove(dealership_id, below("expiresAt", before))

    async def remove_of_user(self, dealership_id: str, user_id: str) -> int:
        return await self._remove(dealership_id, equal("userId", user_id))


def _live() -> list[Condition]:
    return [equal("usedAt", None), equal("revokedAt", None)]
