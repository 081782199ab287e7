"""A call's room: who may come in, who is lost and comes back, and what the client asks for.

The call is the trainee's; who else is in it, `company` knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from engine.clock import Anchor
from engine.events import Command, Link
from engine.frames import Frame
from engine.session import PARTNER, TRAINEE, Session
from signaling.audience import Audience
from signaling.channel import DataChannel
from signaling.company import Company
from signaling.ending import LastState, finish
from signaling.faults import Faults
from signaling.grant import opens
from signaling.ice import IceSettings
from signaling.peer import Peer, PeerEvents
from signaling.recorder import Recorder
from signaling.rtp import Counts, ReceiveSettings
from signaling.speaker import Speaker, Transport

log = structlog.get_logger(__name__)

TICK_S = 0.1
LOST_AFTER_S = 3.0
CLOSED_AFTER_S = 10.0
RESUME_WITHIN_S = 60.0
CONNECT_WITHIN_S = 30.0


class Busy(RuntimeError):
    """Somebody else is live on this session: 409."""


@dataclass(slots=True)
class Beginning:
    """When the session began, on the loop's clock; None until the first packet."""

    at_s: float | None = None

    def clock(self) -> Callable[[], float]:
        """Seconds since then, 0 before it; for a session on the running loop."""
        loop = asyncio.get_running_loop()
        return lambda: 0.0 if self.at_s is None else loop.time() - self.at_s


