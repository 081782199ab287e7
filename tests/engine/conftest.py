from __future__ import annotations

from pathlib import Path

import pytest

from engine.asr import weights
from engine.asr.whisper import ShortContextWhisper
from tests.analyzers.recordings import Pcm, read


@pytest.fixture(scope="session")
def whisper(default_model: Path) -> ShortContextWhisper:
    """The default recogniser, loaded once."""
    return ShortContextWhisper(default_model, **weights.options("whisper-tiny.en"))


@pytest.fixture(scope="session")
def reading(two_cities: Path) -> Pcm:
    """44 s of one reader, 16 kHz int16."""
    return read(two_cities)
