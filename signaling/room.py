"""A call's room: the session, its publisher and what keeps both alive.

One trainee for now; the receive path, the clock and the recording belong to the room, not to the
peer connection, so that a peer can be replaced (a resume) without a seam in session time.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from engine.clock import RTP_RATE, Anchor, TrackClock
from engine.events import Command, Degraded, Link
from engine.frames import SAMPLE_RATE, Frame
from engine.session import Session
from signaling.audience import Audience
from signaling.channel import DataChannel, Outbox
from signaling.commands import Commands
from signaling.ice import IceSettings
from signaling.link import LinkMeter
from signaling.peer import Peer, PeerEvents
from signaling.recorder import Recorder
from signaling.rtp import Counts, Receiver, ReceiveSettings

log = structlog.get_logger(__name__)

TRAINEE = "trainee"
TICK_S = 0.1
LOST_AFTER_S = 3.0
CLOSED_AFTER_S = 10.0
RESUME_WITHIN_S = 60.0
FINALS_WITHIN_S = 1.0
RECORDED_WITHIN_S = 2.0
"""How long `completed` waits for the recording to be whole on disk."""
CONNECT_WITHIN_S = 30.0
FAREWELL_S = 0.3
"""How long the last events get to leave before the connection closes."""


LastState = Literal["completed", "interrupted"]
"""What a room leaves a call as."""


class Busy(RuntimeError):
    """Somebody else is live on this session: 409."""


class Transport(Protocol):
    """What carries a publisher: a peer connection, or a WebSocket where UDP is blocked."""

    async def close(self) -> None:
        """Safe to call at any time, more than once."""


@dataclass(slots=True)
class Beginning:
    """When the session began, on the loop's clock; None until the first packet."""

    at_s: float | None = None


