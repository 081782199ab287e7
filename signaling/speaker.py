"""One person who speaks in a call: their track, and the connection that brings it at present.

The receive path, the recording and what waits to be sent belong to the person, so that another
connection can take the place of the one there is (a resume) without a seam in session time.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Protocol

from engine.clock import RTP_RATE, TrackClock
from engine.events import Degraded, Link
from engine.frames import SAMPLE_RATE
from engine.session import Session
from signaling.channel import DataChannel, Outbox
from signaling.commands import Commands
from signaling.link import LinkMeter
from signaling.recorder import Recorder
from signaling.rtp import Receiver, ReceiveSettings, Sink

MUTE_AFTER_S = 3.0
"""Without audio for this long a client that is there has no microphone."""


class Transport(Protocol):
    """What carries a speaker: a peer connection, or a WebSocket where UDP is blocked."""

    async def close(self) -> None:
        """Safe to call at any time, more than once."""


class Speaker:
    """The track `name` of `session`. Lives on the media loop.

    `sink` gets what is heard; `recorder` is None where recording was refused.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        sink: Sink,
        recorder: Recorder | None,
        receive: ReceiveSettings,
    ) -> None:
        self.name = name
        self.transport: Transport | None = None
        """None before somebody comes, and once a lost connection is given up."""
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._recorder = recorder
        if recorder is not None:
            recorder.on_failed = self._on_recording_failed
        self.receiver = Receiver(
            name,
            TrackClock(),
            sink,
            session.now_s,
            self._loop.call_later,
            start_sample=session.add_track(name).end_sample,
            hold_limit_s=receive.hold_limit_s,
        )
        self.commands = Commands(session)
        self.outbox = Outbox(self._loop)
        self._unsubscribe = [
            session.subscribe(self.outbox.push),
            session.subscribe_meters(self.outbox.push_meters),
        ]
        self._link = LinkMeter(self.receiver, self._loop.time())
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

    # the track

    @property
    def link(self) -> Link | None:
        """The link over the last second; None where no packet was due in it."""
        return self._link.link

    def tick(self, now_s: float) -> None:
        """Call ten times a second: session time runs on where no packet can carry it."""
        state = self._session.state
        if state == "paused" or (state == "active" and self._is_mute()):
            self.receiver.advance()
        elif state == "active":
            self.receiver.idle()
        if self._link.measure(now_s):
            self._session.set_link(self.name, self._link.link)

    def _is_mute(self) -> bool:
        """Whether the client sends no audio: an unplugged microphone."""
        return self._session.now_s() - self.receiver.last_arrival_s > MUTE_AFTER_S

    # the recording

    @property
    def has_recording(self) -> bool:
        return self._recorder is not None and self._recorder.has_file

    def record(self, start_rtp: int, payload: bytes) -> None:
        """Keep an Opus packet that starts at `start_rtp`: session time in 48 kHz ticks."""
        if self._recorder is not None:
            self._recorder.packet(start_rtp, payload)

    def close_recording(self) -> Future[None] | None:
        """End it where the track ends; the result comes when the file is whole. None without."""
        if self._recorder is None:
            return None
        return self._recorder.close(self.receiver.end_sample * (RTP_RATE // SAMPLE_RATE))

    def _on_recording_failed(self, why: str) -> None:
        """Called in the writer's thread, or on the loop."""
        self._loop.call_soon_threadsafe(self._tell_recording_failed, why)

    def _tell_recording_failed(self, why: str) -> None:
        if self._session.state != "completed":
            self._session.emit(Degraded(what="recording", why=why), self.name)
