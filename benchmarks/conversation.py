"""Calls as trainees hold them: turns of real speech, pauses in which the customer would talk.

A turn is 2 to 10 s of a recording, begun and ended where a clause ends, so that no sound is cut.
Pauses of 0.8 to 4 s keep the time that words take near 55 %. Each call has its own order of turns
and its own beginning. Under all of it lies the quiet noise of a room: a microphone is never
digitally silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.reading import Reading, ReferenceWord, clips, load, outside
from benchmarks.transcribed import MARGIN_MS, clause_spans
from signaling.publisher import RATE

SHORTEST_MS, LONGEST_MS = 2_000, 10_000
PAUSE_MS = (800, 4_000)
BEGIN_MS = (500, 4_000)
TAIL_MS = 1_500
"""Silence behind the last turn: its final words come before the call ends."""
TALK_SHARE = 0.55
SWAY_MS = 800
"""How far a pause strays from the one that would keep the share of talk."""
TRIES = 8
"""Turns that are tried for what is left of a call before it is given up."""
ROOM_DBFS = -66.0
FADE_MS = 10
_PER_MS = RATE // 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of the recording `name`; the name tells which, so that equal turns are known."""

    name: str
    reading: Reading

    @property
    def length_ms(self) -> int:
        return len(self.reading.audio) // _PER_MS


@dataclass(frozen=True, slots=True)
class Conversation:
    """One call: `reading` holds its whole audio and all words on its time; `turns` in order."""

    reading: Reading
    turns: list[Turn]


def recordings(folder: Path | None = None) -> dict[str, Reading]:
    """What there is with word times: in packages, and in `folder` of outside recordings."""
    shipped = {name: load(name, path) for name, path in clips().items()}
    return shipped if folder is None else shipped | outside(folder)


def conversation(material: dict[str, Reading], seconds: float, seed: int) -> Conversation:
    """A call of at most `seconds` and the tail, but at least one turn. Raises `ValueError` where
    `material` has no stretch that can be a turn."""
    rng = np.random.default_rng(seed)
    offers = _turns(material, rng)
    at_ms = int(rng.integers(*BEGIN_MS))
    turns: list[Turn] = []
    begins_ms: list[int] = []
    voiced_ms = 0.0
    while True:
        left_ms = seconds * 1000 - at_ms if turns else LONGEST_MS
        turn = next((one for one in islice(offers, TRIES) if one.length_ms <= left_ms), None)
        if turn is None:
            break
        turns.append(turn)
        begins_ms.append(at_ms)
        at_ms += turn.length_ms
        voiced_ms += 1000 * turn.reading.speech_s
        wanted_ms = voiced_ms / TALK_SHARE - at_ms + rng.uniform(-SWAY_MS, SWAY_MS)
        at_ms += int(np.clip(wanted_ms, *PAUSE_MS))
    end_ms = begins_ms[-1] + turns[-1].length_ms + TAIL_MS
    return Conversation(_laid_out(turns, begins_ms, end_ms, rng), turns)


def _laid_out(
    turns: Sequence[Turn], begins_ms: Sequence[int], end_ms: int, rng: np.random.Generator
) -> Reading:
    audio = rng.normal(0.0, 32768 * 10 ** (ROOM_DBFS / 20), end_ms * _PER_MS)
    words: list[ReferenceWord] = []
    for turn, begin_ms in zip(turns, begins_ms, strict=True):
        first = begin_ms * _PER_MS
        audio[first : first + len(turn.reading.audio)] += _faded(turn.reading.audio)
        words += [
            ReferenceWord(word.text, word.start_ms + begin_ms, word.end_ms + begin_ms)
            for word in turn.reading.words
        ]
    return Reading(np.clip(np.round(audio), -32768, 32767).astype(np.int16), words)


def _faded(audio: NDArray[np.int16]) -> NDArray[np.float64]:
    faded = audio.astype(np.float64)
    ramp = np.linspace(0.0, 1.0, FADE_MS * _PER_MS)
    faded[: len(ramp)] *= ramp
    faded[-len(ramp) :] *= ramp[::-1]
    return faded


def _turns(material: dict[str, Reading], rng: np.random.Generator) -> Iterator[Turn]:
    """Turns without end: the recordings are cut anew and shuffled each time round."""
    while True:
        turns = [turn for name, reading in material.items() for turn in _cut(name, reading, rng)]
        if not turns:
            raise ValueError("no recording has a stretch of 2 to 10 s between two pauses")
        rng.shuffle(turns)  # type: ignore[arg-type]
        yield from turns


def _cut(name: str, reading: Reading, rng: np.random.Generator) -> Iterator[Turn]:
    """`reading` as turns, one after another; what fits no turn is left out."""
    spans = clause_spans(reading)
    at = 0
    while at < len(spans):
        wanted_ms = rng.uniform(SHORTEST_MS, LONGEST_MS)
        turn = None
        for last in range(at, len(spans)):
            longer = reading.between(spans[at][0], spans[last][1], MARGIN_MS)
            candidate = Turn(f"{name}/{at + 1}-{last + 1}", longer)
            if candidate.length_ms > LONGEST_MS:
                break
            if candidate.length_ms >= SHORTEST_MS:
                turn, after = candidate, last + 1
                if candidate.length_ms >= wanted_ms:
                    break
        if turn is None:
            at += 1
        else:
            yield turn
            at = after
