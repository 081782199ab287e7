"""How calls are published to: by whoever is signed in as the trainee, and then by whoever shows the
session's resume token."""

from __future__ import annotations

import asyncio
import math

import structlog

from api.call import Call
from api.problems import Problem
from api.rooms import Rooms
from engine.asr.window import Recognizer, Refused
from engine.session import TRAINEE
from signaling.grant import opens
from signaling.ice import IceSettings
from signaling.peer import NoAddress
from signaling.room import Busy, Room
from signaling.sdp import BadOffer
from signaling.speaker import Transport

log = structlog.get_logger(__name__)

RETRY_AFTER_S = 30
BACK_AFTER_S = 2
"""When a browser may look whether the node has been started again."""


class Publishing:
    """The part of `api.calls.Calls` that goes by session id and token. Lives on the media loop."""

    def __init__(
        self, rooms: Rooms, ice: IceSettings, recognizer: Recognizer, max_calls: int
    ) -> None:
        self.rooms = rooms
        self.ice = ice
        self._recognizer = recognizer
        self._max_calls = max_calls
        self._calls: dict[str, Call] = {}
        self._opening = 0
        self.is_draining = False
        self._is_stopping = False

    @property
    def live(self) -> int:
        return sum(not room.is_over for room in self.rooms)

    def _held(self, dealership_id: str, session_id: str) -> Call | None:
        call = self._calls.get(session_id)
        if call is None or call.owner.dealership_id != dealership_id:
            return None
        return call

    def is_granted(self, session_id: str, token: str) -> bool:
        """Whether `token` is the resume token of a session that this node holds, or its
        partner's."""
        call = self._calls.get(session_id)
        return call is not None and (opens(token, call.digest) or _is_partners(token, call))

    async def publish(self, session_id: str, offer: str, token: str | None) -> tuple[str, str]:
        """Answer a WHIP offer: (answer, resource id)."""
        call = self._publishable(session_id)
        async with call.publishing:
            if call.room is None and _is_partners(token, call):
                detail = "This call has not begun yet; come in again in a moment."
                raise Problem(409, detail, headers={"Retry-After": str(BACK_AFTER_S)})
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
            return answer, call.new_resource(call.room.track_of(token))

    async def attach_socket(self, session_id: str, token: str, socket: Transport) -> Room:
        """Make a WebSocket that showed the resume token the publisher; the room it is now in."""
        call = self._publishable(session_id)
        if not opens(token, call.digest):
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
            call.new_resource(TRAINEE)
            return room

    def _busy(self, error: Busy) -> Problem:
        """A call that this node has just let go of is not over: the next node has it."""
        return stopping() if self._is_stopping else Problem(409, str(error))

    def _publishable(self, session_id: str) -> Call:
        if self._is_stopping:
            raise stopping()
        call = self._calls.get(session_id)
        if call is None or call.is_erased:
            raise Problem(409, "This call is over; start a new one.")
        return call

    async def end(self, session_id: str, resource: str) -> None:
        """WHIP DELETE: finals, `completed`, closed; the partner only leaves."""
        room, track = self._publication(session_id, resource)
        if track == TRAINEE:
            await asyncio.shield(room.end("deleted"))
        else:
            room.company.part()

    async def trickle(self, session_id: str, resource: str, fragment: str) -> None:
        """Hand candidates to the peer connection of a WHIP resource. Raises what `Room.trickle`
        raises."""
        room, track = self._publication(session_id, resource)
        await room.trickle(fragment, track)

    def _publication(self, session_id: str, resource: str) -> tuple[Room, str]:
        """The room of a WHIP resource that is the present one of its track."""
        call = self._calls.get(session_id)
        track = call.track_of(resource) if call is not None else None
        room = call.room if call is not None else None
        if track is None or room is None or room.session.state == "completed":
            raise Problem(404, "There is no such WHIP resource; the call may be over already.")
        return room, track

    async def answered_links(self, session_id: str) -> list[str]:
        """STUN and TURN servers as `Link` headers, for whoever has just been answered."""
        return self.ice.links(session_id)

    async def ice_links(self, session_id: str, token: str | None) -> list[str]:
        """STUN and TURN servers for a client, as `Link` headers (RFC 9725, 4.6). Never log them.

        None for a stranger to a call that is taken, who could not publish either.
        """
        call = self._publishable(session_id)
        room = call.room
        is_stranger = room is not None and not (
            room.may_resume(token) or room.company.expects(token)
        )
        return [] if is_stranger else self.ice.links(session_id)

    async def _open(self, call: Call) -> Room:
        if call.is_erased:
            raise Problem(409, "This call is over; start a new one.")
        if call.consent is None:
            raise Problem(
                403, "Nobody has consented to this call yet: PUT its /consent before publishing."
            )
        if self.is_draining:
            raise draining()
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


def _is_partners(token: str | None, call: Call) -> bool:
    return call.partner is not None and opens(token, call.partner.digest)


def draining() -> Problem:
    detail = "This node takes no new calls: it is about to stop. Try again in half a minute."
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def stopping() -> Problem:
    detail = "This node is stopping. The call can be taken up again when it is back, in a moment."
    return Problem(503, detail, headers={"Retry-After": str(BACK_AFTER_S)})
