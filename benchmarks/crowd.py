"""The clients' side of `benchmarks.forward`: one publisher and everybody who listens to it.

aiortc does the handshakes. The publisher's packets are paced by `benchmarks.generator`; each one is
stamped right before it is encrypted and sent. Every listener's every packet is decrypted in the
callback that received it and stamped there: one process, one clock.

As a process (`python -m benchmarks.crowd CORE WAV`) it is asked, see `benchmarks.child`: `offer`
(publisher), `accept` (answer), `join` (listener, channels), `joined` (listener, answer), `begin`
(the publisher speaks), `open` (a window), `close` (it; its figures).
"""

from __future__ import annotations

import asyncio
import gc
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection

from benchmarks import child
from benchmarks.generator import Pacer, Speaker, connected, encoded
from benchmarks.stamps import Stamps
from signaling import stack
from signaling.publisher import load_audio

CONNECTED_WITHIN_S = 30.0
DRAIN_S = 0.5
"""A packet that has not come this long after the window is lost."""
PING_S = 1.0


class Sent:
    """The publisher's packets: which one a payload is, and when it left."""

    def __init__(self) -> None:
        self.at_ns = array("q")
        self.index: dict[bytes, int] = {}

    def add(self, payload: bytes) -> None:
        self.index[payload] = len(self.at_ns)
        self.at_ns.append(time.monotonic_ns())


class Lateness(Stamps):
    """How late each of the publisher's packets left, in ns."""

    def __init__(self) -> None:
        super().__init__()
        self.late_ns = array("q")

    def row(self, *fields: int) -> None:
        _, _, sent_ns, due_ns = fields
        self.late_ns.append(sent_ns - due_ns)


class Crowd:
    """All of them. `payloads` differ from each other: what is heard is known by its bytes."""

    def __init__(self, payloads: list[bytes]) -> None:
        self._payloads = list(dict.fromkeys(payloads))
        self._sent = Sent()
        self._lateness = Lateness()
        self._pacer = Pacer(self._lateness)
        self._publisher: tuple[RTCPeerConnection, stack.RtpSender] | None = None
        self._listeners: list[RTCPeerConnection] = []
        self._pings: list[RTCDataChannel] = []
        self._pinging: asyncio.Task[None] | None = None
        self._heard = array("q")
        self._packets = self._messages = 0
        self._from = 0

    async def offer(self) -> child.Reply:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        transceiver = pc.addTransceiver("audio", direction="sendonly")
        self._publisher = pc, stack.RtpSender(transceiver.sender, lambda: None)
        await pc.setLocalDescription(await pc.createOffer())
        return {"offer": pc.localDescription.sdp}

    async def accept(self, answer: str) -> child.Reply:
        assert self._publisher is not None
        await connected(self._publisher[0], answer)
        return {}

    async def begin(self) -> child.Reply:
        """The publisher speaks from now on."""
        assert self._publisher is not None
        sender = self._publisher[1]
        assert sender.payload_type is not None
        sent = self._sent

        def send(packet: bytes) -> bool:
            sent.add(packet[12:])
            return sender.send(packet)

        self._pacer.add([Speaker(0, self._payloads, sender.ssrc, sender.payload_type, send)])
        return {}

    async def join(self, listener: int, channels: bool) -> child.Reply:
        """The offer of number `listener`, which are asked for in order."""
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        stack.tap_audio(pc.addTransceiver("audio", direction="recvonly").receiver, self._hear)
        if channels:
            self._open_channels(pc)
        self._listeners.append(pc)
        assert len(self._listeners) == listener + 1
        await pc.setLocalDescription(await pc.createOffer())
        return {"offer": pc.localDescription.sdp}

    async def joined(self, listener: int, answer: str) -> child.Reply:
        await connected(self._listeners[listener], answer)
        return {}

    async def open(self) -> child.Reply:
        """Count from the next packet on."""
        gc.collect()
        gc.freeze()
        gc.disable()
        del self._lateness.late_ns[:]
        del self._heard[:]
        self._packets = self._messages = 0
        self._from = len(self._sent.at_ns)
        return {}

    async def close(self) -> child.Reply:
        """Figures of the packets sent since `open`: delays of receipt in ms, all counts."""
        before, packets, messages = len(self._sent.at_ns), self._packets, self._messages
        await asyncio.sleep(DRAIN_S)
        index, at_ns = np.array(self._heard).reshape(-1, 2).T
        inside = index < before
        sent_ns = np.array(self._sent.at_ns)
        delays_ms = (at_ns[inside] - sent_ns[index[inside]]) / 1e6
        late_ms = np.array(self._lateness.late_ns) / 1e6
        p50_ms, p99_ms, max_ms = (
            np.percentile(delays_ms, [50, 99, 100]) if len(delays_ms) else [float("inf")] * 3
        )
        return {
            "sent": before - self._from,
            "heard": int(inside.sum()),
            "packets": packets,
            "messages": messages,
            "p50_ms": float(p50_ms),
            "p99_ms": float(p99_ms),
            "max_ms": float(max_ms),
            "late_p99_ms": float(np.percentile(late_ms, 99)),
        }

    async def departures(self, path: str) -> child.Reply:
        """When every packet so far left (int64, monotonic ns) to a file; the window's first one."""
        np.array(self._sent.at_ns, np.int64).tofile(path)
        return {"first": self._from}

    def _hear(self, ssrc: int, sequence: int, timestamp: int, payload: bytes) -> None:
        now_ns = time.monotonic_ns()
        self._packets += 1
        index = self._sent.index.get(payload)
        if index is not None and index >= self._from:
            self._heard.extend((index, now_ns))

    def _open_channels(self, pc: RTCPeerConnection) -> None:
        events = pc.createDataChannel("events")
        meters = pc.createDataChannel("meters", ordered=False, maxRetransmits=0)
        for channel in (events, meters):
            channel.on("message", self._take_message)
        self._pings.append(events)
        if self._pinging is None:
            self._pinging = asyncio.create_task(self._ping_forever())

    def _take_message(self, message: Any) -> None:
        self._messages += 1

    async def _ping_forever(self) -> None:
        while True:
            for channel in list(self._pings):
                if channel.readyState == "open":
                    channel.send('{"type":"ping"}')
                await asyncio.sleep(PING_S / len(self._pings))


async def _main(wav: Path) -> None:
    stack.configure()
    stack.use_loopback(True)
    crowd = Crowd(encoded(load_audio(wav)))
    await child.serve(
        {
            "offer": crowd.offer,
            "accept": crowd.accept,
            "begin": crowd.begin,
            "join": crowd.join,
            "joined": crowd.joined,
            "open": crowd.open,
            "close": crowd.close,
            "departures": crowd.departures,
        }
    )


if __name__ == "__main__":
    (wav_file,) = child.pin()
    uvloop.run(_main(Path(wav_file)))
