"""One publishing peer connection: an offer in, an answer out, packets and messages to callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError

from signaling import stack
from signaling.sdp import CANNOT_READ, BadOffer, checked_offer, finished_answer

log = structlog.get_logger(__name__)

ANSWER_WITHIN_S = 10.0
CLOSED_WITHIN_S = 5.0
REFUSALS = (InternalError, InvalidAccessError, InvalidStateError, OperationError)


@dataclass(frozen=True, slots=True)
class IceSettings:
    """`servers` are STUN/TURN addresses; empty means host candidates only."""

    servers: tuple[str, ...] = ()


@dataclass(slots=True)
class PeerEvents:
    """What a peer reports; all called on the media loop."""

    on_packet: stack.OnPacket
    on_message: Callable[[str | bytes], None]
    on_channel: Callable[[RTCDataChannel], None]
    on_closed: Callable[[str], None]


class Peer:
    """Accepts one offer. `close()` is safe to call at any time, more than once."""

    def __init__(self, ice: IceSettings, events: PeerEvents) -> None:
        servers = [RTCIceServer(urls=url) for url in ice.servers]
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._events = events
        self._closed = False
        self._pc.on("datachannel", self._on_channel)
        self._pc.on("connectionstatechange", self._on_state)

    async def answer(self, offer: str) -> str:
        """The answer to `offer` (SDP both). Raises `BadOffer`."""
        offer = checked_offer(offer)
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

    async def _negotiate(self, offer: str) -> str:
        pc = self._pc
        await pc.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        for transceiver in pc.getTransceivers():
            transceiver.direction = "recvonly"
            stack.tap_audio(transceiver.receiver, self._events.on_packet)
            stack.keep_only_opus(transceiver)
        await pc.setLocalDescription(await pc.createAnswer())
        return finished_answer(pc.localDescription.sdp)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
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
