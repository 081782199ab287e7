"""The sentences of the domain benchmark and their spoken clips."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from benchmarks.reading import narrowed
from engine.frames import Pcm
from signaling.publisher import RATE, load_audio

FOLDER = Path(__file__).parent
SENTENCES = FOLDER / "sentences.toml"

Half = Literal["tuning", "heldout"]
HALVES: tuple[Half, ...] = get_args(Half)

_MARKED = re.compile(r"\[([^\]]+)\]")


@dataclass(frozen=True)
class Sentence:
    """`marked` holds the text with its terms in brackets."""

    marked: str

    @property
    def text(self) -> str:
        return _MARKED.sub(r"\1", self.marked)

    @property
    def terms(self) -> list[str]:
        """The terms in order, as the list writes them."""
        return _MARKED.findall(self.marked)

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """The text in order as (piece, is a term)."""
        parts = _MARKED.split(self.marked)
        return [(part, index % 2 == 1) for index, part in enumerate(parts) if part]


class _Texts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    domain: list[str]
    ordinary: list[str]


class Sentences(BaseModel):
    """The whole of `sentences.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tuning: _Texts
    heldout: _Texts
    say: dict[str, str]

    @classmethod
    def load(cls, path: Path = SENTENCES) -> Sentences:
        """Read and check. Raises `pydantic.ValidationError` when the file does not fit."""
        return cls.model_validate(tomllib.loads(path.read_text("utf-8")))

    def of(self, half: Half) -> list[Sentence]:
        """The sentences of one half: those with terms, then the ordinary ones."""
        texts: _Texts = getattr(self, half)
        return [Sentence(text) for text in [*texts.domain, *texts.ordinary]]


@dataclass(frozen=True)
class Clip:
    """One spoken sentence; `pcm` is int16 at 16 kHz."""

    sentence: Sentence
    voice: str
    pcm: Pcm


def clips(half: Half, folder: Path = FOLDER) -> list[Clip]:
    """The spoken clips of one half. Raises `ValueError` where audio and sidecar differ."""
    audio_path, side = folder / f"{half}.opus", json.loads((folder / f"{half}.json").read_text())
    actual = hashlib.sha256(audio_path.read_bytes()).hexdigest()
    if actual != side["audioSha256"]:
        raise ValueError(f"{audio_path.name} has sha256 {actual}; its sidecar is of another file")
    audio = load_audio(audio_path)
    spans = [
        (clip["startMs"] * RATE // 1000, clip["endMs"] * RATE // 1000) for clip in side["clips"]
    ]
    return [
        Clip(Sentence(clip["text"]), clip["voice"], narrowed(audio[start:end]))
        for clip, (start, end) in zip(side["clips"], spans, strict=True)
    ]
