"""The partner: another person in a call, who plays the customer.

Their own browser brings them and takes them away; the call is the trainee's and goes on without.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from engine.clock import Anchor
from engine.events import Command
from engine.frames import Frame
from engine.session import PARTNER, Session
from signaling.channel import DataChannel
from signaling.faults import Faults
from signaling.ice import IceSettings
from signaling.peer import Peer, PeerEvents
from signaling.recorder import Recorder
from signaling.rtp import ReceiveSettings
from signaling.speaker import Speaker
from signaling.voice import Others

log = structlog.get_logger(__name__)

GONE_AFTER_S = 10.0
"""A partner of whom nothing has come for this long is not there any more."""


class Partner(Speaker):
    """The track `partner`. `on_change` is called when the person has come, or has gone."""

    def __init__(
        self,
        session: Session,
        others: Others,
        recorder: Recorder | None,
        ice: IceSettings,
        receive: ReceiveSettings,
        on_change: Callable[[], None],
    ) -> None:
        super().__init__(PARTNER, session, self, recorder, receive)
        self._others = others
        self._ice = ice
        self._receive = receive
        self._on_change = on_change
        self._faults = Faults()

    async def accept(self, offer: str) -> str:
        """The answer to `offer`; from now on this connection carries the partner.

        Raises `BadOffer` and `NoAddress`.
        """
        connection = Peer(
            self._ice,
            PeerEvents(
                on_packet=lambda *packet: self._take_packet(connection, *packet),
                on_message=lambda message: self._take_message(connection, message),
                on_channel=lambda channel: self._take_channel(connection, channel),
                on_closed=lambda state: self._closed(connection),
            ),
            self._session.id,
            stock=self._receive.stock,
            of_trainee=False,
        )
        answer = await connection.answer(offer)
        self.receiver.rejoin()
        self.attach(connection)
        self._on_change()
        return answer

    def part(self) -> None:
        """The partner has gone, or was sent away; the track stays."""
        if self.transport is not None:
            self.drop()
            self.receiver.close()
            self._on_change()

    def tick(self, now_s: float) -> None:
        if self.transport is None or self._session.state != "active":
            return
        if self.silent_s(now_s) > GONE_AFTER_S:
            self.part()
        else:
            super().tick(now_s)

    # signaling.rtp.Sink

    def frames(self, frames: list[Frame]) -> None:
        self._session.push(frames)
        self._others.heard(PARTNER, frames)

    def packet(self, start_rtp: int, payload: bytes) -> None:
        self.record(start_rtp, payload)
        self._others.forward(PARTNER, start_rtp, payload)

    def anchored(self, anchor: Anchor) -> None:
        self._session.anchored(PARTNER, anchor)

    def skipped(self, to_sample: int) -> None:
        self._session.skip(PARTNER, to_sample)

    # what the connection reports; what a replaced one says is not listened to

    def _take_packet(
        self, connection: Peer, ssrc: int, sequence: int, timestamp: int, payload: bytes
    ) -> None:
        if connection is not self.transport:
            return
        self.heard()
        if self._session.state != "active":
            return  # nobody is there to be talked to, or nobody wants to be heard
        try:
            self.receiver.push(ssrc, sequence, timestamp, payload)
        except Exception:
            # aiortc closes a connection whose callback raises: one fault must not end the call.
            if self._faults.is_news():
                log.exception("partner_fault", session=self._session.id, n=self._faults.count)

    def _take_message(self, connection: Peer, message: str | bytes) -> None:
        if connection is not self.transport:
            return
        self.heard()
        try:
            command = self.commands.take(message, self._loop.time())
            if command is not None:
                self._obey(command)
        except Exception:
            if self._faults.is_news():
                log.exception("partner_fault", session=self._session.id, n=self._faults.count)

    def _obey(self, command: Command) -> None:
        """The call is not the partner's to pause or to end."""
        if command.type == "bookmark":
            self._session.command(command, PARTNER)
        elif command.type == "device":
            self.receiver.reanchor()
        elif command.type == "end":
            self.part()

    def _take_channel(self, connection: Peer, channel: DataChannel) -> None:
        if connection is self.transport:
            self.take_channel(channel)

    def _closed(self, connection: Peer) -> None:
        if connection is self.transport:
            self.part()
