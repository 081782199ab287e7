"""One call: its tracks, its state machine, and the numbered, journalled stream of its events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from analyzers.talk import Conversation, Talk
from engine.asr.correction import Corrector
from engine.asr.window import Recognizer
from engine.clock import Anchor
from engine.events import (
    Bookmark,
    Command,
    Degraded,
    Event,
    Feedback,
    Link,
    Meters,
    Metrics,
    SessionState,
    SessionType,
    StateChanged,
    Wire,
)
from engine.features import Baseline
from engine.frames import Frame, ms_of
from engine.guide import Lesson
from engine.journal import Journal
from engine.matching import Role
from engine.objections import Judge
from engine.playbook import Playbook
from engine.rules import version
from engine.track import LIVE, Parts, Track

log = structlog.get_logger(__name__)

TRAINEE = "trainee"
PARTNER = "partner"
"""Plays the customer."""
COACHES = ("coach_1", "coach_2")
"""Managers and coaches who speak in a call, as many as there are seats."""
TRACKS = (TRAINEE, PARTNER, *COACHES)

CRASH_SEQ_STEP = 1000
"""After a crash `seq` jumps by this, so that a number that may have been sent is not used twice."""

TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    "created": frozenset({"active", "completed"}),
    "active": frozenset({"paused", "interrupted", "completed"}),
    "paused": frozenset({"active", "interrupted", "completed"}),
    "interrupted": frozenset({"active", "completed"}),
    "completed": frozenset(),
}


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a session is started with; journalled as an input."""

    session_type: SessionType
    baseline: Baseline | None
    volume_feedback: bool
    device_label: str = ""
    """The microphone that `baseline` belongs to."""
    language: str = "en"


Subscriber = Callable[[Event], None]
MeterSubscriber = Callable[[str, int, Meters], None]


