"""One person's voice in a call: the receive path of their track and its recording."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Protocol

from engine.clock import RTP_RATE, TrackClock
from engine.events import Degraded, Link
from engine.frames import SAMPLE_RATE, Frame
from engine.session import Session
from signaling.link import LinkMeter
from signaling.recorder import Recorder
from signaling.rtp import Receiver, ReceiveSettings, Sink

MUTE_AFTER_S = 3.0
"""Without audio for this long a client that is there has no microphone."""


class Others(Protocol):
    """Whoever hears a voice."""

    def heard(self, source: str, frames: list[Frame]) -> None:
        """What `source` was decoded to."""

    def forward(self, source: str, start_rtp: int, payload: bytes) -> None:
        """A packet for everybody else."""

    def whisper(self, source: str, start_rtp: int, payload: bytes) -> None:
        """A packet for the trainee alone, of a coach."""

    def forget(self, source: str) -> None:
        """`source` is not heard any more."""


class Voice:
    """The track `name` of `session`. Lives on the media loop.

    `sink` gets what is heard; `recorder` is None where recording was refused. A voice may be heard
    before there is a track for it.
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
        self._session = session
        self._loop = asyncio.get_running_loop()
        self._recorder = recorder
        if recorder is not None:
            recorder.on_failed = self._on_recording_failed
        track = session.tracks.get(name)
        self.receiver = Receiver(
            name,
            TrackClock(),
            sink,
            session.now_s,
            self._loop.call_later,
            start_sample=0 if track is None else track.end_sample,
            hold_limit_s=receive.hold_limit_s,
        )
        self._link = LinkMeter(self.receiver, self._loop.time())

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
        if self._link.measure(now_s) and self.name in self._session.tracks:
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
