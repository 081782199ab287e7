"""How a call's events come into the store: in order, once, whether or not it is there just now."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, TypeVar

import structlog

from api.call import Call
from api.keep import Keep
from api.payloads import sealed_event
from api.store.base import Stale, Unavailable
from api.store.documents import Event as StoredEvent
from api.store.documents import TrainingSession
from api.store.repositories.scoped import utc_now
from api.store.repositories.sessions import Fields
from engine.events import Event
from engine.session import Session

log = structlog.get_logger(__name__)

T = TypeVar("T")

EVERY_S = 0.5
MAX_PENDING = 2_000
"""Events of a call waiting in memory; beyond it they wait in its journal alone."""
BATCH = 50
"""Sealed at once, on the media loop: 50 take 2 ms."""
RETRY_S = 0.5
MAX_RETRY_S = 10.0


async def stored(action: Callable[[], Awaitable[T]], session_id: str, what: str) -> T:
    """What `action` returns once the store, or the disk, takes it: tried again for ever."""
    wait_s = 0.0
    while True:
        try:
            result = await action()
        except (OSError, Stale, Unavailable) as error:
            if not wait_s:
                log.warning("store_away", session=session_id, what=what, error=str(error))
            wait_s = min(max(2 * wait_s, RETRY_S), MAX_RETRY_S)
            await asyncio.sleep(wait_s)
        else:
            if wait_s:
                log.info("store_back", session=session_id, what=what)
            return result


class Delivery:
    """One call's. Lives on the media loop; `start` it with the call's session.

    Of a call whose recording was refused it delivers its state and no events.
    """

    def __init__(self, keep: Keep, call: Call) -> None:
        self._keep = keep
        self._call = call
        self._delivered_seq = call.delivered_seq
        self._pending: deque[Event] = deque()
        # What there is by now is in the journal alone, perhaps of an earlier run of the node.
        self._is_behind = call.is_recorded
        self._sealed: list[StoredEvent] = []
        self._state: Fields = {}
        self._news = asyncio.Event()
        self._delivering = asyncio.Lock()
        self._session: Session | None = None
        self._undo: Callable[[], None] = lambda: None
        self._task: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        """Events that wait in memory."""
        return len(self._pending) + len(self._sealed)

    @property
    def delivered_seq(self) -> int:
        return self._delivered_seq

    def start(self, session: Session) -> None:
        """Deliver what happens in `session` from now on, about twice a second."""
        self._session = session
        self._undo = session.subscribe(self._take)
        self._task = asyncio.create_task(self._run(), name=f"delivery-{self._call.id}")
        self._task.add_done_callback(_told)
        self._news.set()

    async def deliver(self) -> None:
        """Return when all that has happened is in the store, however long that takes."""
        async with self._delivering:
            while self._is_behind or self._pending or self._sealed:
                await stored(self._step, self._call.id, "events")
            await stored(self._tell_state, self._call.id, "state")

    async def stop(self) -> None:
        """Deliver nothing more. What was not delivered stays in the journal."""
        self._undo()
        self._undo = lambda: None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _take(self, event: Event) -> None:
        self._call.count(event)
        self._news.set()
        if not self._call.is_recorded or self._is_behind:
            return
        if len(self._pending) >= MAX_PENDING:
            self._pending.clear()
            self._is_behind = True
            log.warning("delivery_behind", session=self._call.id, seq=self._delivered_seq)
            return
        self._pending.append(event)

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(EVERY_S)
            self._news.clear()
            await self.deliver()

    async def _step(self) -> None:
        """Some events more. What it raises leaves it where it was."""
        if not self._sealed:
            await self._seal_next()
        if self._sealed:
            owner = self._call.owner
            await self._keep.store.events.append(owner.dealership_id, self._call.id, self._sealed)
            self._delivered_seq = self._sealed[-1].seq
            self._sealed = []

    async def _seal_next(self) -> None:
        if self._is_behind:
            # Whatever is journalled from here on comes by way of `_take`, too.
            self._is_behind = False
            try:
                found = await asyncio.to_thread(self._journalled)
            except BaseException:
                self._is_behind = True
                raise
            if len(found) == MAX_PENDING:
                self._is_behind = True
                self._pending.clear()
            newest = found[-1].seq if found else self._delivered_seq
            later = [event for event in self._pending if event.seq > newest]
            self._pending = deque([*found, *later])
        given: list[StoredEvent] = []
        while self._pending and len(given) < BATCH:
            event = self._pending.popleft()
            if event.seq > self._delivered_seq:
                given.append(self._seal(event.model_dump()))
        self._sealed = given

    def _journalled(self) -> list[Event]:
        """The oldest that are not delivered, at most `MAX_PENDING`."""
        journal = self._call.journal
        assert journal is not None
        found = (
            Event.model_validate(record["e"])
            for record in journal.records()
            if record["k"] == "event" and record["e"]["seq"] > self._delivered_seq
        )
        return list(islice(found, MAX_PENDING))

    def _seal(self, event: dict[str, Any]) -> StoredEvent:
        call = self._call
        return sealed_event(call.key, call.owner.dealership_id, call.id, event, utc_now())

    async def _tell_state(self) -> None:
        """How the call stands; that it is completed is told when all of it is put away."""
        session = self._session
        if session is None or session.state in ("created", "completed"):
            return
        state: Fields = {"status": session.state, "start_time": self._call.start_time}
        if state == self._state:
            return

        def changed(document: TrainingSession) -> Fields:
            return {**state, "duration_ms": session.t_ms}

        await self._keep.store.sessions.change(
            self._call.owner.dealership_id, self._call.id, changed
        )
        self._state = state


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("delivery_failed", error=repr(error))
