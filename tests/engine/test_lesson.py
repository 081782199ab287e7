"""A call held with a playbook: what was heard of it becomes events and cues, and comes out of a
replay again, whenever the judge answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine import playbook
from engine.asr.window import Hypothesis, SpokenWord, Window
from engine.events import Playbook as PlaybookEvent
from engine.objections import Judge, Scores
from engine.session import Session, SessionConfig
from tests.analyzers.recordings import Pcm as Samples
from tests.engine.test_replay import Take, same
from tests.engine.test_replay import path as path
from tests.engine.timeline import Delayed, silence

CAR_SALES = playbook.shipped()
SAID = "Good morning. But it's too expensive. Everybody gets approved here."


class Patient(Judge):
    """Answers when it is told to, as one does whose sentences wait for a worker."""

    def __init__(self) -> None:
        super().__init__(CAR_SALES, None)
        self._waiting: list[tuple[Scores, Callable[[Scores], None]]] = []

    def hear(self, words: Sequence[str], done: Callable[[Scores], None]) -> None:
        super().hear(words, lambda scores: self._waiting.append((scores, done)))

    def answer(self) -> None:
        for scores, done in self._waiting:
            done(scores)
        self._waiting.clear()


def says(window: Window) -> Hypothesis:
    words = SAID.split()
    step_ms = len(window.pcm) // 16 // (len(words) + 1)
    spoken = [
        SpokenWord(word, step_ms * n, step_ms * (n + 1), 0.95) for n, word in enumerate(words)
    ]
    return Hypothesis(window, spoken)


def held(path: Path, reading: Samples, judge: Judge | None) -> Session:
    """A call of 6 s in which `SAID` is recognized, and a silence of 2 s."""
    config = SessionConfig("pitch", None, False)
    more = {"playbook": CAR_SALES, "judge": judge}
    take = Take(path, Delayed(says), config=config, more=more)
    take.session.enter("active")
    take.play(reading[: 6 * 16_000])
    take.play(silence(1.0))
    if isinstance(judge, Patient):
        judge.answer()
    take.play(silence(1.0))
    take.end()
    return take.session


def told(session: Session) -> list[PlaybookEvent]:
    events = [event for event in session.events() if event["type"] == "playbook"]
    return [PlaybookEvent.model_validate(event["data"]) for event in events]


@pytest.mark.parametrize("judge", [Judge(CAR_SALES, None), Patient()], ids=["at once", "later"])
def test_a_replay_gives_the_same_playbook_events(
    path: Path, reading: Samples, judge: Judge
) -> None:
    session = held(path, reading, judge)
    found = told(session)
    assert {event.stage for event in found} - {None}
    assert "approval_promise" in {event.never_say for event in found}
    assert "price_too_high" in {event.card for event in found}
    again = same(path)
    assert any(event["type"] == "playbook" for event in again.after)


def test_what_must_never_be_said_is_a_cue_in_the_words_of_the_playbook(
    path: Path, reading: Samples
) -> None:
    session = held(path, reading, Judge(CAR_SALES, None))
    (cue,) = (e["data"] for e in session.events() if e["type"] == "feedback")
    never = next(each for each in CAR_SALES.never_say if each.code == "approval_promise")
    assert (cue["code"], cue["kind"], cue["severity"]) == ("never_say", "correction", "high")
    assert cue["message"] == never.title
    assert cue["evidence"] == f"{never.reason} Better: {never.instead}"
    heard = next(event for event in told(session) if event.never_say)
    assert tuple(cue["spanMs"]) == heard.span_ms


def test_a_call_without_a_playbook_tells_nothing_of_one(path: Path, reading: Samples) -> None:
    take = Take(path, Delayed(says))
    take.session.enter("active")
    take.play(reading[: 4 * 16_000])
    take.end()
    assert told(take.session) == []
    same(path)
