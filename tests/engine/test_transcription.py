"""OpenAI's transcription API on the wire: any answer is words in order, or no answer at all."""

from __future__ import annotations

import io
import json
import math
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.asr import transcription
from engine.asr.window import Hypothesis, Kind, Window
from engine.frames import SAMPLE_RATE

Json = dict[str, Any]
LENGTH_S = 4.0
VOICED_S = 3.0


def window(kind: Kind = Kind.FINAL) -> Window:
    """4 s, voiced up to 3 s, 10 s into the session."""
    pcm = np.arange(int(LENGTH_S * SAMPLE_RATE), dtype=np.int64).astype(np.int16)
    start = 10 * SAMPLE_RATE
    voiced_end = start + int(VOICED_S * SAMPLE_RATE)
    return Window("s", "trainee", 1, kind, start, start + len(pcm), voiced_end, pcm)


def heard(answer: Json, kind: Kind = Kind.FINAL) -> Hypothesis:
    return transcription.hypothesis(window(kind), json.dumps(answer).encode())


def timed(answer: Json) -> list[tuple[str, int, int]]:
    return [(word.text, word.start_ms, word.end_ms) for word in heard(answer).words]


def test_the_file_is_the_window_as_wav() -> None:
    pcm, rate = soundfile.read(io.BytesIO(transcription.wav(window().pcm)), dtype="int16")
    assert rate == SAMPLE_RATE
    assert np.array_equal(pcm, window().pcm)


def test_word_times_are_asked_for_only_where_they_are_wanted() -> None:
    wanted = {
        kind: transcription.form(window(kind), "m")["timestamp_granularities[]"] for kind in Kind
    }
    assert wanted[Kind.FINAL] == wanted[Kind.SPECULATIVE] == ["segment", "word"]
    assert wanted[Kind.FIRST] == wanted[Kind.REFRESH] == ["segment"]


def test_timed_words_are_written_as_the_text_has_them() -> None:
    """OpenAI's own server times words without their punctuation."""
    words = [{"word": "Well", "start": 0.5, "end": 0.9}, {"word": "no", "start": 1.0, "end": 1.2}]
    assert timed({"text": "Well, no.", "words": words}) == [
        ("Well,", 500, 900),
        ("no.", 1000, 1200),
    ]


def test_timed_words_that_the_text_counts_otherwise_stay_as_they_are() -> None:
    words = [
        {"word": " twenty", "start": 0.5, "end": 0.9},
        {"word": " dollars", "start": 1.0, "end": 1.2},
    ]
    assert timed({"text": "$20", "words": words}) == [
        ("twenty", 500, 900),
        ("dollars", 1000, 1200),
    ]


def test_words_timed_inside_segments_are_found_there() -> None:
    segment = {"text": "no", "start": 0, "end": 4}
    words = [{"word": "no", "start": 1.0, "end": 1.2, "probability": 0.25}]
    (word,) = heard({"text": "no", "segments": [segment | {"words": words}]}).words
    assert (word.text, word.start_ms, word.end_ms, word.probability) == ("no", 1000, 1200, 0.25)


def test_words_without_times_are_spread_by_length_over_what_was_voiced() -> None:
    assert timed({"text": "ab abcd"}) == [("ab", 0, 1000), ("abcd", 1000, 3000)]


def test_words_without_times_stay_inside_their_segment() -> None:
    segments = [
        {"text": " one", "start": 0.2, "end": 1.0},
        {"text": " two six", "start": 2.0, "end": 3.0},
    ]
    assert timed({"text": "one two six", "segments": segments}) == [
        ("one", 200, 1000),
        ("two", 2000, 2500),
        ("six", 2500, 3000),
    ]


def test_a_segment_that_ends_behind_the_window_is_spread_inside_it() -> None:
    """faster-whisper's segments do, and the last words used to be all at the window's end."""
    segments = [{"text": "ab ab", "start": 2.0, "end": 9.0}]
    assert timed({"text": "ab ab", "segments": segments}) == [
        ("ab", 2000, 3000),
        ("ab", 3000, 4000),
    ]


