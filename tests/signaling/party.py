"""Somebody in a call with others, in this process: they speak, and hear what others sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtpPacket

from signaling import stack
from signaling.publisher import _Voice
from tests.signaling.calling import until
from tests.signaling.packets import voice


class Party:
    """Offers as the web client does: a section to speak and hear on, and `ears` more to hear on.

    `sent` and `heard` hold the payloads of all RTP packets so far; each person's voice is their
    own, so that a payload tells whose it is.
    """

    def __init__(self, seed: int, *, ears: int = 3, seconds: float = 30) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        first = self.pc.addTransceiver(_Voice(voice(seconds, seed)), direction="sendrecv")
        stack.tap_audio(first.receiver, self._hear)
        for _ in range(ears):
            other: Any = self.pc.addTransceiver("audio", direction="recvonly").receiver
            # The tap of the first section takes all that comes over the connection.
            other.receive = _nothing
        self.sender = first.sender
        self.sent: list[bytes] = []
        self.heard: list[bytes] = []
        self.streams: set[int] = set()
        self.events: list[dict[str, Any]] = []
        self.channel = self.pc.createDataChannel("events")
        self.channel.on("message", lambda text: self.events.extend(json.loads(text)))

    async def connect(self, answer_to: Callable[[str], Awaitable[str]]) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        answer = await answer_to(self.pc.localDescription.sdp)
        await self.accept(answer)
        return answer

    async def accept(self, answer: str) -> None:
        self._note_what_leaves()
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: self.channel.readyState == "open")

    def hears(self, other: Party, since: int = 0) -> bool:
        """Whether anything of what `other` has sent so far was heard, from `heard[since]` on."""
        return not set(other.sent).isdisjoint(self.heard[since:])

    async def close(self) -> None:
        await self.pc.close()

    def _hear(self, ssrc: int, sequence: int, timestamp: int, payload: bytes) -> None:
        self.streams.add(ssrc)
        self.heard.append(payload)

    def _note_what_leaves(self) -> None:
        transport: Any = self.sender.transport
        send = transport._send_rtp

        async def noted(data: bytes) -> None:
            if not 192 <= data[1] <= 223:
                self.sent.append(RtpPacket.parse(data).payload)
            await send(data)

        transport._send_rtp = noted


async def _nothing(parameters: Any) -> None:
    return
