"""What people uploaded, and the batches that photos are in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from api.store.base import MAX_MANY, Database, below, equal
from api.store.kinds import BATCHES, UPLOADS
from api.store.repositories.scoped import Now, Page, Scoped, among, given, utc_now
from api.store.uploads import Batch, Upload, UploadKind


class Uploads(Scoped[Upload, Upload]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, UPLOADS, now)

    async def add(self, dealership_id: str, upload: Upload) -> None:
        await self._add(dealership_id, upload)

    async def get(self, dealership_id: str, upload_id: str) -> Upload | None:
        return await self._find(dealership_id, equal("id", upload_id))

    async def page(
        self,
        dealership_id: str,
        *,
        user_ids: Sequence[str] | None = None,
        team_ids: Sequence[str] | None = None,
        kind: UploadKind | None = None,
        batch_id: str | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> Page[Upload]:
        """Those that are whole and meet all that is given, the newest first."""
        where = [
            equal("status", "ready"),
            *among("userId", user_ids),
            *among("teamId", team_ids),
            *given("kind", kind),
            *given("batchId", batch_id),
        ]
        return await self._page(dealership_id, where, ["-createdAt"], offset, limit)

    async def of_batch(self, dealership_id: str, batch_id: str) -> list[Upload]:
        """Those that are whole, by their shots, and what was made of each after it."""
        where = [equal("batchId", batch_id), equal("status", "ready")]
        return await self._list(dealership_id, where, ["shot", "createdAt"], limit=MAX_MANY)

    async def in_batch(self, dealership_id: str, batch_id: str) -> list[Upload]:
        """At most `MAX_MANY`, whole or not."""
        return await self._list(dealership_id, [equal("batchId", batch_id)], limit=MAX_MANY)

    async def of_job(self, dealership_id: str, job_id: str) -> list[Upload]:
        """What a job made, whole or not, at most `MAX_MANY`."""
        return await self._list(dealership_id, [equal("jobId", job_id)], limit=MAX_MANY)

    async def of_user(self, dealership_id: str, user_id: str, after: str = "") -> list[Upload]:
        """Those behind the id `after`, by id, at most `WALKED`, whole or not."""
        return await self._after(dealership_id, after, equal("userId", user_id))

    async def count_of_user(self, dealership_id: str, user_id: str, kind: UploadKind) -> int:
        """Whole or not."""
        return await self._count(dealership_id, [equal("userId", user_id), equal("kind", kind)])

    async def expired(self, dealership_id: str, now: datetime) -> list[Upload]:
        """At most `MAX_MANY`, whole or not."""
        return await self._list(dealership_id, [below("expiresAt", now)], limit=MAX_MANY)

    async def every(self, after: str = "", limit: int = MAX_MANY) -> list[Upload]:
        """Of all dealerships, by id: for the operator alone."""
        return await self._collection.scan(after, limit)

    async def save(self, dealership_id: str, changed: Upload) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def remove(self, dealership_id: str, upload_id: str) -> int:
        return await self._remove(dealership_id, equal("id", upload_id))


class Batches(Scoped[Batch, Batch]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, BATCHES, now)

    async def add(self, dealership_id: str, batch: Batch) -> None:
        """Raises `Duplicate` where the vehicle has one."""
        await self._add(dealership_id, batch)

    async def get(self, dealership_id: str, batch_id: str) -> Batch | None:
        return await self._find(dealership_id, equal("id", batch_id))

    async def page(
        self,
        dealership_id: str,
        *,
        user_ids: Sequence[str] | None = None,
        team_ids: Sequence[str] | None = None,
        vin: str | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> Page[Batch]:
        """Those that meet all that is given, the newest first."""
        where = [
            *among("userId", user_ids),
            *among("teamId", team_ids),
            *given("vin", vin),
        ]
        return await self._page(dealership_id, where, ["-createdAt"], offset, limit)

    async def of_user(self, dealership_id: str, user_id: str, after: str = "") -> list[Batch]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("userId", user_id))

    async def save(self, dealership_id: str, changed: Batch) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def remove(self, dealership_id: str, batch_id: str) -> int:
        return await self._remove(dealership_id, equal("id", batch_id))

    async def remove_of_user(self, dealership_id: str, user_id: str) -> int:
        return await self._remove(dealership_id, equal("userId", user_id))

    async def forget_expired(self, dealership_id: str, now: datetime) -> int:
        return await self._remove(dealership_id, below("expiresAt", now))
