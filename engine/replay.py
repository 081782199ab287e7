"""A call once more, from its journal: the same inputs through the same session, and no recognizer.

The journal's inputs are: what each node's part of the call was set up with (`setup`), where frames
came from (`play`, `skip`), what voice activity decided (`voice`), when words under way were looked
at (`ask`), what the recognizer answered (`hypothesis`) and where that cut an utterance (`cut`), how
like an objection a sentence was (`likeness`),
what was measured (`features` with the link, the quantities of `metrics`), what was asked for
(`command`, `flush`, `close`), and the events marked as ``given``. All other events follow from
them, and are made again by `engine.session` itself: words by agreement, cues by the rules, scores
from their quantities. So with the same rules they come out byte for byte, numbers and times
included.

What a crash left unwritten cannot be compared: events that a part's last frame gives beyond its
last record are left out, and counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from analyzers.talk import Talk
from engine.asr.correction import Corrector
from engine.asr.window import Hypothesis, Kind, Pressure, Recognizer, SpokenWord, Window
from engine.disk import PLAIN, lines
from engine.events import Command, Event, Metrics
from engine.features import Baseline, Features, TrackAnalyzers, scores
from engine.feedback import RULES, Coach, Rule
from engine.frames import (
    FRAME_MS,
    FRAME_SAMPLES,
    SILENT_FRAME,
    Frame,
    Pcm,
    ms_of,
    sample_of,
)
from engine.inputs import EventDict, Part, TrackInputs, parts_of
from engine.journal import MemoryJournal, Record, record_of
from engine.objections import Scores
from engine.session import Session
from engine.trace import TracedVoice
from engine.track import Parts

NO_AUDIO: Pcm = SILENT_FRAME[:0]
TEXT = (
    "words",
    "rate_wpm",
    "asr_certainty",
    "hedges",
    "hedges_per_100_words",
    "questions",
)
"""Quantities that are counted again from the words. Fillers are heard as well: measured."""


class Stage(Protocol):
    """What stands in for the world around a session that is played again."""

    @property
    def recognizer(self) -> Recognizer: ...

    def parts(self, track: str) -> Parts:
        """What the track is to listen, measure and judge with."""

    def frame(self, track: str, start_sample: int) -> Frame:
        """The track's next frame, which is pushed at once."""

    def pushed(self, t_ms: int) -> None:
        """A frame was pushed: session time is `t_ms` now."""

    def answer(self, record: Record) -> None:
        """The journal's recognizer answered here."""

    def closing(self) -> None:
        """The call, or its part, ends now."""


class Journalled:
    """The stage of a replay: nothing is heard, all is as the journal says."""

    def __init__(self, part: Part, rules: tuple[Rule, ...]) -> None:
        self.recognizer = _Answers()
        self._part = part
        self._rules = rules

    def parts(self, track: str) -> Parts:
        inputs = self._part.of(track)
        return Parts(
            voice=lambda: TracedVoice(inputs.voice),
            analyzers=lambda baseline, language: _Measured(baseline, inputs, language),
            coach=partial(Coach, self._rules),
            cut=lambda hypothesis, settled: _cut(inputs, hypothesis),
        )

    def frame(self, track: str, start_sample: int) -> Frame:
        inputs = self._part.of(track)
        end_sample = start_sample + FRAME_SAMPLES
        pressure = inputs.pressures_ms.get(ms_of(end_sample), Pressure.NONE)
        self.recognizer.pressure = pressure
        self.recognizer.step_s = 0.0 if end_sample in inputs.asks else math.inf
        return Frame(track, start_sample, SILENT_FRAME, inputs.source(start_sample))

    def pushed(self, t_ms: int) -> None:
        """Answers come where the journal says."""

    def answer(self, record: Record) -> None:
        self.recognizer.answer(record)

    def closing(self) -> None:
        """What had not been answered never was."""


