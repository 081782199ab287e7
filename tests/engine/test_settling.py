"""The end of a call, and a change of microphone in the middle of one."""

from __future__ import annotations

import numpy as np
import pytest

from engine.asr.window import Hypothesis, Kind, SpokenWord, Window
from engine.events import Command, Degraded, Event, TranscriptFinal
from engine.features import Baseline
from engine.frames import SAMPLE_RATE, Pcm
from engine.journal import MemoryJournal
from engine.session import Session, SessionConfig
from tests.engine.timeline import TRACK, Delayed, Line, frames_of, silence

WORDS = [SpokenWord("this"), SpokenWord("is"), SpokenWord("heard")]


def seen_but_never_final(window: Window) -> Hypothesis | None:
    return Hypothesis(window, WORDS) if window.kind >= Kind.FIRST else None


def session(recognizer: Delayed, *, label: str = "Headset") -> tuple[Session, list[Event]]:
    config = SessionConfig("pitch", Baseline(-20.0, -60.0), True, device_label=label)
    made = Session("0" * 24, config, recognizer, MemoryJournal(), lambda: 0.0, state="active")
    made.add_track(TRACK)
    events: list[Event] = []
    made.subscribe(events.append)
    return made, events


def test_words_seen_become_final_at_the_end_where_the_recognizer_never_answered(
    reading: Pcm,
) -> None:
    line = Line(Delayed(seen_but_never_final))
    line.push(frames_of(np.concatenate([reading[: 3 * SAMPLE_RATE], silence(1.5)])))
    assert line.partials
    assert not line.finals
    line.utterances.settle()
    assert line.text == "this is heard"
    assert line.utterances.finals_due == 0


def test_an_answer_after_the_end_changes_nothing(reading: Pcm) -> None:
    recognizer = Delayed(lambda window: Hypothesis(window, WORDS), delay_ms=60_000)
    made, events = session(recognizer)
    made.push(list(frames_of(np.concatenate([reading[: 3 * SAMPLE_RATE], silence(1.0)]))))
    made.flush()
    made.complete("ended")
    told = len(events)
    recognizer.advance(200_000)
    assert events[-1].type == "session.state"
    assert len(events) == told
    assert sum(event.type == "transcript.final" for event in events) == 1


@pytest.mark.parametrize(
    ("label", "gain_control", "judged"),
    [
        ("Headset", False, True),
        ("Headset", True, False),
        ("Headset", None, False),
        ("Laptop", False, False),
    ],
)
def test_volume_is_judged_only_on_the_checked_microphone_without_gain_control(
    label: str, gain_control: bool | None, judged: bool
) -> None:
    made, events = session(Delayed(seen_but_never_final))
    settings = {"autoGainControl": gain_control}
    made.command(Command(type="device", label=label, settings=settings), TRACK)
    told = [event for event in events if event.type == "degraded"]
    assert bool(told) is not judged
    made.command(
        Command(type="device", label="Headset", settings={"autoGainControl": False}), TRACK
    )
    assert made.tracks[TRACK].judge_volume(True) is False, "it is judged again by now"


def test_the_final_of_a_settled_utterance_is_an_event_like_any_other(reading: Pcm) -> None:
    recognizer = Delayed(seen_but_never_final)
    made, events = session(recognizer)
    for frame in frames_of(reading[: 3 * SAMPLE_RATE]):
        made.push([frame])
        recognizer.advance(frame.end_ms)
    made.flush()
    made.complete("ended")
    finals = [event.parsed() for event in events if event.type == "transcript.final"]
    assert [isinstance(final, TranscriptFinal) for final in finals] == [True]
    assert Degraded not in {type(event.parsed()) for event in events}
