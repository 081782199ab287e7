"""The node's calls: the live ones by their rooms, the past ones by their journals.

A journal begins with a ``session`` record (what the call was created with, consent included) and a
``begin`` record (when its first packet came). Calls whose recording was refused have a journal in
memory only and are forgotten soon after their end.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from starlette.requests import Request

from api.call import Call
from api.ids import new_id
from api.listeners import Listeners, audible, over
from api.past import STOPPED, Past, Unfinished, unknown
from api.playbooks import Playbooks
from api.problems import Problem
from api.rooms import Rooms
from api.settings import Settings
from api.traffic import Traffic
from api.views import ConsentView, CreateSession, SessionView
from engine.asr.correction import Corrector
from engine.asr.window import Recognizer, Refused
from engine.journal import FileJournal, Journal, MemoryJournal
from engine.session import Session
from signaling.ice import IceSettings
from signaling.peer import NoAddress
from signaling.recorder import Writer
from signaling.room import Busy, Room, token_digest
from signaling.sdp import BadOffer
from signaling.speaker import Transport

log = structlog.get_logger(__name__)

MAX_CREATED = 1_000
"""Sessions created and not yet begun; the oldest are forgotten beyond this."""
FORGET_REFUSED_AFTER_S = 120.0
SYNC_EVERY_S = 1.0
RETRY_AFTER_S = 30
BACK_AFTER_S = 2
"""When a browser may look whether the node has been started again."""
MAX_AWAY_S = 3_600.0
"""A call that broke off longer ago than this is not taken up again after a restart."""


class Calls:
    """Creates, publishes, lists and recovers calls. Lives on the media loop."""

    def __init__(
        self,
        settings: Settings,
        recognizer: Recognizer,
        playbooks: Playbooks,
        writer: Writer,
        corrector: Corrector | None = None,
    ) -> None:
        self._max_calls = settings.max_calls
        self.ice = IceSettings(
            settings.ice_servers,
            settings.turn_urls,
            settings.turn_secret.get_secret_value(),
            settings.turn_ttl_s,
            settings.ice_relay_only,
            "loopback" if settings.ice_loopback else settings.ice_targets,
        )
        self._recognizer = recognizer
        self._playbooks = playbooks
        self._opening = 0
        self._past = Past(settings.sessions)
        self.rooms = Rooms(
            settings, self.ice, recognizer, playbooks, corrector, writer, self._past, self._closed
        )
        self._calls: dict[str, Call] = {}
        self.listeners = Listeners()
        self._tasks: set[asyncio.Task[None]] = set()
        self._syncer: asyncio.Task[None] | None = None
        self._unsynced: set[Journal] = set()
        self.is_draining = False
        self._is_stopping = False

    # life of the node

    async def start(self) -> None:
        """Take up what a crash left behind, then keep journals on disk."""
        await asyncio.to_thread(self._past.prepare)
        for unfinished in await asyncio.to_thread(self._past.unfinished):
            try:
                await self._recover(unfinished)
            except (LookupError, OSError, ValueError) as error:
                log.error("recovery_failed", file=str(unfinished.path), error=repr(error))
        self._syncer = asyncio.create_task(self._sync_forever(), name="journal-sync")

    def drain(self) -> None:
        """Take no new calls from now on; live ones go on, and their browsers may come back."""
        if not self.is_draining:
            self.is_draining = True
            log.info("draining", live=self.live)

    async def stop(self, *, resumable: bool = False) -> None:
        """End every live call cleanly. May be called again.

        With `resumable` the calls that have a journal on disk are left interrupted instead: the
        next node on this disk takes them up, and their browsers come back to them.
        """
        self.drain()
        self._is_stopping = True
        closings = []
        for call in self._calls.values():
            if call.room is not None:
                lasts = isinstance(call.journal, FileJournal) and call.start_time is not None
                close = call.room.suspend if resumable and lasts else call.room.end
                closings.append(close(STOPPED))
        await asyncio.gather(*closings)
        await asyncio.gather(*self._tasks)
        if self._syncer is not None:
            self._syncer.cancel()
            await asyncio.gather(self._syncer, return_exceptions=True)

    @property
    def live(self) -> int:
        return sum(not room.is_over for room in self.rooms)

    def traffic(self) -> Traffic:
        """What all calls of this node, the ended ones included, have taken in and lost."""
        return self.rooms.traffic()

    # what routes ask

    def create(self, request: CreateSession) -> tuple[SessionView, str]:
        """A new session and its resume token."""
        if self.is_draining:
            raise _draining()
        waiting = [call for call in self._calls.values() if not call.has_begun]
        if len(waiting) >= MAX_CREATED:
            del self._calls[waiting[0].id]
        token = secrets.token_urlsafe(32)
        call = Call(
            new_id(),
            request,
            datetime.now(UTC),
            request.volume_feedback(),
            token_digest(token),
            playbook=self._playbooks.of(request.language),
        )
        self._calls[call.id] = call
        return call.view(), token

    async def consent(self, session_id: str, consent: ConsentView) -> ConsentView:
        """Store consent. It cannot change once the call has begun."""
        call = self._calls.get(session_id)
        if call is None and not await asyncio.to_thread(self._past.holds, session_id):
            raise unknown()
        if call is None or call.has_begun:
            raise Problem(409, "This call has begun: its consent cannot change any more.")
        call.consent = consent
        return consent

    async def consent_of(self, session_id: str) -> ConsentView:
        call = self._calls.get(session_id)
        if call is not None:
            if call.consent is not None:
                return call.consent
            raise Problem(404, "No consent has been given for this session yet.")
        return await asyncio.to_thread(self._past.consent, session_id)

    async def publish(self, session_id: str, offer: str, token: str | None) -> tuple[str, str]:
        """Answer a WHIP offer: (answer, resource id)."""
        call = await self._publishable(session_id)
        async with call.publishing:
            if call.room is None:
                call.room = await self._open(call)
            try:
                answer = await call.room.publish(offer, token)
            except Busy as error:
                raise self._busy(error) from error
            except BadOffer as error:
                raise Problem(400, str(error)) from error
            except NoAddress as error:
                later = {"Retry-After": str(RETRY_AFTER_S)}
                raise Problem(503, str(error), headers=later) from error
            return answer, call.new_resource()

    async def attach_socket(self, session_id: str, token: str, socket: Transport) -> Room:
        """Make a WebSocket that showed the resume token the publisher; the room it is now in."""
        call = await self._publishable(session_id)
        if not secrets.compare_digest(token_digest(token), call.digest):
            raise Problem(401, "This is not the session's resume token.")
        async with call.publishing:
            if call.room is None:
                call.room = await self._open(call)
            room = call.room
            try:
                room.admit(token)
                room.attach(socket)
            except Busy as error:
                raise self._busy(error) from error
            finally:
                room.abandon_if_empty()
            call.new_resource()
            return room

    def _busy(self, error: Busy) -> Problem:
        """A call that this node has just let go of is not over: the next node has it."""
        return _stopping() if self._is_stopping else Problem(409, str(error))

    async def _publishable(self, session_id: str) -> Call:
        if self._is_stopping:
            raise _stopping()
        call = self._calls.get(session_id)
        if call is None:
            if await asyncio.to_thread(self._past.holds, session_id):
                raise Problem(409, "This call is over; start a new one.")
            raise unknown()
        return call

    async def end(self, session_id: str, resource: str) -> None:
        """WHIP DELETE: finals, `completed`, closed."""
        await asyncio.shield(self.publication(session_id, resource).end("deleted"))

    def publication(self, session_id: str, resource: str) -> Room:
        """The room of a WHIP resource that is the session's present one."""
        call = self._calls.get(session_id)
        room = call.room if call is not None and _is_same(call.resource, resource) else None
        if room is None or room.session.state == "completed":
            raise Problem(404, "There is no such WHIP resource; the call may be over already.")
        return room

    async def ice_links(self, session_id: str, token: str | None) -> list[str]:
        """STUN and TURN servers for a client, as `Link` headers (RFC 9725, 4.6). Never log them.

        None for a stranger to a call that is taken, who could not publish either.
        """
        call = await self._publishable(session_id)
        if call.room is not None and not call.room.may_resume(token):
            return []
        return self.ice.links(session_id)

    async def listen(self, session_id: str, offer: str) -> tuple[str, str]:
        """Answer a WHEP offer to a live call: (answer, resource id)."""
        return await self.listeners.join(await self.audible(session_id), self.ice, offer)

    async def audible(self, session_id: str) -> Room:
        """The room of a live call. 404 for an unknown one, 409 before it begins and after."""
        call = self._calls.get(session_id)
        if call is None:
            raise over() if await asyncio.to_thread(self._past.holds, session_id) else unknown()
        return audible(call.room)

    async def view(self, session_id: str) -> SessionView:
        call = self._calls.get(session_id)
        if call is not None:
            return call.view()
        return await asyncio.to_thread(self._past.view, session_id)

    async def newest(self, limit: int) -> list[SessionView]:
        """Newest first: live, created and past sessions."""
        views = {call.id: call.view() for call in self._calls.values()}
        return await asyncio.to_thread(self._past.newest, views, limit)

    async def events(self, session_id: str, after_seq: int) -> list[dict[str, Any]]:
        """Journalled events behind `after_seq`, oldest first."""
        session = self.session(session_id)
        if session is not None:
            return await asyncio.to_thread(session.events, after_seq)
        if session_id in self._calls:
            return []
        return await asyncio.to_thread(self._past.events, session_id, after_seq)

    def session(self, session_id: str) -> Session | None:
        """The live session, for subscribing to its events; None when it is not live."""
        call = self._calls.get(session_id)
        return call.room.session if call is not None and call.room is not None else None

    async def recording(self, session_id: str) -> Path | bytes | None:
        """The recording's file, or what there is of it while the call goes on; None without."""
        view = await self.view(session_id)
        is_growing = view.status in ("active", "paused")
        return await asyncio.to_thread(self._past.recorded, session_id, is_growing=is_growing)

    # the inside

    async def _open(self, call: Call) -> Room:
        if call.consent is None:
            raise Problem(
                403, "Nobody has consented to this call yet: PUT its /consent before publishing."
            )
        if self.is_draining:
            raise _draining()
        if self.live + self._opening >= self._max_calls:
            raise Problem(
                503,
                "This node is full; try again in half a minute.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        # Nothing is awaited up to here: of calls that begin at once each finds those before it.
        self._admit(call)
        self._opening += 1
        try:
            return await self.rooms.open(call)
        except BaseException as error:
            # Also where the client hangs up meanwhile: its place is another's.
            self._recognizer.forget(call.id)
            if not isinstance(error, OSError):
                raise
            log.error("disk_failed", session=call.id, error=repr(error))
            detail = "This node's disk takes no recording now. Try again in half a minute."
            later = {"Retry-After": str(RETRY_AFTER_S)}
            raise Problem(503, detail, headers=later) from error
        finally:
            self._opening -= 1

    def _admit(self, call: Call) -> None:
        try:
            self._recognizer.admit(call.id, call.created.language)
        except Refused as error:
            if error.retry_after_s is None:
                raise Problem(422, str(error)) from error
            later = {"Retry-After": str(math.ceil(error.retry_after_s))}
            detail = f"{error} Try again in {math.ceil(error.retry_after_s)} seconds."
            raise Problem(503, detail, headers=later) from error

    def _closed(self, call: Call, room: Room) -> None:
        # Also where nobody ever came through: its place is another's.
        self._recognizer.forget(call.id)
        if room.session.state == "created":
            journal, call.journal, call.room = call.journal, None, None
            if isinstance(journal, FileJournal):
                self._spawn(self._forget_unbegun(call, journal))
        elif isinstance(call.journal, MemoryJournal):
            loop = asyncio.get_running_loop()
            loop.call_later(FORGET_REFUSED_AFTER_S, self._calls.pop, call.id, None)
        elif call.journal is not None:
            self._spawn(self._put_away(call, call.journal))

    async def _forget_unbegun(self, call: Call, journal: Journal) -> None:
        await asyncio.to_thread(journal.close)
        async with call.publishing:
            if call.room is None:
                await asyncio.to_thread(self._past.forget_unbegun, call.id)

    async def _put_away(self, call: Call, journal: Journal) -> None:
        """From now on the call is told from its journal alone."""
        await self._sync(journal)
        self._calls.pop(call.id, None)
        self._unsynced.discard(journal)
        journal.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _recover(self, unfinished: Unfinished) -> None:
        """Take up an unfinished call as interrupted; its browser may come back within 60 s."""
        used = unfinished.view.playbook
        playbook = None if used is None else await self._playbooks.find(used.digest)
        call = self.rooms.reopen(unfinished, playbook)
        assert call.room is not None
        self._calls[call.id] = call
        duration_ms = unfinished.view.duration_ms
        log.info("session_recovered", session=call.id, duration_ms=duration_ms)
        if call.room.session.now_s() - duration_ms / 1000 > MAX_AWAY_S:
            call.room.end("client_lost")

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


def calls_of(request: Request) -> Calls:
    """The calls of the node that serves `request`."""
    calls: Calls = request.app.state.calls
    return calls


def _draining() -> Problem:
    detail = "This node takes no new calls: it is about to stop. Try again in half a minute."
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def _stopping() -> Problem:
    detail = "This node is stopping. The call can be taken up again when it is back, in a moment."
    return Problem(503, detail, headers={"Retry-After": str(BACK_AFTER_S)})


def _is_same(resource: str, given: str) -> bool:
    return secrets.compare_digest(resource.encode(), given.encode())
