"""What a call's records tell of it: how it stands, how it was judged, what was said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from engine.events import Metrics, SessionState
from engine.journal import Record
from engine.session import TRAINEE

MAX_UTTERANCES = 5_000
MAX_WORDS = 30_000
"""In a call's transcript (some three hours); all others are in its events."""
MAX_CUES = 2_000
"""In a call's list of feedback; all others are in its events."""


class Told:
    """Feed it a journal's records, or events alone, in order."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        """Raises `LookupError`, `TypeError` or `ValueError` for records of another version."""
        self.first: Record | None = None
        """The ``session`` record."""
        self.status: SessionState = "created"
        self.reason: str | None = None
        self.start_time: datetime | None = None
        self.duration_ms = 0
        self.metrics: Metrics | None = None
        self.feedback_counts: Counter[str] = Counter()
        self.transcript: list[dict[str, Any]] = []
        self.feedback: list[dict[str, Any]] = []
        self.partner: Record | None = None
        """Who joined, as `api.call.Partner` has it."""
        self.summary: dict[str, Any] | None = None
        self.last_seq = 0
        self.last_utterance = 0
        self._words = 0
        for record in records:
            self.push(record)

    @property
    def feedback_count(self) -> int:
        return sum(self.feedback_counts.values())

    @property
    def end(self) -> datetime | None:
        """When the last of it was."""
        if self.start_time is None:
            return None
        return self.start_time + timedelta(milliseconds=self.duration_ms)

    def push(self, record: Record) -> None:
        kind = record["k"]
        if kind == "event":
            self.event(record["e"])
        elif kind == "features":
            self.duration_ms = max(self.duration_ms, record["f"]["t_ms"])
        elif kind == "session":
            self.first = record
            self.partner = record.get("partner")
        elif kind == "partner":
            self.partner = record
        elif kind == "begin":
            self.start_time = datetime.fromisoformat(record["at"])

    def event(self, event: dict[str, Any]) -> None:
        data = event["data"]
        self.last_seq = max(self.last_seq, event["seq"])
        self.duration_ms = max(self.duration_ms, event["t"])
        match event["type"]:
            case "session.state":
                self.status, self.reason = data["state"], data["reason"]
            case "speech.start":
                self.last_utterance = max(self.last_utterance, data["utterance"])
            case "metrics" if event["track"] == TRAINEE:
                self.metrics = Metrics.model_validate(data)
            case "summary":
                self.summary = data
            case "transcript.final":
                self._words += len(data["words"])
                if self._words <= MAX_WORDS and len(self.transcript) < MAX_UTTERANCES:
                    self.transcript.append({"track": event["track"], **data})
            case "feedback":
                self.feedback_counts[data["code"]] += 1
                if len(self.feedback) < MAX_CUES:
                    self.feedback.append(self._cue(event["t"], data))

    def _cue(self, t_ms: int, data: dict[str, Any]) -> dict[str, Any]:
        """As a session's document has it: `type` is the event's kind."""
        at = None
        if self.start_time is not None:
            at = (self.start_time + timedelta(milliseconds=t_ms)).isoformat()
        rest = {name: value for name, value in data.items() if name != "kind"}
        return {"timestamp": at, "t": t_ms, "type": data["kind"], **rest}
