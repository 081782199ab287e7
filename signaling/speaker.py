"""One person who holds a call: their voice, and the connection that brings it at present.

The receive path, the recording and what waits to be sent belong to the person, so that another
connection can take the place of the one there is (a resume) without a seam in session time.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from engine.session import Session
from signaling.channel import DataChannel, Outbox
from signaling.commands import Commands
from signaling.peer import Peer
from signaling.recorder import Recorder
from signaling.rtp import ReceiveSettings, Sink
from signaling.voice import Voice


class Transport(Protocol):
    """What carries a speaker: a peer connection, or a WebSocket where UDP is blocked."""

    async def close(self) -> None:
        """Safe to call at any time, more than once."""


class Speaker(Voice):
    """A voice of which every event is told. Lives on the media loop."""

    def __init__(
        self,
        name: str,
        session: Session,
        sink: Sink,
        recorder: Recorder | None,
        receive: ReceiveSettings,
    ) -> None:
        session.add_track(name)
        super().__init__(name, session, sink, recorder, receive)
        self.transport: Transport | None = None
        """None before somebody comes, and once a lost connection is given up."""
        self.commands = Commands(session)
        self.outbox = Outbox(self._loop)
        self._unsubscribe = [
            session.subscribe(self.outbox.push),
            session.subscribe_meters(self.outbox.push_meters),
        ]
        self._heard_s = self._loop.time()
        self._closing: set[asyncio.Task[None]] = set()

    # the connection

    def attach(self, transport: Transport) -> None:
        """From now on `transport` carries this person; the one before it is closed."""
        old, self.transport = self.transport, transport
        self.outbox.events_channel = self.outbox.meters_channel = None
        self.heard()
        self._close_later(old)

    def drop(self) -> None:
        """Give up the connection there is, if any."""
        old, self.transport = self.transport, None
        self._close_later(old)

    def take_channel(self, channel: DataChannel) -> None:
        """Send over a channel labelled `events` or `meters` from now on."""
        if channel.label == "events":
            self.outbox.events_channel = channel
            self.outbox.flush()
        elif channel.label == "meters":
            self.outbox.meters_channel = channel

    def hear(self, source: str, start_rtp: int, payload: bytes) -> None:
        """Send an Opus packet of the track `source` to this person, if they can hear."""
        if isinstance(self.transport, Peer):
            self.transport.hearing.packet(source, start_rtp, payload)

    def forget(self, source: str) -> None:
        """`source` is not heard any more."""
        if isinstance(self.transport, Peer):
            self.transport.hearing.forget(source)

    def heard(self) -> None:
        """The client is there: something came of it just now."""
        self._heard_s = self._loop.time()

    def silent_s(self, now_s: float) -> float:
        """How long nothing has come of the client, at `now_s` on the loop's clock."""
        return now_s - self._heard_s

    def hush(self) -> None:
        """Tell the client nothing more."""
        for undo in self._unsubscribe:
            undo()
        self._unsubscribe.clear()
        self.outbox.close()

    async def leave(self) -> None:
        """Close the connection there is, if any."""
        if self.transport is not None:
            await self.transport.close()

    def _close_later(self, transport: Transport | None) -> None:
        if transport is not None:
            task = asyncio.create_task(transport.close(), name=f"close-{self._session.id}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
