"""How much of the signal hit the top of the scale."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import FRAME_SAMPLES, FRAMES_PER_S, Pcm, check
from analyzers.kernel import I8, I8S, PCM, kernel

Ints = NDArray[np.int64]

_CLIP_LEVEL = math.ceil(0.985 * 32767)
_CLIP_RUN = 3


@kernel(I8, PCM, I8S)
def clipped_samples(pcm: Pcm, run: Ints) -> int:
    """How many samples became part of a clipped run: >= 3 equal ones at >= 0.985 of full scale.

    `run` (2,) carries the last value and the length of its run over the frame border. The first
    two samples of a run are counted when its third arrives.
    """
    value, length = run[0], run[1]
    clipped = 0
    for sample in pcm:
        x = np.int64(sample)
        if abs(x) < _CLIP_LEVEL:
            length = 0
        elif length > 0 and x == value:
            length += 1
            if length == _CLIP_RUN:
                clipped += _CLIP_RUN
            elif length > _CLIP_RUN:
                clipped += 1
        else:
            length = 1
        value = x
    run[0], run[1] = value, length
    return clipped


class Clipping:
    """Share of clipped samples (see `clipped_samples`) in the last 3 s and over everything."""

    def __init__(self, seconds: float = 3.0) -> None:
        self._run = np.zeros(2, np.int64)
        self._clipped = np.zeros(round(seconds * FRAMES_PER_S), np.int64)
        self._frames = 0
        self._total = 0

    def reset(self) -> None:
        self._run[:] = 0
        self._clipped[:] = 0
        self._frames = 0
        self._total = 0

    def push(self, pcm: Pcm) -> None:
        """Take one frame int16[320]."""
        clipped = clipped_samples(check(pcm), self._run)
        self._clipped[self._frames % len(self._clipped)] = clipped
        self._frames += 1
        self._total += int(clipped)

    @property
    def recent_pct(self) -> float:
        """Clipped samples in the last 3 s, percent; 0.0 before the first frame."""
        frames = min(self._frames, len(self._clipped))
        share = 100.0 * int(self._clipped.sum()) / (max(frames, 1) * FRAME_SAMPLES)
        # A run that began before the window can credit two samples of an older frame to it.
        return min(share, 100.0)

    @property
    def total_pct(self) -> float:
        """Clipped samples over everything pushed, percent; 0.0 before the first frame."""
        return 100.0 * self._total / (max(self._frames, 1) * FRAME_SAMPLES)