class Session:
    """`now_s()` is seconds since the session began. Everything runs on the media loop."""

    def __init__(
        self,
        session_id: str,
        config: SessionConfig,
        recognizer: Recognizer,
        journal: Journal,
        now_s: Callable[[], float],
        *,
        state: SessionState = "created",
        next_seq: int = 1,
        first_utterance: int = 1,
        start_sample: int = 0,
        corrector: Corrector | None = None,
        playbook: Playbook | None = None,
        judge: Judge | None = None,
        parts: Callable[[str], Parts] = lambda track: LIVE,
    ) -> None:
        self.id = session_id
        self.config = config
        self.state: SessionState = state
        self.journal = journal
        self.now_s = now_s
        self.tracks: dict[str, Track] = {}
        self.metrics: Metrics | None = None
        self.feedback_count = 0
        self.malformed_commands = 0
        self.unwritten = 0
        """Records that the journal did not take."""
        self._recognizer = recognizer
        # The terms are English.
        self._corrector = corrector if config.language == "en" else None
        self.playbook = playbook
        self._judge = judge
        self._conversation: Conversation | None = None
        self._talkers: list[str] = []
        """Tracks of those whose conversation it is: not those of coaches."""
        self._began: dict[str, Any] = {
            "state": state,
            "seq": next_seq,
            "utterance": first_utterance,
            "sample": start_sample,
        }
        self._seq = next_seq - 1
        self._first_utterance = first_utterance
        self._start_sample = start_sample
        self._parts = parts
        self._is_set_up = False
        self._subscribers: list[Subscriber] = []
        self._meter_subscribers: list[MeterSubscriber] = []
        self._gap = 0
        self._why_unwritten: str | None = None

    @property
    def last_seq(self) -> int:
        return self._seq

    @property
    def t_ms(self) -> int:
        """Session time of the newest sample processed on any track."""
        return max((track.end_ms for track in self.tracks.values()), default=0)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every event from now on; it must not wait. Returns the undo."""
        self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def subscribe_meters(self, subscriber: MeterSubscriber) -> Callable[[], None]:
        """Call `subscriber(track, t_ms, meters)` ten times a second. Returns the undo."""
        self._meter_subscribers.append(subscriber)
        return lambda: self._meter_subscribers.remove(subscriber)

    def add_track(self, name: str) -> Track:
        """Open the track `name` (or return it, when it is open already: a resume).

        The first one is the trainee's: only it is coached. Who joins is journalled as ``track``.
        """
        track = self.tracks.get(name)
        if track is not None:
            return track
        is_first = not self.tracks
        if not is_first:
            self.record("track", t=self.t_ms, track=name)
        track = Track(
            self.id,
            name,
            self.config.baseline if is_first else None,
            is_first and self.config.volume_feedback,
            self._recognizer,
            self._first_utterance,
            language=self.config.language,
            corrector=self._corrector,
            lesson=self._lesson(name),
            coached=is_first,
            talk=lambda: self._talk(name),
            emit=lambda data: self._derive(data, name),
            meters=lambda t_ms, meters: self._meters(name, t_ms, meters),
            record=self.record,
            parts=self._parts(name),
        )
        self.tracks[name] = track
        track.skip(self._start_sample)
        if not is_first and name not in COACHES:
            for other in self._talkers:
                self.tracks[other].is_alone = False
            # It begins anew with whoever joins.
            self._talkers = [track for track in self.tracks if track not in COACHES]
            self._conversation = Conversation(len(self._talkers))
        elif is_first:
            self._talkers = [name]
        return track

    def _talk(self, name: str) -> Talk | None:
        if self._conversation is None or name not in self._talkers:
            return None
        return self._conversation.of(self._talkers.index(name))

    def _lesson(self, name: str) -> Lesson | None:
        if self.playbook is None or name in COACHES:
            return None
        # Whoever is alone plays both: the trainee says what a customer might.
        role: Role = "customer" if self.tracks else "both"
        from_start = self._began["state"] == "created"
        return Lesson(self.playbook, self.config.session_type, role, self._judge, from_start)

    def push(self, frames: list[Frame]) -> None:
        """Take the next frames of one track, in order."""
        for frame in frames:
            track = self.tracks[frame.track]
            track.push(frame)
            if self._conversation is not None and frame.track in self._talkers:
                is_own = frame.source.measured and not track.hears_echo
                spoke = track.is_voiced if is_own else None
                number = self._talkers.index(frame.track)
                self._conversation.push(number, ms_of(frame.start_sample), spoke)

    def played(self, track: str, frame: Frame) -> None:
        """A frame of another person's sound that plays to the person of `track`."""
        if frame.source.measured and track in self.tracks:
            self.tracks[track].played(frame)

    def anchored(self, track: str, anchor: Anchor) -> None:
        self.record("anchor", track=track, **asdict(anchor))

    def skip(self, track: str, to_sample: int) -> None:
        """The track's time line goes on at `to_sample`: the client was away until then."""
        self.record("skip", t=self.t_ms, track=track, to=to_sample)
        self.tracks[track].skip(to_sample)

    def set_link(self, track: str, link: Link | None) -> None:
        """The link's quality over the last second, for meters and rules; None: not known."""
        self.tracks[track].link = link

    def emit(self, data: Wire, track: str | None = None) -> Event:
        """Number an event, write it to the journal, then hand it out.

        Where the journal takes no more it is handed out all the same, and its number is used up.
        What comes from outside, as here, the journal marks as ``given``: a replay takes it as it
        is, and makes all other events again.
        """
        return self._emit(data, track, {"given": True})

    def _derive(self, data: Wire, track: str | None = None) -> Event:
        """As `emit`, of what follows from the other records."""
        return self._emit(data, track, {})

    def _emit(self, data: Wire, track: str | None, mark: dict[str, Any]) -> Event:
        self._seq += 1
        event = Event.of(self._seq, self.t_ms, track, data)
        self._write("event", {"e": event.model_dump(), **mark})
        if isinstance(data, Metrics) and track == next(iter(self.tracks), track):
            self.metrics = data
        elif isinstance(data, Feedback):
            self.feedback_count += 1
        for subscriber in list(self._subscribers):
            try:
                subscriber(event)
            except Exception:
                # Who listens stands beside the call: its fault must not stop the frames.
                log.exception("subscriber_failed", session=self.id, seq=event.seq)
        # Behind the event that could not be written: nothing overtakes a lower number.
        self._tell_unwritten()
        return event

    def record(self, kind: str, /, **fields: Any) -> None:
        """Write one record to the journal. A disk that is full costs the record, not the call.

        The first failure is logged and told as `degraded`. What the journal takes after failures
        begins with a ``gap`` record that counts what is missing.
        """
        self._write(kind, fields)
        self._tell_unwritten()

    def _write(self, kind: str, fields: dict[str, Any]) -> None:
        try:
            if not self._is_set_up:
                self._set_up()
            if len(self.tracks) > 1:
                # A single track's position every record tells in its own way.
                ends = {name: track.end_sample for name, track in self.tracks.items()}
                fields = {**fields, "ends": ends}
            if self._gap:
                self.journal.append("gap", missing=self._gap)
                self._gap = 0
            self.journal.append(kind, **fields)
        except OSError as error:
            self._gap += 1
            self.unwritten += 1
            if self.unwritten == 1:
                log.error("journal_failed", session=self.id, error=repr(error))
                self._why_unwritten = error.strerror or str(error)

    def _set_up(self) -> None:
        """Begin this node's part of the journal with what the session was started with."""
        self.journal.append(
            "setup",
            config=asdict(self.config),
            **self._began,
            tracks=list(self.tracks),
            rules=version(),
            playbook=None if self.playbook is None else self.playbook.model_dump(mode="json"),
        )
        self._is_set_up = True

    def _tell_unwritten(self) -> None:
        why, self._why_unwritten = self._why_unwritten, None
        if why is not None:
            self.emit(Degraded(what="journal", why=why))

    def enter(self, state: SessionState, reason: str | None = None) -> bool:
        """Change state. False, and nothing happens, where the state machine has no such step."""
        return self._enter(state, reason, self.emit)

    def _enter(
        self, state: SessionState, reason: str | None, emit: Callable[[Wire], Event]
    ) -> bool:
        if state not in TRANSITIONS[self.state]:
            return False
        log.info("session_state", session=self.id, state=state, before=self.state, reason=reason)
        if state in ("paused", "interrupted"):
            self._flush()
        self.state = state
        emit(StateChanged(state=state, reason=reason))
        return True

    def flush(self) -> None:
        """End every utterance and ask for its final words."""
        self.record("flush", t=self.t_ms)
        self._flush()

    def _flush(self) -> None:
        for track in self.tracks.values():
            track.flush()

    @property
    def finals_due(self) -> int:
        """Utterances that are over and whose final words have not come yet."""
        return sum(track.finals_due for track in self.tracks.values())

    def complete(self, reason: str) -> None:
        """Emit what words are due and the last metrics, then enter `completed`, once."""
        if self.state == "completed":
            return
        self.record("close", t=self.t_ms, state="completed", reason=reason)
        for track in self.tracks.values():
            track.close()
        self._enter("completed", reason, self._derive)
        self._recognizer.forget(self.id)

    def suspend(self, reason: str) -> None:
        """Emit what words are due and the metrics so far, then leave the call to a later node."""
        if self.state == "completed":
            return
        self.record("close", t=self.t_ms, state="interrupted", reason=reason)
        for track in self.tracks.values():
            track.close(is_over=False)
        self._enter("interrupted", reason, self._derive)
        self._recognizer.forget(self.id)

    def command(self, command: Command, track: str) -> None:
        """Journal a client's command; what it changes beyond the state is the caller's."""
        self.record(
            "command", t=self.t_ms, track=track, command=command.model_dump(exclude_defaults=True)
        )
        if command.type == "bookmark":
            self._derive(Bookmark(at_ms=self.t_ms, label=command.label), track)
        elif command.type == "device":
            self._on_device(command, track)

    def _on_device(self, command: Command, track: str) -> None:
        """Judge volume only on the microphone that was checked, with automatic gain control off."""
        is_checked = command.label == self.config.device_label
        is_steady = command.settings.get("autoGainControl") is False
        judged = self.config.volume_feedback and is_checked and is_steady
        if self.tracks[track].judge_volume(judged) and not judged:
            why = "this microphone was not checked" if is_steady else "it adjusts its own level"
            self._derive(Degraded(what="volume feedback", why=why), track)

    def events(self, after_seq: int = 0) -> list[dict[str, Any]]:
        """Journalled events with `seq` > `after_seq`, oldest first."""
        return [
            record["e"]
            for record in self.journal.records()
            if record["k"] == "event" and record["e"]["seq"] > after_seq
        ]

    def _meters(self, track: str, t_ms: int, meters: Meters) -> None:
        for subscriber in list(self._meter_subscribers):
            try:
                subscriber(track, t_ms, meters)
            except Exception:
                log.exception("meter_subscriber_failed", session=self.id)
