"""Pipecat's SmallWebRTC transport at the head of a pipeline that stamps what audio reaches it.

Run by the Python of Pipecat's own environment; asked as `benchmarks.server` is.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aioice.ice
import uvloop
from loguru import logger
from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.workers.runner import WorkerRunner

from benchmarks import child
from benchmarks.stamps import Stamps

RATE = 16_000


class Stamper(FrameProcessor):
    """Stamps each frame; its `pts` counts 48 kHz ticks from the call's first packet."""

    def __init__(self, call: int, first_rtp: int, stamps: Stamps) -> None:
        super().__init__()
        self._call = call
        self._first_rtp = first_rtp
        self._stamps = stamps

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._stamps.add(self._call, self._first_rtp + frame.pts)
        await self.push_frame(frame, direction)


class Server:
    """One pipeline a call."""

    def __init__(self) -> None:
        self.stamps = Stamps()
        self._tasks: list[asyncio.Task[None]] = []

    async def answer(self, call: int, offer: str, first_rtp: int) -> child.Reply:
        connection = SmallWebRTCConnection(ice_servers=[])
        await connection.initialize(offer, "offer")
        transport = SmallWebRTCTransport(
            connection, TransportParams(audio_in_enabled=True, audio_in_sample_rate=RATE)
        )
        worker = PipelineWorker(
            Pipeline([transport.input(), Stamper(call, first_rtp, self.stamps)]),
            params=PipelineParams(audio_in_sample_rate=RATE),
            idle_timeout_secs=None,
        )
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        self._tasks.append(asyncio.create_task(runner.run()))
        return {"answer": connection.get_answer()["sdp"]}

    async def clear(self) -> child.Reply:
        self.stamps.clear()
        return {}

    async def save(self, path: str) -> child.Reply:
        self.stamps.save(Path(path))
        return {}


async def main() -> None:
    """Serve until the input ends."""
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    server = Server()
    await child.serve({"answer": server.answer, "clear": server.clear, "save": server.save})


if __name__ == "__main__":
    child.pin()
    uvloop.run(main())
