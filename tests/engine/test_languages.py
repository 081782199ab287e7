"""The multilingual model, in the language that the session has: never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import models
from engine.asr import weights
from engine.asr.whisper import ShortContextWhisper
from engine.frames import SAMPLE_RATE, Pcm
from tests.analyzers.recordings import read


@pytest.fixture(scope="module")
def base() -> Path:
    return models.ensure("whisper-base", progress=False)


def heard(model: ShortContextWhisper, pcm: Pcm) -> str:
    (decoded,) = model.decode([pcm], [True])
    return " ".join(word.text for word in decoded.words)


def test_base_hears_english(base: Path, reading: Pcm) -> None:
    model = ShortContextWhisper(base, language="en", **weights.options("whisper-base"))
    text = heard(model, reading[: 5 * SAMPLE_RATE])
    assert "it was the worst of times" in text.lower()


@pytest.mark.test_data("speech/google/multi.flac")
def test_base_hears_spanish_where_the_session_is_in_spanish(base: Path, data_file: Path) -> None:
    model = ShortContextWhisper(base, language="es", **weights.options("whisper-base"))
    assert "estoy bien" in heard(model, read(data_file)).lower()


def test_a_language_that_the_model_does_not_know_is_refused(
    base: Path, default_model: Path
) -> None:
    with pytest.raises(ValueError, match="English only, not 'es'"):
        ShortContextWhisper(default_model, language="es")
    with pytest.raises(ValueError, match=r"no token <\|xx\|>"):
        ShortContextWhisper(base, language="xx", whole_tail=True)
