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
from signaling.stack import OnPacket

SSRC = 0
"""aiortc does not tell a track's SSRC."""


class StockReader:
    """Reads one remote track until it ends and hands it on as 20 ms Opus packets."""

    def __init__(self, track: MediaStreamTrack, on_packet: OnPacket) -> None:
        self._track = track
        self._on_packet = on_packet
        self._encoder = opus.Encoder(opus.RTP_RATE)
        self._resampler = av.AudioResampler("s16", "mono", opus.RTP_RATE)
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._timestamp = 0
        self._sequence = 0
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
            if frame.pts != self._timestamp + len(self._rest):
                self._timestamp, self._rest = frame.pts, self._rest[:0]
            for piece in self._resampler.resample(frame):
                self._take(piece.to_ndarray()[0])

    def _take(self, pcm: NDArray[np.int16]) -> None:
        size = self._encoder.frame_samples
        self._rest = np.concatenate([self._rest, pcm])
        while len(self._rest) >= size:
            payload = self._encoder.encode(self._rest[:size])
            self._rest = self._rest[size:]
            self._on_packet(SSRC, self._sequence, self._timestamp & 0xFFFFFFFF, payload)
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._timestamp += size
