from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.conversation import (
    LONGEST_MS,
    PAUSE_MS,
    SHORTEST_MS,
    TAIL_MS,
    Conversation,
    conversation,
    recordings,
)
from benchmarks.reading import Reading, ReferenceWord
from benchmarks.transcribed import MARGIN_MS, clause_spans


@pytest.fixture(scope="module")
def material() -> dict[str, Reading]:
    return recordings()


@pytest.fixture(scope="module")
def minutes(material: dict[str, Reading]) -> Conversation:
    return conversation(material, 240.0, seed=5)


def begins_ms(call: Conversation) -> list[int]:
    """Where each turn's audio begins, by the times of its first word in the call and the turn."""
    begins, at = [], 0
    for turn in call.turns:
        begins.append(call.reading.words[at].start_ms - turn.reading.words[0].start_ms)
        at += len(turn.reading.words)
    return begins


def test_a_word_of_the_call_is_the_sound_of_its_recording(minutes):
    words = iter(minutes.reading.words)
    for turn in minutes.turns:
        for said in turn.reading.words:
            word = next(words)
            assert word.text == said.text
            assert word.end_ms - word.start_ms == said.end_ms - said.start_ms
            span = slice(word.start_ms * 48, word.end_ms * 48)
            own = slice(said.start_ms * 48, said.end_ms * 48)
            apart = minutes.reading.audio[span].astype(float) - turn.reading.audio[own]
            # all that is added is the room's noise, 16 of 32,768
            assert np.sqrt(np.mean(apart**2)) < 20.0
    assert next(words, None) is None


def test_nothing_but_a_quiet_room_lies_between_turns(minutes):
    begins = begins_ms(minutes)
    for (begin, turn), after in pairwise([*zip(begins, minutes.turns, strict=True), None]):
        end = begin + turn.length_ms
        until = after[0] if after else end + TAIL_MS
        silence = minutes.reading.audio[end * 48 : until * 48].astype(float)
        assert 10.0 < np.sqrt(np.mean(silence**2)) < 25.0


def test_turns_and_pauses_are_as_long_as_people_make_them(minutes):
    begins = begins_ms(minutes)
    assert all(SHORTEST_MS <= turn.length_ms <= LONGEST_MS for turn in minutes.turns)
    pauses = [
        after - begin - turn.length_ms
        for begin, after, turn in zip(begins[:-1], begins[1:], minutes.turns[:-1], strict=True)
    ]
    assert len(pauses) > 20
    assert min(pauses) >= PAUSE_MS[0]
    assert max(pauses) <= PAUSE_MS[1]


@pytest.mark.parametrize("seed", range(8))
def test_a_trainee_talks_about_half_of_the_time(material, seed):
    reading = conversation(material, 120.0, seed).reading
    assert 0.48 <= reading.speech_s / (len(reading.audio) / 48_000) <= 0.62


@pytest.mark.parametrize("seed", range(8))
def test_a_call_keeps_to_its_length(material, seed):
    audio = conversation(material, 27.0, seed).reading.audio
    assert 18.0 <= len(audio) / 48_000 <= 27.0 + TAIL_MS / 1000


def test_the_seed_decides_the_call(material):
    one, same, other = (conversation(material, 27.0, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.reading.audio, same.reading.audio)
    assert one.reading.words == same.reading.words
    assert [turn.name for turn in one.turns] != [turn.name for turn in other.turns]
    assert one.reading.words[0].start_ms != other.reading.words[0].start_ms


def test_turns_begin_and_end_where_clauses_do(material, minutes):
    for turn in minutes.turns:
        name, spans = turn.name.rsplit("/", 1)
        first, last = (int(number) - 1 for number in spans.split("-"))
        source = material[name]
        clauses = clause_spans(source)
        words = source.words[clauses[first][0] : clauses[last][1]]
        assert turn.reading.text == " ".join(word.text for word in words)


def test_recordings_without_a_turn_are_refused():
    short = Reading(np.zeros(48_000, np.int16), [ReferenceWord("no", 100, 400)])
    with pytest.raises(ValueError, match="no recording has a stretch"):
        conversation({"short": short}, 27.0, seed=1)


def test_a_cut_leaves_every_word_its_sound_and_takes_no_other(material):
    reading = material["two_cities"]
    for first, last in clause_spans(reading):
        part = reading.between(first, last, MARGIN_MS)
        begin_ms = reading.words[first].start_ms - part.words[0].start_ms
        span = slice(begin_ms * 48, begin_ms * 48 + len(part.audio))
        np.testing.assert_array_equal(part.audio, reading.audio[span])
        assert part.words[0].start_ms >= 0
        assert part.words[-1].end_ms <= len(part.audio) / 48
        assert part.words[0].start_ms <= MARGIN_MS
        outside = [*reading.words[:first], *reading.words[last:]]
        end_ms = begin_ms + len(part.audio) / 48
        assert all(word.end_ms <= begin_ms or word.start_ms >= end_ms for word in outside)
