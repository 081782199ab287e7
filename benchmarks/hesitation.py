"""Speech with "um" and "uh" in it, and what of them a transcript has.

Fourteen said by one speaker are in the clips that a package ships; they are too few to judge by.
So their sounds are also put between the words of readings, at the level of the reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import jiwer
import numpy as np

from benchmarks import reading
from benchmarks.reading import Reading, narrowed
from benchmarks.transcribed import MARGIN_MS, Utterance, clause_spans, root
from engine.frames import SAMPLE_RATE, Pcm
from engine.models import Catalogue
from signaling.publisher import load_audio

NAME = "hesitations"
SHORTEST_MS = 200
"""A sound shorter than this is no filled pause that a listener would mark."""
FEWEST_WORDS = 4
"""Of a clause that a filler is put into."""
FADE_MS = 10
PAUSE_MS = 60
"""Silence on either side of a filler that has been put in."""
SEED = 2026

_SPELLINGS = re.compile(r"(?:u+h*m+|u+h+|e+r+m*|a*h+m+|a+h+|h+m+)")
_FILLER = "um"
_WORD = re.compile(r"[\w']+")
_INTERVAL = re.compile(r'^([\d.]+)\n([\d.]+)\n"(um|uh)"$', re.MULTILINE)
"""Of a TextGrid in its short form: begin, end (s) and label stand on lines of their own."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one utterance: the fillers that were said, how many of them the transcript has at their
    place, and how many it has that nobody said."""

    said: int
    kept: int
    invented: int


def tally(reference: str, hypothesis: str) -> Tally:
    """Count fillers, however spelled, by aligning the two texts word by word."""
    said, heard = _words(reference), _words(hypothesis)
    kept = 0
    if said:
        aligned = jiwer.process_words(" ".join(said), " ".join(heard)).alignments[0]
        for chunk in aligned:
            if chunk.type == "equal":
                kept += said[chunk.ref_start_idx : chunk.ref_end_idx].count(_FILLER)
    return Tally(said.count(_FILLER), kept, heard.count(_FILLER) - kept)


def is_filler(word: str) -> bool:
    """Whether `word` is some spelling of "um" or "uh"."""
    return _SPELLINGS.fullmatch(word.lower()) is not None


def spans(grid: str) -> list[tuple[int, int]]:
    """Begin and end (ms) of each filler in the text of a TextGrid, in order."""
    return [
        (round(float(begin_s) * 1000), round(float(end_s) * 1000))
        for begin_s, end_s, _ in _INTERVAL.findall(grid)
    ]


def _words(text: str) -> list[str]:
    words = _WORD.findall(text.lower())
    return [_FILLER if is_filler(word) else word for word in words]


def spontaneous() -> list[Utterance]:
    """The clips as they are. What is in brackets is no word, and is left out."""
    folder = Catalogue.load(reading.SPEECH).ensure(NAME, repair=True)
    return [
        Utterance(
            f"{NAME}/{wav.stem}",
            narrowed(load_audio(wav)),
            re.sub(r"<\w+>|\[\w+\]", " ", wav.with_suffix(".lab").read_text(encoding="utf-8")),
        )
        for wav in sorted(folder.glob("*.wav"))
    ]


def sounds() -> list[tuple[str, Pcm]]:
    """Each filler of the clips that is long enough, as it is spelled and as it sounds."""
    folder = Catalogue.load(reading.SPEECH).ensure(NAME, repair=True)
    found = []
    for grid in sorted(folder.glob("*.TextGrid")):
        pcm = narrowed(load_audio(grid.with_suffix(".wav")))
        for begin_s, end_s, text in _INTERVAL.findall(grid.read_text(encoding="utf-8")):
            first, last = (round(float(s) * SAMPLE_RATE) for s in (begin_s, end_s))
            if last - first >= SHORTEST_MS * SAMPLE_RATE // 1000:
                found.append((text, pcm[first:last]))
    return found


def spliced(quick: bool) -> list[Utterance]:
    """Clauses of the readings whose word times are known, a filler in each."""
    readings = {name: reading.load(name, path) for name, path in reading.clips().items()}
    folder = root()
    if folder is not None and not quick:
        readings |= reading.outside(folder)
    rng = np.random.default_rng(SEED)
    fillers = sounds()
    return [
        _with_filler(f"{name}/{number}", clause, *fillers[rng.integers(len(fillers))], rng)
        for name, whole in readings.items()
        for number, clause in enumerate(_clauses(whole), 1)
    ]


def _clauses(whole: Reading) -> Iterator[Reading]:
    for first, last in clause_spans(whole):
        if last - first >= FEWEST_WORDS:
            yield whole.between(first, last, MARGIN_MS)


def _with_filler(
    name: str, clause: Reading, text: str, filler: Pcm, rng: np.random.Generator
) -> Utterance:
    """The filler stands where the widest of the gaps between words is, or one of the widest."""
    words = clause.words
    gaps = np.array([b.start_ms - a.end_ms for a, b in pairwise(words)])
    place = int(rng.choice(np.flatnonzero(gaps == gaps.max())))
    middle_ms = (words[place].end_ms + words[place + 1].start_ms) // 2
    whole, _ = inserted(narrowed(clause.audio), filler, middle_ms)
    texts = [word.text for word in words]
    return Utterance(name, whole, " ".join([*texts[: place + 1], text, *texts[place + 1 :]]))


def inserted(pcm: Pcm, filler: Pcm, at_ms: int) -> tuple[Pcm, int]:
    """`pcm` with `filler` at `at_ms`, as loud as `pcm` is, and the filler's first sample."""
    at = at_ms * SAMPLE_RATE // 1000
    sound = filler.astype(np.float64) * _level(pcm) / _level(filler)
    pause = np.zeros(PAUSE_MS * SAMPLE_RATE // 1000)
    pieces = [_faded(pcm[:at]), pause, _faded(sound), pause, _faded(pcm[at:])]
    whole = np.clip(np.round(np.concatenate(pieces)), -32768, 32767).astype(np.int16)
    return whole, at + len(pause)


def _level(pcm: Pcm) -> float:
    return float(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)))


def _faded(pcm: np.ndarray) -> np.ndarray:
    ramp = np.linspace(0.0, 1.0, FADE_MS * SAMPLE_RATE // 1000)
    faded = pcm.astype(np.float64)
    faded[: len(ramp)] *= ramp
    faded[-len(ramp) :] *= ramp[::-1]
    return faded


def fillers_of(utterances: Sequence[Utterance]) -> int:
    return sum(tally(utterance.text, "").said for utterance in utterances)
