"""What happens to jobs, as it happens: over the store, as jobs are done on other nodes too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from sse_starlette import ServerSentEvent

from api.guard import Guard
from api.identity import Identity
from api.jobs.views import job_view
from api.problems import Problem
from api.services import Services
from api.store.jobs import OPEN, Job

ACTION: Final = "job.read"
EVERY_S: Final = 1.0
OVERLAP: Final = timedelta(seconds=10)
"""How far the clocks of nodes may be apart, and a write may take."""
MAX_READERS: Final = 100
RETRY_AFTER_S: Final = 30
Changed = Callable[[Identity], Awaitable[Sequence[Job]]]


class News:
    """Streams of one node."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._jobs = services.store.jobs
        self._guard: Guard = services.guard
        self._readers = 0

    def admit(self) -> None:
        """Raises `Problem` (503) where there are as many readers as there may be."""
        if self._readers >= MAX_READERS:
            later = {"Retry-After": str(RETRY_AFTER_S)}
            raise Problem(503, "Too many people follow jobs now; try again soon.", headers=later)

    async def of_one(self, identity: Identity, job: Job) -> AsyncIterator[ServerSentEvent]:
        """The job each time it changes, as it is now first, until it is over."""

        async def changed(_: Identity) -> Sequence[Job]:
            found = await self._jobs.get(job.dealership_id, job.id)
            return () if found is None else [found]

        async for each in self._told(identity, changed):
            yield _event(each)
            if each.status not in OPEN:
                return

    async def of_all(self, identity: Identity) -> AsyncIterator[ServerSentEvent]:
        """Each job in reach that changes from now on."""
        since = self._services.now()

        async def changed(standing: Identity) -> Sequence[Job]:
            nonlocal since
            start, since = since - OVERLAP, self._services.now()
            users, teams = standing.reached(ACTION)
            return await self._jobs.changed_since(identity.dealership_id, start, users, teams)

        known = {each.id: each.version for each in await changed(identity)}
        async for each in self._told(identity, changed, known):
            yield _event(each)

    async def _told(
        self, identity: Identity, changed: Changed, known: dict[str, int] | None = None
    ) -> AsyncIterator[Job]:
        """What `changed` finds, each version once, while its reader may read."""
        known = known or {}
        self._readers += 1
        try:
            while True:
                standing = await self._guard.standing(identity)
                if standing is None or standing.reach(ACTION) == "-":
                    return
                found = await changed(standing)
                for each in found:
                    if known.get(each.id) != each.version:
                        yield each
                known = {each.id: each.version for each in found}
                await asyncio.sleep(EVERY_S)
        finally:
            self._readers -= 1


def _event(job: Job) -> ServerSentEvent:
    view = job_view(job)
    return ServerSentEvent(view.model_dump_json(by_alias=True), event="job", id=str(job.version))
