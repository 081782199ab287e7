"""Who listens to the node's calls, by WHEP resource."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from api.identity import Identity
from api.problems import Problem
from engine.events import Mode
from signaling.audience import Full
from signaling.company import Person, SeatsTaken
from signaling.ice import IceSettings
from signaling.peer import NoAddress
from signaling.room import Room
from signaling.sdp import BadOffer
from signaling.whep import Listener, NoMicrophone

MAX_LISTENERS = 300
"""Of all calls together; `benchmarks forward` shows what one core does at this number."""
NOT_LIVE_RETRY_S = 2
FULL_RETRY_S = 30


def audible(room: Room | None) -> Room:
    """The room of a call that is live. 409 for one that has not begun, or is over."""
    if room is None or room.session.state == "created":
        raise Problem(
            409,
            "This call has not begun yet; there is nothing to hear. Try again in a moment.",
            headers={"Retry-After": str(NOT_LIVE_RETRY_S)},
        )
    if room.is_over:
        raise over()
    return room


def over() -> Problem:
    return Problem(409, "This call is over; nobody can listen to it live any more.")


@dataclass(slots=True)
class Forwarded:
    """Counts of what went to listeners, and of what did not."""

    packets: int = 0
    dropped_packets: int = 0
    dropped_events: int = 0

    def add(self, listener: Listener) -> None:
        self.packets += listener.sent
        self.dropped_packets += listener.dropped
        self.dropped_events += listener.dropped_events


class Listeners:
    """Lets listeners in and finds them again. Lives on the media loop.

    Who may listen is asked before `join` is called, and from time to time after that
    (`api.watch`). `on_left` is told of each who has gone, and of the call they listened to.
    """

    def __init__(self, limit: int = MAX_LISTENERS) -> None:
        self.on_left: Callable[[Identity, str], None] = lambda identity, session_id: None
        self._identities: dict[str, Identity] = {}
        self._limit = limit
        self._listeners: dict[str, Listener] = {}
        self._gone = Forwarded()
        self._leaving: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._listeners)

    def forwarded(self) -> Forwarded:
        """What all listeners got since the node began, those that have left included."""
        total = replace(self._gone)
        for listener in self._listeners.values():
            total.add(listener)
        return total

    def present(self) -> list[tuple[Listener, Identity]]:
        """All of them, and who they are."""
        return [(each, self._identities[each.id]) for each in self._listeners.values()]

    async def join(
        self, room: Room, ice: IceSettings, offer: str, identity: Identity, name: str
    ) -> tuple[str, str]:
        """Answer a WHEP offer to the live call in `room`: (answer, resource id)."""
        retry = {"Retry-After": str(FULL_RETRY_S)}
        if len(self._listeners) >= self._limit:
            detail = "As many people listen on this node as it can serve; try again in a while."
            raise Problem(503, detail, headers=retry)
        person = Person(identity.user_id, name)
        listener = Listener(room.session, room.audience, ice, self._left, room.company, person)
        self._listeners[listener.id] = listener
        self._identities[listener.id] = identity
        try:
            answer = await listener.answer(offer)
        except (Full, NoAddress) as error:
            raise Problem(503, str(error), headers=retry) from error
        except BadOffer as error:
            raise (over() if room.is_over else Problem(400, str(error))) from error
        if room.is_over:
            await listener.leave()
            raise over()
        return answer, listener.id

    def listener(self, session_id: str, resource: str, user_id: str) -> Listener:
        """The listener of a WHEP resource of this session, who is this person."""
        listener = self._listeners.get(resource)
        if (
            listener is None
            or listener.session.id != session_id
            or self._identities[resource].user_id != user_id
        ):
            raise Problem(404, "There is no such WHEP resource; the listener has left already.")
        return listener

    def switch(self, session_id: str, resource: str, user_id: str, mode: Mode) -> str | None:
        """Let a listener be heard as `mode` says; the track of their voice, if they have one."""
        listener = self.listener(session_id, resource, user_id)
        try:
            return listener.switch(mode)
        except NoMicrophone as error:
            raise Problem(409, str(error), code="no_microphone") from error
        except SeatsTaken as error:
            raise Problem(409, str(error), code="seats_taken") from error
        except LookupError as error:
            raise over() from error

    def revoke(self, user_id: str, family: str | None) -> None:
        """Send away at once a person, or who came by one of their sign-ins."""
        for listener, known in self.present():
            if known.user_id == user_id and family in (None, known.family):
                self.send_away(listener)

    def send_away(self, listener: Listener) -> None:
        """They may not listen any more: nothing is sent to them from now on."""
        task = asyncio.create_task(listener.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def leave(self, session_id: str, resource: str, user_id: str) -> None:
        """WHEP DELETE: the listener goes, the call goes on."""
        await asyncio.shield(self.listener(session_id, resource, user_id).leave())

    def _left(self, listener: Listener) -> None:
        if self._listeners.pop(listener.id, None) is not None:
            self._gone.add(listener)
            self.on_left(self._identities.pop(listener.id), listener.session.id)
