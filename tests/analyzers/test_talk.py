"""A monologue is speech without a silence of two seconds."""

from analyzers.talk import Monologue


def after(*runs):
    """Runs of (speaking, seconds)."""
    monologue = Monologue()
    for speaking, seconds in runs:
        for _ in range(round(seconds * 50)):
            monologue.push(speaking)
    return monologue


def test_short_pauses_neither_end_a_monologue_nor_lengthen_it():
    assert after((True, 10), (False, 1.98), (True, 5)).speech_ms == 15_000


def test_two_seconds_of_silence_end_it():
    assert after((True, 10), (False, 2.0)).speech_ms == 0
    assert after((True, 10), (False, 2.0), (True, 3)).speech_ms == 3_000


def test_it_forgets_on_reset():
    monologue = after((True, 10))
    monologue.reset()
    assert monologue.speech_ms == 0
