"""librosa's pitch and level, timed on a recording. Run by the Python of its own environment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from statistics import median

import librosa
import numpy as np

from benchmarks import child


async def measure(
    path: str, rate: int, frame: int, low_hz: float, high_hz: float, times: int
) -> child.Reply:
    """CPU time (us) per `frame` samples of int16 in the file `path`; pitch every half frame."""
    signal = np.load(path).astype(np.float32) / 32768
    # The frame that holds two periods of the lowest pitch, as librosa asks for.
    window = 2 ** int(np.ceil(np.log2(2 * rate / low_hz)))
    pitch = {"sr": rate, "fmin": low_hz, "fmax": high_hz, "frame_length": window}
    works: dict[str, Callable[[], object]] = {
        "yin": lambda: librosa.yin(signal, hop_length=frame // 2, **pitch),
        "pyin": lambda: librosa.pyin(signal, hop_length=frame // 2, **pitch),
        "rms": lambda: librosa.feature.rms(y=signal, frame_length=frame, hop_length=frame),
    }
    frames = len(signal) // frame
    return {"us_per_frame": {name: us(work, times, frames) for name, work in works.items()}}


def us(work: Callable[[], object], times: int, frames: int) -> float:
    """As `benchmarks.analyzers` measures: the median, once more before it counts."""
    work()
    used = []
    for _ in range(times):
        begun = time.process_time()
        work()
        used.append(time.process_time() - begun)
    return 1e6 * median(used) / frames


if __name__ == "__main__":
    child.pin()
    asyncio.run(child.serve({"measure": measure}))
