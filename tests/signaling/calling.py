"""A browser's part of a connection, in this process, without HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack

PATIENCE_S = 20.0


async def until(true: Callable[[], object]) -> None:
    """Wait for something that must come; fail when it does not."""
    until_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until_s, "it never came"
        await asyncio.sleep(0.01)


class Client:
    """Sends silence as 20 ms Opus packets and opens both data channels."""

    def __init__(self) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        speaking = self.pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
        self.sender: RTCRtpSender = speaking.sender
        self.events: RTCDataChannel = self.pc.createDataChannel("events")
        self.meters: RTCDataChannel = self.pc.createDataChannel(
            "meters", ordered=False, maxRetransmits=0
        )
        self.messages: list[str] = []
        self.events.on("message", self.messages.append)

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp: str = self.pc.localDescription.sdp
        return sdp

    async def connect(self, answer_to: Callable[[str], Awaitable[str]]) -> str:
        """Offer, take the answer, wait for the data channels; returns the answer."""
        answer = await answer_to(await self.offer())
        await self.accept(answer)
        return answer

    async def accept(self, answer: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: self.events.readyState == self.meters.readyState == "open")

    async def close(self) -> None:
        await self.pc.close()
