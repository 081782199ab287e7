"""Who listens to the node's calls, by WHEP resource."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from api.problems import Problem
from signaling.audience import Full
from signaling.ice import IceSettings
from signaling.peer import NoAddress
from signaling.room import Room
from signaling.sdp import BadOffer
from signaling.whep import Listener

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

    Who may listen is asked before `join` is called, once there are accounts; until then a node is
    reached from its own machine only. `join` and `_left` are the moments that presence will tell.
    """

    def __init__(self, limit: int = MAX_LISTENERS) -> None:
        self._limit = limit
        self._listeners: dict[str, Listener] = {}
        self._gone = Forwarded()

    def __len__(self) -> int:
        return len(self._listeners)

    def forwarded(self) -> Forwarded:
        """What all listeners got since the node began, those that have left included."""
        total = replace(self._gone)
        for listener in self._listeners.values():
            total.add(listener)
        return total

    async def join(self, room: Room, ice: IceSettings, offer: str) -> tuple[str, str]:
        """Answer a WHEP offer to the live call in `room`: (answer, resource id)."""
        retry = {"Retry-After": str(FULL_RETRY_S)}
        if len(self._listeners) >= self._limit:
            detail = "As many people listen on this node as it can serve; try again in a while."
            raise Problem(503, detail, headers=retry)
        listener = Listener(room.session, room.audience, ice, self._left)
        self._listeners[listener.id] = listener
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

    def listener(self, session_id: str, resource: str) -> Listener:
        """The listener of a WHEP resource of this session."""
        listener = self._listeners.get(resource)
        if listener is None or listener.session.id != session_id:
            raise Problem(404, "There is no such WHEP resource; the listener has left already.")
        return listener

    async def leave(self, session_id: str, resource: str) -> None:
        """WHEP DELETE: the listener goes, the call does not notice."""
        await asyncio.shield(self.listener(session_id, resource).leave())

    def _left(self, listener: Listener) -> None:
        if self._listeners.pop(listener.id, None) is not None:
            self._gone.add(listener)
