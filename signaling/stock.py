"""aiortc's own receive path, as a fallback: `FORECOURT_RECEIVE=stock`.

For the day on which a new aiortc no longer fits `signaling.stack`'s hooks. It adds aiortc's jitter
buffer (80 ms and more), loses what that drops, and costs a thread and one more coding: its decoded
audio is encoded again, so that all that follows (frames, recording, listeners) stays the same.
"""

from __future__ import annotations

import asyncio

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from numpy.typing import NDArray

from signaling import opus
from signaling.pcm import PcmEncoder
from signaling.stack import OnPacket

SSRC = 0
"""aiortc does not tell a track's SSRC."""
PIECE = opus.RTP_RATE // 50


class StockReader:
    """Reads one remote track until it ends and hands it on as 20 ms Opus packets."""

    def __init__(self, track: MediaStreamTrack, on_packet: OnPacket) -> None:
        self._track = track
        self._on_packet = on_packet
        self._encoder = PcmEncoder(opus.RTP_RATE)
        self._resampler = av.AudioResampler("s16", "mono", opus.RTP_RATE)
        self._pieces = 0
        self._task = asyncio.create_task(self._read(), name="stock-receive")

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            try:
                frame = await self._track.recv()
            except MediaStreamError:
                return
            if not isinstance(frame, av.AudioFrame) or frame.pts is None:
                continue
            at = frame.pts
            for mono in self._resampler.resample(frame):
                pcm = mono.to_ndarray()[0]
                # A frame lasts up to 120 ms; the encoder takes less at a time.
                for piece in (pcm[i : i + PIECE] for i in range(0, len(pcm), PIECE)):
                    self._take(at, piece)
                    at += len(piece)

    def _take(self, at: int, pcm: NDArray[np.int16]) -> None:
        packets = self._encoder.push(self._pieces & 0xFFFF, at & 0xFFFFFFFF, pcm.tobytes())
        self._pieces += 1
        for sequence, timestamp, payload in packets:
            self._on_packet(SSRC, sequence, timestamp, payload)
