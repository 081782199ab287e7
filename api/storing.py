"""How calls get from this node's memory and disk into the store, and out of both for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from api import completion
from api.call import Call
from api.completion import Erasing
from api.delivery import Delivery, stored
from api.folders import Folder, Folders
from api.keep import Keep
from api.leftovers import Unfinished
from api.store.base import Unavailable
from api.told import Told
from engine.journal import FileJournal, Journal
from engine.session import Session

log = structlog.get_logger(__name__)

FORGET_REFUSED_AFTER_S = 120.0
SYNC_EVERY_S = 1.0
STORED_WITHIN_S = 10.0
"""How long a node that stops waits for the store; what is not there then the next start brings."""
RECORDED_WITHIN_S = 5.0


class Storing:
    """`calls` are those held in memory, by id: each goes once it is in the store."""

    def __init__(
        self,
        keep: Keep,
        folders: Folders,
        calls: dict[str, Call],
        on_put_away: Callable[[str, str], object] = lambda dealership_id, session_id: None,
    ) -> None:
        """`on_put_away` is told of each recorded call of which the store has all."""
        self._on_put_away = on_put_away
        self._keep = keep
        self._folders = folders
        self._calls = calls
        self._deliveries: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._finishing: dict[str, asyncio.Task[None]] = {}
        self._syncer: asyncio.Task[None] | None = None
        self._unsynced: set[Journal] = set()

    def start(self) -> None:
        """Keep journals on disk from now on."""
        self._syncer = asyncio.create_task(self._sync_forever(), name="journal-sync")

    async def stop(self) -> None:
        """Wait a while for the store, then leave the rest to the next start."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=STORED_WITHIN_S)
            if late:
                log.warning("not_stored", calls=len(late))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for session_id in list(self._deliveries):
            await self._end_delivery(session_id)
        if self._syncer is not None:
            self._syncer.cancel()
            await asyncio.gather(self._syncer, return_exceptions=True)

    def opened(self, call: Call, session: Session) -> None:
        """Bring what happens in it to the store from now on."""
        delivery = self._deliveries[call.id] = Delivery(self._keep, call)
        delivery.start(session)

    def closed(self, call: Call) -> None:
        """Its room has closed: put it away, leave it to the next node, or forget that it opened."""
        assert call.room is not None
        state = call.room.session.state
        if state == "created":
            journal, call.journal, call.room = call.journal, None, None
            self._spawn(self._forget_unbegun(call, journal))
        elif state != "completed":
            self._spawn(self._leave(call), call.id)
        elif not call.is_erased:
            self._spawn(self._put_away(call), call.id)

    def put_away(self, call: Call, unfinished: Unfinished) -> None:
        """A call that was over when the last node broke off, and not yet in the store."""
        self._deliveries[call.id] = Delivery(self._keep, call)
        self._spawn(self._put_away_recorded(call, unfinished.told), call.id)

    async def halt(self, call: Call, reason: str) -> None:
        """End a call of which nothing more may be stored."""
        call.is_erased = True
        if call.room is not None:
            await asyncio.shield(call.room.end(reason))
        async with call.publishing:
            if call.room is not None:  # opened meanwhile
                await asyncio.shield(call.room.end(reason))
            await self._end_delivery(call.id)
            if (task := self._finishing.get(call.id)) is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            closed = {asyncio.wrap_future(r.closed) for r in call.recorders.values() if r.closed}
            if closed:
                await asyncio.wait(closed, timeout=RECORDED_WITHIN_S)
            if call.journal is not None:
                await asyncio.to_thread(call.journal.close)

    async def erase(self, dealership_id: str, session_id: str, how: Erasing) -> None:
        """Destroy what there is of a call. Raises `StoreError` and `OSError`.

        Where the store is away it is destroyed all the same, as soon as the store is back.
        """
        folder = self._folders.of(dealership_id, session_id)
        try:
            await completion.erase(self._keep, folder, how)
        except Unavailable:
            self._spawn(self._erase_later(folder, how))
            raise

    async def _erase_later(self, folder: Folder, how: Erasing) -> None:
        await stored(
            lambda: completion.erase(self._keep, folder, how), folder.session_id, "erasure"
        )
        self._calls.pop(folder.session_id, None)

    async def _forget_unbegun(self, call: Call, journal: Journal | None) -> None:
        await self._end_delivery(call.id)
        if isinstance(journal, FileJournal):
            await asyncio.to_thread(journal.close)
            async with call.publishing:
                if call.room is None:
                    await asyncio.to_thread(call.folder.forget_unbegun)

    async def _leave(self, call: Call) -> None:
        """Bring to the store what can be brought; the rest a later node finds in the journal."""
        assert call.journal is not None
        await self._sync(call.journal)
        await asyncio.to_thread(call.journal.close)
        self._unsynced.discard(call.journal)
        await self._deliveries[call.id].deliver()

    async def _put_away(self, call: Call) -> None:
        """From now on the call is told by the store."""
        if call.is_recorded:
            await self._put_away_recorded(call)
        else:
            await self._end_delivery(call.id)
            told = told_by(call)
            loop = asyncio.get_running_loop()
            loop.call_later(FORGET_REFUSED_AFTER_S, self._calls.pop, call.id, None)
            await completion.complete(self._keep, call.folder, call.key, told, is_recorded=False)

    async def _put_away_recorded(self, call: Call, told: Told | None = None) -> None:
        journal = call.journal
        assert journal is not None
        for recorder in call.recorders.values():
            if recorder.closed is not None:
                await asyncio.wrap_future(recorder.closed)
        await stored(lambda: asyncio.to_thread(journal.close), call.id, "journal")
        self._unsynced.discard(journal)
        await self._deliveries[call.id].deliver()
        await self._end_delivery(call.id)
        if told is None:
            told = await stored(
                lambda: asyncio.to_thread(lambda: Told(journal.records())), call.id, "journal"
            )
        await completion.complete(
            self._keep,
            call.folder,
            call.key,
            told,
            is_recorded=True,
            on_stored=lambda: self._calls.pop(call.id, None),
        )
        if not call.is_erased:
            self._on_put_away(call.owner.dealership_id, call.id)

    async def _end_delivery(self, session_id: str) -> None:
        delivery = self._deliveries.pop(session_id, None)
        if delivery is not None:
            await delivery.stop()

    def _spawn(self, work: Coroutine[Any, Any, None], session_id: str | None = None) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        if session_id is not None:
            self._finishing[session_id] = task

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if session_id is not None and self._finishing.get(session_id) is task:
                del self._finishing[session_id]
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("storing_failed", session=session_id, error=repr(error))

        task.add_done_callback(done)

    async def _sync_forever(self) -> None:
        while True:
            await asyncio.sleep(SYNC_EVERY_S)
            for call in list(self._calls.values()):
                if call.journal is not None and call.room is not None:
                    await self._sync(call.journal)

    async def _sync(self, journal: Journal) -> None:
        try:
            await asyncio.to_thread(journal.sync)
        except OSError as error:
            if journal not in self._unsynced:
                self._unsynced.add(journal)
                log.error("journal_sync_failed", error=repr(error))
        else:
            self._unsynced.discard(journal)


def told_by(call: Call) -> Told:
    """The numbers of a call that has ended, from memory."""
    told = Told()
    told.start_time = call.start_time
    if call.room is not None:
        told.metrics = call.room.session.metrics
        told.duration_ms = call.room.session.t_ms
    return told
