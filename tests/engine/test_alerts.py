"""What a manager is told to look at: objections that wait, monologues; and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.alerts import ANSWER_MS, MAX_OPEN, MONOLOGUE_MS, Alerts
from engine.events import Event

Told = list[tuple[str, int]]


class Line:
    """A call's events, one after the other."""

    def __init__(self) -> None:
        self.alerts = Alerts()
        self._seq = 0

    def event(self, t_ms: int, kind: str, track: str | None = "trainee", **data: Any) -> None:
        self._seq += 1
        self.alerts.push(Event(seq=self._seq, t=t_ms, track=track, type=kind, data=data))

    def state(self, t_ms: int, state: str) -> None:
        self.event(t_ms, "session.state", None, state=state, reason=None)

    def speak(self, start_ms: int, end_ms: int | None, track: str = "trainee") -> None:
        self.event(start_ms, "speech.start", track, utterance=1, startMs=start_ms)
        if end_ms is not None:
            self.event(end_ms, "speech.end", track, utterance=1, endMs=end_ms)

    def object(self, end_ms: int, code: str = "too_expensive") -> None:
        objections = [{"code": code, "margin": 0.2}]
        span = (end_ms - 1_000, end_ms)
        self.event(end_ms + 500, "playbook", "partner", objections=objections, spanMs=span)

    def say(self, start_ms: int, words: int, utterance: int = 9) -> None:
        said = [("word", start_ms + 300 * n, start_ms + 300 * n + 200, 0.9) for n in range(words)]
        self.event(start_ms + 300 * words, "transcript.final", utterance=utterance, words=said)

    def at(self, t_ms: int) -> Told:
        return [(alert.code, alert.since_ms) for alert in self.alerts.at(t_ms)]


def test_an_objection_waits_twenty_seconds_for_eight_words() -> None:
    line = Line()
    line.object(10_000)
    assert line.at(10_000 + ANSWER_MS - 1) == []
    assert line.at(10_000 + ANSWER_MS) == [("objection_unanswered", 10_000)]
    line.say(31_000, 7)
    assert line.at(40_000) == [("objection_unanswered", 10_000)]
    line.say(41_000, 1, utterance=10)
    assert line.at(50_000) == []


def test_what_was_said_before_the_objection_is_no_answer_and_words_under_way_are() -> None:
    line = Line()
    line.say(1_000, 20)
    line.object(10_000)
    assert line.at(30_000) == [("objection_unanswered", 10_000)]
    line.event(
        31_000,
        "transcript.partial",
        utterance=11,
        committed="well I see what you",
        tentative="mean by that",
    )
    assert line.at(32_000) == []


def test_the_partners_words_answer_nothing() -> None:
    line = Line()
    line.object(10_000)
    words = [("word", 11_000 + 300 * n, 11_200 + 300 * n, 0.9) for n in range(20)]
    line.event(18_000, "transcript.final", "partner", utterance=3, words=words)
    assert line.at(30_000) == [("objection_unanswered", 10_000)]


@pytest.mark.parametrize("state", ["paused", "interrupted"])
def test_time_away_does_not_count(state: str) -> None:
    line = Line()
    line.object(10_000)
    line.state(15_000, state)
    assert line.at(60_000) == []
    line.state(60_000, "active")
    assert line.at(74_999) == []
    assert line.at(75_000) == [("objection_unanswered", 10_000)]


def test_a_monologue_is_told_after_ninety_seconds_and_short_silences_do_not_end_it() -> None:
    line = Line()
    line.speak(5_000, 50_000)
    line.speak(51_500, None)
    assert line.at(5_000 + MONOLOGUE_MS) == []
    assert line.at(5_001 + MONOLOGUE_MS) == [("monologue", 5_000)]
    line.event(100_000, "speech.end", utterance=1, endMs=100_000)
    assert line.at(101_999) == [("monologue", 5_000)]
    assert line.at(102_000) == []


def test_whoever_lets_the_other_speak_holds_no_monologue() -> None:
    line = Line()
    line.speak(0, None)
    line.speak(40_000, 40_500, track="partner")
    assert line.at(100_000) == [("monologue", 0)]
    line.speak(101_000, None, track="partner")
    assert line.at(101_999) == [("monologue", 0)]
    assert line.at(102_000) == []
    line.event(103_000, "speech.end", "partner", utterance=1, endMs=103_000)
    assert line.at(120_000) == []


def test_a_call_that_is_over_asks_for_nothing() -> None:
    line = Line()
    line.object(1_000)
    line.speak(2_000, None)
    line.state(200_000, "completed")
    assert line.at(300_000) == []


@given(st.lists(st.tuples(st.sampled_from(["object", "speak", "say", "state"]), st.integers(0, 9))))
def test_any_course_of_events_is_bounded_and_never_fails(steps: list[tuple[str, int]]) -> None:
    line = Line()
    for number, (what, choice) in enumerate(steps):
        t_ms = 3_000 * number
        if what == "object":
            line.object(t_ms, f"code_{choice}")
        elif what == "speak":
            line.speak(t_ms, t_ms + 300 * choice, track="trainee" if choice % 2 else "partner")
        elif what == "say":
            line.say(t_ms, choice, utterance=number)
        else:
            line.state(t_ms, ["active", "paused", "interrupted"][choice % 3])
        told = line.at(t_ms)
        assert len(told) <= MAX_OPEN + 1
        assert [since for _, since in told] == sorted(since for _, since in told)