class Player:
    """Plays one part of a call. `events` are those of the session so far."""

    def __init__(self, part: Part, stage: Stage, corrector: Corrector | None = None) -> None:
        setup = part.setup
        self._part = part
        self._stage = stage
        self.events: list[EventDict] = []
        self._session = Session(
            "replay",
            part.config,
            stage.recognizer,
            MemoryJournal(),
            lambda: 0.0,
            state=setup["state"],
            next_seq=setup["seq"],
            first_utterance=setup["utterance"],
            start_sample=setup["sample"],
            corrector=corrector,
            playbook=part.playbook,
            parts=stage.parts,
        )
        self._session.subscribe(lambda event: self.events.append(event.model_dump(mode="json")))
        for track in setup["tracks"]:
            self._session.add_track(track)

    def play(self) -> None:
        """Play all of it."""
        for record in self._part.records:
            self._advance(record)
            self._apply(record)
        self._stage.closing()

    def _advance(self, record: Record) -> None:
        """Push what frames had been pushed when `record` was written, its own track's last."""
        own = record["e"]["track"] if record["k"] == "event" else record.get("track")
        ends = self._ends(record, own)
        for track in sorted(ends, key=lambda name: name == own):
            self._session.add_track(track)
            self._push(track, ends[track])

    def _ends(self, record: Record, own: str | None) -> dict[str, int]:
        if "ends" in record:
            ends: dict[str, int] = record["ends"]
            return ends
        kind = record["k"]
        if kind == "features":
            end = sample_of(record["f"]["t_ms"])
        elif kind == "event":
            end = sample_of(record["e"]["t"])
        elif "t" in record:
            end = sample_of(record["t"])
        elif own is not None and "at" in record:
            return {own: record["at"]}
        else:
            return {}
        if own is not None and not self._session.tracks:
            return {own: end}
        return dict.fromkeys(self._session.tracks, end)

    def _push(self, track: str, to_sample: int) -> None:
        session, inputs = self._session, self._part.of(track)
        for start in range(session.tracks[track].end_sample, to_sample, FRAME_SAMPLES):
            end_ms = ms_of(start + FRAME_SAMPLES)
            if end_ms in inputs.links_ms:
                session.set_link(track, inputs.links_ms[end_ms])
            session.push([self._stage.frame(track, start)])
            self._stage.pushed(session.t_ms)

    def _apply(self, record: Record) -> None:
        session, kind = self._session, record["k"]
        if kind == "hypothesis":
            self._stage.answer(record)
        elif kind == "likeness":
            scores = Scores(record["likeness"], record["ordinary"], tuple(record["phrases"]))
            session.tracks[record["track"]].objection(scores, tuple(record["span"]))
        elif kind == "track":
            session.add_track(record["track"])
        elif kind == "echo":
            session.tracks[record["track"]].echo(record["on"])
        elif kind == "skip":
            session.skip(record["track"], record["to"])
        elif kind == "command":
            session.command(Command.model_validate(record["command"]), record["track"])
        elif kind == "flush":
            session.flush()
        elif kind == "close":
            self._stage.closing()
            if record["state"] == "completed":
                session.complete(record["reason"])
            else:
                session.suspend(record["reason"])
        elif kind == "event" and record.get("given"):
            self._give(Event.model_validate(record["e"]))

    def _give(self, event: Event) -> None:
        if event.type == "session.state":
            self._session.enter(event.data["state"], event.data["reason"])
        else:
            self._session.emit(event.parsed(), event.track)


@dataclass(frozen=True, slots=True)
class Replay:
    """A call's events as the journal has them and as they came out again.

    `damaged` lines could not be read, `missing` records were never written (a full disk), and
    `unconfirmed` events came beyond what a crash left. `rules` are the versions the call was
    coached with.
    """

    before: list[EventDict]
    after: list[EventDict]
    parts: int
    rules: tuple[str, ...]
    damaged: int = 0
    missing: int = 0
    unconfirmed: int = 0

    @property
    def is_identical(self) -> bool:
        """Whether all events are the same, byte for byte."""
        return [encoded(event) for event in self.before] == [encoded(event) for event in self.after]


def replay(records: Sequence[Record], rules: tuple[Rule, ...] = RULES, damaged: int = 0) -> Replay:
    """Play a journal's records with `rules`. Raises `ReplayError`."""
    parts = parts_of(records)
    before: list[EventDict] = []
    after: list[EventDict] = []
    unconfirmed = 0
    for part in parts:
        player = Player(part, Journalled(part, rules))
        player.play()
        events = player.events if part.is_closed else _confirmed(part.events, player.events)
        unconfirmed += len(player.events) - len(events)
        before += part.events
        after += events
    versions = dict.fromkeys(str(part.setup["rules"]) for part in parts)
    missing = sum(record["missing"] for record in records if record["k"] == "gap")
    return Replay(before, after, len(parts), tuple(versions), damaged, missing, unconfirmed)


