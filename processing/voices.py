"""Who is heard when: frames of each person's track, out of a channel each or out of one for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.frames import FRAME_MS, FRAME_SAMPLES, Frame, Framer, Pcm, Source
from processing.sound import Block
from processing.survey import Survey, mixed

NOISE_S = 10
SEED = 7

Row = list[Frame]
"""The same 20 ms of every track."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One person, numbered from 0, talks. Turns of several may overlap."""

    start_ms: int
    end_ms: int
    person: int


def apart(blocks: Iterable[Block], tracks: Sequence[str], channels: Sequence[int]) -> Iterator[Row]:
    """`tracks`, each out of its own one of `channels`."""
    framers = [Framer(track) for track in tracks]
    for block in blocks:
        yield from _rows(framers, block.start, [block.pcm[channel] for channel in channels])
    yield from _last(framers)


def together(
    blocks: Iterable[Block], tracks: Sequence[str], found: Survey, turns: Sequence[Turn]
) -> Iterator[Row]:
    """`tracks` out of one recording of everybody, by who talks when.

    A person is heard in their turns, and beside these up to the middle of the way to the next turn
    of anybody's: so every moment is heard by somebody, and what was missed of a turn's edges is not
    lost. Elsewhere their track has noise as loud as the recording's own background, as a microphone
    in the same room would have had: neither levels nor pauses tell that another one was there.
    """
    heard = hearing(turns, len(tracks), -(-found.duration_ms // FRAME_MS))
    noise = _noise(found.floor_rms)
    framer = Framer("")
    for block in blocks:
        pcm = mixed(block.pcm, found.audible)
        for frame in framer.push(block.start, pcm, Source.RECEIVED):
            yield _split(frame, tracks, heard, noise)
    for frame in framer.fill(_whole(framer.end_sample), Source.RECEIVED):
        yield _split(frame, tracks, heard, noise)


def hearing(turns: Sequence[Turn], people: int, frames: int) -> NDArray[np.bool_]:
    """Whether a person is heard in a frame, bool (people, frames): see `together`."""
    heard = np.zeros((people, frames), np.bool_)
    if not turns:
        heard[:1] = True
        return heard
    ordered = sorted(turns, key=lambda turn: (turn.start_ms, turn.end_ms))
    for turn in ordered:
        heard[turn.person, turn.start_ms // FRAME_MS : -(-turn.end_ms // FRAME_MS)] = True
    # What lies between two turns, or before the first and behind the last, has the nearer one's.
    last = ordered[0]
    heard[last.person, : last.start_ms // FRAME_MS] = True
    for before, after in pairwise(ordered):
        last = max(last, before, key=lambda turn: turn.end_ms)
        if after.start_ms > last.end_ms:
            middle = (last.end_ms + after.start_ms) // 2 // FRAME_MS
            heard[last.person, last.end_ms // FRAME_MS : middle] = True
            heard[after.person, middle : -(-after.start_ms // FRAME_MS)] = True
    last = max(last, ordered[-1], key=lambda turn: turn.end_ms)
    heard[last.person, last.end_ms // FRAME_MS :] = True
    return heard


def _split(frame: Frame, tracks: Sequence[str], heard: NDArray[np.bool_], noise: Pcm) -> Row:
    at = frame.start_sample // FRAME_SAMPLES
    quiet = noise[at % len(noise)]
    return [
        Frame(
            track,
            frame.start_sample,
            frame.pcm if at >= heard.shape[1] or heard[person, at] else quiet,
            frame.source,
        )
        for person, track in enumerate(tracks)
    ]


def _noise(rms: float) -> Pcm:
    """White noise of `rms`, int16 (frames, 320), the same each time."""
    drawn = np.random.default_rng(SEED).normal(0.0, rms, NOISE_S * 1000 // FRAME_MS * FRAME_SAMPLES)
    return drawn.round().clip(-32_768, 32_767).astype(np.int16).reshape(-1, FRAME_SAMPLES)


def _rows(framers: Sequence[Framer], start: int, pcm: Sequence[Pcm]) -> Iterator[Row]:
    columns = [
        framer.push(start, one, Source.RECEIVED) for framer, one in zip(framers, pcm, strict=True)
    ]
    yield from (list(row) for row in zip(*columns, strict=True))


def _last(framers: Sequence[Framer]) -> Iterator[Row]:
    end = _whole(framers[0].end_sample)
    columns = [framer.fill(end, Source.RECEIVED) for framer in framers]
    yield from (list(row) for row in zip(*columns, strict=True))


def _whole(sample: int) -> int:
    """The frame boundary at or behind `sample`."""
    return -(-sample // FRAME_SAMPLES) * FRAME_SAMPLES
