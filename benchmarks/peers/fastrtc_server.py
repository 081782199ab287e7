"""A FastRTC stream whose handler stamps what audio it is given.

Run by the Python of FastRTC's own environment; asked as `benchmarks.server` is. FastRTC waits for a
data channel before it reads a track, and hands over 16 kHz audio in pieces of 60 ms, without times:
samples are counted, on a clean network from the call's first packet.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import aioice.ice
import uvloop
from fastrtc import AsyncStreamHandler, Stream, get_current_context

from benchmarks import child
from benchmarks.stamps import Stamps

RATE = 16_000
PACKET_RTP = 960
RTP_PER_SAMPLE = 3


class Stamper(AsyncStreamHandler):
    """Stamps every packet's worth of samples; says nothing."""

    def __init__(self, stamps: Stamps, first_rtp: dict[str, int]) -> None:
        super().__init__(input_sample_rate=RATE)
        self._stamps = stamps
        self._first_rtp = first_rtp
        self._samples = 0
        self._packets = 0

    async def receive(self, frame: tuple[int, Any]) -> None:
        webrtc_id = get_current_context().webrtc_id
        self._samples += frame[1].shape[-1]
        while (self._packets + 1) * PACKET_RTP <= self._samples * RTP_PER_SAMPLE:
            rtp = self._first_rtp[webrtc_id] + self._packets * PACKET_RTP
            self._stamps.add(int(webrtc_id), rtp)
            self._packets += 1

    async def emit(self) -> None:
        await asyncio.sleep(30.0)

    def copy(self) -> Stamper:
        return Stamper(self._stamps, self._first_rtp)


class Server:
    """One stream for all calls."""

    def __init__(self) -> None:
        self.stamps = Stamps()
        self._first_rtp: dict[str, int] = {}
        self._stream = Stream(
            Stamper(self.stamps, self._first_rtp),
            mode="send",
            modality="audio",
            concurrency_limit=1_000,
            server_rtc_configuration={"iceServers": []},
            verbose=False,
        )

    async def answer(self, call: int, offer: str, first_rtp: int) -> child.Reply:
        self._first_rtp[str(call)] = first_rtp
        body = {"sdp": offer, "type": "offer", "webrtc_id": str(call)}
        answer = await self._stream.handle_offer(body, lambda *_: None)
        return {"answer": answer["sdp"]}

    async def clear(self) -> child.Reply:
        self.stamps.clear()
        return {}

    async def save(self, path: str) -> child.Reply:
        self.stamps.save(Path(path))
        return {}


async def main() -> None:
    """Serve until the input ends."""
    logging.getLogger("aiortc").setLevel(logging.ERROR)
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    server = Server()
    await child.serve({"answer": server.answer, "clear": server.clear, "save": server.save})


if __name__ == "__main__":
    child.pin()
    uvloop.run(main())
