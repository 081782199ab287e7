"""Playbooks that dealerships wrote themselves, version by version."""

from __future__ import annotations

from datetime import datetime

from api.store.base import Database, above, below, equal, one_of
from api.store.kinds import PLAYBOOKS
from api.store.repositories.scoped import Now, Scoped, utc_now
from api.store.teaching import PlaybookHead, PlaybookVersion

HELD = ("published", "retired")
"""What calls are, or were, held with."""


class PlaybookVersions(Scoped[PlaybookVersion, PlaybookHead]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, PLAYBOOKS, now)

    async def add(self, dealership_id: str, version: PlaybookVersion) -> None:
        """Raises `Duplicate` for a number that the language has already."""
        await self._add(dealership_id, version)

    async def get(self, dealership_id: str, language: str, number: int) -> PlaybookVersion | None:
        where = [equal("language", language), equal("number", number)]
        return await self._find(dealership_id, *where)

    async def newest(self, dealership_id: str, limit: int = 50) -> list[PlaybookHead]:
        return await self._list(dealership_id, [], ["-createdAt"], limit=limit)

    async def last_number(self, dealership_id: str, language: str) -> int:
        """0 where there is none."""
        where = [equal("language", language), above("number", 0)]
        found = await self._list(dealership_id, where, ["-number"], limit=1)
        return found[0].number if found else 0

    async def count_drafts(self, dealership_id: str, language: str) -> int:
        where = [equal("language", language), equal("status", "draft")]
        return await self._count(dealership_id, where)

    async def published(self, dealership_id: str, language: str) -> PlaybookHead | None:
        """What calls in `language` are held with: the one that was published last."""
        where = [equal("language", language), equal("status", "published")]
        found = await self._list(dealership_id, where, ["-publishedAt"], limit=1)
        return found[0] if found else None

    async def of_digest(self, dealership_id: str, digest: str) -> PlaybookVersion | None:
        """One of this content that is, or was, published."""
        where = [equal("digest", digest), one_of("status", HELD)]
        return await self._find(dealership_id, *where)

    async def save(self, dealership_id: str, changed: PlaybookVersion) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def retire_before(self, dealership_id: str, language: str, before: datetime) -> int:
        """Those that were published earlier than `before`; returns how many."""

        def retire(version: PlaybookVersion) -> PlaybookVersion:
            return version.changed(self._now(), status="retired")

        where = [equal("language", language), equal("status", "published")]
        where.append(below("publishedAt", before))
        retired = 0
        while some := await self._change_all(dealership_id, where, retire):
            retired += some
        return retired

    async def remove_draft(self, dealership_id: str, language: str, number: int) -> bool:
        """Whether there was such a draft."""
        where = [equal("language", language), equal("number", number), equal("status", "draft")]
        return bool(await self._remove(dealership_id, *where))