def load(path: Path) -> tuple[list[Record], int]:
    """As `loaded`, of a journal file that is not encrypted. Raises `OSError`."""
    return loaded(PLAIN.chunks(path))


def loaded(chunks: Iterator[bytes]) -> tuple[list[Record], int]:
    """The good records of what a journal file holds, and how many lines are damaged; a torn last
    line, which is what a crash leaves, is none of them."""
    records, damaged = [], 0
    for line in lines(chunks):
        record = record_of(line)
        if record is not None:
            records.append(record)
        elif line.endswith(b"\n"):
            damaged += 1
    return records, damaged


def encoded(event: Mapping[str, Any]) -> bytes:
    """An event as the journal writes it."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def _confirmed(before: Sequence[EventDict], after: Sequence[EventDict]) -> list[EventDict]:
    """`after` without what the last frame gave that the journal did not get any more."""
    if not after:
        return []
    last_ms = after[-1]["t"]
    told = [_nameless(event) for event in before if event["t"] == last_ms]
    kept = list(after)
    while kept and kept[-1]["t"] == last_ms and _nameless(kept[-1]) not in told:
        kept.pop()
    return kept


def _nameless(event: EventDict) -> EventDict:
    return {**event, "seq": 0}


class _Answers:
    """A recognizer that answers when and what the journal says."""

    def __init__(self) -> None:
        self.step_s = math.inf
        self.pressure = Pressure.NONE
        self._done: dict[str, Callable[[Hypothesis], None]] = {}

    def submit(self, window: Window, done: Callable[[Hypothesis], None]) -> None:
        self._done[window.track] = done

    def admit(self, session: str, language: str) -> None:
        """Has room for everybody."""

    def forget(self, session: str) -> None:
        """Has nothing that waits."""

    def answer(self, record: Record) -> None:
        done = self._done.get(record["track"])
        if done is None:
            return
        window = Window(
            "replay",
            record["track"],
            record["utterance"],
            Kind[record["kind"].upper()],
            record["start"],
            record["end"],
            record["voiced_end"],
            NO_AUDIO,
        )
        words = [SpokenWord(*word) for word in record["words"]]
        done(Hypothesis(window, words, failed=record["failed"], ran_away=record["ran_away"]))


class _Measured(TrackAnalyzers):
    """Has measured what the journal says; words it counts itself."""

    def __init__(self, baseline: Baseline | None, inputs: TrackInputs, language: str) -> None:
        super().__init__(baseline, language=language)
        self._inputs = inputs

    def push(self, pcm: Pcm, start_ms: int, measured: bool, speaking: bool) -> None:
        if measured:
            self._t_ms = start_ms + FRAME_MS
            self._absent_ms = 0
        else:
            super().push(pcm, start_ms, measured, speaking)

    def features(self) -> Features:
        """Where their record is lost: nothing is known."""
        features = self._inputs.features_ms.get(self._t_ms)
        return super().features() if features is None else features

    def metrics(self, talk: Talk | None = None) -> Metrics:
        counted = super().metrics(talk)
        # Behind a jump in time the newest frame is older than the event.
        told_ms = min((at for at in self._inputs.quantities_ms if at >= self._t_ms), default=None)
        if told_ms is None:
            return counted
        waiting = self._inputs.quantities_ms[told_ms]
        measured = waiting.popleft() if len(waiting) > 1 else waiting[0]
        texts = {name: getattr(counted.quantities, name) for name in TEXT}
        quantities = measured.model_copy(update=texts)
        return Metrics(scores=scores(quantities), quantities=quantities)


def _cut(inputs: TrackInputs, hypothesis: Hypothesis) -> tuple[list[SpokenWord], int]:
    """Where its record is lost: behind the whole window."""
    window, words = hypothesis.window, hypothesis.words
    kept, sample = inputs.cuts.get(window.utterance, (len(words), window.end_sample))
    return words[:kept], sample
