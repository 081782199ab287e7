"""Writes a node's audit log: first to its own tail on the disk, then to the store, in order, once.

Nothing is dropped silently. While the store is away entries wait in the tail, also over a restart.
Where nothing more can be kept (the disk is full, or `MAX_WAITING` wait) `Audit.record` raises
`NotRecorded`: what was to be done must then not be done.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from api.audit.chain import START, follows, signed
from api.audit.tail import BadTail, Link, TailFile, path_of
from api.identity import Identity
from api.store.base import Duplicate, StoreError
from api.store.documents import AuditEntry, Outcome
from api.store.repositories.audit import AuditLog
from api.store.repositories.scoped import Now, utc_now

log = structlog.get_logger(__name__)

MAX_CALLERS: Final = 1_000
"""Entries that wait for the disk at once."""
MAX_WAITING: Final = 20_000
"""Entries that wait for a store that is away."""
RETRY_S: Final = 1.0
MARK_EVERY: Final = 500
"""Entries after which the tail says how far the store is, where more keep coming."""

_ID = re.compile(r"[A-Za-z0-9_:-][A-Za-z0-9_:.-]{0,199}")


class NotRecorded(Exception):
    """The audit log cannot take the entry."""


@dataclass(slots=True)
class _Asked:
    entry: AuditEntry
    kept: asyncio.Future[None] = field(repr=False)


class Audit:
    """One node's chain. `key` is the audit key of ``secrets.toml``; `folder` holds its tail."""

    def __init__(
        self,
        entries: AuditLog,
        key: bytes,
        node: str,
        folder: Path,
        now: Now = utc_now,
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._entries = entries
        self._key = key
        self._node = node
        self._path = path_of(folder, node)
        self._now = now
        self._retry_s = retry_s
        self._asked: asyncio.Queue[_Asked] = asyncio.Queue(MAX_CALLERS)
        self._waiting: deque[Link] = deque()
        self._askers: dict[str, asyncio.Future[None]] = {}
        self._chain = asyncio.Lock()
        self._news = asyncio.Event()
        self._drained = asyncio.Event()
        self._is_away = False
        self._is_broken = False
        self._tasks: list[asyncio.Task[None]] = []
        self._seq, self._last = 0, START

    @property
    def waiting(self) -> int:
        """Entries that are on this node's disk and not yet in the store."""
        return len(self._waiting)

    @property
    def is_away(self) -> bool:
        """Whether the store did not take the last entry that it was given."""
        return self._is_away

    async def open(self) -> None:
        """Find the end of the chain and go on behind it. Raises `BadTail` and `Unavailable`."""
        stored = await self._entries.last(self._node)
        self._tail = await asyncio.to_thread(TailFile, self._path)
        try:
            self._resume(stored)
        except BaseException:
            self._tail.close()
            raise
        self._tasks = [asyncio.create_task(self._keep()), asyncio.create_task(self._ship())]
        for task in self._tasks:
            task.add_done_callback(self._failed)

    def _resume(self, stored: AuditEntry | None) -> None:
        found = self._tail.found
        for number, link in enumerate(found.links):
            if link.entry.node != self._node or not follows(self._key, link.previous, link.entry):
                raise BadTail(
                    f"{self._path}: entry {number + 1} was changed, or secrets.toml is not the one "
                    "it was written with. Put the right secrets.toml back, or move the file away."
                )
        end = stored.seq if stored is not None else 0
        if found.stored > end:
            log.error("audit_chain_cut", node=self._node, in_store=end, written=found.stored)
        if stored is not None:
            self._seq, self._last = stored.seq, stored.hmac
        if found.links and found.links[-1].entry.seq >= self._seq:
            self._seq, self._last = found.links[-1].entry.seq, found.links[-1].entry.hmac
        # All above what it is known to have; one that it took without being heard is found there.
        self._waiting.extend(link for link in found.links if link.entry.seq > found.stored)
        if self._waiting:
            log.warning("audit_entries_waiting", node=self._node, count=len(self._waiting))
            self._news.set()
        else:
            self._drained.set()

    async def close(self, within_s: float = 5.0) -> None:
        """Write what was asked for; what the store does not take in time stays in the tail."""
        if not self._tasks:
            return
        try:
            async with asyncio.timeout(within_s):
                await self._asked.join()
                await self._drained.wait()
        except TimeoutError:
            log.warning("audit_entries_waiting", node=self._node, count=len(self._waiting))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        while not self._asked.empty():
            self._refuse(self._asked.get_nowait(), "the node stops")
        for kept in self._askers.values():
            _answer(kept)
        self._tail.close()

    async def record(
        self,
        *,
        dealership_id: str,
        actor_id: str | None,
        action: str,
        target_type: str | None = None,
        target_id: str | None = None,
        outcome: Outcome,
    ) -> str:
        """Add an entry; returns its id when the store has it, or, while that is away, the disk.

        `actor_id` and `target_id` are ids, never names or addresses: raises `ValueError`.
        Raises `NotRecorded`.
        """
        for given in (actor_id, target_id):
            if given is not None and _ID.fullmatch(given) is None:
                raise ValueError("the audit log takes ids of A-Z a-z 0-9 _ : - . alone")
        now = self._now()
        entry = AuditEntry.new(
            dealership_id,
            now,
            node=self._node,
            seq=1,
            at=now,
            actor_id=actor_id,
            action=action,
            target_type=target_type,
            target_id=target_id,
            outcome=outcome,
            hmac=START,
        )
        asked = _Asked(entry, asyncio.get_running_loop().create_future())
        if not self._tasks or self._is_broken:
            self._refuse(asked, "it is closed, or has failed")
        elif len(self._waiting) >= MAX_WAITING or self._asked.full():
            self._refuse(asked, "too many entries wait already")
        else:
            self._asked.put_nowait(asked)
        await asked.kept
        return entry.id

    async def allowed(self, by: Identity, action: str, target_type: str, target_id: str) -> None:
        """As `record`, of what `by` may do and is about to."""
        await self.record(
            dealership_id=by.dealership_id,
            actor_id=by.user_id,
            action=action,
            target_type=target_type,
            target_id=target_id,
            outcome="allowed",
        )

    async def about_person(
        self,
        action: str,
        user_id: str,
        *,
        dealership_id: str,
        actor_id: str,
        outcome: Outcome = "allowed",
    ) -> None:
        """As `record`, of what was done to a person, by themselves mostly."""
        await self.record(
            dealership_id=dealership_id,
            actor_id=actor_id,
            action=action,
            target_type="user",
            target_id=user_id,
            outcome=outcome,
        )

    def _failed(self, task: asyncio.Task[None]) -> None:
        """On a defect: nobody waits for ever, and nothing more is taken."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("audit_failed", node=self._node, exc_info=error)
        self._is_broken = True
        for kept in self._askers.values():
            _answer(kept)
        while not self._asked.empty():
            self._refuse(self._asked.get_nowait(), "it has failed")

    def _refuse(self, asked: _Asked, why: str) -> None:
        entry = asked.entry
        log.error(
            "audit_entry_refused",
            node=self._node,
            why=why,
            action=entry.action,
            actor_id=entry.actor_id,
            target_id=entry.target_id,
            outcome=entry.outcome,
        )
        if not asked.kept.done():
            asked.kept.set_exception(NotRecorded(f"The audit log takes no entry: {why}."))

    async def _keep(self) -> None:
        """Sign what was asked for and put it on the disk, as much at once as there is."""
        while True:
            batch = [await self._asked.get()]
            while not self._asked.empty():
                batch.append(self._asked.get_nowait())
            try:
                async with self._chain:
                    await self._keep_all(batch)
            except asyncio.CancelledError:
                for asked in batch:
                    self._refuse(asked, "the node stops")
                raise
            for _ in batch:
                self._asked.task_done()

    async def _keep_all(self, batch: list[_Asked]) -> None:
        links, last = [], self._last
        for number, asked in enumerate(batch, self._seq + 1):
            numbered = asked.entry.model_copy(update={"seq": number})
            links.append(Link(last, signed(self._key, last, numbered)))
            last = links[-1].entry.hmac
        try:
            # Shielded: a node that stops must not leave the file to a thread that still writes it.
            await asyncio.shield(asyncio.to_thread(self._tail.append, links))
        except OSError as error:
            for asked in batch:
                self._refuse(asked, f"its disk does not take it ({error.strerror})")
            return
        self._seq, self._last = links[-1].entry.seq, last
        self._waiting.extend(links)
        self._drained.clear()
        self._news.set()
        for asked in batch:
            if self._is_away:
                _answer(asked.kept)
            else:
                self._askers[asked.entry.id] = asked.kept

    async def _ship(self) -> None:
        """Give the store what waits, one by one: none before the one in front of it is there."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                try:
                    await self._ship_first()
                except StoreError as error:
                    self._store_is_away(error)
                    await asyncio.sleep(self._retry_s)
                else:
                    self._store_is_back()
            self._drained.set()

    async def _ship_first(self) -> None:
        link = self._waiting[0]
        try:
            await self._entries.append(link.entry.dealership_id, link.entry)
        except Duplicate:
            there = await self._entries.chain(self._node, link.entry.seq - 1, 1)
            if not there or there[0].hmac != link.entry.hmac:
                await self._chain_anew()
                return
        async with self._chain:
            self._waiting.popleft()
            if not self._waiting or link.entry.seq % MARK_EVERY == 0:
                await self._mark(link)
        _answer(self._askers.pop(link.entry.id, None))

    async def _mark(self, link: Link) -> None:
        try:
            await asyncio.shield(asyncio.to_thread(self._tail.mark, link, list(self._waiting)))
        except OSError as error:  # the store has the entries; they would be offered once more
            log.warning("audit_tail_not_marked", node=self._node, error=error.strerror)

    async def _chain_anew(self) -> None:
        """Another writer of this name took the next number: go on behind its entries."""
        async with self._chain:
            end = await self._entries.last(self._node)
            assert end is not None
            log.error("audit_chain_has_two_writers", node=self._node, seq=end.seq)
            links, last = [], end.hmac
            for number, link in enumerate(self._waiting, end.seq + 1):
                numbered = link.entry.model_copy(update={"seq": number})
                links.append(Link(last, signed(self._key, last, numbered)))
                last = links[-1].entry.hmac
            try:
                await asyncio.shield(asyncio.to_thread(self._tail.rewrite, links, stored=end.seq))
            except OSError as error:
                raise StoreError(f"{self._path}: {error.strerror}") from error
            self._waiting = deque(links)
            self._seq, self._last = links[-1].entry.seq, last

    def _store_is_away(self, error: StoreError) -> None:
        if not self._is_away:
            log.error(
                "audit_store_away", node=self._node, waiting=len(self._waiting), error=str(error)
            )
        self._is_away = True
        for kept in self._askers.values():
            _answer(kept)
        self._askers.clear()

    def _store_is_back(self) -> None:
        if self._is_away:
            log.info("audit_store_back", node=self._node, waiting=len(self._waiting))
        self._is_away = False


def _answer(kept: asyncio.Future[None] | None) -> None:
    if kept is not None and not kept.done():
        kept.set_result(None)
