"""Real speech whose words and their times are known: what word latencies are measured on.

The times are pocketsphinx's, by forced alignment of the reference text (`python -m
benchmarks.align` made `references/*.json`), never our own recogniser's.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from engine.frames import Pcm
from engine.models import Catalogue
from signaling.publisher import RATE, load_audio

FOLDER = Path(__file__).parent
REFERENCES = FOLDER / "references"
OUTSIDE = REFERENCES / "outside" / "words.json"
"""Words of recordings that do not come with a package, by their path in `FORECOURT_TEST_DATA`."""
SPEECH = FOLDER / "speech.toml"
GAP_MS = 1_000
PAUSE_MS = 250


@dataclass(frozen=True, slots=True)
class ReferenceWord:
    """`text` is lower case without punctuation; times in ms of the audio."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Audio (48 kHz mono int16) and its words in order; `speech_s` is voiced by the reference."""

    audio: NDArray[np.int16]
    words: list[ReferenceWord]

    @property
    def speech_s(self) -> float:
        return sum(word.end_ms - word.start_ms for word in self.words) / 1000

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def utterances(self) -> list[str]:
        """The text between pauses of 250 ms and more: what `wer.interval` resamples."""
        texts: list[str] = []
        before: ReferenceWord | None = None
        for word in self.words:
            if before is None or word.start_ms - before.end_ms >= PAUSE_MS:
                texts.append(word.text)
            else:
                texts[-1] += f" {word.text}"
            before = word
        return texts

    def between(self, first: int, last: int, margin_ms: int) -> Reading:
        """Words `first` up to `last`, with up to `margin_ms` of audio around them but no more than
        half of the pause to the next word on either side."""
        words = self.words[first:last]
        length_ms = len(self.audio) * 1000 // RATE
        before_ms = self.words[first - 1].end_ms if first else -words[0].start_ms
        after_ms = (
            self.words[last].start_ms
            if last < len(self.words)
            else 2 * length_ms - words[-1].end_ms
        )
        begin_ms = max(words[0].start_ms - margin_ms, (words[0].start_ms + before_ms) // 2)
        end_ms = min(words[-1].end_ms + margin_ms, (words[-1].end_ms + after_ms) // 2)
        return Reading(
            self.audio[begin_ms * RATE // 1000 : end_ms * RATE // 1000],
            [
                ReferenceWord(word.text, word.start_ms - begin_ms, word.end_ms - begin_ms)
                for word in words
            ],
        )


def narrowed(audio: NDArray[np.int16]) -> Pcm:
    """48 kHz int16 as the engine has it: 16 kHz int16."""
    narrow = resample_poly(audio.astype(np.float64), 1, 3)
    return np.clip(np.round(narrow), -32768, 32767).astype(np.int16)


def clips() -> dict[str, Path]:
    """Package-shipped clips by name: two_cities first, then LibriVox in order."""
    catalogue = Catalogue.load(SPEECH)
    cities = catalogue.ensure("two-cities", repair=True) / "two_cities.wav"
    librivox = sorted(catalogue.ensure("librivox", repair=True).glob("*.wav"))
    return {"two_cities": cities} | {path.stem: path for path in librivox}


def load(name: str, path: Path) -> Reading:
    """One clip with its reference. Raises `ValueError` where audio and reference differ."""
    return _read(path, json.loads((REFERENCES / f"{name}.json").read_text()))


def outside(folder: Path) -> dict[str, Reading]:
    """The recordings in `folder` whose word times are known. Raises `ValueError` as `load`."""
    references = json.loads(OUTSIDE.read_text())
    return {
        name: _read(folder / name, reference)
        for name, reference in references.items()
        if (folder / name).is_file()
    }


def _read(path: Path, reference: dict[str, Any]) -> Reading:
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != reference["sha256"]:
        raise ValueError(f"{path} has sha256 {actual}; its reference is for {reference['sha256']}")
    words = [ReferenceWord(*word) for word in reference["words"]]
    return Reading(load_audio(path), words)


def upto(reading: Reading, end_ms: int) -> Reading:
    """The words that end by `end_ms`, and the audio up to there."""
    words = [word for word in reading.words if word.end_ms <= end_ms]
    return Reading(reading.audio[: end_ms * RATE // 1000], words)


def joined(readings: list[Reading]) -> Reading:
    """Several readings as one, a second of silence between them."""
    gap = np.zeros(GAP_MS * RATE // 1000, np.int16)
    audio: list[NDArray[np.int16]] = []
    words: list[ReferenceWord] = []
    length = 0
    for reading in readings:
        offset_ms = length * 1000 // RATE
        words += [
            ReferenceWord(word.text, word.start_ms + offset_ms, word.end_ms + offset_ms)
            for word in reading.words
        ]
        audio += [reading.audio, gap]
        length += len(reading.audio) + len(gap)
    return Reading(np.concatenate(audio), words)
