"""A call's room: the session, its publisher and what keeps both alive.

One trainee for now; the receive path, the clock and the recording belong to the room, not to the
peer connection, so that a peer can be replaced (a resume) without a seam in session time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from aiortc import RTCDataChannel

from engine.clock import RTP_RATE, Anchor, TrackClock
from engine.events import Command, Error, Link
from engine.frames import SAMPLE_RATE, Frame
from engine.session import Session
from signaling.channel import BadMessage, Outbox, parse_command
from signaling.peer import IceSettings, Peer, PeerEvents
from signaling.recorder import Recorder
from signaling.rtp import Counts, Receiver

log = structlog.get_logger(__name__)

TRAINEE = "trainee"
TICK_S = 0.1
LOST_AFTER_S = 3.0
CLOSED_AFTER_S = 10.0
RESUME_WITHIN_S = 60.0
FINALS_WITHIN_S = 1.0
CONNECT_WITHIN_S = 30.0
FAREWELL_S = 0.3
"""How long the last events get to leave before the connection closes."""


class Busy(RuntimeError):
    """Somebody else is live on this session: 409."""


@dataclass(slots=True)
class Beginning:
    """When the session began, on the loop's clock; None until the first packet."""

    at_s: float | None = None


class Room:
    """Everything of one live call. Runs on the media loop.

    `beginning` is shared with the session's clock; `on_begun` is called with the first packet,
    `on_closed` when the room is done. `recorder` is None where recording was refused.
    """

    def __init__(
        self,
        session: Session,
        beginning: Beginning,
        resume_digest: bytes,
        recorder: Recorder | None,
        ice: IceSettings,
        on_begun: Callable[[], None],
        on_closed: Callable[[Room], None],
    ) -> None:
        self.session = session
        self._loop = asyncio.get_running_loop()
        self._beginning = beginning
        self._resume_digest = resume_digest
        self._recorder = recorder
        self._ice = ice
        self._on_begun = on_begun
        self._on_closed = on_closed
        self._peer: Peer | None = None
        self._outbox = Outbox(self._loop)
        self._track = session.add_track(TRAINEE)
        self._clock = TrackClock()
        self._receiver = Receiver(
            TRAINEE,
            self._clock,
            self,
            session.now_s,
            self._loop.call_later,
            start_sample=self._track.end_sample,
        )
        self._unsubscribe = [
            session.subscribe(self._outbox.push),
            session.subscribe_meters(self._outbox.push_meters),
        ]
        self._last_heard_s = self._loop.time()
        self._interrupted_s = self._loop.time()
        self._ending: asyncio.Task[None] | None = None
        self._measured_s = self._loop.time()
        self._measured = Counts()
        self._ticker = asyncio.create_task(self._tick_forever(), name=f"room-{session.id}")

    # what the receive path delivers (signaling.rtp.Sink)

    def frames(self, frames: list[Frame]) -> None:
        self.session.push(frames)

    def packet(self, start_rtp: int, payload: bytes) -> None:
        if self._recorder is not None:
            self._recorder.packet(start_rtp, payload)

    def anchored(self, anchor: Anchor) -> None:
        self.session.anchored(TRAINEE, anchor)

    def skipped(self, to_sample: int) -> None:
        self.session.skip(TRAINEE, to_sample)

    # life cycle

    @property
    def begun_s(self) -> float | None:
        """When the first packet came, on the loop's clock."""
        return self._beginning.at_s

    @property
    def is_over(self) -> bool:
        return self._ending is not None

    def may_resume(self, token: str | None) -> bool:
        """Whether `token` is the session's resume token."""
        if token is None:
            return False
        return hmac.compare_digest(token_digest(token), self._resume_digest)

    async def publish(self, offer: str, token: str | None) -> str:
        """Answer a publisher's offer. With the resume token it replaces the peer there is.

        Raises `Busy` for a stranger on a session that is taken, `BadOffer` for a bad offer.
        """
        taken = self._peer is not None or self.session.state != "created"
        if self.is_over or (taken and not self.may_resume(token)):
            raise Busy("This call is taken. Only its own browser can take it up again.")
        outbox = self._outbox
        connection = Peer(
            self._ice,
            PeerEvents(
                on_packet=lambda *packet: self._on_packet(connection, *packet),
                on_message=lambda message: self._on_message(connection, message),
                on_channel=lambda channel: self._on_channel(connection, channel),
                on_closed=lambda state: self._on_peer_closed(connection, state),
            ),
        )
        answer = await connection.answer(offer)
        old, self._peer = self._peer, connection
        if old is not None:
            await old.close()
        if self.session.state == "paused":
            self._receiver.resume()
            self.session.enter("active", "resumed")
        outbox.events_channel = outbox.meters_channel = None
        self._last_heard_s = self._loop.time()
        return answer

    def end(self, reason: str) -> asyncio.Task[None]:
        """End the call: finals within 1 s, `completed`, then close. Idempotent."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(reason), name=f"end-{self.session.id}")
        return self._ending

    async def _end(self, reason: str) -> None:
        self._receiver.close()
        if self.session.state == "paused":
            self._receiver.advance()
        self.session.flush()
        deadline_s = self._loop.time() + FINALS_WITHIN_S
        while self.session.finals_due and self._loop.time() < deadline_s:
            await asyncio.sleep(0.01)
        if self.session.finals_due:
            log.warning("finals_missing", session=self.session.id, due=self.session.finals_due)
        self.session.complete(reason)
        self._outbox.flush()
        self._ticker.cancel()
        if self._recorder is not None:
            self._recorder.close(self._receiver.end_sample * (RTP_RATE // SAMPLE_RATE))
        for undo in self._unsubscribe:
            undo()
        await asyncio.sleep(FAREWELL_S)
        self._outbox.close()
        if self._peer is not None:
            await self._peer.close()
        self._on_closed(self)

    # what the peer reports

    def _on_packet(
        self, peer: Peer, ssrc: int, sequence: int, timestamp: int, payload: bytes
    ) -> None:
        if peer is not self._peer or self.is_over:
            return
        self._heard()
        if self._beginning.at_s is None:
            self._beginning.at_s = self._loop.time()
            self._on_begun()
            self.session.enter("active")
        elif self.session.state == "interrupted":
            self._clock.expect("resume")
            self.session.enter("active", "resumed")
        self._receiver.push(ssrc, sequence, timestamp, payload)

    def _on_channel(self, peer: Peer, channel: RTCDataChannel) -> None:
        if peer is not self._peer:
            return
        if channel.label == "events":
            self._outbox.events_channel = channel
            self._outbox.flush()
        elif channel.label == "meters":
            self._outbox.meters_channel = channel

    def _on_message(self, peer: Peer, message: str | bytes) -> None:
        if peer is not self._peer or self.is_over:
            return
        self._heard()
        try:
            command = parse_command(message)
        except BadMessage as error:
            self.session.malformed_commands += 1
            self.session.emit(Error(code="bad_message", detail=str(error)))
            return
        if command is not None and command.type != "ping":
            self._obey(command)

    def _obey(self, command: Command) -> None:
        self.session.command(command, TRAINEE)
        if command.type == "pause" and self.session.state == "active":
            self._receiver.pause()
            self.session.enter("paused")
        elif command.type == "resume" and self.session.state == "paused":
            self._receiver.resume()
            self.session.enter("active")
        elif command.type == "device":
            self._receiver.reanchor()
        elif command.type == "end":
            self.end("ended")

    def _on_peer_closed(self, peer: Peer, state: str) -> None:
        if peer is self._peer and not self.is_over:
            log.info("peer_closed", session=self.session.id, state=state)
            self._interrupt(f"connection_{state}")

    def _heard(self) -> None:
        self._last_heard_s = self._loop.time()

    # the room's own clock

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._tick(self._loop.time())

    def _tick(self, now_s: float) -> None:
        if self.is_over:
            return
        state = self.session.state
        silent_s = now_s - self._last_heard_s
        if state == "created":
            if self._peer is not None and silent_s > CONNECT_WITHIN_S:
                self._drop_peer()
            return
        if state in ("active", "paused"):
            if silent_s > LOST_AFTER_S:
                self._interrupt("client_lost")
        elif now_s - self._interrupted_s > RESUME_WITHIN_S:
            self.end("client_lost")
            return
        elif silent_s > CLOSED_AFTER_S:
            self._drop_peer()
        if self.session.state == "paused":
            self._receiver.advance()
        if now_s - self._measured_s >= 1.0:
            self._measure_link(now_s)

    def _interrupt(self, reason: str) -> None:
        if self.session.state == "paused":
            self._receiver.resume()
        if self.session.enter("interrupted", reason):
            self._interrupted_s = self._loop.time()

    def _drop_peer(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            task = asyncio.create_task(peer.close(), name=f"close-peer-{self.session.id}")
            task.add_done_callback(_log_failure)

    def _measure_link(self, now_s: float) -> None:
        counts, before = self._receiver.counts, self._measured
        self._measured = replace(counts)
        self._measured_s = now_s
        received = counts.received - before.received
        lost = counts.lost - before.lost
        concealed_ms = counts.plc_ms - before.plc_ms
        played_ms = counts.played_ms - before.played_ms
        if received + lost == 0:
            return
        link = Link(
            lost_pct=round(100 * lost / (received + lost), 1),
            concealed_pct=round(100 * concealed_ms / max(1, played_ms + concealed_ms), 1),
            jitter_ms=round(self._receiver.jitter_s * 1000, 1),
            lag_ms=round(self._receiver.lag_s * 1000, 1),
        )
        self.session.set_link(TRAINEE, link)


def token_digest(token: str) -> bytes:
    """What is stored of a resume token."""
    return hashlib.sha256(token.encode()).digest()


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("peer_close_failed", error=repr(task.exception()))
