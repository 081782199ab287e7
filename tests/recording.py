"""Reading recordings back, as FFmpeg decodes them."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000


def decoded(source: Path | bytes) -> NDArray[np.int16]:
    """The samples of an Ogg/Opus file: 48 kHz int16, first channel."""
    file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    resampler = av.AudioResampler("s16", "mono", RATE)
    parts: list[NDArray[np.int16]] = []
    with av.open(file, "r") as container:
        for frame in container.decode(audio=0):
            parts += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
        parts += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def length_ms(source: Path | bytes) -> float:
    """How long the decoded audio lasts."""
    return len(decoded(source)) * 1000 / RATE
