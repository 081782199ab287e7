"""Scripted calls as rendered: where their passages lie and which feedback each should raise."""

from __future__ import annotations

import io
import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent
CALL = FOLDER / "call.opus"


@dataclass(frozen=True, slots=True)
class Passage:
    name: str
    start_ms: int
    end_ms: int
    text: str
    feedback: tuple[str, ...]


def passages(call: Path = CALL) -> list[Passage]:
    """The passages of `call` (its .opus, by default the bundled one) in order, times in ms of the
    audio."""
    sidecar = json.loads(call.with_suffix(".json").read_text())
    return [
        Passage(p["name"], p["startMs"], p["endMs"], p["text"], tuple(p["feedback"]))
        for p in sidecar["passages"]
    ]


def wav_of(pcm: NDArray[np.int16], rate: int = 48_000) -> bytes:
    """A mono PCM16 WAV file of `pcm`."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
    return buffer.getvalue()
