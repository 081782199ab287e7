"""Who else is in a live call: listeners, of whom some speak, partners, readers of its events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from api import consenting
from api.board import Board
from api.call import Call, Invitation
from api.following import Following
from api.identity import Identity
from api.keep import Keep
from api.listeners import Listeners, audible, over
from api.partners import Partners
from api.past import Past
from api.problems import Problem
from api.publishing import Publishing
from api.rooms import Rooms
from api.views import ConsentView
from engine.asr.window import Recognizer
from engine.events import Bookmark, Mode, Note
from engine.session import Session
from signaling.ice import IceSettings
from signaling.room import Room


class Meeting(Publishing):
    """The part of `api.calls.Calls` that is about people beside the trainee."""

    def __init__(
        self,
        rooms: Rooms,
        ice: IceSettings,
        recognizer: Recognizer,
        max_calls: int,
        keep: Keep,
    ) -> None:
        super().__init__(rooms, ice, recognizer, max_calls)
        self._keep = keep
        self._past = Past(keep)
        self.listeners = Listeners()
        self.partners = Partners(keep, self._calls)
        self.board = Board(keep)

    # listeners

    async def listen(
        self, session_id: str, offer: str, identity: Identity, name: str
    ) -> tuple[str, str]:
        """Answer a WHEP offer to a live call: (answer, resource id)."""
        room = await self._audible(identity.dealership_id, session_id)
        return await self.listeners.join(room, self.ice, offer, identity, name)

    async def listener_links(self, dealership_id: str, session_id: str) -> list[str]:
        """STUN and TURN servers as `Link` headers. 404 and 409 where there is nothing to hear."""
        await self._audible(dealership_id, session_id)
        return self.ice.links(session_id)

    async def trickle_to_listener(
        self, identity: Identity, session_id: str, resource: str, fragment: str
    ) -> None:
        """Hand candidates to a listener's connection. Raises what `Listener.trickle` raises."""
        await self.listeners.listener(session_id, resource, identity.user_id).trickle(fragment)

    async def switch(
        self,
        identity: Identity,
        session_id: str,
        resource: str,
        mode: Mode,
        consent: ConsentView | None,
    ) -> str | None:
        """Let a listener be heard as `mode` says; the track of their voice, if they have one.

        Whoever is to be heard by all in a recorded call has agreed to be recorded, now with
        `consent`, or before: 403 otherwise. Raises `StoreError`.
        """
        self.listeners.listener(session_id, resource, identity.user_id)
        call = self._held(identity.dealership_id, session_id)
        asks = mode == "barge" and call is not None and call.is_recorded
        if asks and call is not None and identity.user_id not in call.consented:
            if consent is None or not consent.recording:
                detail = "This call is recorded: agree to be recorded before you speak to all."
                raise Problem(403, detail, code="consent_needed")
            await consenting.give(self._keep, call, consent, identity.user_id)
            call.consented.add(identity.user_id)
        return self.listeners.switch(session_id, resource, identity.user_id, mode)

    async def leave(self, identity: Identity, session_id: str, resource: str) -> None:
        """A listener goes; the call goes on."""
        await self.listeners.leave(session_id, resource, identity.user_id)

    # partners

    async def invite(self, dealership_id: str, session_id: str) -> Invitation:
        """Let somebody come in to play the customer. 409 for a call that is over."""
        call = self._held(dealership_id, session_id)
        if call is None:
            raise over()
        return self.partners.invite(call)

    async def invited_to(self, dealership_id: str, code: str) -> Call:
        """The call that a code invites to. 404 for none, 409 for one that is not ready."""
        return self.partners.find(dealership_id, code)

    async def join(
        self, identity: Identity, name: str, code: str, consent: ConsentView
    ) -> tuple[Call, str]:
        """Make a person the partner of the call that `code` invites to, and what they show."""
        call = self.partners.find(identity.dealership_id, code)
        return call, await self.partners.join(call, identity, name, consent)

    # events

    def session(self, dealership_id: str, session_id: str) -> Session | None:
        """The live session; None where it is not live on this node."""
        call = self._held(dealership_id, session_id)
        return None if call is None or call.room is None else call.room.session

    def follow(self, dealership_id: str, session_id: str) -> Following | None:
        """A live call's events from now on; None where it is not live."""
        session = self.session(dealership_id, session_id)
        return None if session is None else Following(session)

    async def note(self, dealership_id: str, session_id: str, said: Note | Bookmark) -> bool:
        """Tell everybody in a live call what somebody noted; whether it is live."""
        session = self.session(dealership_id, session_id)
        if session is None or session.state in ("created", "completed"):
            return False
        session.emit(said)
        return True

    async def events(
        self, dealership_id: str, session_id: str, after_seq: int, types: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Journalled events behind `after_seq`, oldest first, of `types` or of all."""
        call = self._held(dealership_id, session_id)
        if call is None:
            return await self._past.events(dealership_id, session_id, after_seq, types)
        if call.room is None or call.is_erased:
            return []
        events = await asyncio.to_thread(call.room.session.events, after_seq)
        return [event for event in events if not types or event["type"] in types]

    # the inside

    async def _audible(self, dealership_id: str, session_id: str) -> Room:
        """The room of a live call. 404 for an unknown one, 409 before it begins and after."""
        call = self._held(dealership_id, session_id)
        if call is None:
            await self._past.find(dealership_id, session_id)
            raise over()
        return audible(call.room)
