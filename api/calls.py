"""The node's calls: the live ones by their rooms, the past ones by the store.

A call is in the store from its creation on; what is said in it goes to an encrypted folder on this
node's disk and, event by event, to the store; when it is over, all of it does. Calls whose
recording was refused have a journal in memory only: the store gets their times and scores, and
memory forgets them soon after their end.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

import structlog

from api import completion, consenting, leftovers
from api.auth.roles import Owner
from api.call import Call, CallOwner
from api.folders import Folders
from api.keep import Keep
from api.leftovers import STOPPED, Unfinished
from api.meeting import Meeting
from api.past import Recorded, view_of
from api.playbooks import Playbooks
from api.problems import Problem
from api.publishing import draining
from api.rooms import Rooms
from api.sealed import GrowingText
from api.settings import Settings
from api.store.blobs import OpenBlob
from api.store.documents import JournalBlob, PlaybookRef, TrainingSession, VolumeJudgement
from api.store.repositories.scoped import walk
from api.store.repositories.sessions import SessionFilter
from api.storing import Storing, told_by
from api.timeline import Timelines
from api.traffic import Traffic
from api.views import ConsentView, CreateSession, SessionPage, SessionView
from api.words import Words
from engine.asr.correction import Corrector
from engine.asr.window import Recognizer
from engine.session import TRAINEE, Session
from signaling.grant import token_digest
from signaling.ice import IceSettings
from signaling.recorder import Writer

log = structlog.get_logger(__name__)

MAX_CREATED = 1_000
"""Sessions created and not yet begun; the oldest are forgotten beyond this."""
MAX_AWAY_S = 3_600.0
"""A call that broke off longer ago than this is not taken up again after a restart."""


class Calls(Meeting):
    """Creates, publishes, lists, stores, erases and recovers calls. Lives on the media loop.

    What asks or changes the store raises `StoreError` where that is away.
    """

    def __init__(
        self,
        settings: Settings,
        keep: Keep,
        recognizer: Recognizer,
        playbooks: Playbooks,
        writer: Writer,
        corrector: Corrector | None = None,
    ) -> None:
        ice = IceSettings(
            settings.ice_servers,
            settings.turn_urls,
            settings.turn_secret.get_secret_value(),
            settings.turn_ttl_s,
            settings.ice_relay_only,
            "loopback" if settings.ice_loopback else settings.ice_targets,
        )
        self.words = words = Words(corrector)
        rooms = Rooms(
            settings, ice, recognizer, playbooks, words, writer, self._opened, self._closed
        )
        super().__init__(rooms, ice, recognizer, settings.max_calls, keep)
        self._playbooks = playbooks
        self._folders = Folders(settings.sessions)
        self._timelines = Timelines(keep)
        self._storing = Storing(keep, self._folders, self._calls, self._timelines.soon)

    # life of the node

    async def start(self) -> None:
        """Take up what a crash left behind, then keep journals on disk."""
        await asyncio.to_thread(self._folders.prepare)
        for unfinished in await leftovers.clear(self._keep, self._folders):
            try:
                await self._take_up(unfinished)
            except leftovers.UNREADABLE as error:
                aside = await asyncio.to_thread(unfinished.folder.set_aside)
                log.error("recovery_failed", kept=aside.name, error=repr(error))
                await completion.complete_lost(self._keep, unfinished.head)
        self._storing.start()

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
                lasts = call.is_recorded and call.start_time is not None
                close = call.room.suspend if resumable and lasts else call.room.end
                closings.append(close(STOPPED))
        await asyncio.gather(*closings)
        await self.board.close()
        await self._storing.stop()
        await self._timelines.stop()

    def traffic(self) -> Traffic:
        """What all calls of this node, the ended ones included, have taken in and lost."""
        return self.rooms.traffic()

    # a call's beginning

    async def create(self, request: CreateSession, owner: CallOwner) -> tuple[SessionView, str]:
        """A new session and its resume token."""
        if self.is_draining:
            raise draining()
        token = secrets.token_urlsafe(32)
        judged = request.volume_feedback()
        held = await self._playbooks.of(owner.dealership_id, request.language)
        playbook, corrector = held.playbook, await self.words.of(held.words)
        used = None
        if playbook is not None:
            used = PlaybookRef(id=playbook.id, version=playbook.version, digest=playbook.digest)
        session = TrainingSession.new(
            owner.dealership_id,
            datetime.now(UTC),
            user_id=owner.user_id,
            team_id=owner.team_id,
            session_type=request.session_type,
            language=request.language,
            volume_feedback=VolumeJudgement(enabled=judged.enabled, reason=judged.reason),
            playbook=used,
            node=self._keep.node,
            assignment_id=request.assignment_id,
        )
        key, wrapped = self._keep.vault.new_key(session)
        session = session.model_copy(update={"data_key": wrapped})
        await self._keep.store.sessions.add(owner.dealership_id, session)
        waiting = [call for call in self._calls.values() if not call.has_begun]
        if len(waiting) >= MAX_CREATED:
            del self._calls[waiting[0].id]
        call = Call(
            session.id,
            owner,
            key,
            self._folders.of(owner.dealership_id, session.id),
            request,
            session.created_at,
            judged,
            token_digest(token),
            playbook=playbook,
            words=held.words,
            corrector=corrector,
        )
        self._calls[call.id] = call
        return call.view(), token

    async def consent(
        self, dealership_id: str, session_id: str, consent: ConsentView
    ) -> ConsentView:
        """Store consent. It cannot change once the call has begun."""
        call = self._held(dealership_id, session_id)
        if call is None:
            await self._past.find(dealership_id, session_id)
            raise _begun()
        async with call.publishing:
            if call.room is not None or call.is_erased:
                raise _begun()
            if consent.recording and call.partner is not None and not call.partner.recording:
                detail = "Your partner does not want to be recorded, so this call cannot be."
                raise Problem(409, detail, code="recording_refused")
            await consenting.give(self._keep, call, consent)
            call.consent = consent
        return consent

    # a call's end

    async def withdraw(self, dealership_id: str, session_id: str, user_id: str) -> None:
        """Consent no longer holds: capture stops at once, and all that was kept of what was said
        is destroyed. Before the call begins, it only cannot begin."""
        call = self._held(dealership_id, session_id)
        if call is None:
            await self._past.find(dealership_id, session_id)
        elif call.owner.user_id != user_id:
            if not call.has_consent_of(user_id):
                raise consenting.no_consent()
        elif call.room is None:
            async with call.publishing:
                if not call.is_open:
                    await consenting.withdraw(self._keep, dealership_id, session_id, user_id)
                    call.consent = None
                    return
        if call is not None:
            await self._storing.halt(call, "consent_withdrawn")
        else:
            await consenting.withdraw(self._keep, dealership_id, session_id, user_id)
        await self._storing.erase(dealership_id, session_id, "withdrawn")
        if call is not None:
            told = told_by(call)
            await self._keep.store.sessions.change(
                dealership_id, session_id, lambda _: completion.numbers(told)
            )
            self._calls.pop(session_id, None)

    async def erase(self, dealership_id: str, session_id: str) -> None:
        """Destroy a call, live or past, and its document. It need not be there."""
        call = self._held(dealership_id, session_id)
        if call is not None:
            await self._storing.halt(call, "deleted")
        await self._storing.erase(dealership_id, session_id, "removed")
        if call is not None:
            self._calls.pop(session_id, None)

    async def erase_of(self, dealership_id: str, user_id: str) -> None:
        """Destroy every call of a person."""
        for call in list(self._calls.values()):
            if (call.owner.dealership_id, call.owner.user_id) == (dealership_id, user_id):
                await self.erase(dealership_id, call.id)
            elif call.owner.dealership_id == dealership_id and call.has_consent_of(user_id):
                await self.withdraw(dealership_id, call.id, user_id)
        store, only = self._keep.store, SessionFilter(user_ids=[user_id])
        while (page := await store.sessions.page(dealership_id, only)).items:
            for head in page.items:
                await self.erase(dealership_id, head.id)
        # In calls of others they were a partner, or barged in: what was said there goes, too.
        async for consent in walk(store.consents.of_user, dealership_id, user_id):
            session = await store.sessions.get(dealership_id, consent.session_id)
            if session is not None and session.data_key is not None:
                await self._storing.erase(dealership_id, session.id, "withdrawn")

    async def forget_unbegun_before(self, dealership_id: str, before: datetime) -> int:
        """Remove sessions of this node that nobody ever spoke in; returns how many."""
        count = 0
        sessions, node = self._keep.store.sessions, self._keep.node
        while found := await sessions.unbegun(dealership_id, node, before):
            removed = 0
            for head in found:
                call = self._held(dealership_id, head.id)
                if call is not None and call.has_begun:
                    continue  # this very moment
                self._calls.pop(head.id, None)
                await self._storing.erase(dealership_id, head.id, "removed")
                removed += 1
            count += removed
            if not removed:
                break
        return count

    def revoke(self, *, user_id: str | None = None, family: str | None = None) -> int:
        """End at once the calls of a person, of a sign-in, or of both; returns how many."""
        if user_id is None and family is None:
            raise ValueError("name a person, a sign-in or both")
        count = self.partners.revoke(user_id=user_id, family=family)
        for call in list(self._calls.values()):
            if user_id not in (None, call.owner.user_id) or family not in (
                None,
                call.owner.family,
            ):
                continue
            if call.room is None and not call.publishing.locked():
                del self._calls[call.id]
            elif call.room is not None and not call.room.is_over:
                call.room.end("revoked")
            else:
                continue
            count += 1
        return count

    def owners(self) -> Iterator[tuple[str, CallOwner]]:
        """Of every session that is live, or may still begin."""
        for call in self._calls.values():
            if call.room is None or not call.room.is_over:
                yield call.id, call.owner

    # what routes ask

    async def owner_of(self, dealership_id: str, session_id: str) -> Owner | None:
        """None for one that is not there, or another dealership's."""
        call = self._held(dealership_id, session_id)
        if call is None:
            return await self._past.owner(dealership_id, session_id)
        teams = frozenset() if call.owner.team_id is None else frozenset({call.owner.team_id})
        return Owner(dealership_id, call.owner.user_id, teams)

    async def view(self, dealership_id: str, session_id: str) -> SessionView:
        call = self._held(dealership_id, session_id)
        if call is not None:
            return call.view()
        return view_of(await self._past.find(dealership_id, session_id))

    async def page(
        self,
        dealership_id: str,
        only: SessionFilter | None = None,
        sort: str = "-createdAt",
        offset: int = 0,
        limit: int = 50,
    ) -> SessionPage:
        """Those that the store finds; live ones as they stand now. `ValueError`: no such sort."""
        found = await self._keep.store.sessions.page(
            dealership_id, only, sort=sort, offset=offset, limit=limit
        )
        items = []
        for head in found.items:
            call = self._held(dealership_id, head.id)
            items.append(call.view() if call is not None else view_of(head))
        return SessionPage(items=items, total=found.total)

    async def has_consent_of(self, dealership_id: str, session_id: str, user_id: str) -> bool:
        """Whether a person has said something about being recorded in this call."""
        given = await self._keep.store.consents.get(dealership_id, session_id, user_id)
        return given is not None

    async def consent_of(self, dealership_id: str, session_id: str) -> ConsentView:
        """What is in force, or was during the call."""
        return await self._past.consent(dealership_id, session_id)

    async def timeline(self, dealership_id: str, session_id: str) -> tuple[JournalBlob, OpenBlob]:
        """The time line of a call that is over: which it is, and what it tells (`Timelines`)."""
        call = self._held(dealership_id, session_id)
        if call is not None and call.view().status != "completed":
            raise Problem(409, "This call is not over yet.", code="live")
        if call is not None and call.is_recorded and not call.is_erased:
            detail = "This call is being put away. Ask again in a moment."
            raise Problem(409, detail, code="being_stored", headers={"Retry-After": "1"})
        return await self._timelines.of(await self._past.find(dealership_id, session_id))

    async def recording(
        self, dealership_id: str, session_id: str, track: str = TRAINEE
    ) -> Recorded | None:
        """The recording, or what there is of it while the call goes on; None without."""
        call = self._held(dealership_id, session_id)
        if call is None:
            return await self._past.recording(dealership_id, session_id, track)
        if not call.is_recorded or call.is_erased:
            return None
        try:
            return await asyncio.to_thread(GrowingText, call.disk, call.folder.recording(track))
        except FileNotFoundError:
            return None

    # the inside

    def _opened(self, call: Call, session: Session) -> None:
        self._storing.opened(call, session)
        self.board.opened(call, session)

    def _closed(self, call: Call) -> None:
        # Also where nobody ever came through: its place is another's.
        self._recognizer.forget(call.id)
        self.board.closed(call.id)
        self._storing.closed(call)

    async def _take_up(self, unfinished: Unfinished) -> None:
        """Put away what is over; hold anything else as interrupted: its browser may come back
        within 60 s."""
        told = unfinished.told
        assert told.first is not None
        call = await asyncio.to_thread(self.rooms.remembered, unfinished)
        if unfinished.is_over:
            self._storing.put_away(call, unfinished)
            return
        used = told.first.get("playbook")
        if used is not None:
            dealership_id, digest = call.owner.dealership_id, used["digest"]
            call.playbook = await self._playbooks.find(dealership_id, digest)
        room = self.rooms.reopen(call, unfinished)
        self._calls[call.id] = call
        log.info("session_recovered", session=call.id, duration_ms=told.duration_ms)
        if room.session.now_s() - told.duration_ms / 1000 > MAX_AWAY_S:
            room.end("client_lost")


def _begun() -> Problem:
    return Problem(409, "This call has begun: its consent cannot change any more.")
