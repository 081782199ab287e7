"""Wakes the workers: pydocket on Redis Streams; without Redis in this process's memory.

What there is to do stands in the store; a wake says no more than that somebody should look. So one
that is lost costs time until the next sweep, and one too many costs a look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog
from docket import Docket, Worker
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

MAX_WAKES: Final = 64
"""Wakes that wait at once: each has one of so many keys, and one whose key waits already is none.
Many more than there are workers, as a worker that is awake works until nothing is due."""
RECONNECT_S: Final = 2.0
POLL: Final = timedelta(seconds=2)
"""A wake that comes while a place is free is heard at once."""
REDELIVER_AFTER: Final = timedelta(seconds=10)
"""When a dead worker's wake is somebody else's."""
WITHIN_S: Final = 2.0
NAME: Final = "forecourt-jobs"
TASK: Final = "look"

Look = Callable[[], Awaitable[None]]
"""Does what there is to do, then returns."""


class Queue:
    """`url` is a Redis server's; without one it serves this process alone."""

    def __init__(self, url: str | None = None, name: str = NAME) -> None:
        self._url = url or f"memory://{id(self)}"
        self._name = name
        self._docket: Docket | None = None
        self._next = 0
        self.lost = 0
        """Wakes that could not be sent."""

    async def wake(self) -> bool:
        """Have somebody look; False where the server is away, and the sweep has to do."""
        self._next = (self._next + 1) % MAX_WAKES
        if self._docket is not None:
            try:
                async with asyncio.timeout(WITHIN_S):
                    await self._docket.add(TASK, key=f"{TASK}-{self._next}")()
                return True
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("job_queue_away", error=type(error).__name__)
        self.lost += 1
        return False

    async def run(self, looks: Look | None, slots: int = 1) -> None:
        """Stay connected until cancelled, and look each time somebody wakes us: in `slots` places
        at once. Without `looks` we only wake others. A server that goes away is waited for.

        Cancelled, it returns once looks that are under way do: end those first.
        """
        while True:
            try:
                async with Docket(self._name, self._url, execution_ttl=timedelta(0)) as docket:
                    docket.register(looks or _nothing, names=[TASK])
                    self._docket = docket
                    if looks is not None:
                        await self._serve(docket, slots)
                        return
                    await asyncio.Event().wait()
            except (RedisError, OSError, ExceptionGroup) as error:
                log.warning("job_queue_lost", error=type(error).__name__)
            finally:
                self._docket = None
            await asyncio.sleep(RECONNECT_S)

    async def _serve(self, docket: Docket, slots: int) -> None:
        """Until cancelled, which pydocket takes for the wish to end in order and does not raise."""
        worker = Worker(
            docket,
            concurrency=slots,
            redelivery_timeout=REDELIVER_AFTER,
            reconnection_delay=timedelta(seconds=RECONNECT_S),
            minimum_check_interval=POLL,
            scheduling_resolution=POLL,
        )
        async with worker:
            await worker.run_forever()


async def _nothing() -> None:
    """What a wake would call here: nobody looks on a node that only wakes others."""
