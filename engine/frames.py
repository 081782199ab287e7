"""The unit every track is cut into, and the ring that keeps the newest of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples per second of everything inside the engine."""
FRAME_SAMPLES = 320
FRAME_MS = 20

Pcm = NDArray[np.int16]


class Source(StrEnum):
    """Where a frame's samples came from."""

    RECEIVED = "received"
    FEC = "fec"
    PLC = "plc"
    ABSENT = "absent"
    PAUSED = "paused"

    @property
    def measured(self) -> bool:
        """Whether the samples are the speaker's own: only these may enter a statistic."""
        return self is Source.RECEIVED or self is Source.FEC


@dataclass(frozen=True, slots=True)
class Frame:
    """20 ms of one track.

    `start_sample` counts 16 kHz samples of session time and is a multiple of `FRAME_SAMPLES`;
    `pcm` is int16 of shape (320,).
    """

    track: str
    start_sample: int
    pcm: Pcm
    source: Source

    @property
    def end_sample(self) -> int:
        return self.start_sample + FRAME_SAMPLES

    @property
    def end_ms(self) -> int:
        return ms_of(self.end_sample)


SILENT_FRAME: Pcm = np.zeros(FRAME_SAMPLES, np.int16)
SILENT_FRAME.setflags(write=False)


def ms_of(sample: int) -> int:
    """Session milliseconds of a 16 kHz sample position, rounded down."""
    return sample // (SAMPLE_RATE // 1000)


def sample_of(ms: int) -> int:
    """16 kHz sample position of a session time in milliseconds."""
    return ms * (SAMPLE_RATE // 1000)


class Framer:
    """Cuts placed runs of samples, of any length, into whole frames on the 20 ms grid.

    Runs must arrive in order; a hole between two runs is filled with zeros marked `absent`.
    A frame built from several sources carries the least trustworthy of them.
    """

    _ORDER = (Source.RECEIVED, Source.FEC, Source.PLC, Source.ABSENT, Source.PAUSED)

    def __init__(self, track: str) -> None:
        self.track = track
        self._pcm = np.zeros(FRAME_SAMPLES, np.int16)
        self._filled = 0
        self._rank = 0
        self._start = 0

    @property
    def end_sample(self) -> int:
        """Where the newest pushed sample ends."""
        return self._start + self._filled

    def push(self, start_sample: int, pcm: Pcm, source: Source) -> list[Frame]:
        """Add int16 samples at `start_sample`; return the frames that this completes.

        What lies before the newest sample already pushed is cut off: time never runs backwards.
        """
        frames: list[Frame] = []
        if start_sample > self.end_sample:
            self.fill(start_sample, Source.ABSENT, frames)
        late = self.end_sample - start_sample
        if late > 0:
            pcm = pcm[late:]
        rank = self._ORDER.index(source)
        at = 0
        while at < len(pcm):
            take = min(FRAME_SAMPLES - self._filled, len(pcm) - at)
            self._pcm[self._filled : self._filled + take] = pcm[at : at + take]
            self._advance(take, rank, frames)
            at += take
        return frames

    def fill(self, end_sample: int, source: Source, into: list[Frame] | None = None) -> list[Frame]:
        """Extend with zeros up to `end_sample`; return the frames that this completes."""
        frames = [] if into is None else into
        rank = self._ORDER.index(source)
        while self.end_sample < end_sample:
            take = min(FRAME_SAMPLES - self._filled, end_sample - self.end_sample)
            self._pcm[self._filled : self._filled + take] = 0
            self._advance(take, rank, frames)
        return frames

    def skip(self, to_sample: int) -> None:
        """Go on at `to_sample`, a multiple of 320, without frames for what lies between."""
        if to_sample % FRAME_SAMPLES:
            raise ValueError(f"sample {to_sample} is not on the frame grid")
        self._start, self._filled, self._rank = to_sample, 0, 0

    def _advance(self, count: int, rank: int, frames: list[Frame]) -> None:
        self._filled += count
        self._rank = max(self._rank, rank)
        if self._filled == FRAME_SAMPLES:
            frames.append(Frame(self.track, self._start, self._pcm.copy(), self._ORDER[self._rank]))
            self._start += FRAME_SAMPLES
            self._filled = 0
            self._rank = 0


class Ring:
    """The newest `seconds` of a track, addressed by session sample."""

    def __init__(self, seconds: float) -> None:
        self._size = int(seconds * SAMPLE_RATE)
        self._pcm = np.zeros(self._size, np.int16)
        self.end_sample = 0

    @property
    def start_sample(self) -> int:
        """The oldest sample still held."""
        return max(0, self.end_sample - self._size)

    def push(self, frame: Frame) -> None:
        """Append a frame; frames must be contiguous."""
        at = frame.start_sample % self._size
        head = min(FRAME_SAMPLES, self._size - at)
        self._pcm[at : at + head] = frame.pcm[:head]
        if head < FRAME_SAMPLES:
            self._pcm[: FRAME_SAMPLES - head] = frame.pcm[head:]
        self.end_sample = frame.end_sample

    def skip(self, to_sample: int) -> None:
        """Go on at `to_sample`; what lies between reads as it was and means nothing."""
        self.end_sample = to_sample

    def release(self) -> None:
        """Let go of the samples, long before the collector finds the call that is over."""
        self._pcm = np.zeros(0, np.int16)

    def read(self, start_sample: int, end_sample: int) -> Pcm:
        """A copy of [start_sample, end_sample). Raises `ValueError` outside what is held."""
        if start_sample < self.start_sample or end_sample > self.end_sample:
            raise ValueError(
                f"[{start_sample}, {end_sample}) is not held: the ring has "
                f"[{self.start_sample}, {self.end_sample})"
            )
        at = start_sample % self._size
        count = end_sample - start_sample
        head = min(count, self._size - at)
        return np.concatenate([self._pcm[at : at + head], self._pcm[: count - head]])
