"""A text before the window leads the decoder; with one full of fillers it writes those it hears."""

from __future__ import annotations

import re
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

from benchmarks.hesitation import spontaneous, tally
from engine.asr.decoder import MAX_TOKENS, Decoder
from engine.asr.drafted import Transcript, decode
from engine.asr.encoder import MAX_POSITIONS, Encoder
from engine.asr.mel import LogMel, scaled
from engine.asr.vocabulary import Vocabulary
from engine.frames import SAMPLE_RATE, Pcm

pytestmark = pytest.mark.slow

BEFORE = "So, um, I was, uh, thinking that we could, uh, look at this one."


@pytest.fixture(scope="module")
def hesitant() -> Pcm:
    """25 s with five fillers."""
    return next(one.pcm for one in spontaneous() if one.name.endswith("/cold_corpus"))


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


@pytest.mark.parametrize("before", ["", "Um, uh.", BEFORE])
def test_a_decode_behind_a_text_is_ctranslate2s_behind_the_same_tokens(
    encoder: Encoder,
    decoder: Decoder,
    reference: ctranslate2.models.Whisper,
    default_model: Path,
    reading: Pcm,
    hesitant: Pcm,
    before: str,
) -> None:
    vocabulary = Vocabulary(default_model, manner=before)
    silence = np.zeros(3 * SAMPLE_RATE, np.int16)
    for pcm in (reading[: 13 * SAMPLE_RATE], hesitant, silence):
        mel = scaled(LogMel().frames(pcm, 0, 2 * MAX_POSITIONS))
        states = encoder.states(mel, encoder.memory())
        heard = decoder.memory(MAX_POSITIONS)
        decoder.hear(states, heard, 0)
        ours = Transcript(heard, MAX_POSITIONS, decoder.memory(), (), 200, True)
        decode(decoder, vocabulary, [ours])
        (theirs,) = reference.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(states[None])),
            [[*vocabulary.before, *vocabulary.prompt]],
            beam_size=1,
            max_length=MAX_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
        )
        said = [token for token in theirs.sequences_ids[0] if token < vocabulary.end]
        # Ours has int8 weights, theirs float32: a comma may become a full stop.
        assert words(vocabulary.text([t.id for t in ours.tokens])) == words(vocabulary.text(said))
        assert ours.average_log_probability == pytest.approx(theirs.scores[0], rel=0.05, abs=0.05)
        assert ours.no_speech_probability == pytest.approx(theirs.no_speech_prob, abs=0.05)


def test_looks_go_without_the_text(
    encoder: Encoder, decoder: Decoder, default_model: Path, hesitant: Pcm
) -> None:
    mel = scaled(LogMel().frames(hesitant, 0, 2 * MAX_POSITIONS))
    heard = decoder.memory(MAX_POSITIONS)
    decoder.hear(encoder.states(mel, encoder.memory()), heard, 0)
    texts = []
    for manner in ("", BEFORE):
        look = Transcript(heard, MAX_POSITIONS, decoder.memory(), (), 200, False)
        decode(decoder, Vocabulary(default_model, manner=manner), [look])
        texts.append([token.id for token in look.tokens])
    assert texts[0] == texts[1]
    assert len(texts[0]) > 20


def test_the_draft_of_a_look_does_not_keep_fillers_out(
    encoder: Encoder, decoder: Decoder, default_model: Path, hesitant: Pcm
) -> None:
    """Looks write none; the last words have the same ones whether there was a look or not."""
    vocabulary = Vocabulary(default_model, manner=BEFORE)
    mel = scaled(LogMel().frames(hesitant, 0, 2 * MAX_POSITIONS))
    heard = decoder.memory(MAX_POSITIONS)
    decoder.hear(encoder.states(mel, encoder.memory()), heard, 0)
    look = Transcript(heard, MAX_POSITIONS, decoder.memory(), (), 200, False)
    alone = Transcript(heard, MAX_POSITIONS, decoder.memory(), (), 200, True)
    decode(decoder, vocabulary, [look, alone])
    drafted = Transcript(heard, MAX_POSITIONS, decoder.memory(), look.tokens, 200, True)
    decode(decoder, vocabulary, [drafted])
    texts = [vocabulary.text([token.id for token in each.tokens]) for each in (drafted, alone)]
    assert texts[0] == texts[1]
    assert tally("", texts[0]).invented >= 4


def test_a_text_before_stands_behind_its_mark(default_model: Path) -> None:
    bare, led = Vocabulary(default_model), Vocabulary(default_model, manner=BEFORE)
    assert bare.before == []
    assert led.text(led.before[1:]).strip() == BEFORE
    assert led.prompt == bare.prompt
