"""PCM frames of a client without an Opus encoder -> 20 ms Opus packets with RTP numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from signaling import opus

RATES = (48_000, 16_000)
MAX_FRAME_MS = 60

Packet = tuple[int, int, bytes]
"""16-bit sequence, 32-bit timestamp in 48 kHz ticks, Opus payload."""


class PcmEncoder:
    """One client's stream at `rate` (of `RATES`), mono int16, little-endian."""

    def __init__(self, rate: int) -> None:
        self._encoder = opus.Encoder(rate)
        self._ticks = opus.RTP_RATE // rate
        self._max_bytes = 2 * rate * MAX_FRAME_MS // 1000
        self._held: NDArray[np.int16] = np.empty(0, np.int16)
        self._held_at = 0
        self._next: tuple[int, int] | None = None
        self._sequence = -1

    def push(self, sequence: int, timestamp: int, payload: bytes) -> list[Packet]:
        """The packets that are full with this frame. Raises `ValueError` for one of a wrong size.

        What a gap in `timestamp` finds held (less than 20 ms) is dropped. Frames missing from
        `sequence` are missing from the packets' numbers too: the link's loss is counted there.
        """
        if not payload or len(payload) % 2 or len(payload) > self._max_bytes:
            raise ValueError(
                f"A PCM frame holds 1 to {self._max_bytes // 2} samples of 16 bits "
                f"({MAX_FRAME_MS} ms), not {len(payload)} bytes."
            )
        pcm = np.frombuffer(payload, "<i2")
        if self._next is None or self._next[1] != timestamp:
            self._held, self._held_at = np.empty(0, np.int16), timestamp
        if self._next is not None:
            missing = (sequence - self._next[0]) & 0xFFFF
            self._sequence += missing if missing < 0x8000 else 0
        self._next = ((sequence + 1) & 0xFFFF, self._after(timestamp, len(pcm)))
        self._held = np.concatenate([self._held, pcm]).astype(np.int16, copy=False)
        return self._full()

    def _full(self) -> list[Packet]:
        size = self._encoder.frame_samples
        packets: list[Packet] = []
        while len(self._held) >= size:
            self._sequence = (self._sequence + 1) & 0xFFFF
            payload = self._encoder.encode(self._held[:size])
            packets.append((self._sequence, self._held_at, payload))
            self._held = self._held[size:]
            self._held_at = self._after(self._held_at, size)
        return packets

    def _after(self, timestamp: int, samples: int) -> int:
        return (timestamp + samples * self._ticks) & 0xFFFFFFFF
