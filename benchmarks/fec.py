"""A voice as a browser's encoder sends it: Opus with in-band FEC (RFC 7587, 3.3; RFC 6716, 2.1.7).

aiortc's own encoder has none, so the packets are made here and sent as they are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from signaling.publisher import FRAME, RATE

BIT_RATE = 32_000
EXPECTED_LOSS_PCT = 10
"""What the encoder is told to be ready for."""
_TICK = Fraction(1, RATE)


def encode(pcm: NDArray[np.int16]) -> list[bytes]:
    """48 kHz mono int16 as Opus packets of 20 ms. Those of speech carry a copy of the one before
    (libopus leaves it out in silence). The last packet is filled up with silence."""
    codec = av.CodecContext.create("libopus", "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate, codec.layout, codec.format = RATE, "mono", "s16"
    codec.bit_rate, codec.time_base = BIT_RATE, _TICK
    codec.options = {
        "application": "voip",
        "fec": "1",
        "packet_loss": str(EXPECTED_LOSS_PCT),
    }
    padded = np.concatenate([pcm, np.zeros(-len(pcm) % FRAME, np.int16)])
    packets: list[bytes] = []
    for at in range(0, len(padded), FRAME):
        frame = av.AudioFrame.from_ndarray(padded[None, at : at + FRAME], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, _TICK
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


class Packets(MediaStreamTrack):
    """Sends `packets`, one every 20 ms, from the moment `go` is set on; then nothing more."""

    kind = "audio"

    def __init__(self, packets: Iterable[bytes]) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.finished = asyncio.Event()
        self._packets = iter(packets)
        self._sent = 0
        self._begun_s = 0.0

    async def recv(self) -> av.Packet[Any]:
        """The next packet when it is due; aiortc sends packets as they are."""
        await self.go.wait()
        if self._sent == 0:
            self._begun_s = time.monotonic()
        payload = next(self._packets, None)
        if payload is None or self.readyState != "live":
            self.finished.set()
            raise MediaStreamError
        due_s = self._begun_s + self._sent * FRAME / RATE
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        packet = av.Packet(payload)
        packet.pts, packet.time_base = self._sent * FRAME, _TICK
        self._sent += 1
        return packet
