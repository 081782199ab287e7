"""Real Opus packets, made with libopus as a browser makes them, and their way over RTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000
SSRC = 0x0F0C0A27


@dataclass(frozen=True, slots=True)
class Rtp:
    """One RTP packet as the receive path takes it."""

    ssrc: int
    seq: int
    timestamp: int
    payload: bytes


def encode(pcm: NDArray[np.int16], *, frame_ms: float = 20, fec: bool = True) -> list[bytes]:
    """48 kHz mono `pcm` as Opus packets of `frame_ms`, with or without a copy of the one before."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate = RATE
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = 32_000
    codec.time_base = Fraction(1, RATE)
    codec.options = {
        "application": "voip",
        "frame_duration": str(frame_ms),
        "fec": str(int(fec)),
        "packet_loss": "25" if fec else "0",
    }
    size = int(RATE * frame_ms / 1000)
    packets: list[bytes] = []
    for at in range(0, len(pcm) // size * size, size):
        frame = av.AudioFrame.from_ndarray(pcm[None, at : at + size], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return packets


def voice(seconds: float, seed: int = 1) -> NDArray[np.int16]:
    """Something like a voice, 48 kHz mono: a gliding buzz with formants, in syllables."""
    t = np.arange(int(seconds * RATE)) / RATE
    f0 = 120 + 25 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t)
    noise = np.random.default_rng(seed).normal(0, 0.02, len(t))
    return np.asarray(6_000 * (buzz * syllables + noise) / 2, np.int16)


def stream(
    payloads: list[bytes],
    *,
    frame_ms: float = 20,
    first_seq: int = 1_000,
    first_timestamp: int = 50_000,
    ssrc: int = SSRC,
) -> list[Rtp]:
    """Number `payloads` as a sender does, wrapping at 16 and 32 bits."""
    step = int(RATE * frame_ms / 1000)
    return [
        Rtp(ssrc, (first_seq + i) & 0xFFFF, (first_timestamp + i * step) & 0xFFFFFFFF, payload)
        for i, payload in enumerate(payloads)
    ]


def loss_pattern(pattern: str, count: int) -> Iterator[bool]:
    """Whether each of `count` packets is lost: `x` in `pattern`, which repeats, else kept."""
    for index in range(count):
        yield pattern[index % len(pattern)] == "x"


def kept(packets: list[Rtp], pattern: str) -> list[Rtp]:
    """What is left of `packets` under a `loss_pattern`."""
    lost = loss_pattern(pattern, len(packets))
    return [packet for packet, is_lost in zip(packets, lost, strict=True) if not is_lost]


def corrupted(packet: Rtp) -> Rtp:
    """A packet whose frame count is plausible and whose frames are not."""
    return replace(packet, payload=bytes([packet.payload[0] | 0x03, 0x02, 0xFF]))
