"""Links that were mailed: invitations, verifications, resets."""

from __future__ import annotations

from datetime import datetime

from api.store.base import Database, below, equal
from api.store.documents import Link, LinkPurpose
from api.store.kinds import LINKS
from api.store.repositories.scoped import Now, Scoped, utc_now


class Links(Scoped[Link, Link]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, LINKS, now)

    async def add(self, dealership_id: str, link: Link) -> None:
        await self._add(dealership_id, link)

    async def by_digest(self, digest: str) -> Link | None:
        """Of any dealership: only the link says which one. It may be used or expired."""
        return await self._collection.find([equal("digest", digest)])

    async def cancel_first_admin(self) -> None:
        """Remove every link for a first admin, of whichever dealership it would make."""
        await self._collection.delete([equal("purpose", "first_admin")])

    async def use(self, dealership_id: str, link_id: str) -> bool:
        """Whether it was unused and in time. True for one of concurrent callers."""

        def use(link: Link) -> Link | None:
            now = self._now()
            if link.used_at is not None or link.expires_at <= now:
                return None
            return link.changed(now, used_at=now)

        return await self._change(dealership_id, [equal("id", link_id)], use) is not None

    async def cancel(self, dealership_id: str, user_id: str, purpose: LinkPurpose) -> int:
        """Remove what a person was sent before and has not used."""
        where = [equal("userId", user_id), equal("purpose", purpose), equal("usedAt", None)]
        return await self._remove(dealership_id, *where)

    async def forget_expired(self, dealership_id: str, before: datetime) -> int:
        return await self._remove(dealership_id, below("expiresAt", before))

    async def remove_of_user(self, dealership_id: str, user_id: str) -> int:
        return await self._remove(dealership_id, equal("userId", user_id))
