"""A person's recording, as a live call leaves it: mono Opus in Ogg (RFC 7845), on session time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av

from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Pcm

BITS_PER_S: Final = 32_000
"""Wideband speech as good as Opus makes it (RFC 6716, 2.1.1, has 16 to 20 kb/s for it)."""
OPTIONS: Final = {"page_duration": "200000"}


class OggWriter:
    """Takes frames of int16 (320,) one right behind the other, the first at session time 0."""

    def __init__(self, path: Path) -> None:
        self._container = av.open(str(path), "w", format="ogg", options=OPTIONS)
        self._stream: Any = self._container.add_stream(
            "libopus", rate=SAMPLE_RATE, layout="mono", options={"application": "voip"}
        )
        self._stream.bit_rate = BITS_PER_S
        self._end = 0

    def push(self, pcm: Pcm) -> None:
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = Fraction(1, SAMPLE_RATE)
        frame.pts = self._end
        self._end += FRAME_SAMPLES
        self._mux(frame)

    def close(self) -> None:
        self._mux(None)
        self._container.close()

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._container.mux(packet)