def test_no_times_where_none_are_wanted() -> None:
    words = heard({"text": "one two"}, Kind.REFRESH).words
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [
        ("one", 0, 0),
        ("two", 0, 0),
    ]


def test_probabilities_are_those_of_the_segments_by_their_length() -> None:
    segments = [
        {"text": "one", "start": 0, "end": 3, "avg_logprob": -0.2, "no_speech_prob": 0.0},
        {"text": "two", "start": 3, "end": 4, "avg_logprob": -1.0, "no_speech_prob": 0.8},
    ]
    hypothesis = heard({"text": "one two", "segments": segments})
    assert hypothesis.average_log_probability == pytest.approx(-0.4)
    assert hypothesis.no_speech_probability == pytest.approx(0.2)
    assert hypothesis.words[0].probability == pytest.approx(math.exp(-0.4), abs=0.001)


def test_times_out_of_order_or_outside_the_window_are_brought_inside() -> None:
    words = [
        {"word": "a", "start": -0.3, "end": 0.2},
        {"word": "b", "start": 2.0, "end": 1.0},
        {"word": "c", "start": 1.0, "end": 99.0},
    ]
    assert timed({"text": "a b c", "words": words}) == [
        ("a", 0, 200),
        ("b", 2000, 2000),
        ("c", 2000, 4000),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"text": 3}',
        b'{"text": null}',
        b'{"text": "\\ud800"}',
        b'{"text": "a", "words": [{"word": "a"}]}',
        b'{"text": "a", "words": [{"word": "a", "start": NaN, "end": 1}]}',
        b'{"text": "a", "words": [{"word": "a", "start": 1e400, "end": 1}]}',
        b'{"text": "' + b"a" * (transcription.MAX_CHARACTERS + 1) + b'"}',
        b"[" * 100_000,
        b'{"text": ' * 10_000,
    ],
)
def test_what_is_no_transcription_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        transcription.hypothesis(window(), body)


numbers = st.one_of(st.floats(), st.integers(), st.floats(-1, 5), st.none())
words = st.fixed_dictionaries(
    {"word": st.text(max_size=6), "start": numbers, "end": numbers},
    optional={"probability": numbers},
)
segments = st.fixed_dictionaries(
    {"text": st.text(max_size=20), "start": numbers, "end": numbers},
    optional={
        "avg_logprob": numbers,
        "no_speech_prob": numbers,
        "words": st.one_of(st.none(), st.lists(words, max_size=3)),
    },
)
answers = st.fixed_dictionaries(
    {"text": st.text(max_size=40)},
    optional={
        "words": st.one_of(st.none(), st.lists(words, max_size=4)),
        "segments": st.one_of(st.none(), st.lists(segments, max_size=3)),
    },
)


@given(answers, st.sampled_from(Kind))
def test_whatever_a_server_says_words_are_in_order_and_inside_the_window(
    answer: Json, kind: Kind
) -> None:
    try:
        hypothesis = heard(answer, kind)
    except ValidationError:
        return
    times = [ms for word in hypothesis.words for ms in (word.start_ms, word.end_ms)]
    assert all(0 <= ms <= LENGTH_S * 1000 for ms in times)
    assert all(word.start_ms <= word.end_ms for word in hypothesis.words)
    assert all(a.start_ms <= b.start_ms for a, b in pairwise(hypothesis.words))
    assert all(word.text.isprintable() and word.text.strip() for word in hypothesis.words)
    assert all(0 <= word.probability <= 1 for word in hypothesis.words)
    assert hypothesis.average_log_probability <= 0
    assert 0 <= hypothesis.no_speech_probability <= 1


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_refused_or_understood(body: bytes) -> None:
    with suppress(ValidationError):
        assert transcription.hypothesis(window(), body).failed is None
