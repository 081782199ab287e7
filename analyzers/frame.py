"""The frame every signal analyzer takes, and the decibel scale they report in.

0 dBFS is the power of a full-scale square wave: `level_dbfs = 20 log10(rms / 32768)`. A full-scale
sine is therefore at -3.01 dBFS. (This is the dBov of ITU-T G.100.1; AES17 puts the sine at 0.)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
FRAME_SAMPLES = 320
FRAME_MS = 20
FRAMES_PER_S = 50

FULL_SCALE = 32768.0
FLOOR_DBFS = -100.0
"""What silence reads, instead of minus infinity: one bit of 16 is at -90.3 dBFS."""

Pcm = NDArray[np.int16]


def check(pcm: Pcm) -> Pcm:
    """Return `pcm` if it is a contiguous int16 array of shape (320,), else raise `ValueError`."""
    if pcm.dtype != np.int16 or pcm.shape != (FRAME_SAMPLES,) or not pcm.flags.c_contiguous:
        raise ValueError(
            f"expected one contiguous frame int16[{FRAME_SAMPLES}], got {pcm.dtype}{pcm.shape}"
        )
    return pcm


def dbfs(power: float) -> float:
    """Level (dBFS) of a mean square `power` in full-scale units, never below `FLOOR_DBFS`."""
    return max(10.0 * math.log10(power), FLOOR_DBFS) if power > 0.0 else FLOOR_DBFS


def power_of(level_dbfs: float) -> float:
    """Mean square, in full-scale units, of a level in dBFS."""
    return math.pow(10.0, level_dbfs / 10.0)
