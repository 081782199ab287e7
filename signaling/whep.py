"""WHEP (draft-ietf-wish-whep): a listener of a call, to whom its packets go as they came.

Nothing is decoded or encoded: a packet gets an RTP header of the listener's own stream, is
encrypted with the listener's keys and leaves in the callback in which the trainee's packet was
played.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import struct
from collections.abc import Callable

import structlog
from aiortc import RTCRtpTransceiver

from engine.clock import RTP_RATE
from engine.events import Meters
from engine.session import Session
from signaling import opus, stack
from signaling.audience import Audience
from signaling.channel import BadMessage, DataChannel, Outbox, parse_command
from signaling.ice import IceSettings
from signaling.peer import Peer, PeerEvents
from signaling.sdp import LISTENING, checked_offer

log = structlog.get_logger(__name__)

MAX_LOST_RTP = RTP_RATE // 2
"""A longer hole in session time is a pause, not a loss; it takes no sequence numbers."""
CONNECT_WITHIN_S = 30.0
SILENT_AFTER_S = 10.0
"""A listener with an events channel that has not been heard for this long is let go."""
TICK_S = 1.0
EVENTS_SPREAD_S = 0.01
METERS_SPREAD_S = 0.1
"""Each listener has a place of its own within these, so that an event for 150 of them does not keep
the media loop from its packets while all are written."""

_HEADER = struct.Struct("!BBHLL")


class Numbering:
    """Numbers packets on session time as one RTP stream (RFC 3550, 5.1; RFC 7587, 4.1).

    What the trainee's network lost stays visible: for each packet that is missing a sequence
    number is left out, so that the listener's own decoder recovers or conceals it and reports it.
    What was never sent (a pause, silence under DTX) takes no number; the packet behind it has the
    marker bit (RFC 3551, 4.1).
    """

    def __init__(self) -> None:
        # In the lower half: SRTP's index must not wrap before the listener is in step with it.
        self._sequence = secrets.randbelow(0x8000)
        self._offset_rtp = secrets.randbits(32)
        self._end_rtp: int | None = None
        self._duration_rtp = 0
        self._was_dtx = False

    def push(self, start_rtp: int, payload: bytes) -> tuple[int, int, bool]:
        """(16-bit sequence number, 32-bit timestamp, marker) of the packet at `start_rtp`.

        Raises `OpusError` for a payload that is not Opus.
        """
        duration_rtp = opus.duration_rtp(payload)
        marker = True
        if self._end_rtp is not None:
            hole_rtp = start_rtp - self._end_rtp
            is_pause = hole_rtp > MAX_LOST_RTP
            marker = hole_rtp > 0 and (is_pause or self._was_dtx)
            lost = 0
            if hole_rtp > 0 and not marker:
                lost = (hole_rtp + self._duration_rtp // 2) // self._duration_rtp
            self._sequence = (self._sequence + 1 + lost) & 0xFFFF
        self._end_rtp = start_rtp + duration_rtp
        self._duration_rtp = duration_rtp
        self._was_dtx = opus.announces_silence(payload)
        return self._sequence, (start_rtp + self._offset_rtp) & 0xFFFFFFFF, marker


class _Connection(Peer):
    """A peer that receives: the answer sends Opus alone."""

    def __init__(
        self, ice: IceSettings, events: PeerEvents, user: str, on_rtcp: Callable[[], None]
    ) -> None:
        super().__init__(ice, events, user)
        self._on_rtcp = on_rtcp
        self.rtp: stack.RtpSender | None = None

    def _checked(self, offer: str) -> str:
        return checked_offer(offer, LISTENING, reach=self._ice.reach)

    def _prepare(self, transceiver: RTCRtpTransceiver) -> None:
        transceiver.direction = "sendonly"
        stack.drop_header_extensions(transceiver)
        self.rtp = stack.RtpSender(transceiver.sender, self._on_rtcp)


class Listener:
    """One listener: a `Guest` of the audience, and the session's events over its data channels.

    `on_closed` is called once when the listener has gone or was let go, whatever the reason. `sent`
    and `dropped` count packets since the connection stood; `ignored` its messages of no use here.
    """

    def __init__(
        self,
        session: Session,
        audience: Audience,
        ice: IceSettings,
        on_closed: Callable[[Listener], None],
    ) -> None:
        self.id = secrets.token_hex(8)
        self.session = session
        self.sent = self.dropped = self.ignored = 0
        self._audience = audience
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._numbering = Numbering()
        self._place = random.random()
        self._outbox = Outbox(self._loop, self._place * EVENTS_SPREAD_S, half_meters=True)
        self._undo: dict[str, Callable[[], None]] = {}
        self._joined_s = self._heard_s = self._loop.time()
        self._closing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        events = PeerEvents(
            on_packet=self._on_packet,
            on_message=self._on_message,
            on_channel=self._on_channel,
            on_closed=self._on_connection_closed,
        )
        self._connection = _Connection(ice, events, session.id, self._heard)

    @property
    def is_connected(self) -> bool:
        """Whether packets go out: the connection stands, or stood."""
        rtp = self._connection.rtp
        return rtp is not None and rtp.payload_type is not None

    @property
    def dropped_events(self) -> int:
        """Events and meters that its channels were too slow for."""
        return self._outbox.dropped

    async def answer(self, offer: str) -> str:
        """Join the audience, answer `offer`.

        Raises `Full`, `BadOffer` or `NoAddress`; nothing is left then.
        """
        try:
            self._audience.join(self)
            answer = await self._connection.answer(offer)
        except BaseException:
            await self.leave()
            raise
        self._wait()
        return answer

    async def trickle(self, fragment: str) -> None:
        """Take more candidates (RFC 8840). Raises what `Peer.add_candidates` raises."""
        await self._connection.add_candidates(fragment)

    def packet(self, start_rtp: int, payload: bytes) -> None:
        rtp = self._connection.rtp
        if rtp is None or rtp.payload_type is None:
            return
        sequence, timestamp, marker = self._numbering.push(start_rtp, payload)
        kind = rtp.payload_type | (marker << 7)
        header = _HEADER.pack(0x80, kind, sequence, timestamp, rtp.ssrc)
        if rtp.send(header + payload):
            self.sent += 1
        else:
            self.dropped += 1

    async def close(self) -> None:
        """The call is over: the last events leave, then the connection closes."""
        if self._closing is None:
            await self._outbox.farewell()
        await self.leave()

    async def leave(self) -> None:
        """Close at once. Safe to call at any time, more than once."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._leave(), name=f"leave-{self.id}")
        await asyncio.shield(self._closing)

    async def _leave(self) -> None:
        self._audience.leave(self)
        if self._timer is not None:
            self._timer.cancel()
        for undo in self._undo.values():
            undo()
        self._undo.clear()
        self._outbox.close()
        try:
            await self._connection.close()
        finally:
            log.info(
                "listener_left",
                session=self.session.id,
                listener=self.id,
                sent=self.sent,
                dropped=self.dropped,
                dropped_events=self.dropped_events,
            )
            self._on_closed(self)

    # what the connection reports

    def _on_channel(self, channel: DataChannel) -> None:
        """Events go out from when their channel opens; earlier ones are fetched over HTTP."""
        if self._closing is not None:
            return
        self._heard()
        if channel.label == "events":
            self._outbox.events_channel = channel
            if "events" not in self._undo:
                self._undo["events"] = self.session.subscribe(self._outbox.push)
        elif channel.label == "meters":
            self._outbox.meters_channel = channel
            if "meters" not in self._undo:
                self._undo["meters"] = self.session.subscribe_meters(self._push_meters)

    def _push_meters(self, track: str, t_ms: int, meters: Meters) -> None:
        wait_s = self._place * METERS_SPREAD_S
        self._loop.call_later(wait_s, self._outbox.push_meters, track, t_ms, meters)

    def _on_message(self, message: str | bytes) -> None:
        """A listener may say that it is there, and nothing else: the call is not its own."""
        self._heard()
        try:
            command = parse_command(message)
        except BadMessage:
            command = None
        if command is None or command.type != "ping":
            self.ignored += 1

    def _on_packet(self, ssrc: int, sequence: int, timestamp: int, payload: bytes) -> None:
        """Never called: what a listener sends is not received."""

    def _on_connection_closed(self, state: str) -> None:
        self._go(f"connection_{state}")

    def _heard(self) -> None:
        self._heard_s = self._loop.time()

    def _wait(self) -> None:
        if self._closing is None:
            self._timer = self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        now_s = self._loop.time()
        if not self.is_connected and now_s - self._joined_s > CONNECT_WITHIN_S:
            self._go("never_connected")
        elif "events" in self._undo and now_s - self._heard_s > SILENT_AFTER_S:
            self._go("silent")
        else:
            self._wait()

    def _go(self, why: str) -> None:
        if self._closing is None:
            log.info("listener_lost", session=self.session.id, listener=self.id, why=why)
            self._closing = asyncio.create_task(self._leave(), name=f"leave-{self.id}")
