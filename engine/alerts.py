"""What a manager should look at in a live call: an objection that nobody answers, a monologue.

A fold over the call's events and its session time: the same events give the same alerts at the same
time, whoever looks and however often.

An objection is unanswered when the trainee has said fewer than `ANSWER_WORDS` words in `ANSWER_MS`
since it was heard. Words under way count from when they were first read; once they are final, from
when they were spoken. A monologue is speech without `FLOOR_MS` of silence and without `TURN_MS` of
another's speech, as in `analyzers.talk`. Time in which the call is paused, or its browser away,
counts for neither.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, Final, Literal

from engine.events import Event, Wire
from engine.session import TRAINEE

ANSWER_MS: Final = 20_000
ANSWER_WORDS: Final = 8
MONOLOGUE_MS: Final = 90_000
FLOOR_MS: Final = 2_000
TURN_MS: Final = 1_000
MAX_OPEN: Final = 8
"""Objections that wait for an answer; the oldest is forgotten beyond this."""
MAX_UTTERANCES: Final = 32
"""Whose words are remembered, the newest: an objection is told of within seconds."""

Code = Literal["objection_unanswered", "monologue"]


class Alert(Wire):
    """`since_ms`: session time at which the objection was said, or the monologue began."""

    code: Code
    since_ms: int
    parameters: dict[str, str]


class Alerts:
    """Fold events in with `push`, in order; ask `at` any session time that is not before them."""

    def __init__(self) -> None:
        self._answers = _Answers()
        self._floor = _Floor()
        self._away_ms: int | None = None
        self._is_over = False

    def push(self, event: Event) -> None:
        data, track = event.data, event.track
        match event.type:
            case "session.state":
                self._enter(data["state"], event.t)
            case "speech.start" if track is not None:
                self._floor.start(track, data["startMs"])
            case "speech.end" if track is not None:
                self._floor.end(track, data["endMs"])
            case "transcript.partial" if track == TRAINEE:
                count = len(f"{data['committed']} {data['tentative']}".split())
                self._answers.read(data["utterance"], count, event.t)
            case "transcript.final" if track == TRAINEE:
                self._answers.said(data["utterance"], [word[1] for word in data["words"]])
            case "playbook" if data["objections"]:
                self._answers.objection(data, event.t)

    def at(self, t_ms: int) -> list[Alert]:
        """What there is to look at, at session time `t_ms`; the longest-standing first."""
        if self._is_over:
            return []
        if self._away_ms is not None:
            t_ms = self._away_ms
        found = self._answers.at(t_ms)
        if (monologue := self._floor.at(t_ms)) is not None:
            found.append(monologue)
        return sorted(found, key=lambda alert: alert.since_ms)

    def _enter(self, state: str, t_ms: int) -> None:
        if state == "completed":
            self._is_over = True
        elif state != "active":
            if self._away_ms is None:
                self._away_ms = t_ms
        elif self._away_ms is not None:
            self._answers.wait(t_ms - self._away_ms)
            if t_ms - self._away_ms >= FLOOR_MS:
                self._floor = _Floor()
            self._away_ms = None


class _Open:
    """An objection that waits: since `end_ms`, or since later where the call was away."""

    __slots__ = ("code", "end_ms", "waits_from_ms")

    def __init__(self, code: str, end_ms: int) -> None:
        self.code = code
        self.end_ms = self.waits_from_ms = end_ms


class _Answers:
    """Objections, and when the trainee's words were said."""

    def __init__(self) -> None:
        self._open: deque[_Open] = deque(maxlen=MAX_OPEN)
        self._words: OrderedDict[int, list[int]] = OrderedDict()

    def objection(self, data: dict[str, Any], t_ms: int) -> None:
        code = data["objections"][0]["code"]
        span = data["spanMs"]
        again = [each for each in self._open if each.code == code]
        for each in again:  # it was put once more
            self._open.remove(each)
        self._open.append(_Open(code, span[1] if span is not None else t_ms))
        self._settle()

    def read(self, utterance: int, count: int, t_ms: int) -> None:
        """There are `count` words of it by now."""
        said_ms = self._words.setdefault(utterance, [])
        del said_ms[count:]
        said_ms += [t_ms] * (count - len(said_ms))
        self._settle()

    def said(self, utterance: int, starts_ms: list[int]) -> None:
        self._words[utterance] = starts_ms
        self._settle()

    def wait(self, away_ms: int) -> None:
        for each in self._open:
            each.waits_from_ms += away_ms

    def at(self, t_ms: int) -> list[Alert]:
        return [
            Alert(
                code="objection_unanswered",
                since_ms=each.end_ms,
                parameters={"objection": each.code},
            )
            for each in self._open
            if t_ms - each.waits_from_ms >= ANSWER_MS
        ]

    def _settle(self) -> None:
        while len(self._words) > MAX_UTTERANCES:
            self._words.popitem(last=False)
        for each in list(self._open):
            said = sum(
                start_ms >= each.end_ms for words in self._words.values() for start_ms in words
            )
            if said >= ANSWER_WORDS:
                self._open.remove(each)


class _Floor:
    """Who has it. An utterance that has not ended is open-ended."""

    def __init__(self) -> None:
        self._since_ms: int | None = None
        """Of the trainee's monologue, if there is one."""
        self._end_ms: int | None = None
        """Of the trainee's last speech; None while they speak."""
        self._others_ms: dict[str, int] = {}
        """Since when each other one speaks."""

    def start(self, track: str, start_ms: int) -> None:
        if track != TRAINEE:
            self._others_ms[track] = start_ms
            return
        silent = self._end_ms is not None and start_ms - self._end_ms >= FLOOR_MS
        if self._since_ms is None or silent:
            self._since_ms = start_ms
        self._end_ms = None

    def end(self, track: str, end_ms: int) -> None:
        if track == TRAINEE:
            self._end_ms = end_ms
            return
        start_ms = self._others_ms.pop(track, end_ms)
        if self._since_ms is not None and end_ms - start_ms >= TURN_MS:
            # Whoever spoke on through it begins anew there.
            is_on = self._end_ms is None or self._end_ms > end_ms
            self._since_ms = max(self._since_ms, end_ms) if is_on else None

    def at(self, t_ms: int) -> Alert | None:
        if self._since_ms is None:
            return None
        end_ms = t_ms if self._end_ms is None else self._end_ms
        if t_ms - end_ms >= FLOOR_MS or end_ms - self._since_ms <= MONOLOGUE_MS:
            return None
        if any(t_ms - start_ms >= TURN_MS for start_ms in self._others_ms.values()):
            return None
        return Alert(code="monologue", since_ms=self._since_ms, parameters={})
