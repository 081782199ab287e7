"""Utterances whose words are known, for decoding one at a time.

A fresh machine has what published packages ship (`speech.toml`) and the demo's synthetic call.
Where `FORECOURT_TEST_DATA` names a folder of recordings, its transcribed readings come on top:
those whose manifest says that the words are the corpus's own. Joined recordings are left out, since
they repeat the clips that they were joined from.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from api.demo import bundled
from benchmarks.reading import Reading, clips, load, narrowed
from engine.frames import SAMPLE_RATE, Pcm
from signaling.publisher import load_audio

LONGEST_S = 28.0
"""What one window of the recognizer holds."""
DATA = "FORECOURT_TEST_DATA"
CORPUS = "corpus"
"""How the manifest names the source of a text that was written before, not after, it was said."""
BREAK_MS = 400
"""A pause this long ends a clause: cutting there takes no word its sound."""
MARGIN_MS = 200
WIDE_BAND = 16_000


@dataclass(frozen=True, slots=True)
class Utterance:
    """`pcm` is int16 at 16 kHz; `text` as its source has it."""

    name: str
    pcm: Pcm
    text: str

    @property
    def seconds(self) -> float:
        return len(self.pcm) / SAMPLE_RATE


def root() -> Path | None:
    """The folder of outside recordings, where there is one."""
    folder = os.environ.get(DATA)
    return Path(folder) if folder else None


def manifest(folder: Path) -> list[dict[str, str]]:
    """Rows of the folder's `manifest.tsv`, in order."""
    with (folder / "manifest.tsv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def shipped() -> list[Utterance]:
    """Package-shipped readings, cut where a clause ends, and the passages of the demo's call."""
    return [*_readings(), *_demo()]


def outside(folder: Path) -> list[Utterance]:
    """Transcribed readings of `folder` that are wide band and fit one window."""
    return [
        Utterance(row["path"], narrowed(load_audio(folder / row["path"])), row["transcript"])
        for row in manifest(folder)
        if is_reading(row)
    ]


def is_reading(row: dict[str, str]) -> bool:
    """Whether a manifest's row is a reading of known words that fits one window, in a file that
    says its own format."""
    return (
        row["kind"] == "read"
        and row["transcript_source"].startswith(CORPUS)
        and row["transcript"].strip() != ""
        and int(row["sample_rate"]) >= WIDE_BAND
        and float(row["duration_s"]) <= LONGEST_S
        and not row["path"].endswith(".raw")
    )


def clause_spans(reading: Reading) -> list[tuple[int, int]]:
    """(first, last + 1) of the words between pauses of 400 ms and more."""
    cuts = [
        at
        for at in range(1, len(reading.words))
        if reading.words[at].start_ms - reading.words[at - 1].end_ms >= BREAK_MS
    ]
    return list(zip([0, *cuts], [*cuts, len(reading.words)], strict=True))


def _readings() -> Iterator[Utterance]:
    for name, path in clips().items():
        reading = load(name, path)
        for number, (first, last) in enumerate(clause_spans(reading), 1):
            clause = reading.between(first, last, MARGIN_MS)
            yield Utterance(f"{name}/{number}", narrowed(clause.audio), clause.text)


def _demo() -> Iterator[Utterance]:
    pcm = narrowed(load_audio(bundled.CALL))
    margin = MARGIN_MS * SAMPLE_RATE // 1000
    for passage in bundled.passages():
        first, last = (ms * SAMPLE_RATE // 1000 for ms in (passage.start_ms, passage.end_ms))
        yield Utterance(f"demo/{passage.name}", pcm[first - margin : last + margin], passage.text)
