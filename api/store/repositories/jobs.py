"""Jobs, and who works on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from api.ids import new_id
from api.store.base import MAX_MANY, Database, Query, Stale, at_least, below, equal, one_of
from api.store.jobs import OPEN, Job, JobStatus, JobType
from api.store.kinds import JOBS
from api.store.repositories.scoped import Now, Page, Scoped, among, given, utc_now


class Jobs(Scoped[Job, Job]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, JOBS, now)

    async def add(self, dealership_id: str, job: Job) -> None:
        await self._add(dealership_id, job)

    async def get(self, dealership_id: str, job_id: str) -> Job | None:
        return await self._find(dealership_id, equal("id", job_id))

    async def page(
        self,
        dealership_id: str,
        *,
        user_ids: Sequence[str] | None = None,
        team_ids: Sequence[str] | None = None,
        status: JobStatus | None = None,
        job_type: JobType | None = None,
        batch_id: str | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> Page[Job]:
        """Those that meet all that is given, the newest first."""
        where = [
            *among("userId", user_ids),
            *among("teamId", team_ids),
            *given("status", status),
            *given("jobType", job_type),
            *given("batchId", batch_id),
        ]
        return await self._page(dealership_id, where, ["-createdAt"], offset, limit)

    async def changed_since(
        self,
        dealership_id: str,
        since: datetime,
        user_ids: Sequence[str] | None = None,
        team_ids: Sequence[str] | None = None,
    ) -> list[Job]:
        """Those that meet all that is given, in the order of their changes: the last `MAX_MANY`."""
        where = [
            at_least("updatedAt", since),
            *among("userId", user_ids),
            *among("teamId", team_ids),
        ]
        found = await self._list(dealership_id, where, ["-updatedAt"], limit=MAX_MANY)
        return found[::-1]

    async def open_of_batch(self, dealership_id: str, batch_id: str) -> list[Job]:
        """At most `MAX_MANY`."""
        return await self._list(
            dealership_id, [equal("batchId", batch_id), one_of("status", OPEN)], limit=MAX_MANY
        )

    async def count_open(self, dealership_id: str, user_id: str) -> int:
        where = [equal("userId", user_id), one_of("status", OPEN)]
        return await self._count(dealership_id, where)

    async def save(self, dealership_id: str, changed: Job) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def change(
        self, dealership_id: str, job_id: str, change: Callable[[Job], Job | None]
    ) -> Job | None:
        """As it was changed; None where there is no such job, or nothing to do. Raises `Stale`
        where others kept changing it."""
        return await self._change(dealership_id, [equal("id", job_id)], change)

    async def cancel(self, dealership_id: str, job_id: str, by_user_id: str) -> Job | None:
        """As it is then: cancelled where it waited, else to be ended by its worker; None where it
        is over, or not there."""

        def cancelled(found: Job) -> Job | None:
            now = self._now()
            if found.status == "pending":
                done = {"status": "cancelled", "error": None, "completed_at": now}
                return found.changed(now, cancelled_by=by_user_id, **done)
            if found.status == "processing":
                return found.changed(now, cancelled_by=by_user_id)
            return None

        return await self.change(dealership_id, job_id, cancelled)

    async def due(self, now: datetime, limit: int = MAX_MANY) -> list[Job]:
        """Those of all dealerships that wait for a worker, in the order they are to be taken in."""
        where = [equal("status", "pending"), below("dueAt", now + timedelta(milliseconds=1))]
        return await self._collection.page(
            Query(where, ["priority", "turn", "createdAt"], 0, limit)
        )

    async def lapsed(self, now: datetime) -> list[Job]:
        """Those of all dealerships whose workers are lost, at most `MAX_MANY`."""
        where = [equal("status", "processing"), below("leaseUntil", now)]
        return await self._collection.page(Query(where, ["leaseUntil"], 0, MAX_MANY))

    async def held_by(self, node: str) -> list[Job]:
        """Those of all dealerships that `node` works on, at most `MAX_MANY`."""
        where = [equal("status", "processing"), equal("node", node)]
        return await self._collection.page(Query(where, ["leaseUntil"], 0, MAX_MANY))

    async def claim(self, job: Job, node: str, lease: timedelta) -> Job | None:
        """The right to work on a pending `job`, for one of concurrent callers; it counts as an
        attempt. None where somebody else has it, or it changed meanwhile."""
        now = self._now()
        claimed = job.changed(
            now,
            status="processing",
            attempts=job.attempts + 1,
            progress=0,
            stage=None,
            error=None,
            node=node,
            claim_id=new_id(),
            lease_until=now + lease,
            started_at=now,
        )
        try:
            await self._save(job.dealership_id, claimed)
        except Stale:
            return None
        return claimed

    async def remove(self, dealership_id: str, job_id: str) -> int:
        return await self._remove(dealership_id, equal("id", job_id))

    async def of_user(self, dealership_id: str, user_id: str, after: str = "") -> list[Job]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("userId", user_id))

    async def of_type(self, dealership_id: str, job_type: JobType, after: str = "") -> list[Job]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("jobType", job_type))

    async def of_status(self, dealership_id: str, status: JobStatus, after: str = "") -> list[Job]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("status", status))

    async def remove_of_user(self, dealership_id: str, user_id: str) -> int:
        return await self._remove(dealership_id, equal("userId", user_id))

    async def forget_before(self, dealership_id: str, before: datetime) -> int:
        """Those that nothing changed since, and that are over."""
        return await self._remove(
            dealership_id,
            below("updatedAt", before),
            one_of("status", ("completed", "failed", "cancelled", "dead")),
        )
