"""Whether the voice rises or falls at the end of an utterance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analyzers.kernel import B1, F8, F8S, I8, I8S, kernel
from analyzers.pitch import HOP_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Direction = Literal["rise", "fall", "level"]

WINDOW_MS = 500
MIN_VOICED_MS = 100
MIN_RUN_MS = 50
"""A shorter run of voicing is the creak or the click a phrase dies away in."""
GLISSANDO = 0.32
"""A movement of T seconds is heard as a glide from GLISSANDO / T^2 semitones/s on: twice the
threshold for single vowels, 0.16 / T^2 ('t Hart, JASA 60, 1976), as it is used for connected speech
(Mertens, "The Prosogram", Speech Prosody 2004)."""

_HOPS = WINDOW_MS // HOP_MS


@dataclass(frozen=True, slots=True)
class Contour:
    """The end of an utterance: slope in semitones/s over a stretch that holds `voiced_ms`."""

    direction: Direction
    slope_semitones_per_s: float
    change_semitones: float
    """Slope times the length of the stretch."""
    voiced_ms: int


@kernel(I8, F8S, B1, F8S, I8S, I8S)
def note_hops(hops_hz: Floats, speaking: bool, semitones: Floats, at: Ints, marks: Ints) -> int:
    """Keep the voiced ones of `hops_hz` while `speaking`; return how many hops have passed.

    `semitones` and `at` (50,) are a ring of 12 log2(F0) and the number of the hop; `marks` (2,)
    counts all hops and the voiced ones.
    """
    for f0_hz in hops_hz:
        if speaking and f0_hz > 0.0:
            slot = marks[1] % semitones.size
            semitones[slot] = 12.0 * math.log2(f0_hz)
            at[slot] = marks[0]
            marks[1] += 1
        marks[0] += 1
    return int(marks[0])


@kernel(F8, F8S, I8S)
def median_slope(semitones: Floats, at: Ints) -> float:
    """Median of the slopes (semitones per hop) between all pairs of the hops numbered `at`.

    Theil and Sen's estimator (Sen, JASA 63, 1968): up to 29 % of octave errors move nothing.
    """
    slopes = np.empty(at.size * (at.size - 1) // 2)
    count = 0
    for i in range(at.size):
        for k in range(i):
            slopes[count] = (semitones[i] - semitones[k]) / (at[i] - at[k])
            count += 1
    return float(np.median(slopes))


class FinalContour:
    """Rise, fall or level at the end of an utterance.

    A straight line through 12 log2(F0) of the voiced hops in the last 0.5 s up to the last voiced
    one (`median_slope`), without runs of voicing below 50 ms. It counts as a rise or a fall when
    its slope exceeds the glissando threshold for the stretch it covers, `GLISSANDO` / T^2, else as
    level.
    """

    def __init__(self) -> None:
        self._semitones = np.zeros(_HOPS)
        self._at = np.zeros(_HOPS, np.int64)
        self._marks = np.zeros(2, np.int64)

    def reset(self) -> None:
        """Forget the hops so far: a new utterance, or a hole that no line may cross."""
        self._marks[:] = 0

    def push(self, hops_hz: Floats, speaking: bool) -> None:
        """Take `Pitch.hops_hz` of one frame and the voice-activity decision for it."""
        note_hops(hops_hz, speaking, self._semitones, self._at, self._marks)

    def end(self) -> Contour | None:
        """The contour up to now, and `reset`. `None` below 100 ms of voiced speech in the 0.5 s."""
        held = min(int(self._marks[1]), _HOPS)
        order = np.argsort(self._at[:held])
        at, semitones = self._at[:held][order], self._semitones[:held][order]
        self.reset()
        runs = np.split(np.arange(held), np.flatnonzero(np.diff(at) > 1) + 1)
        long = [run for run in runs if len(run) * HOP_MS >= MIN_RUN_MS]
        kept = np.concatenate(long) if long else runs[0][:0]
        kept = kept[at[kept] > at[kept].max(initial=0) - _HOPS]
        if len(kept) * HOP_MS < MIN_VOICED_MS:
            return None
        length_s = int(at[kept[-1]] - at[kept[0]] + 1) * HOP_MS / 1000.0
        slope = float(median_slope(semitones[kept], at[kept])) * 1000.0 / HOP_MS
        direction: Direction = "level"
        if abs(slope) > GLISSANDO / length_s**2:
            direction = "rise" if slope > 0.0 else "fall"
        return Contour(direction, slope, slope * length_s, len(kept) * HOP_MS)
