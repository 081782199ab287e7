"""The load: calls that send real speech, all paced by one thread that does nothing else.

aiortc does each call's handshake; then packets go straight from here through the call's own SRTP
session into its ICE socket. A packet's stamp is taken right before it is encrypted and sent. It
does not spin, since on many machines the server's core is the other half of its own.

As a process (`python -m benchmarks.generator CORE WAV`) it is asked, see `benchmarks.child`:
`offer` (call, channels), `accept` (call, answer), `begin` (calls start to speak), `flood` (packets
a second), `clear`, `save` (path).
"""

from __future__ import annotations

import asyncio
import gc
import struct
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import uvloop
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from numpy.typing import NDArray

from benchmarks import child
from benchmarks.stamps import Stamps
from signaling import stack
from signaling.publisher import FRAME, RATE, load_audio

BIT_RATE = 32_000
"""What browsers send speech at."""
PERIOD_NS = 20_000_000
NAP_NS = 2_000_000
"""The loop is left to wait by itself up to this long before a packet."""
CONNECTED_WITHIN_S = 30.0
BEGIN_S = 2.0
HANDFUL_S = 0.005
GOLDEN = 0.6180339887498949
FIRST_RTP = 90_000
"""RTP time of every call's first packet."""
_HEADER = struct.Struct("!BBHII")

Send = Callable[[bytes], bool]
"""Takes an RTP packet; False where it could not be sent."""