class Room:
    """Everything of one live call. Runs on the media loop.

    `beginning` is shared with the session's clock; `on_begun` is called with the first packet,
    `on_closed` when the room is done: the call is over, or (the session is then still `created`)
    its publisher never came through. `recorder_of(track)` is None where recording was refused.
    """

    def __init__(
        self,
        session: Session,
        beginning: Beginning,
        resume_digest: bytes,
        recorder_of: Callable[[str], Recorder | None],
        ice: IceSettings,
        on_begun: Callable[[], None],
        on_closed: Callable[[Room], None],
        receive: ReceiveSettings | None = None,
    ) -> None:
        self.session = session
        self._loop = asyncio.get_running_loop()
        self._beginning = beginning
        self._resume_digest = resume_digest
        self._ice = ice
        self._receive = receive or ReceiveSettings()
        self._on_begun = on_begun
        self._on_closed = on_closed
        self.audience = Audience()
        self._trainee = Speaker(TRAINEE, session, self, recorder_of(TRAINEE), self._receive)
        self.company = Company(
            session, self._trainee, self.audience, ice, self._receive, recorder_of
        )
        self._interrupted_s = self._loop.time()
        self._paused_before = False
        self._faults = Faults()
        self._ending: asyncio.Task[None] | None = None
        self._ticker = asyncio.create_task(self._tick_forever(), name=f"room-{session.id}")

    # what the receive path delivers (signaling.rtp.Sink)

    def frames(self, frames: list[Frame]) -> None:
        self.session.push(frames)
        self.company.heard(TRAINEE, frames)

    def packet(self, start_rtp: int, payload: bytes) -> None:
        self._trainee.record(start_rtp, payload)
        self.company.forward(TRAINEE, start_rtp, payload)

    def anchored(self, anchor: Anchor) -> None:
        self.session.anchored(TRAINEE, anchor)

    def skipped(self, to_sample: int) -> None:
        self.session.skip(TRAINEE, to_sample)

    # life cycle

    @property
    def is_over(self) -> bool:
        return self._ending is not None

    @property
    def has_recording(self) -> bool:
        return self._trainee.has_recording

    @property
    def recorded(self) -> list[str]:
        """The tracks of which there is a recording."""
        voices = [self._trainee, *self.company.voices]
        return [voice.name for voice in voices if voice.has_recording]

    @property
    def link(self) -> Link | None:
        """The trainee's link over the last second; None where no packet was due in it."""
        return self._trainee.link

    @property
    def counts(self) -> Counts:
        """What has come of the trainee's audio so far; a live object."""
        return self._trainee.receiver.counts

    @property
    def dropped_events(self) -> int:
        """Events and meters that the client was too slow for."""
        return self._trainee.outbox.dropped

    @property
    def dropped_commands(self) -> int:
        """Messages of the client that came too fast."""
        return self._trainee.commands.dropped

    def may_resume(self, token: str | None) -> bool:
        """Whether `token` is the session's resume token."""
        return opens(token, self._resume_digest)

    def admit(self, token: str | None) -> None:
        """Let a publisher in who shows the resume token, or anyone while nobody has been here.

        One at a time, please: two at once could both find the session free. Raises `Busy`.
        """
        taken = self._trainee.transport is not None or self.session.state != "created"
        if self.is_over or (taken and not self.may_resume(token)):
            raise Busy("This call is taken. Only its own browser can take it up again.")

    def track_of(self, token: str | None) -> str:
        """Whose offer it is that comes with `token`."""
        return PARTNER if self.company.expects(token) else TRAINEE

    async def publish(self, offer: str, token: str | None) -> str:
        """Answer the offer of the trainee, or of the partner by their token.

        With the resume token it replaces the peer there is. Raises `Busy` for a stranger on a
        session that is taken, and for a partner before it begins, `BadOffer` for a bad offer and
        `NoAddress` where the node has none.
        """
        if self.company.expects(token):
            return await self._join(offer, token)
        self.admit(token)
        try:
            return await self._accept(offer)
        except BaseException:
            self.abandon_if_empty()
            raise

    async def _join(self, offer: str, token: str | None) -> str:
        if self.is_over or self.session.state == "created":
            raise Busy("This call is over, or has not begun yet.")
        answer = await self.company.join(offer)
        if self._ending is not None:
            await self.company.go()
            raise Busy("This call has just ended.")
        if not self.company.expects(token):
            self.company.part()
            raise Busy("Somebody has just ended your part in this call.")
        return answer

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

    async def trickle(self, fragment: str, track: str = TRAINEE) -> None:
        """Hand candidates (RFC 8840) to the peer connection that publishes `track`.

        Raises `LookupError` where there is none, `BadFragment` and `RestartRefused` as it does.
        """
        speaker = self._trainee if track == TRAINEE else self.company.partner
        peer = None if speaker is None else speaker.transport
        if self.is_over or not isinstance(peer, Peer):
            raise LookupError("no peer connection publishes here")
        await peer.add_candidates(fragment)

    def attach(self, transport: Transport) -> None:
        """From now on `transport` is the publisher; the one before it is closed."""
        self._trainee.attach(transport)
        if self.session.state == "paused":
            self._resume("resumed")
        self._paused_before = False

    def abandon_if_empty(self) -> None:
        """Close where a publisher was let in and did not come: the session stays publishable."""
        if self._trainee.transport is None:
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
            await finish(self.session, self._trainee, self.company, state, reason)
        except Exception:
            log.exception("end_failed", session=self.session.id)
        finally:
            await self._leave()
            self._on_closed(self)

    async def _leave(self) -> None:
        """Let go of everything that keeps this room alive."""
        self._ticker.cancel()
        self._trainee.hush()
        self.company.hush()
        await self.audience.close()
        await self._trainee.leave()
        await self.company.go()

    def _abandon_unless_begun(self) -> None:
        """Where nobody ever came through, close: the session can be published to again."""
        if self.session.state == "created" and not self.is_over:
            self._trainee.receiver.close()
            self._ending = asyncio.create_task(self._leave(), name=f"leave-{self.session.id}")
            self._on_closed(self)

    # what the publisher's transport reports; what a replaced one says is not listened to

    def _listens_to(self, transport: Transport) -> bool:
        return transport is self._trainee.transport and not self.is_over

    def take_packet(
        self, transport: Transport, ssrc: int, sequence: int, timestamp: int, payload: bytes
    ) -> None:
        """One RTP packet's 32-bit `ssrc`, 16-bit `sequence`, 32-bit 48 kHz `timestamp`, Opus."""
        if not self._listens_to(transport):
            return
        # Fifty times a second for each call, so without a context manager's cost.
        try:
            self._take_packet(ssrc, sequence, timestamp, payload)
        except Exception:
            if self._faults.is_news():
                log.exception(
                    "call_fault", session=self.session.id, where="packet", n=self._faults.count
                )

    def _take_packet(self, ssrc: int, sequence: int, timestamp: int, payload: bytes) -> None:
        if self._beginning.at_s is None:
            self._beginning.at_s = self._loop.time()
            self._on_begun()
            self.session.enter("active")
        self._heard()
        self._trainee.receiver.push(ssrc, sequence, timestamp, payload)

    def take_channel(self, transport: Transport, channel: DataChannel) -> None:
        """A channel labelled `events` or `meters`, over which the room sends from now on."""
        if transport is self._trainee.transport:
            self._trainee.take_channel(channel)

    def take_message(self, transport: Transport, message: str | bytes) -> None:
        """A client's command, as it came."""
        if not self._listens_to(transport):
            return
        with self._surviving("message"):
            self._take_message(message)

    def _take_message(self, message: str | bytes) -> None:
        self._heard()
        command = self._trainee.commands.take(message, self._loop.time())
        if command is not None:
            self._obey(command)

    def refuse_message(self, transport: Transport, why: str) -> None:
        """A message that its transport could not read: counted, and the client is told."""
        if not self._listens_to(transport):
            return
        with self._surviving("message"):
            self._heard()
            self._trainee.commands.refuse(why, self._loop.time())

    def _obey(self, command: Command) -> None:
        self.session.command(command, TRAINEE)
        if command.type == "pause" and self.session.state == "active":
            self._trainee.receiver.pause()
            self.session.enter("paused")
        elif command.type == "resume" and self.session.state == "paused":
            self._resume()
        elif command.type == "device":
            self._trainee.receiver.reanchor()
        elif command.type == "end":
            self.end("ended")

    @contextmanager
    def _surviving(self, where: str) -> Iterator[None]:
        """aiortc closes a connection whose callback raises: one fault must not end the call."""
        try:
            yield
        except Exception:
            if self._faults.is_news():
                log.exception(
                    "call_fault", session=self.session.id, where=where, n=self._faults.count
                )

    def transport_closed(self, transport: Transport, state: str) -> None:
        """The transport is gone for good; `state` says how: closed, failed."""
        if self._listens_to(transport):
            log.info("transport_closed", session=self.session.id, state=state)
            self._abandon_unless_begun()
            self._interrupt(f"connection_{state}")

    def _heard(self) -> None:
        self._trainee.heard()
        if self.session.state == "interrupted":
            self._return()

    def _resume(self, reason: str | None = None) -> None:
        self._trainee.receiver.resume()
        self.company.resume()
        self.session.enter("active", reason)

    def _return(self) -> None:
        """The client is heard again on the connection it had: as it was before, paused or not."""
        self.company.resume()
        self.session.enter("active", "resumed")
        if self._paused_before:
            self._trainee.receiver.pause()
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
        silent_s = self._trainee.silent_s(now_s)
        if state == "created":
            if self._trainee.transport is not None and silent_s > CONNECT_WITHIN_S:
                self._abandon_unless_begun()
            return
        if state in ("active", "paused"):
            if silent_s > LOST_AFTER_S:
                self._interrupt("client_lost")
        elif now_s - self._interrupted_s > RESUME_WITHIN_S:
            self.end("client_lost")
            return
        elif silent_s > CLOSED_AFTER_S:
            self._trainee.drop()
        self._trainee.tick(now_s)
        self.company.tick(now_s)

    def _interrupt(self, reason: str) -> None:
        if self.session.state in ("active", "paused"):
            self._paused_before = self.session.state == "paused"
        if self.session.state == "paused":
            self._trainee.receiver.resume()
        if self.session.enter("interrupted", reason):
            self._interrupted_s = self._loop.time()
