"""The node's side of `benchmarks.receive`: calls received by one process on one core.

As a process (`python -m benchmarks.server CORE KIND FOLDER`) it is asked, see `benchmarks.child`:
`answer` (call, offer, first_rtp), `clear`, `save` (path). Kinds:

- `media`: the receive path as a room wires it, with a sink that stamps frames and no more;
- `full`: rooms with a session each: voice activity, analyzers, feedback, journal, recording. The
  recognizer answers nothing: it is another process's work;
- `stock`: aiortc as it comes, `recv()` and PyAV's resampler; nothing of ours is patched in.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import av
import structlog
import uvloop
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

from benchmarks import child
from benchmarks.stamps import Stamps
from engine import features, silero
from engine.asr.window import Hypothesis, Pressure, Window
from engine.clock import RTP_RATE, Anchor, TrackClock
from engine.frames import SAMPLE_RATE, Frame, Source
from engine.journal import MemoryJournal
from engine.session import Session, SessionConfig
from signaling import stack
from signaling.collector import Collector
from signaling.peer import IceSettings, Peer, PeerEvents
from signaling.recorder import Recorder, Writer
from signaling.room import Beginning, Room
from signaling.rtp import Receiver

RTP_PER_SAMPLE = RTP_RATE // SAMPLE_RATE


class Server(Protocol):
    """Takes calls. `first_rtp` is the RTP time of the call's first packet."""

    async def answer(self, call: int, offer: str, first_rtp: int) -> child.Reply: ...


class FrameStamps:
    """Stamps one call's received frames by the RTP time of their first sample."""

    def __init__(self, call: int, stamps: Stamps) -> None:
        self._call = call
        self._stamps = stamps
        self._anchor: Anchor | None = None

    def anchored(self, anchor: Anchor) -> None:
        self._anchor = anchor

    def frames(self, frames: list[Frame]) -> None:
        anchor = self._anchor
        assert anchor is not None
        for frame in frames:
            if frame.source is Source.RECEIVED:
                samples = frame.start_sample - anchor.sample
                self._stamps.add(self._call, anchor.rtp + samples * RTP_PER_SAMPLE)


class _Empty(FrameStamps):
    """A sink that stamps frames and no more."""

    def packet(self, start_rtp: int, payload: bytes) -> None: ...

    def skipped(self, to_sample: int) -> None: ...


class Media:
    """Receive paths that end in an empty sink."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._peers: list[Peer] = []

    async def answer(self, call: int, offer: str, first_rtp: int) -> child.Reply:
        loop = asyncio.get_running_loop()
        beginning = Beginning()
        sink = _Empty(call, self._stamps)
        receiver = Receiver(str(call), TrackClock(), sink, beginning.clock(), loop.call_later)

        def take(ssrc: int, sequence: int, timestamp: int, payload: bytes) -> None:
            if beginning.at_s is None:
                beginning.at_s = loop.time()
            receiver.push(ssrc, sequence, timestamp, payload)

        peer = Peer(IceSettings(), PeerEvents(take, _ignore, _ignore, _ignore))
        self._peers.append(peer)
        return {"answer": await peer.answer(offer)}


class NoWords:
    """A recognizer that answers nothing: the real one is another process."""

    step_s = 0.5
    pressure = Pressure.NONE

    def admit(self, session: str, language: str) -> None: ...

    def submit(self, window: Window, done: Callable[[Hypothesis], None]) -> None: ...

    def forget(self, session: str) -> None: ...


class _StampedRoom(Room):
    """Stamps each frame right before the session gets it."""

    stamps: FrameStamps

    def anchored(self, anchor: Anchor) -> None:
        self.stamps.anchored(anchor)
        super().anchored(anchor)

    def frames(self, frames: list[Frame]) -> None:
        self.stamps.frames(frames)
        super().frames(frames)


class Full:
    """Rooms with whole sessions, recorded into `folder`."""

    def __init__(self, stamps: Stamps, folder: Path) -> None:
        features.warm()
        silero.warm()
        self._stamps = stamps
        self._folder = folder
        self._writer = Writer()
        self._writer.start()
        self._rooms: list[Room] = []

    async def answer(self, call: int, offer: str, first_rtp: int) -> child.Reply:
        beginning = Beginning()
        session = Session(
            f"{call:032x}",
            SessionConfig("pitch", None, False),
            NoWords(),
            MemoryJournal(),
            beginning.clock(),
        )
        room = _StampedRoom(
            session,
            beginning,
            b"",
            lambda track: Recorder(self._writer, self._folder / f"{call}-{track}.ogg"),
            IceSettings(),
            on_begun=lambda: None,
            on_closed=_ignore,
        )
        room.stamps = FrameStamps(call, self._stamps)
        self._rooms.append(room)
        return {"answer": await room.publish(offer, None)}


class Stock:
    """aiortc as its documentation uses it, to 16 kHz mono as speech recognition wants it."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._connections: list[RTCPeerConnection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, call: int, offer: str, first_rtp: int) -> child.Reply:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connections.append(pc)

        @pc.on("track")
        def listen(track: MediaStreamTrack) -> None:
            self._tasks.add(asyncio.create_task(self._listen(call, first_rtp, track)))

        await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return {"answer": pc.localDescription.sdp}

    async def _listen(self, call: int, first_rtp: int, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
        while True:
            frame = await track.recv()
            assert isinstance(frame, av.AudioFrame)
            assert frame.pts is not None
            for piece in resampler.resample(frame):
                piece.to_ndarray()
            # aiortc counts from the first packet; one frame is one packet
            self._stamps.add(call, first_rtp + frame.pts)


def _ignore(_: object) -> None: ...


async def _main(kind: str, folder: Path) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    stack.use_loopback(True)
    stamps = Stamps()
    server: Server
    if kind == "stock":
        server = Stock(stamps)
    else:
        stack.configure()
        server = Media(stamps) if kind == "media" else Full(stamps, folder)
        Collector().start()

    async def clear() -> child.Reply:
        stamps.clear()
        return {}

    async def save(path: str) -> child.Reply:
        stamps.save(Path(path))
        return {}

    await child.serve({"answer": server.answer, "clear": clear, "save": save})


if __name__ == "__main__":
    kind_of_server, recordings = child.pin()
    uvloop.run(_main(kind_of_server, Path(recordings)))
