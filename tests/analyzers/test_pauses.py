"""Silences between speech, counted in measured frames."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.pauses import Pauses


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