def encoded(pcm: NDArray[np.int16], fec: bool = False) -> list[bytes]:
    """48 kHz mono `pcm` as Opus packets of 20 ms, as a browser sets its encoder for speech.

    With `fec` as after reports of loss: each packet carries a copy of the one before.
    """
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = RATE, "mono", "s16"
    codec.bit_rate, codec.time_base = BIT_RATE, Fraction(1, RATE)
    codec.options = {"application": "voip", "frame_duration": "20"}
    if fec:
        codec.options |= {"fec": "1", "packet_loss": "25"}
    packets: list[bytes] = []
    for at in range(0, len(pcm) // FRAME * FRAME, FRAME):
        frame = av.AudioFrame.from_ndarray(pcm[None, at : at + FRAME], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


def offset_ns(call: int) -> int:
    """When in each 20 ms a call sends: multiples of the golden ratio, even for any number."""
    return int(call * GOLDEN % 1.0 * PERIOD_NS)


class Speaker:
    """One call's packets. Raises `ConnectionError` where one cannot be sent."""

    def __init__(
        self, call: int, payloads: list[bytes], ssrc: int, payload_type: int, send: Send
    ) -> None:
        self.call = call
        self.offset_ns = offset_ns(call)
        self.rtp = FIRST_RTP
        self._ssrc = ssrc
        self._type = payload_type
        self._payloads = payloads
        # Everyone reads another part, so that pauses do not fall together.
        self._at = call * 97 % len(payloads)
        self._sequence = call
        self._send = send

    def speak(self) -> None:
        """Send the next packet."""
        header = _HEADER.pack(
            0x80, self._type, self._sequence & 0xFFFF, self.rtp & 0xFFFFFFFF, self._ssrc
        )
        if not self._send(header + self._payloads[self._at]):
            raise ConnectionError(f"call {self.call} cannot send any more")
        self._sequence += 1
        self._at = (self._at + 1) % len(self._payloads)
        self.rtp += FRAME


class Pacer:
    """Sends every speaker's packet at its place in each 20 ms, on the running loop.

    Rows of `stamps`: call, RTP time, sent (monotonic ns), due (monotonic ns).
    """

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._loop = asyncio.get_running_loop()
        self._speakers: list[Speaker] = []
        self._joining: list[Speaker] = []
        self._index = 0
        self._period_ns = 0

    def add(self, speakers: list[Speaker]) -> None:
        """`speakers` speak from the next period on."""
        if not speakers:
            return
        self._joining += speakers
        if not self._speakers:
            self._period_ns = time.monotonic_ns()
            self._join()
            self._pace()

    def _join(self) -> None:
        self._speakers = sorted(self._speakers + self._joining, key=lambda one: one.offset_ns)
        self._joining = []

    def _pace(self) -> None:
        while True:
            speaker = self._speakers[self._index]
            due_ns = self._period_ns + speaker.offset_ns
            now_ns = time.monotonic_ns()
            if now_ns < due_ns:
                break
            rtp = speaker.rtp
            self._stamps.row(speaker.call, rtp, now_ns, due_ns)
            speaker.speak()
            self._index += 1
            if self._index == len(self._speakers):
                self._index = 0
                self._period_ns += PERIOD_NS
                self._join()
        wait_ns = due_ns - now_ns
        if wait_ns > 2 * NAP_NS:
            self._loop.call_later((wait_ns - NAP_NS) / 1e9, self._pace)
        else:
            # The loop's timers count whole milliseconds.
            time.sleep(min(wait_ns, NAP_NS // 2) / 1e9)
            self._loop.call_soon(self._pace)


async def connected(pc: RTCPeerConnection, answer: str) -> None:
    """Takes the answer and returns when `pc` stands. Raises `ConnectionError` when it cannot."""
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    deadline_s = time.monotonic() + CONNECTED_WITHIN_S
    while pc.connectionState != "connected":
        if pc.connectionState not in ("new", "connecting") or time.monotonic() > deadline_s:
            raise ConnectionError(f"a connection is {pc.connectionState}")
        await asyncio.sleep(0.005)


class Generator:
    """The client ends of the calls."""

    def __init__(self, payloads: list[bytes]) -> None:
        self._payloads = payloads
        self._stamps = Stamps()
        self._pacer = Pacer(self._stamps)
        self._senders: dict[int, tuple[RTCPeerConnection, stack.RtpSender]] = {}
        self._waiting: list[Speaker] = []
        self._flood: asyncio.Task[None] | None = None

    async def offer(self, call: int, channels: list[str]) -> child.Reply:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        for label in channels:
            # as the browser client opens them
            unreliable = {"ordered": False, "maxRetransmits": 0} if label == "meters" else {}
            pc.createDataChannel(label, **unreliable)
        transceiver = pc.addTransceiver("audio", direction="sendonly")
        self._senders[call] = pc, stack.RtpSender(transceiver.sender, lambda: None)
        await pc.setLocalDescription(await pc.createOffer())
        return {"offer": pc.localDescription.sdp}

    async def accept(self, call: int, answer: str) -> child.Reply:
        """Returns when the call is connected. Raises `ConnectionError` when it cannot be."""
        pc, sender = self._senders[call]
        await connected(pc, answer)
        assert sender.payload_type is not None
        self._waiting.append(
            Speaker(call, self._payloads, sender.ssrc, sender.payload_type, sender.send)
        )
        return {}

    async def begin(self) -> child.Reply:
        """All that are connected and silent start to speak, one after another over `BEGIN_S`.

        People do not begin within the same 20 ms, and what a session does ten times a second would
        then be done for all of them at once.
        """
        gc.collect()
        gc.freeze()
        gc.disable()
        speakers, self._waiting = self._waiting, []
        for speaker in speakers:
            self._pacer.add([speaker])
            await asyncio.sleep(BEGIN_S / len(speakers))
        return {}

    async def flood(self, packets_per_s: int) -> child.Reply:
        """The one that is connected and silent sends this many packets, by the handful."""
        (speaker,) = self._waiting
        self._waiting = []
        self._flood = asyncio.create_task(self._pour(speaker, packets_per_s))
        return {}

    async def _pour(self, speaker: Speaker, packets_per_s: int) -> None:
        while True:
            for _ in range(max(1, int(packets_per_s * HANDFUL_S))):
                speaker.speak()
            await asyncio.sleep(HANDFUL_S)

    async def clear(self) -> child.Reply:
        self._stamps.clear()
        return {}

    async def save(self, path: str) -> child.Reply:
        self._stamps.save(Path(path))
        return {}


async def _main(wav: Path) -> None:
    stack.use_loopback(True)
    generator = Generator(encoded(load_audio(wav)))
    await child.serve(
        {
            "offer": generator.offer,
            "accept": generator.accept,
            "begin": generator.begin,
            "flood": generator.flood,
            "clear": generator.clear,
            "save": generator.save,
        }
    )


if __name__ == "__main__":
    (path,) = child.pin()
    uvloop.run(_main(Path(path)))
