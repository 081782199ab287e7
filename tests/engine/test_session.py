"""Events are numbered without a gap, written before they are told, and states follow the design."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from engine.asr.correction import Corrector
from engine.asr.domain import load
from engine.asr.window import Hypothesis, SpokenWord, Window
from engine.clock import Anchor
from engine.events import (
    Bookmark,
    Command,
    Error,
    Event,
    Meters,
    SessionState,
    TranscriptFinal,
)
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Pcm, Source
from engine.journal import FileJournal, Journal, MemoryJournal, Record
from engine.session import Session, SessionConfig
from tests.analyzers.recordings import Pcm as Samples
from tests.engine.timeline import TRACK, Delayed, frames_of, silence

ID = "0123456789abcdef01234567"
ALLOWED = {
    ("created", "active"),
    ("created", "completed"),
    ("active", "paused"),
    ("active", "interrupted"),
    ("active", "completed"),
    ("paused", "active"),
    ("paused", "interrupted"),
    ("paused", "completed"),
    ("interrupted", "active"),
    ("interrupted", "completed"),
}
STATES: tuple[SessionState, ...] = get_args(SessionState)


def hello(window: Window) -> Hypothesis:
    return Hypothesis(window, [SpokenWord("hello", 100, 400, 0.9)])


class Forgetting(Delayed):
    """Remembers which sessions it was told to forget."""

    def __init__(self) -> None:
        super().__init__(hello)
        self.forgotten: list[str] = []

    def forget(self, session: str) -> None:
        super().forget(session)
        self.forgotten.append(session)


def make(journal: Journal | None = None, recognizer: Delayed | None = None, **more: Any) -> Session:
    session = Session(
        ID,
        SessionConfig("pitch", None, False),
        recognizer or Delayed(hello),
        journal or MemoryJournal(),
        lambda: 0.0,
        **more,
    )
    session.add_track(TRACK)
    return session


def heard(session: Session) -> list[Event]:
    events: list[Event] = []
    session.subscribe(events.append)
    return events


def say(session: Session, recognizer: Delayed, frames: Iterator[Frame]) -> None:
    for frame in frames:
        session.push([frame])
        recognizer.advance(frame.end_ms)


@pytest.fixture
def phrase(reading: Samples) -> Pcm:
    """5 s with speech in it, and 1 s of silence."""
    return np.concatenate([reading[: 5 * SAMPLE_RATE], silence(1.0)])


@pytest.fixture(params=["file", "memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    one: Journal = MemoryJournal()
    if request.param == "file":
        one = FileJournal(tmp_path / "journal.jsonl")
    yield one
    one.close()


@pytest.mark.parametrize(("language", "text"), [("en", "Telluride"), ("es", "Teljuride")])
def test_domain_words_are_put_right_in_english_alone(language: str, text: str, phrase: Pcm) -> None:
    recognizer = Delayed(lambda window: Hypothesis(window, [SpokenWord("Teljuride", 0, 400)]))
    config = SessionConfig("pitch", None, False, language=language)
    corrector = Corrector(load())
    session = Session(ID, config, recognizer, MemoryJournal(), lambda: 0.0, corrector=corrector)
    session.add_track(TRACK)
    events = heard(session)
    session.enter("active")
    say(session, recognizer, frames_of(phrase))
    session.complete("ended")
    finals = [event.data for event in events if event.type == "transcript.final"]
    assert finals
    assert {word[0] for data in finals for word in data["words"]} == {text}


def test_events_are_numbered_from_one_without_a_gap(journal: Journal, phrase: Pcm) -> None:
    recognizer = Delayed(hello)
    session = make(journal, recognizer)
    events = heard(session)
    session.enter("active")
    say(session, recognizer, frames_of(phrase))
    session.complete("ended")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len({event.type for event in events}) >= 5
    assert session.last_seq == len(events)


def test_an_event_is_in_the_journal_before_anyone_is_told(journal: Journal, phrase: Pcm) -> None:
    recognizer = Delayed(hello)
    session = make(journal, recognizer)
    told: list[Event] = []

    def check(event: Event) -> None:
        newest = [record for record in journal.records() if record["k"] == "event"][-1]
        assert Event.model_validate(newest["e"]) == event.model_copy(
            update={"data": newest["e"]["data"]}
        )
        assert newest["e"]["seq"] == event.seq
        told.append(event)

    session.subscribe(check)
    session.enter("active")
    say(session, recognizer, frames_of(phrase))
    assert len(told) == session.last_seq > 5


@pytest.mark.parametrize(("before", "after"), list(product(STATES, STATES)))
def test_states_follow_each_other_as_the_design_says(
    before: SessionState, after: SessionState
) -> None:
    session = make(state=before)
    events = heard(session)
    entered = session.enter(after, "why")
    assert entered == ((before, after) in ALLOWED)
    assert session.state == (after if entered else before)
    assert [event.data for event in events] == (
        [{"state": after, "reason": "why"}] if entered else []
    )


class FullJournal(MemoryJournal):
    """Takes nothing while `is_full`."""

    is_full = False

    def append(self, kind: str, /, **fields: Any) -> None:
        if self.is_full:
            raise OSError("no space left")
        super().append(kind, **fields)


def test_a_full_disk_costs_the_record_and_not_the_call() -> None:
    journal = FullJournal()
    session = make(journal)
    events = heard(session)
    session.emit(Bookmark(at_ms=0, label="one"))
    journal.is_full = True
    for label in ("two", "three"):
        session.emit(Bookmark(at_ms=0, label=label))
    journal.is_full = False
    session.emit(Bookmark(at_ms=0, label="four"))
    told = [(event.seq, event.data.get("label", event.data.get("what"))) for event in events]
    assert told == [(1, "one"), (2, "two"), (3, "journal"), (4, "three"), (5, "four")]
    assert events[2].data == {"what": "journal", "why": "no space left", "untilMs": None}
    assert session.unwritten == 3


def test_the_journal_says_how_much_is_missing_from_it() -> None:
    journal = FullJournal()
    session = make(journal)
    session.emit(Bookmark(at_ms=0, label="one"))
    journal.is_full = True
    session.record("features", f={})
    session.emit(Bookmark(at_ms=0, label="two"))
    journal.is_full = False
    session.emit(Bookmark(at_ms=0, label="three"))
    records = list(journal.records())
    assert [record["k"] for record in records] == ["setup", "event", "gap", "event"]
    # the features, the event about the disk, and the bookmark
    assert records[2]["missing"] == 3
    assert [event["seq"] for event in session.events()] == [1, 4]


def test_a_full_disk_is_logged_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    journal = FullJournal()
    session = make(journal)
    events = heard(session)
    for is_full in (True, False) * 20:
        journal.is_full = is_full
        session.emit(Bookmark(at_ms=0))
    assert [event.type for event in events].count("degraded") == 1
    assert capsys.readouterr().out.count("journal_failed") == 1


def test_a_call_is_coached_on_a_full_disk(phrase: Pcm) -> None:
    on_disk, full = MemoryJournal(), FullJournal()
    full.is_full = True
    told: list[list[tuple[str, dict[str, Any]]]] = []
    for journal in (on_disk, full):
        recognizer = Delayed(hello)
        session = make(journal, recognizer)
        events = heard(session)
        meters: list[object] = []
        session.subscribe_meters(lambda *given, meters=meters: meters.append(given))
        session.enter("active")
        say(session, recognizer, frames_of(phrase))
        session.complete("ended")
        told.append([(event.type, event.data) for event in events if event.type != "degraded"])
        assert len(meters) > 10
    assert told[0] == told[1]
    assert list(full.records()) == []


def test_a_listener_that_fails_stops_neither_the_call_nor_the_others(phrase: Pcm) -> None:
    def fail(*event: object) -> None:
        raise RuntimeError("a fault of this listener")

    recognizer = Delayed(hello)
    session = make(recognizer=recognizer)
    meters: list[Meters] = []
    session.subscribe(fail)
    session.subscribe_meters(fail)
    session.subscribe_meters(lambda track, t_ms, data: meters.append(data))
    events = heard(session)
    session.enter("active")
    say(session, recognizer, frames_of(phrase[:SAMPLE_RATE]))
    assert [event.seq for event in events] == list(range(1, session.last_seq + 1))
    assert len(meters) == 10


def test_who_unsubscribed_is_not_told_any_more() -> None:
    session = make()
    events: list[Event] = []
    undo = session.subscribe(events.append)
    session.emit(Bookmark(at_ms=0))
    undo()
    session.emit(Bookmark(at_ms=0))
    assert len(events) == 1


@pytest.mark.parametrize("state", ["paused", "interrupted"])
def test_leaving_a_call_ends_what_was_being_said(state: SessionState, reading: Samples) -> None:
    recognizer = Delayed(hello)
    session = make(recognizer=recognizer)
    events = heard(session)
    session.enter("active")
    say(session, recognizer, frames_of(reading[: 3 * SAMPLE_RATE]))
    assert session.finals_due == 0
    session.enter(state)
    assert [event.type for event in events[-2:]] == ["speech.end", "session.state"]
    assert session.finals_due == 1
    recognizer.finish()
    assert events[-1].type == "transcript.final"
    assert session.finals_due == 0


def test_an_event_tells_the_newest_sample_processed(phrase: Pcm) -> None:
    session = make()
    events = heard(session)
    for frame in frames_of(phrase):
        before = len(events)
        session.push([frame])
        assert {event.t for event in events[before:]} <= {frame.end_ms}
    assert session.t_ms == 6_000
    assert {event.track for event in events} == {TRACK}


@pytest.mark.parametrize("before", ["active", "paused", "interrupted"])
def test_a_suspended_call_has_its_words_and_can_be_taken_up_again(
    before: SessionState, phrase: Pcm
) -> None:
    recognizer = Forgetting()
    session = make(recognizer=recognizer)
    events = heard(session)
    session.enter("active")
    say(session, recognizer, frames_of(phrase[: 2 * SAMPLE_RATE]))
    if before != "active":
        session.enter(before)
    session.flush()
    session.suspend("node_stopped")
    assert session.state == "interrupted"
    assert session.finals_due == 0
    assert [event.type for event in events].count("transcript.final") == 1
    assert recognizer.forgotten == [ID]
    reasons = [event.data["reason"] for event in events if event.type == "session.state"]
    assert reasons[-1] == (None if before == "interrupted" else "node_stopped")


def test_a_call_that_is_over_cannot_be_suspended() -> None:
    session = make()
    session.enter("active")
    session.complete("ended")
    events = heard(session)
    session.suspend("node_stopped")
    assert session.state == "completed"
    assert events == []


def test_events_can_be_read_again_from_any_number(journal: Journal) -> None:
    session = make(journal)
    for n in range(5):
        session.emit(Bookmark(at_ms=n))
    journal.append("features", f={})
    assert [event["seq"] for event in session.events()] == [1, 2, 3, 4, 5]
    assert [event["seq"] for event in session.events(after_seq=3)] == [4, 5]
    assert session.events(after_seq=5) == []


def test_completing_tells_the_last_scores_what_they_come_to_and_that_it_is_over_once() -> None:
    recognizer = Forgetting()
    session = make(recognizer=recognizer)
    session.enter("active")
    events = heard(session)
    session.complete("ended")
    session.complete("ended")
    assert [event.type for event in events] == ["metrics", "summary", "session.state"]
    assert events[-1].data == {"state": "completed", "reason": "ended"}
    assert recognizer.forgotten == [ID]
    assert session.metrics is not None


def test_commands_are_inputs_and_a_bookmark_is_an_event(journal: Journal) -> None:
    session = make(journal)
    events = heard(session)
    session.push(list(frames_of(silence(0.5))))
    session.command(Command(type="bookmark", label="the objection"), TRACK)
    session.command(Command(type="pause"), TRACK)
    commands = [record for record in journal.records() if record["k"] == "command"]
    assert [(each["t"], each["command"]) for each in commands] == [
        (500, {"type": "bookmark", "label": "the objection"}),
        (500, {"type": "pause"}),
    ]
    said = {"atMs": 500, "label": "the objection", "author": None}
    assert [event.data for event in events] == [said]


def test_meters_are_neither_numbered_nor_journalled(journal: Journal) -> None:
    session = make(journal)
    meters: list[tuple[str, int]] = []
    session.subscribe_meters(lambda track, t_ms, data: meters.append((track, t_ms)))
    session.push(list(frames_of(silence(1.0))))
    assert meters == [(TRACK, t_ms) for t_ms in range(100, 1_001, 100)]
    assert session.last_seq == 0
    assert "meters" not in {record["k"] for record in journal.records()}


def test_anchors_are_inputs(journal: Journal) -> None:
    session = make(journal)
    session.anchored(TRACK, Anchor("first", 960, 320))
    record: Record = list(journal.records())[-1]
    assert record == {
        "k": "anchor",
        "track": TRACK,
        "reason": "first",
        "rtp": 960,
        "sample": 320,
    }


def test_a_session_goes_on_from_where_a_crash_left_it(phrase: Pcm) -> None:
    recognizer = Delayed(hello)
    start = 100 * SAMPLE_RATE
    session = make(
        recognizer=recognizer,
        state="interrupted",
        next_seq=1_007,
        first_utterance=5,
        start_sample=start,
    )
    events = heard(session)
    assert session.t_ms == 100_000
    session.enter("active", "resumed")
    say(session, recognizer, frames_of(phrase, start))
    assert events[0].seq == 1_007
    starts = [event for event in events if event.type == "speech.start"]
    assert starts[0].data["utterance"] == 5
    assert starts[0].data["startMs"] > 100_000


def test_each_track_has_its_own_speech(phrase: Pcm) -> None:
    recognizer = Delayed(hello)
    session = make(recognizer=recognizer)
    session.add_track("partner")
    events = heard(session)
    partner = [
        Frame("partner", frame.start_sample, frame.pcm, Source.RECEIVED)
        for frame in frames_of(phrase)
    ]
    for mine, theirs in zip(frames_of(silence(6.0)), partner, strict=True):
        session.push([mine, theirs])
        recognizer.advance(mine.end_ms)
    spoken = [event for event in events if event.type.startswith(("speech", "transcript"))]
    assert {event.track for event in spoken} == {"partner"}
    assert session.add_track("partner") is session.tracks["partner"]


def test_what_a_session_tells_can_be_read_by_the_contract(phrase: Pcm) -> None:
    recognizer = Delayed(hello)
    session = make(recognizer=recognizer)
    events = heard(session)
    session.enter("active")
    say(session, recognizer, frames_of(phrase))
    session.emit(Error(code="bad_message", detail="what was expected"))
    session.complete("ended")
    finals = [event.parsed() for event in events if event.type == "transcript.final"]
    assert all(isinstance(final, TranscriptFinal) for final in finals)
    assert [event.parsed().model_dump(by_alias=True) for event in events] == [
        event.data for event in events
    ]


def test_two_tracks_are_one_conversation(reading: Samples) -> None:
    session = make()
    session.enter("active")
    other = "partner"
    session.push(list(frames_of(reading[: 2 * SAMPLE_RATE])))
    assert session.tracks[TRACK].summarise().quantities.talk_share_pct is None
    session.add_track(other)
    session.skip(other, 2 * SAMPLE_RATE)
    quiet = silence(24.0)
    spoken = {TRACK: reading[: 12 * SAMPLE_RATE], other: quiet[: 12 * SAMPLE_RATE]}
    swapped = {TRACK: quiet[: 6 * SAMPLE_RATE], other: reading[: 6 * SAMPLE_RATE]}
    for sounds in (spoken, swapped):
        for at in range(0, len(sounds[TRACK]), FRAME_SAMPLES):
            for name, sound in sounds.items():
                start = session.tracks[name].end_sample
                pcm = sound[at : at + FRAME_SAMPLES]
                session.push([Frame(name, start, pcm, Source.RECEIVED)])
    shares = [session.tracks[name].summarise().quantities for name in (TRACK, other)]
    assert shares[0].talk_share_pct == pytest.approx(100 * 12 / 18, abs=6)
    assert shares[0].talk_share_pct + shares[1].talk_share_pct == pytest.approx(100, abs=0.1)
    assert [share.interruptions for share in shares] == [0, 0]


def test_a_paused_track_is_no_silent_one_in_a_conversation(reading: Samples) -> None:
    session = make()
    session.add_track("partner")
    session.enter("active")
    for source in (Source.RECEIVED, Source.PAUSED):
        for at in range(0, 12 * SAMPLE_RATE, FRAME_SAMPLES):
            start = session.tracks[TRACK].end_sample
            pcm = reading[at : at + FRAME_SAMPLES]
            session.push([Frame(TRACK, start, pcm, Source.RECEIVED)])
            session.push([Frame("partner", start, pcm, source)])
    share = session.tracks[TRACK].summarise().quantities.talk_share_pct
    # Where the partner was paused nobody's speech counts.
    assert share == pytest.approx(50, abs=1)
