"""The receiving end of `benchmarks.impair`: what comes out of a call, kept to be judged later.

`ours` is what a node does with a publisher: `Peer`, then `Receiver`. `stock` is what a tutorial of
aiortc does: `track.recv()`, resampled to 16 kHz mono; the only patch it carries is the loopback
candidate. As a process (`python -m benchmarks.ear CORE KIND`) it is asked, see `benchmarks.child`:
`answer` (call, offer), `end` (call, path): close the call and write its `Heard` there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import av
import numpy as np
import structlog
import uvloop
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from benchmarks import child
from engine.clock import RTP_RATE, Anchor, TrackClock
from engine.frames import SAMPLE_RATE, Frame, Framer, Source
from signaling import stack
from signaling.ice import IceSettings
from signaling.peer import Peer, PeerEvents
from signaling.rtp import Receiver

KINDS = ("ours", "stock")
SOURCES = tuple(Source)
_RTP_PER_SAMPLE = RTP_RATE // SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out of one call, piece by piece (a Frame of ours, a decoded frame of stock's).

    `pcm` int16 at 16 kHz, all pieces in order; for each piece `at_s` (monotonic second at which it
    was there), `rtp` (where its media begins, 48 kHz ticks since the first packet that came),
    `samples` (of `pcm`) and `source` (index in `SOURCES`).
    """

    pcm: NDArray[np.int16]
    at_s: NDArray[np.float64]
    rtp: NDArray[np.int64]
    samples: NDArray[np.int64]
    source: NDArray[np.int64]

    def save(self, path: Path) -> None:
        np.savez(
            path,
            pcm=self.pcm,
            at_s=self.at_s,
            rtp=self.rtp,
            samples=self.samples,
            source=self.source,
        )

    @staticmethod
    def load(path: Path) -> Heard:
        with np.load(path) as arrays:
            return Heard(**{name: arrays[name] for name in arrays.files})

    def frames(self) -> Iterator[Frame]:
        """All of it as a session gets it, one piece right behind the other."""
        framer = Framer("bench")
        at = 0
        for samples, source in zip(self.samples, self.source, strict=True):
            yield from framer.push(at, self.pcm[at : at + samples], SOURCES[source])
            at += int(samples)


@dataclass(slots=True)
class _Notes:
    """A `Heard` in the making."""

    pcm: list[NDArray[np.int16]] = field(default_factory=list)
    rows: list[tuple[float, int, int, int]] = field(default_factory=list)

    def add(self, rtp: int, pcm: NDArray[np.int16], source: Source) -> None:
        self.rows.append((time.monotonic(), rtp, len(pcm), SOURCES.index(source)))
        self.pcm.append(pcm)

    def heard(self) -> Heard:
        at_s, *rest = np.array(self.rows, np.float64).reshape(-1, 4).T
        pcm = np.concatenate([np.zeros(0, np.int16), *self.pcm])
        return Heard(pcm, at_s, *(column.astype(np.int64) for column in rest))


class Ear(Protocol):
    async def answer(self, offer: str) -> str: ...

    async def close(self) -> Heard: ...


class Ours:
    """A room's receiving half."""

    def __init__(self) -> None:
        self._notes = _Notes()
        self._loop = asyncio.get_running_loop()
        self._begun_s: float | None = None
        self._origin_rtp = 0
        self._anchor: Anchor | None = None
        self._receiver = Receiver("bench", TrackClock(), self, self._now_s, self._loop.call_later)
        self._peer = Peer(
            IceSettings(),
            PeerEvents(
                on_packet=self._take,
                on_message=lambda message: None,
                on_channel=lambda channel: None,
                on_closed=lambda state: None,
            ),
        )

    async def answer(self, offer: str) -> str:
        return await self._peer.answer(offer)

    async def close(self) -> Heard:
        self._receiver.close()
        await self._peer.close()
        return self._notes.heard()

    def _now_s(self) -> float:
        return 0.0 if self._begun_s is None else self._loop.time() - self._begun_s

    def _take(self, ssrc: int, sequence: int, timestamp: int, payload: bytes) -> None:
        if self._begun_s is None:
            self._begun_s = self._loop.time()
        self._receiver.push(ssrc, sequence, timestamp, payload)

    # signaling.rtp.Sink

    def frames(self, frames: list[Frame]) -> None:
        for frame in frames:
            assert self._anchor is not None
            ahead = (frame.start_sample - self._anchor.sample) * _RTP_PER_SAMPLE
            rtp = self._anchor.rtp + ahead - self._origin_rtp
            self._notes.add(rtp, frame.pcm, frame.source)

    def packet(self, start_rtp: int, payload: bytes) -> None:
        """The recorder's and the listeners' business."""

    def anchored(self, anchor: Anchor) -> None:
        if self._anchor is None:
            self._origin_rtp = anchor.rtp
        self._anchor = anchor

    def skipped(self, to_sample: int) -> None:
        """No frames fill it: the figures tell."""


class Stock:
    """aiortc as it comes."""

    def __init__(self) -> None:
        self._notes = _Notes()
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._pc.on("track", self._on_track)
        self._reading: asyncio.Task[None] | None = None

    async def answer(self, offer: str) -> str:
        await self._pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        answer: str = self._pc.localDescription.sdp
        return answer

    async def close(self) -> Heard:
        await self._pc.close()
        if self._reading is not None:
            await self._reading
        return self._notes.heard()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._reading = asyncio.create_task(self._read(track))

    async def _read(self, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.AudioFrame)
            # aiortc counts pts from the first packet that came
            begin = int(frame.pts or 0)
            pieces = [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
            if pieces:
                self._notes.add(begin, np.concatenate(pieces), Source.RECEIVED)


async def _main(kind: str) -> None:
    # What is heard is what is measured here, not what is logged.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    stack.use_loopback(True)
    if kind == "ours":
        stack.configure()
    makers: dict[str, Callable[[], Ear]] = {"ours": Ours, "stock": Stock}
    make = makers[kind]
    ears: dict[str, Ear] = {}

    async def answer(call: str, offer: str) -> child.Reply:
        ears[call] = make()
        return {"answer": await ears[call].answer(offer)}

    async def end(call: str, path: str) -> child.Reply:
        (await ears.pop(call).close()).save(Path(path))
        return {}

    await child.serve({"answer": answer, "end": end})


if __name__ == "__main__":
    (chosen,) = child.pin()
    uvloop.run(_main(chosen))
