"""What a recording is like, before it is heard: how long, how loud, and who is on which channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.frames import FRAME_SAMPLES, Pcm, ms_of
from processing.sound import Block, Channels, Losses

FULL_SCALE: Final = 32_768.0
SILENT_DBFS: Final = -60.0
"""A channel whose loudest moments stay below this has nobody on it: a line's noise lies there."""
LOUD_QUANTILE: Final = 0.995
FLOOR_QUANTILE: Final = 0.1
SAME: Final = 0.7
"""Channels as alike as this (correlation) hold one conversation, not a person each: a telephone's
own recorder writes one signal twice, and a microphone pair hears everybody on both sides."""

Powers = NDArray[np.float32]


@dataclass(frozen=True)
class Survey:
    """`powers` are the mean squares of each frame (20 ms), of full scale 1, float32 (channels,
    frames); `likeness` is the channels' correlation, 0 to 1, and 1 where there is one."""

    samples: int
    powers: Powers
    likeness: float
    losses: Losses

    @property
    def duration_ms(self) -> int:
        return ms_of(self.samples)

    @property
    def channels(self) -> int:
        return len(self.powers)

    @cached_property
    def audible(self) -> list[int]:
        """The channels on which there is anything to hear."""
        loudest = np.quantile(self.powers, LOUD_QUANTILE, axis=1)
        least = 10.0 ** (SILENT_DBFS / 10.0)
        return [n for n, power in enumerate(loudest.tolist()) if power >= least]

    @property
    def is_apart(self) -> bool:
        """Whether there is a person on each of two channels."""
        return len(self.audible) > 1 and self.likeness < SAME

    @cached_property
    def floor_rms(self) -> float:
        """Root mean square, in int16 steps, of the quiet moments of what is audible, digital
        silence left out."""
        powers = self.powers[self.audible]
        powers = powers[powers > 0]
        if not len(powers):
            return 0.0
        return float(np.sqrt(np.quantile(powers, FLOOR_QUANTILE)) * FULL_SCALE)


def survey(blocks: Iterable[Block], losses: Losses) -> Survey:
    """Of all `blocks`, while which are read `losses` are counted."""
    gauge = _Gauge()
    for block in blocks:
        gauge.push(block)
    return gauge.survey(losses)


class _Gauge:
    def __init__(self) -> None:
        self._rest: Channels | None = None
        self._end = 0
        self._powers: list[Powers] = []
        self._products = np.zeros((2, 2))

    def push(self, block: Block) -> None:
        self._end = block.start + block.pcm.shape[1]
        pcm = block.pcm if self._rest is None else np.concatenate([self._rest, block.pcm], axis=1)
        whole = pcm.shape[1] // FRAME_SAMPLES * FRAME_SAMPLES
        self._rest = pcm[:, whole:]
        if not whole:
            return
        sound = pcm[:, :whole].astype(np.float32) / np.float32(FULL_SCALE)
        frames = sound.reshape(len(sound), -1, FRAME_SAMPLES)
        self._powers.append(np.mean(frames * frames, axis=2))
        if len(sound) > 1:
            self._products += sound.astype(np.float64) @ sound.T.astype(np.float64)

    def survey(self, losses: Losses) -> Survey:
        powers = np.concatenate(self._powers, axis=1)
        likeness = 1.0
        if len(powers) > 1:
            (left, both), (_, right) = self._products
            likeness = abs(both) / max(float(np.sqrt(left * right)), 1e-12)
        return Survey(self._end, powers, float(likeness), losses)


def mixed(pcm: Channels, audible: list[int]) -> Pcm:
    """The `audible` channels of int16 (channels, samples) as one: their mean."""
    mean: Pcm = pcm[audible].mean(axis=0).astype(np.int16)
    return mean
