"""The sweep: what has been kept for long enough is destroyed, once an hour, dealership by
dealership."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import structlog

from api.audit.record import NotRecorded
from api.calls import Calls
from api.services import Services
from api.store.base import StoreError
from api.store.documents import Dealership

log = structlog.get_logger(__name__)

EVERY_S: Final = 3_600.0
NOTICES_KEPT: Final = timedelta(days=180)
UNBEGUN_KEPT: Final = timedelta(days=1)
"""Sessions that nobody ever spoke in."""
_PAGE = 50


class Retention:
    def __init__(self, services: Services, calls: Calls, every_s: float = EVERY_S) -> None:
        self._services = services
        self._calls = calls
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """One round over all dealerships; how many calls were destroyed."""
        erased = 0
        async for dealership in self._dealerships():
            erased += await self._sweep(dealership)
        return erased

    async def _run(self) -> None:
        while True:
            try:
                erased = await self.sweep()
                log.info("retention_swept", calls=erased)
            except (StoreError, NotRecorded) as error:
                log.warning("retention_postponed", error=str(error))
            except Exception:
                # A defect in one round must not end all later ones.
                log.exception("retention_failed")
            await asyncio.sleep(self._every_s)

    async def _sweep(self, dealership: Dealership) -> int:
        store, now = self._services.store, self._services.now()
        keep = timedelta(days=dealership.policy.retention_days)
        erased = 0
        # A call that is erased is gone from the next page.
        while old := await store.sessions.created_before(dealership.id, now - keep, _PAGE):
            for head in old:
                await self._services.audit.record(
                    dealership_id=dealership.id,
                    actor_id=None,
                    action="session.expire",
                    target_type="session",
                    target_id=head.id,
                    outcome="allowed",
                )
                await self._calls.erase(dealership.id, head.id)
                erased += 1
        await self._calls.forget_unbegun_before(dealership.id, now - UNBEGUN_KEPT)
        await store.tokens.forget_expired(dealership.id, now)
        await store.links.forget_expired(dealership.id, now)
        await store.idempotency.forget_expired(dealership.id, now)
        await store.notifications.forget_before(dealership.id, now - NOTICES_KEPT)
        await store.digests.forget_before(dealership.id, now - NOTICES_KEPT)
        await store.assignments.forget_before(dealership.id, now - keep)
        await store.jobs.forget_before(dealership.id, now - keep)
        await store.deliveries.forget_before(dealership.id, now - keep)
        await self._services.uploading.forget_expired(dealership.id)
        return erased

    async def _dealerships(self) -> AsyncIterator[Dealership]:
        after = ""
        while found := await self._services.store.dealerships.every(after):
            for dealership in found:
                yield dealership
            after = found[-1].id
