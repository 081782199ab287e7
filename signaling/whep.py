"""WHEP (draft-ietf-wish-whep): a listener of a call, who may be let speak in it."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable

import structlog

from engine.events import Meters, Mode
from engine.session import Session
from signaling.audience import Audience
from signaling.channel import BadMessage, DataChannel, Outbox, parse_command
from signaling.company import Company, Person
from signaling.ice import IceSettings
from signaling.peer import Peer, PeerEvents
from signaling.sdp import LISTENING

log = structlog.get_logger(__name__)

CONNECT_WITHIN_S = 30.0
SILENT_AFTER_S = 10.0
"""A listener with an events channel that has not been heard for this long is let go."""
TICK_S = 1.0
EVENTS_SPREAD_S = 0.01
METERS_SPREAD_S = 0.1
"""Each listener has a place of its own within these, so that an event for 150 of them does not keep
the media loop from its packets while all are written."""


class NoMicrophone(RuntimeError):
    """The listener's connection was made without one: 409."""


class Listener:
    """One listener: a `Guest` of the audience, and the session's events over its data channels.

    `on_closed` is called once when the listener has gone or was let go, whatever the reason. `sent`
    and `dropped` count packets since the connection stood; `ignored` its messages of no use here.
    Of a `person` who listens the `company` is told, and in it they may be let speak.
    """

    def __init__(
        self,
        session: Session,
        audience: Audience,
        ice: IceSettings,
        on_closed: Callable[[Listener], None],
        company: Company | None = None,
        person: Person | None = None,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.session = session
        self.person = person
        self.mode: Mode = "monitor"
        self.track: str | None = None
        self.ignored = 0
        self._company = company
        self._audience = audience
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
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
            on_rtcp=self._heard,
        )
        self._connection = Peer(ice, events, session.id, directions=LISTENING, of_trainee=False)

    @property
    def is_connected(self) -> bool:
        """Whether packets go out: the connection stands, or stood."""
        return self._connection.hearing.is_connected

    @property
    def sent(self) -> int:
        return self._connection.hearing.sent

    @property
    def dropped(self) -> int:
        return self._connection.hearing.dropped

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
        if self._company is not None and self.person is not None and self._closing is None:
            self._company.enter(self.id, self.person)
        return answer

    async def trickle(self, fragment: str) -> None:
        """Take more candidates (RFC 8840). Raises what `Peer.add_candidates` raises."""
        await self._connection.add_candidates(fragment)

    def switch(self, mode: Mode) -> str | None:
        """Be heard as `mode` says from now on; the track of their voice, if they have one.

        Raises `NoMicrophone`, `SeatsTaken`, and `LookupError` for who has left.
        """
        if self._company is None or self._closing is not None:
            raise LookupError("nobody who could speak listens here")
        if mode != "monitor" and not self._connection.can_speak:
            raise NoMicrophone(
                "You listen without a microphone. Join again with one to speak in this call."
            )
        self.track = self._company.switch(self.id, mode)
        self.mode = mode
        return self.track

    def packet(self, source: str, start_rtp: int, payload: bytes) -> None:
        self._connection.hearing.packet(source, start_rtp, payload)

    def forget(self, source: str) -> None:
        self._connection.hearing.forget(source)

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
        if self._company is not None and self.person is not None:
            self._company.leave(self.id)
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
        """What a monitor sends goes nowhere."""
        self._heard()
        if self.mode != "monitor" and self._company is not None and self.track is not None:
            self._company.take_packet(self.track, ssrc, sequence, timestamp, payload)

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
