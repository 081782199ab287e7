"""One person's peer connection: an offer in, an answer out, packets and messages to callbacks.

What the person says comes on the offer's first audio section; what they hear of the others goes out
on every section that they would receive on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError

from signaling import stack
from signaling.hearing import Hearing
from signaling.ice import IceSettings
from signaling.sdp import (
    CANDIDATE,
    CANNOT_READ,
    LISTENING,
    PUBLISHING,
    BadOffer,
    audio_directions,
    checked_offer,
    finished_answer,
)
from signaling.stock import StockReader
from signaling.trickle import Trickle

log = structlog.get_logger(__name__)

ANSWERS: dict[str | None, str] = {
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "sendrecv": "sendrecv",
}
ANSWER_WITHIN_S = 10.0
CLOSED_WITHIN_S = 5.0
REFUSALS = (InternalError, InvalidAccessError, InvalidStateError, OperationError)


class NoAddress(RuntimeError):
    """There is nothing to put into the answer where the client could send to."""


@dataclass(slots=True)
class PeerEvents:
    """What a peer reports; all called on the media loop."""

    on_packet: stack.OnPacket
    on_message: Callable[[str | bytes], None]
    on_channel: Callable[[RTCDataChannel], None]
    on_closed: Callable[[str], None]
    on_rtcp: Callable[[], None] = lambda: None
    """What the person hears has been reported on: they are there."""


class Peer:
    """Accepts one offer, then its candidates. `close()` is safe at any time, more than once.

    `user` names the session in TURN credentials; `stock` leaves receiving to aiortc. `directions`
    are those that the offer's first audio section may have. `hearing` is what the person hears; of
    the trainee nobody hears themselves.
    """

    def __init__(
        self,
        ice: IceSettings,
        events: PeerEvents,
        user: str = "node",
        *,
        stock: bool = False,
        directions: tuple[str, ...] = PUBLISHING,
        of_trainee: bool = True,
    ) -> None:
        self.hearing = Hearing()
        self.can_speak = False
        """Whether the person may send sound."""
        self._directions = directions
        self._of_trainee = of_trainee
        self._ice = ice
        self._pc = RTCPeerConnection(ice.configuration(user))
        self._trickle: Trickle | None = None
        self._events = events
        self._is_stock = stock
        self._stock: StockReader | None = None
        self._closed = False
        self._pc.on("datachannel", self._on_channel)
        self._pc.on("connectionstatechange", self._on_state)

    async def answer(self, offer: str) -> str:
        """The answer to `offer` (SDP both). Raises `BadOffer` and `NoAddress`."""
        offer = checked_offer(offer, self._directions, reach=self._ice.reach)
        self._trickle = Trickle(offer, self._ice.reach)
        try:
            return await asyncio.wait_for(self._negotiate(offer), ANSWER_WITHIN_S)
        except TimeoutError as error:
            await self.close()
            raise BadOffer(
                f"The offer could not be negotiated within {ANSWER_WITHIN_S:.0f} s."
            ) from error
        except (*CANNOT_READ, *REFUSALS) as error:
            log.info("offer_refused", error=repr(error))
            await self.close()
            raise BadOffer("The offer could not be negotiated.") from error
        except BaseException:
            await self.close()
            raise

    async def add_candidates(self, fragment: str) -> None:
        """Take what a client trickles (RFC 8840) after its offer has been answered.

        Raises `signaling.trickle`'s `BadFragment` and `RestartRefused`; the connection goes on.
        """
        assert self._trickle is not None
        for candidate in self._trickle.take(fragment):
            await self._pc.addIceCandidate(candidate)

    async def _negotiate(self, offer: str) -> str:
        pc = self._pc
        await pc.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        stack.limit_learned(pc)
        stack.bound_channels(pc)
        senders = []
        for transceiver, offered in zip(pc.getTransceivers(), audio_directions(offer), strict=True):
            stack.keep_only_opus(transceiver)
            if offered in LISTENING:
                stack.drop_header_extensions(transceiver)
                senders.append(stack.RtpSender(transceiver.sender, self._events.on_rtcp))
            if offered in PUBLISHING:
                # The first, as `checked_offer` has seen to.
                self._tap(transceiver)
            transceiver.direction = ANSWERS[offered]
        self.hearing = Hearing(senders, of_trainee=self._of_trainee)
        await pc.setLocalDescription(await pc.createAnswer())
        return self._finished()

    def _tap(self, transceiver: RTCRtpTransceiver) -> None:
        self.can_speak = True
        if self._is_stock:
            self._stock = StockReader(transceiver.receiver.track, self._events.on_packet)
        else:
            stack.tap_audio(transceiver.receiver, self._events.on_packet)

    def _finished(self) -> str:
        """The answer, once it is the local description."""
        answer: str = self._pc.localDescription.sdp
        if CANDIDATE not in answer:
            raise NoAddress(
                "This node has no address to receive sound at: it has no network, "
                "or its relay (TURN server) does not answer."
            )
        return finished_answer(answer)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._stock is not None:
            await self._stock.close()
        try:
            await asyncio.wait_for(self._pc.close(), CLOSED_WITHIN_S)
        except (AttributeError, TimeoutError) as error:
            # aiortc trips over what a half-negotiated connection lacks, or waits for a dead task.
            log.warning("peer_close_failed", error=repr(error))

    def _on_channel(self, channel: RTCDataChannel) -> None:
        channel.on("message", self._events.on_message)
        self._events.on_channel(channel)

    async def _on_state(self) -> None:
        state = self._pc.connectionState
        log.debug("peer_state", state=state)
        if state in ("failed", "closed") and not self._closed:
            self._events.on_closed(state)
