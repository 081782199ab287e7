"""Who is in a call beside its trainee: the partner, and listeners, of whom some may speak.

The trainee is told of everybody who is there, and how: `presence` events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from engine.events import Mode, Presence, Present
from engine.frames import Frame
from engine.session import COACHES, PARTNER, TRAINEE, Session
from signaling.audience import Audience
from signaling.coach import Coach
from signaling.grant import opens
from signaling.ice import IceSettings
from signaling.partner import Partner
from signaling.recorder import Recorder
from signaling.rtp import ReceiveSettings
from signaling.speaker import Speaker
from signaling.voice import Voice

TELL_AFTER_S = 0.05
"""What changes within this is told at once."""


class SeatsTaken(RuntimeError):
    """As many listeners as can speak do: 409."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a call, by user id and the name that others read."""

    id: str
    name: str


class Company:
    """`recorder_of(track)` yields what records a track, None where recording was refused."""

    def __init__(
        self,
        session: Session,
        trainee: Speaker,
        audience: Audience,
        ice: IceSettings,
        receive: ReceiveSettings,
        recorder_of: Callable[[str], Recorder | None],
    ) -> None:
        self.partner: Partner | None = None
        self._session = session
        self._trainee = trainee
        self._audience = audience
        self._ice = ice
        self._receive = receive
        self._recorder_of = recorder_of
        self._coaches: dict[str, Coach] = {}
        self._expected: tuple[Person, bytes] | None = None
        self._listeners: dict[str, tuple[Person, str | None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def voices(self) -> list[Voice]:
        """All that were ever heard in this call, on this node, beside the trainee's."""
        return [*([self.partner] if self.partner else []), *self._coaches.values()]

    @property
    def present(self) -> list[Present]:
        """Who is there now, the partner first."""
        people = []
        if self._expected is not None and self.partner is not None and self.partner.transport:
            who, _ = self._expected
            people.append(Present(person_id=who.id, name=who.name, role="partner", track=PARTNER))
        for who, track in self._listeners.values():
            mode = self._coaches[track].mode if track else "monitor"
            people.append(
                Present(
                    person_id=who.id,
                    name=who.name,
                    role="listener",
                    mode=mode,
                    track=track if mode == "barge" else None,
                )
            )
        return people

    def tick(self, now_s: float) -> None:
        """Ten times a second."""
        for voice in self.voices:
            voice.tick(now_s)

    def resume(self) -> None:
        """Packets are taken again: after a pause, or when the trainee is back."""
        for voice in self.voices:
            voice.receiver.rejoin()

    # the partner

    def expect(self, who: Person, digest: bytes) -> None:
        """From now on `who` may come in as the partner, with the token of this digest."""
        self._expected = who, digest

    def expects(self, token: str | None) -> bool:
        """Whether `token` is the partner's."""
        return self._expected is not None and opens(token, self._expected[1])

    def part(self) -> None:
        """The partner leaves; the call goes on."""
        if self.partner is not None:
            self.partner.part()

    def dismiss(self) -> None:
        """The partner leaves, and may not come in again."""
        if self._expected is not None:
            self._expected = self._expected[0], b""
        self.part()

    async def join(self, offer: str) -> str:
        """The answer to an offer of the partner who is expected, their first or a later one."""
        if self.partner is None:
            self.partner = Partner(
                self._session,
                self,
                self._recorder_of(PARTNER),
                self._ice,
                self._receive,
                self._changed,
            )
        return await self.partner.accept(offer)

    # listeners

    def enter(self, listener_id: str, who: Person) -> None:
        """Somebody listens from now on."""
        self._listeners[listener_id] = who, None
        self._changed()

    def leave(self, listener_id: str) -> None:
        """They do not any more."""
        if listener_id not in self._listeners:
            return
        _, track = self._listeners.pop(listener_id)
        if track is not None:
            self._coaches[track].switch("monitor")
        self._changed()

    def switch(self, listener_id: str, mode: Mode) -> str | None:
        """Let a listener be heard as `mode` says; the track of their voice, if they have one.

        Raises `LookupError` for who does not listen any more, and `SeatsTaken`.
        """
        who, track = self._listeners[listener_id]
        if track is None and mode != "monitor":
            track = self._seat_for(who)
            self._listeners[listener_id] = who, track
        if track is not None:
            self._coaches[track].switch(mode)
        self._changed()
        return track

    def take_packet(
        self, track: str, ssrc: int, sequence: int, timestamp: int, payload: bytes
    ) -> None:
        """One RTP packet of the listener who has the seat `track`."""
        self._coaches[track].push(ssrc, sequence, timestamp, payload)

    def _seat_for(self, who: Person) -> str:
        """The one that they had before, a new one, or one that another has left."""
        taken = {track for _, track in self._listeners.values() if track is not None}
        free = [track for track in COACHES if track not in taken]
        own = [track for track in free if (c := self._coaches.get(track)) and c.owner == who.id]
        new = [track for track in free if track not in self._coaches]
        chosen = next(iter([*own, *new, *free]), None)
        if chosen is None:
            raise SeatsTaken("Two others speak in this call already; wait until one of them stops.")
        if chosen not in self._coaches:
            self._coaches[chosen] = Coach(
                chosen,
                self._session,
                self,
                self._recorder_of(chosen),
                self._receive,
                who.id,
            )
        self._coaches[chosen].owner = who.id
        return chosen

    # who hears whom

    def heard(self, source: str, frames: list[Frame]) -> None:
        """What `source` was decoded to: it plays to others, whose microphones may hear it."""
        coach = self._coaches.get(source)
        hearers = [TRAINEE] if source != TRAINEE else []
        is_for_all = source != PARTNER and (coach is None or coach.mode == "barge")
        if is_for_all and self.partner is not None and self.partner.transport is not None:
            hearers.append(PARTNER)
        for hearer in hearers:
            for frame in frames:
                self._session.played(hearer, frame)

    def forward(self, source: str, start_rtp: int, payload: bytes) -> None:
        """A packet for everybody but whoever said it."""
        if source != TRAINEE:
            self._trainee.hear(source, start_rtp, payload)
        if source != PARTNER and self.partner is not None:
            self.partner.hear(source, start_rtp, payload)
        self._audience.packet(source, start_rtp, payload)

    def whisper(self, source: str, start_rtp: int, payload: bytes) -> None:
        """A packet for the trainee alone."""
        self._trainee.hear(source, start_rtp, payload)

    def forget(self, source: str) -> None:
        """`source` is not heard any more."""
        self._trainee.forget(source)
        if self.partner is not None:
            self.partner.forget(source)
        self._audience.forget(source)

    # the end

    def close_recordings(self) -> list[Future[None]]:
        """End them; each result comes when its file is whole."""
        closing = [voice.close_recording() for voice in self.voices]
        return [each for each in closing if each is not None]

    def hush(self) -> None:
        """Tell nobody anything more."""
        if self._timer is not None:
            self._timer.cancel()
        if self.partner is not None:
            self.partner.hush()

    async def go(self) -> None:
        """Close what connection the partner has."""
        if self.partner is not None:
            await self.partner.leave()

    def _changed(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(TELL_AFTER_S, self._tell)

    def _tell(self) -> None:
        self._timer = None
        if self._session.state not in ("created", "completed"):
            self._session.emit(Presence(people=self.present))
