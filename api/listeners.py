"""Who listens to the node's calls, by WHEP resource."""

from __future__ import annotations

import asyncio

from api.problems import Problem
from signaling.audience import Full
from signaling.ice import IceSettings
from signaling.peer import NoAddress
from signaling.room import Room
from signaling.sdp import BadOffer
from signaling.whep import Listener

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


class Listeners:
    """Lets listeners in and finds them again. Lives on the media loop.

    Who may listen is asked before `join` is called, once there are accounts; until then a node is
    reached from its own machine only. `join` and `_left` are the moments that presence will tell.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, Listener] = {}

    def __len__(self) -> int:
        return len(self._listeners)

    async def join(self, room: Room, ice: IceSettings, offer: str) -> tuple[str, str]:
        """Answer a WHEP offer to the live call in `room`: (answer, resource id)."""
        listener = Listener(room.session, room.audience, ice, self._left)
        self._listeners[listener.id] = listener
        try:
            answer = await listener.answer(offer)
        except (Full, NoAddress) as error:
            retry = {"Retry-After": str(FULL_RETRY_S)}
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
        self._listeners.pop(listener.id, None)
