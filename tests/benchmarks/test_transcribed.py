from __future__ import annotations

import numpy as np
import pytest

from benchmarks.reading import Reading, ReferenceWord, clips, load
from benchmarks.transcribed import clause_spans, is_reading, outside, shipped
from engine.frames import SAMPLE_RATE
from tests.benchmarks.manifests import row, write


def test_shipped_utterances_hold_every_word_of_the_readings_once():
    texts = {utterance.name: utterance.text for utterance in shipped()}
    for name, path in clips().items():
        parts = [text for key, text in texts.items() if key.startswith(f"{name}/")]
        assert " ".join(parts) == load(name, path).text
    assert "family vehicle" in texts["demo/opening"]


def test_shipped_utterances_fit_the_pace_of_speech():
    for utterance in shipped():
        assert utterance.pcm.dtype == np.int16
        assert 1.0 < utterance.seconds < 28.0
        assert 1.0 < len(utterance.text.split()) / utterance.seconds < 6.0


def test_a_clause_ends_at_a_pause():
    words = [ReferenceWord(*word) for word in (("a", 0, 100), ("b", 499, 600), ("c", 1_000, 1_100))]
    assert clause_spans(Reading(np.zeros(0, np.int16), words)) == [(0, 2), (2, 3)]


@pytest.mark.parametrize(
    "field",
    [
        {"kind": "spontaneous"},
        {"transcript_source": "repo annotation (loose)"},
        {"transcript_source": "ASR"},
        {"transcript": " "},
        {"sample_rate": "8000"},
        {"duration_s": "28.1"},
        {"path": "a.raw"},
    ],
)
def test_what_has_no_sure_words_or_no_wide_band_is_left_out(field):
    assert is_reading(row("a.wav"))
    assert not is_reading(row("a.wav") | field)


def test_outside_readings_come_with_the_words_of_the_manifest(tmp_path):
    write(tmp_path, [row("a.wav", transcript="Hello there."), row("b.wav", kind="noise")])
    (utterance,) = outside(tmp_path)
    assert (utterance.name, utterance.text) == ("a.wav", "Hello there.")
    assert len(utterance.pcm) == 2 * SAMPLE_RATE
