"""`benchmarks asr --noise`: how many words an hour does the product hear where nobody speaks?

Noise goes through the product's own voice activity, utterances and recognizer, as fast as they go
(`benchmarks.recognition`). Words of finals count. Each sound is heard at three levels, each time
from another place on; recordings come from `FORECOURT_TEST_DATA`, where that is set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.noises import MAKERS, at_level
from benchmarks.reading import narrowed
from benchmarks.recognition import Recognition
from benchmarks.report import Report
from benchmarks.transcribed import manifest, root
from benchmarks.wer import normalised
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Pcm, Source
from signaling.publisher import load_audio

LEVELS_DBFS = (-50.0, -35.0, -20.0)
MINUTES = 30.0
QUICK_PIECE_S = 15.0
RECORDED_S = 20.0
"""A recording is heard for at least this long, over and over if need be, or once as a whole."""
SEED = 2026


@dataclass(frozen=True, slots=True)
class Piece:
    """One call's worth of a noise; `pcm` is int16 at 16 kHz."""

    kind: str
    level_dbfs: float
    pcm: Pcm

    @property
    def minutes(self) -> float:
        return len(self.pcm) / SAMPLE_RATE / 60


@dataclass(slots=True)
class Heard:
    """What came of one kind of noise: words by level, and how often the recognizer was asked."""

    minutes: float = 0.0
    windows: int = 0
    words: dict[float, list[str]] = field(default_factory=dict)

    @property
    def invented(self) -> int:
        return sum(map(len, self.words.values()))


def run(quick: bool) -> Report:
    """30 minutes of noise; twelve when quick, generated alone."""
    recognition = Recognition()
    heard: dict[str, Heard] = {}
    for piece in _pieces(quick):
        before = recognition.decoded
        words = normalised(recognition.text(frames(piece.pcm))).split()
        of_kind = heard.setdefault(piece.kind, Heard())
        of_kind.words[piece.level_dbfs] = words
        of_kind.minutes += piece.minutes
        of_kind.windows += recognition.decoded - before
    return _report(heard)


def _pieces(quick: bool) -> Iterator[Piece]:
    folder = None if quick else root()
    recorded = 0.0
    if folder is not None:
        for piece in recordings(folder):
            recorded += piece.minutes
            yield piece
    count = len(MAKERS) * len(LEVELS_DBFS)
    left_s = max(MINUTES / 2, MINUTES - recorded) * 60
    yield from generated(QUICK_PIECE_S if quick else left_s / count)


def generated(seconds: float) -> Iterator[Piece]:
    """Each maker's noise at each level, other noise each time."""
    size = int(np.ceil(seconds * SAMPLE_RATE / FRAME_SAMPLES)) * FRAME_SAMPLES
    for number, (kind, maker) in enumerate(MAKERS.items()):
        for turn, level_dbfs in enumerate(LEVELS_DBFS):
            rng = np.random.default_rng([SEED, number, turn])
            yield Piece(kind, level_dbfs, at_level(maker(size, rng), level_dbfs))


def recordings(folder: Path) -> Iterator[Piece]:
    """Each noise of the manifest at each level, from another place on each time."""
    rows = [row for row in manifest(folder) if row["kind"] == "noise"]
    for number, row in enumerate(rows):
        samples = narrowed(load_audio(folder / row["path"])).astype(np.float64)
        size = max(len(samples), int(RECORDED_S * SAMPLE_RATE)) // FRAME_SAMPLES * FRAME_SAMPLES
        for turn, level_dbfs in enumerate(LEVELS_DBFS):
            begin = int(np.random.default_rng([SEED, number, turn]).integers(len(samples)))
            looped = np.resize(np.roll(samples, -begin), size)
            yield Piece(row["path"], level_dbfs, at_level(looped, level_dbfs))


def frames(pcm: Pcm) -> Iterator[Frame]:
    """`pcm`, whole frames of it, as a call's."""
    for start in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        yield Frame("bench", start, pcm[start : start + FRAME_SAMPLES], Source.RECEIVED)


def _report(heard: dict[str, Heard]) -> Report:
    minutes = sum(one.minutes for one in heard.values())
    invented = sum(one.invented for one in heard.values())
    figures = {
        "invented_words": invented,
        "minutes": round(minutes, 1),
        "words_per_hour": round(invented / minutes * 60, 1),
        "windows": sum(one.windows for one in heard.values()),
    }
    rows = [
        (
            "All",
            f"{invented} words in {minutes:.1f} minutes",
            f"{figures['windows']} windows were taken for speech and decoded",
        )
    ]
    for kind, one in heard.items():
        said = [f"{at:.0f} dBFS: {' '.join(words)}" for at, words in one.words.items() if words]
        rows.append(
            (
                kind,
                f"{one.invented} in {one.minutes:.1f} min, {one.windows} windows",
                "; ".join(said),
            )
        )
    return Report("Words invented where nobody speaks", figures, rows)
