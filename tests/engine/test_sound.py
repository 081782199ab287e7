"""Spelling to sound, and the distance of sounds."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.asr import sound

sounds = st.text(alphabet=string.ascii_lowercase + "' ", max_size=20).map(sound.of)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("doc", "dock"),
        ("c r v", "see r vee"),
        ("denali", "denally"),
        ("write", "right"),
        ("wrangler", "rangler"),
        ("chrysler", "krysler"),
        ("f one fifty", f"f {sound.spelled('1')} {sound.spelled('50')}"),
    ],
)
def test_words_that_sound_alike_have_one_sound(one, other):
    assert sound.distance(sound.of(one), sound.of(other)) <= 0.4


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("4", "four"),
        ("15", "fifteen"),
        ("90", "ninety"),
        ("71", "seventy one"),
        ("350", "three fifty"),
        ("200", "two zero zero"),
        ("1500", "fifteen hundred"),
        ("2027", "two zero two seven"),
        ("rav", "rav"),
    ],
)
def test_digits_are_said_as_on_a_car(digits, words):
    assert sound.spelled(digits) == words


def test_a_mishearing_is_nearer_than_another_name():
    def far(one: str, other: str) -> float:
        return sound.distance(sound.of(one), sound.of(other))

    assert far("sequia", "sequoia") < far("sienna", "sequoia")
    assert far("laramy", "larra me") < far("larry it", "larra me")


@given(sounds, sounds, sounds)
def test_distance_is_a_distance(one, two, three):
    assert sound.distance(one, one) == 0.0
    assert sound.distance(one, two) == pytest.approx(sound.distance(two, one))
    assert sound.distance(one, "") == pytest.approx(sound.weight(one))
    assert sound.distance(one, two) <= sound.weight(one) + sound.weight(two) + 1e-9
    assert len(sound.skeleton(one)) <= len(one)
