from __future__ import annotations

from pathlib import Path

import ctranslate2
import pytest

from engine.asr import checkpoint, weights
from engine.asr.decoder import Decoder
from engine.asr.encoder import Encoder, Tensors
from engine.asr.vocabulary import Vocabulary
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


@pytest.fixture(scope="session")
def tensors(default_model: Path) -> Tensors:
    """The default recogniser's weights."""
    return checkpoint.read(default_model / "model.bin")


@pytest.fixture(scope="session")
def encoder(tensors: Tensors) -> Encoder:
    return Encoder(tensors)


@pytest.fixture(scope="session")
def vocabulary(default_model: Path) -> Vocabulary:
    return Vocabulary(default_model)


@pytest.fixture(scope="session")
def decoder(tensors: Tensors, vocabulary: Vocabulary) -> Decoder:
    return Decoder(tensors, vocabulary.alignment)


@pytest.fixture(scope="session")
def reference(default_model: Path) -> ctranslate2.models.Whisper:
    """The same weights run by CTranslate2, in float32."""
    return ctranslate2.models.Whisper(
        str(default_model), device="cpu", compute_type="float32", intra_threads=1
    )
