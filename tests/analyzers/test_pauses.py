"""Silences between speech, counted in measured frames."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.pauses import Pauses
from tests.analyzers.recordings import speaking

HANGOVER_MS = 80
"""Of `speaking`: a frame counts as speech if it or one of the four before it does."""


def after(pattern):
    """`#` speaks, `.` is silent, 20 ms each."""
    pauses = Pauses()
    for mark in pattern:
        pauses.push(mark == "#")
    return pauses


def test_a_silence_between_speech_is_a_pause_from_250_ms_on():
    assert after("#" + "." * 12 + "#").count == 0
    long_enough = after("#" + "." * 13 + "#")
    assert (long_enough.count, long_enough.longest_ms, long_enough.total_ms) == (1, 260, 260)


def test_silence_before_the_first_word_and_after_the_last_is_no_pause():
    pauses = after("." * 100 + "#" * 10 + "." * 100)
    assert pauses.count == 0
    assert pauses.silence_ms == 2000


def test_a_running_silence_becomes_a_pause_when_speech_resumes():
    pauses = after("#" + "." * 50)
    assert (pauses.count, pauses.silence_ms) == (0, 1000)
    pauses.push(True)
    assert (pauses.count, pauses.silence_ms) == (1, 0)


def test_the_longest_pause_is_kept():
    pauses = after("#" + "." * 20 + "#" + "." * 60 + "#" + "." * 15 + "#")
    assert (pauses.count, pauses.longest_ms, pauses.total_ms) == (3, 1200, 1900)
    pauses.reset()
    assert (pauses.count, pauses.longest_ms, pauses.total_ms, pauses.silence_ms) == (0, 0, 0, 0)


@given(st.text("#.", max_size=300))
def test_pauses_are_the_long_runs_of_silence_inside(pattern):
    runs = [20 * len(run) for run in re.findall(r"(?<=#)\.+(?=#)", pattern)]
    expected = [run for run in runs if run >= 250]
    pauses = after(pattern)
    assert pauses.count == len(expected)
    assert pauses.total_ms == sum(expected)
    assert pauses.longest_ms == max(expected, default=0)
    assert pauses.silence_ms == pytest.approx(20 * (len(pattern) - len(pattern.rstrip("."))))


def test_the_hangover_of_the_decision_is_given_back():
    pauses = Pauses(hangover_ms=80)
    for mark in "#" + "." * 9 + "#" + "." * 8 + "#":
        pauses.push(mark == "#")
    assert (pauses.count, pauses.total_ms) == (1, 260)
    steady = Pauses(hangover_ms=400)
    for _ in range(50):
        steady.push(True)
    assert steady.count == 0


def pauses_of(signal):
    """Start and length (ms) of every pause."""
    pauses = Pauses(HANGOVER_MS)
    found = []
    for i, decision in enumerate(speaking(signal).tolist()):
        before = pauses.total_ms
        pauses.push(decision)
        if pauses.total_ms > before:
            length_ms = pauses.total_ms - before
            found.append((20 * i - length_ms, length_ms))
    return found


@pytest.mark.parametrize("seconds", [0.4, 0.8, 1.6])
def test_silence_of_the_room_put_into_a_pause_lengthens_it_by_itself(reading, seconds):
    signal = reading[: 16_000 * 30]
    start_ms, length_ms = max(pauses_of(signal), key=lambda pause: pause[1])
    middle = (start_ms + length_ms // 2) * 16
    room = np.tile(signal[middle - 1600 : middle + 1600], round(5 * seconds))
    longer = np.insert(signal, middle, room)
    assert max(length for _, length in pauses_of(longer)) == pytest.approx(
        length_ms + 1000 * seconds, abs=60
    )
