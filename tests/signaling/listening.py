"""A listener's part of a connection, in this process: real ICE, DTLS, SRTP and data channels."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from signaling import stack
from tests.signaling.calling import until


@dataclass(frozen=True, slots=True)
class Heard:
    """One RTP packet as it arrived, decrypted."""

    ssrc: int
    sequence: int
    timestamp: int
    payload: bytes


class ListeningClient:
    """Offers to receive audio and opens both data channels, or none."""

    def __init__(self, *, channels: bool = True) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.receiver = self.pc.addTransceiver("audio", direction="recvonly").receiver
        stack.tap_audio(self.receiver, lambda *packet: self.heard.append(Heard(*packet)))
        self.heard: list[Heard] = []
        self.events: list[dict[str, Any]] = []
        self.meters: list[dict[str, Any]] = []
        self.channel: RTCDataChannel | None = None
        if channels:
            self.channel = self.pc.createDataChannel("events")
            meters = self.pc.createDataChannel("meters", ordered=False, maxRetransmits=0)
            self.channel.on("message", lambda text: self.events.extend(json.loads(text)))
            meters.on("message", lambda text: self.meters.extend(json.loads(text)))

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp: str = self.pc.localDescription.sdp
        return sdp

    async def accept(self, answer: str) -> None:
        """Take the answer and wait until everything is connected."""
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: self.pc.connectionState == "connected")
        if self.channel is not None:
            await until(lambda: self.channel.readyState == "open")  # type: ignore[union-attr]

    async def connect(self, answer_to: Callable[[str], Awaitable[str]]) -> str:
        answer = await answer_to(await self.offer())
        await self.accept(answer)
        return answer

    async def close(self) -> None:
        await self.pc.close()

    @property
    def payloads(self) -> list[bytes]:
        return [packet.payload for packet in self.heard]

    @property
    def sequence_steps(self) -> list[int]:
        return [(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(self.heard)]

    @property
    def timestamp_steps(self) -> list[int]:
        return [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(self.heard)]