class Room:
    """Everything of one live call. Runs on the media loop.

    `beginning` is shared with the session's clock; `on_begun` is called with the first packet,
    `on_closed` when the room is done: the call is over, or (the session is then still `created`)
    its publisher never came through. `recorder` is None where recording was refused.
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
        receive: ReceiveSettings | None = None,
    ) -> None:
        self.session = session
        self._loop = asyncio.get_running_loop()
        self._beginning = beginning
        self._resume_digest = resume_digest
        self._recorder = recorder
        if recorder is not None:
            recorder.on_failed = self._on_recording_failed
        self._ice = ice
        self._receive = receive or ReceiveSettings()
        self._on_begun = on_begun
        self._on_closed = on_closed
        self._transport: Transport | None = None
        self.audience = Audience()
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
            hold_limit_s=self._receive.hold_limit_s,
        )
        self._unsubscribe = [
            session.subscribe(self._outbox.push),
            session.subscribe_meters(self._outbox.push_meters),
        ]
        self._last_heard_s = self._loop.time()
        self._interrupted_s = self._loop.time()
        self._paused_before = False
        self._faults = 0
        self._commands = Commands(session)
        self._closing: set[asyncio.Task[None]] = set()
        self._ending: asyncio.Task[None] | None = None
        self._link = LinkMeter(self._receiver, self._loop.time())
        self._ticker = asyncio.create_task(self._tick_forever(), name=f"room-{session.id}")

    # what the receive path delivers (signaling.rtp.Sink)

    def frames(self, frames: list[Frame]) -> None:
        self.session.push(frames)

    def packet(self, start_rtp: int, payload: bytes) -> None:
        if self._recorder is not None:
            self._recorder.packet(start_rtp, payload)
        self.audience.packet(start_rtp, payload)

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

    @property
    def has_recording(self) -> bool:
        return self._recorder is not None and self._recorder.has_file

    @property
    def link(self) -> Link | None:
        """The trainee's link over the last second; None where no packet was due in it."""
        return self._link.link

    @property
    def counts(self) -> Counts:
        """What has come of the trainee's audio so far; a live object."""
        return self._receiver.counts

    @property
    def dropped_events(self) -> int:
        """Events and meters that the client was too slow for."""
        return self._outbox.dropped

    @property
    def dropped_commands(self) -> int:
        """Messages of the client that came too fast."""
        return self._commands.dropped

    def may_resume(self, token: str | None) -> bool:
        """Whether `token` is the session's resume token."""
        if token is None:
            return False
        return hmac.compare_digest(token_digest(token), self._resume_digest)

    def admit(self, token: str | None) -> None:
        """Let a publisher in who shows the resume token, or anyone while nobody has been here.

        One at a time, please: two at once could both find the session free. Raises `Busy`.
        """
        taken = self._transport is not None or self.session.state != "created"
        if self.is_over or (taken and not self.may_resume(token)):
            raise Busy("This call is taken. Only its own browser can take it up again.")

    async def publish(self, offer: str, token: str | None) -> str:
        """Answer a publisher's offer. With the resume token it replaces the peer there is.

        Raises `Busy` for a stranger on a session that is taken, `BadOffer` for a bad offer and
        `NoAddress` where the node has none.
        """
        self.admit(token)
        try:
            return await self._accept(offer)
        except BaseException:
            self.abandon_if_empty()
            raise

    async def _accept(self, offer: str) -> str:
        connection = Peer(
            self._ice,
            PeerEvents(
                on_packet=lambda *packet: self.take_packet(connection, *packet),
                on_message=lambda message: self.take_message(connection, message),
                on_channel=lambda channel: self.take_channel(connection, channel),
                on_closed=lambda state: self.transport_closed(connection, state),
            ),
            self.session.id,
            stock=self._receive.stock,
        )
        answer = await connection.answer(offer)
        if self.is_over:
            await connection.close()
            raise Busy("This call has just ended.")
        self.attach(connection)
        return answer

    async def trickle(self, fragment: str) -> None:
        """Hand candidates (RFC 8840) to the publisher's peer connection.

        Raises `LookupError` where there is none, `BadFragment` and `RestartRefused` as it does.
        """
        if self.is_over or not isinstance(self._transport, Peer):
            raise LookupError("no peer connection publishes here")
        await self._transport.add_candidates(fragment)

    def attach(self, transport: Transport) -> None:
        """From now on `transport` is the publisher; the one before it is closed."""
        old, self._transport = self._transport, transport
        self._outbox.events_channel = self._outbox.meters_channel = None
        self._last_heard_s = self._loop.time()
        self._close_later(old)
        if self.session.state == "paused":
            self._receiver.resume()
            self.session.enter("active", "resumed")
        self._paused_before = False

    def abandon_if_empty(self) -> None:
        """Close where a publisher was let in and did not come: the session stays publishable."""
        if self._transport is None:
            self._abandon_unless_begun()

    def end(self, reason: str) -> asyncio.Task[None]:
        """End the call: finals within 1 s, `completed`, then close. Idempotent."""
        return self._close_as("completed", reason)

    def suspend(self, reason: str) -> asyncio.Task[None]:
        """As `end`, but leave the call `interrupted`: a later node takes it up from its journal."""
        return self._close_as("interrupted", reason)

    def _close_as(self, state: LastState, reason: str) -> asyncio.Task[None]:
        if self._ending is None:
            work = self._end(state, reason)
            self._ending = asyncio.create_task(work, name=f"end-{self.session.id}")
        return self._ending

    async def _end(self, state: LastState, reason: str) -> None:
        try:
            await self._finish(state, reason)
        except Exception:
            log.exception("end_failed", session=self.session.id)
        finally:
            await self._leave()
            self._on_closed(self)

    async def _finish(self, state: LastState, reason: str) -> None:
        self._receiver.close()
        if self.session.state == "paused":
            self._receiver.advance()
        self.session.flush()
        deadline_s = self._loop.time() + FINALS_WITHIN_S
        while self.session.finals_due and self._loop.time() < deadline_s:
            await asyncio.sleep(0.01)
        if self.session.finals_due:
            log.warning("finals_missing", session=self.session.id, due=self.session.finals_due)
        await self._close_recording()
        if not self._receiver.counts.received:
            # Nobody came (back): an empty summary would take the place of the one before a crash.
            self.session.enter(state, reason)
        elif state == "completed":
            self.session.complete(reason)
        else:
            self.session.suspend(reason)
        if self._outbox.is_open:
            self._outbox.flush()
            await asyncio.sleep(FAREWELL_S)

    async def _close_recording(self) -> None:
        """So that whoever is told of the end finds the recording whole."""
        if self._recorder is None:
            return
        closed = self._recorder.close(self._receiver.end_sample * (RTP_RATE // SAMPLE_RATE))
        if closed is not None:
            waiting = asyncio.wrap_future(closed)
            _, late = await asyncio.wait({waiting}, timeout=RECORDED_WITHIN_S)
            if late:
                log.warning("recording_late", session=self.session.id)

    async def _leave(self) -> None:
        """Let go of everything that keeps this room alive."""
        self._ticker.cancel()
        for undo in self._unsubscribe:
            undo()
        self._unsubscribe.clear()
        self._outbox.close()
        await self.audience.close()
        if self._transport is not None:
            await self._transport.close()

    def _abandon_unless_begun(self) -> None:
        """Where nobody ever came through, close: the session can be published to again."""
        if self.session.state == "created" and not self.is_over:
            self._receiver.close()
            self._ending = asyncio.create_task(self._leave(), name=f"leave-{self.session.id}")
            self._on_closed(self)

    # what the publisher's transport reports; what a replaced one says is not listened to

    def take_packet(
        self, transport: Transport, ssrc: int, sequence: int, timestamp: int, payload: bytes
    ) -> None:
        """One RTP packet's 32-bit `ssrc`, 16-bit `sequence`, 32-bit 48 kHz `timestamp`, Opus."""
        if transport is not self._transport or self.is_over:
            return
        with self._surviving("packet"):
            self._take_packet(ssrc, sequence, timestamp, payload)

    def _take_packet(self, ssrc: int, sequence: int, timestamp: int, payload: bytes) -> None:
        if self._beginning.at_s is None:
            self._beginning.at_s = self._loop.time()
            self._on_begun()
            self.session.enter("active")
        self._heard()
        self._receiver.push(ssrc, sequence, timestamp, payload)

    def take_channel(self, transport: Transport, channel: DataChannel) -> None:
        """A channel labelled `events` or `meters`, over which the room sends from now on."""
        if transport is not self._transport:
            return
        if channel.label == "events":
            self._outbox.events_channel = channel
            self._outbox.flush()
        elif channel.label == "meters":
            self._outbox.meters_channel = channel

    def take_message(self, transport: Transport, message: str | bytes) -> None:
        """A client's command, as it came."""
        if transport is not self._transport or self.is_over:
            return
        with self._surviving("message"):
            self._take_message(message)

    def _take_message(self, message: str | bytes) -> None:
        self._heard()
        command = self._commands.take(message, self._loop.time())
        if command is not None:
            self._obey(command)

    def refuse_message(self, transport: Transport, why: str) -> None:
        """A message that its transport could not read: counted, and the client is told."""
        if transport is not self._transport or self.is_over:
            return
        with self._surviving("message"):
            self._heard()
            self._commands.refuse(why, self._loop.time())

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

    @contextmanager
    def _surviving(self, where: str) -> Iterator[None]:
        """aiortc closes a connection whose callback raises: one fault must not end the call."""
        try:
            yield
        except Exception:
            self._faults += 1
            if self._faults in (1, 10, 100, 1_000, 10_000):
                log.exception("call_fault", session=self.session.id, where=where, n=self._faults)

    def _on_recording_failed(self, why: str) -> None:
        """Called in the writer's thread, or on the loop."""
        self._loop.call_soon_threadsafe(self._tell_recording_failed, why)

    def _tell_recording_failed(self, why: str) -> None:
        if self.session.state != "completed":
            self.session.emit(Degraded(what="recording", why=why), TRAINEE)

    def transport_closed(self, transport: Transport, state: str) -> None:
        """The transport is gone for good; `state` says how: closed, failed."""
        if transport is self._transport and not self.is_over:
            log.info("transport_closed", session=self.session.id, state=state)
            self._abandon_unless_begun()
            self._interrupt(f"connection_{state}")

    def _heard(self) -> None:
        self._last_heard_s = self._loop.time()
        if self.session.state == "interrupted":
            self._return()

    def _return(self) -> None:
        """The client is heard again on the connection it had: as it was before, paused or not."""
        self.session.enter("active", "resumed")
        if self._paused_before:
            self._receiver.pause()
            self.session.enter("paused")

    # the room's own clock

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            with self._surviving("tick"):
                self._tick(self._loop.time())

    def _tick(self, now_s: float) -> None:
        if self.is_over:
            return
        state = self.session.state
        silent_s = now_s - self._last_heard_s
        if state == "created":
            if self._transport is not None and silent_s > CONNECT_WITHIN_S:
                self._abandon_unless_begun()
            return
        if state in ("active", "paused"):
            if silent_s > LOST_AFTER_S:
                self._interrupt("client_lost")
        elif now_s - self._interrupted_s > RESUME_WITHIN_S:
            self.end("client_lost")
            return
        elif silent_s > CLOSED_AFTER_S:
            self._drop_transport()
        if self.session.state == "paused" or self._is_mute():
            self._receiver.advance()
        elif self.session.state == "active":
            self._receiver.idle()
        if self._link.measure(now_s):
            self.session.set_link(TRAINEE, self._link.link)

    def _is_mute(self) -> bool:
        """Whether the client is there, but sends no audio: an unplugged microphone."""
        mute_s = self.session.now_s() - self._receiver.last_arrival_s
        return self.session.state == "active" and mute_s > LOST_AFTER_S

    def _interrupt(self, reason: str) -> None:
        if self.session.state in ("active", "paused"):
            self._paused_before = self.session.state == "paused"
        if self.session.state == "paused":
            self._receiver.resume()
        if self.session.enter("interrupted", reason):
            self._interrupted_s = self._loop.time()

    def _drop_transport(self) -> None:
        transport, self._transport = self._transport, None
        self._close_later(transport)

    def _close_later(self, transport: Transport | None) -> None:
        if transport is not None:
            task = asyncio.create_task(transport.close(), name=f"close-{self.session.id}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def token_digest(token: str) -> bytes:
    """What is stored of a resume token."""
    return hashlib.sha256(token.encode()).digest()
