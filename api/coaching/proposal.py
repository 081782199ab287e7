"""What the measurements of a call suggest for the criteria that Forecourt knows, and why.

A mark is 5 times a share 0-1, rounded, or the steps written at each measure. It is a beginning for
the coach, who hears what cannot be measured; where there is nothing to go by, there is no mark.
Nothing is proposed of a call with less than 5 s of speech.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from analyzers.delivery import MIN_SPEECH_S, Points, part
from api.coaching.rubric import MOST
from api.store.documents import SessionMetrics
from engine.events import SessionType
from engine.playbook import Playbook
from engine.summary import CUES

QUESTION_POINTS: Final[Points] = ((0.0, 0.0), (4.0, 1.0))
"""Questions in 10 minutes. Gong Labs found 11 to 14 in calls that went well, which last some 30
minutes: a vendor's own figures, from its customers' calls."""
TALK_POINTS: Final[Points] = ((45.0, 1.0), (80.0, 0.0))
"""Percent of all speech. The same vendor has 43 % for calls that went well; beyond some four
fifths there is no conversation."""
PROMPT_MS: Final = 60_000
"""An opening that comes within the first minute is one."""
MANY_CUES_PER_MIN: Final = 1.0
"""From here on cues were not heeded: one mark less."""

Parameters = dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Suggested:
    """`why`: the catalogue's key below ``proposal.``, with its parameters."""

    mark: int | None
    why: str
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a call. `events` are the data of its `playbook` events, in order."""

    session_type: SessionType
    duration_ms: int
    scores: SessionMetrics
    quantities: Mapping[str, float | None] | None
    feedback_counts: Mapping[str, int]
    playbook: Playbook | None
    events: tuple[Mapping[str, Any], ...]

    @property
    def minutes(self) -> float:
        return self.duration_ms / 60_000

    @property
    def has_enough(self) -> bool:
        return (self.quantity("speechS") or 0.0) >= MIN_SPEECH_S

    def quantity(self, name: str) -> float | None:
        return None if self.quantities is None else self.quantities.get(name)

    def first_ms(self, key: str) -> dict[str, int]:
        """When each `stage`, or `mustSay`, was first heard, by its code."""
        found: dict[str, int] = {}
        for event in self.events:
            if (code := event[key]) is not None:
                found.setdefault(code, (event["spanMs"] or (0, 0))[0])
        return found


def suggest(code: str, facts: Facts) -> Suggested:
    """For the criterion `code`."""
    measure = MEASURES.get(code)
    if measure is None:
        return Suggested(None, "unmeasured")
    if not facts.has_enough:
        return Suggested(None, "too_little")
    return measure(facts)


def _opening(facts: Facts) -> Suggested:
    """The first stage: within a minute 5, later 3, never 0."""
    if facts.playbook is None:
        return Suggested(None, "no_playbook")
    first = facts.playbook.stages.of(facts.session_type)[0]
    at_ms = facts.first_ms("stage").get(first.code)
    if at_ms is None:
        return Suggested(0, "opening.missing", {"stage": first.title})
    told: Parameters = {"stage": first.title, "seconds": at_ms / 1000}
    return Suggested(MOST if at_ms <= PROMPT_MS else 3, "opening.reached", told)


def _discovery(facts: Facts) -> Suggested:
    """The share of questions, or its mean with that of listening, where another spoke."""
    questions = facts.quantity("questions")
    if questions is None:
        return Suggested(None, "too_little")
    share = part(questions / max(facts.minutes, 1.0) * 10, QUESTION_POINTS)
    told: Parameters = {"questions": questions, "minutes": facts.minutes}
    talk = facts.quantity("talkSharePct")
    if talk is None:
        return Suggested(_mark(share), "discovery.alone", told)
    share = (share + part(talk, TALK_POINTS)) / 2
    return Suggested(_mark(share), "discovery.together", {**told, "share": talk})


def _objections(facts: Facts) -> Suggested:
    """In a session about objections the share of its stages that were reached; in others only that
    some came up."""
    came = sum(bool(event["objections"]) for event in facts.events)
    if facts.playbook is None:
        return Suggested(None, "no_playbook")
    if facts.session_type != "objection":
        return Suggested(None, "objections.heard" if came else "objections.none", {"count": came})
    reached, stages = _reached(facts, facts.playbook)
    told: Parameters = {"count": came, "reached": reached, "all": stages}
    return Suggested(_mark(reached / stages), "objections.steps", told)


def _delivery(facts: Facts) -> Suggested:
    """The mean of the scores, one mark less where cues were not heeded."""
    known = [score for _, score in facts.scores if score is not None]
    if not known:
        return Suggested(None, "too_little")
    mean = sum(known) / len(known)
    cues = sum(count for code, count in facts.feedback_counts.items() if code in CUES)
    many = cues / max(facts.minutes, 1.0) >= MANY_CUES_PER_MIN
    told: Parameters = {"mean": mean, "cues": cues}
    why = "delivery.many_cues" if many else "delivery.scores"
    return Suggested(max(_mark(mean / 100) - many, 0), why, told)


def _compliance(facts: Facts) -> Suggested:
    """The share of what must be said, one mark less for each time that something was said which
    must not be."""
    if facts.playbook is None:
        return Suggested(None, "no_playbook")
    wanted = {m.code for m in facts.playbook.must_say if facts.session_type in m.sessions}
    said = len(wanted & facts.first_ms("mustSay").keys())
    never = sum(event["neverSay"] is not None for event in facts.events)
    share = said / len(wanted) if wanted else 1.0
    told: Parameters = {"said": said, "all": len(wanted), "never": never}
    return Suggested(max(_mark(share) - never, 0), "compliance.said", told)


def _close(facts: Facts) -> Suggested:
    """The last stage: 5 where it was reached, else up to 3 for those before it."""
    if facts.playbook is None:
        return Suggested(None, "no_playbook")
    last = facts.playbook.stages.of(facts.session_type)[-1]
    if last.code in facts.first_ms("stage"):
        return Suggested(MOST, "close.reached", {"stage": last.title})
    reached, stages = _reached(facts, facts.playbook)
    told: Parameters = {"stage": last.title, "reached": reached, "all": stages}
    return Suggested(round(3 * reached / stages), "close.missing", told)


def _reached(facts: Facts, playbook: Playbook) -> tuple[int, int]:
    """How many stages, of how many."""
    stages = {stage.code for stage in playbook.stages.of(facts.session_type)}
    return len(stages & facts.first_ms("stage").keys()), len(stages)


def _mark(share: float) -> int:
    return round(MOST * share)


MEASURES: Final[Mapping[str, Callable[[Facts], Suggested]]] = {
    "opening": _opening,
    "discovery": _discovery,
    "objections": _objections,
    "delivery": _delivery,
    "compliance": _compliance,
    "close": _close,
}
"""By the code of the criterion, of the shipped rubric or a dealership's own."""


def marks_of(codes: Iterable[str], facts: Facts) -> dict[str, int | None]:
    return {code: suggest(code, facts).mark for code in codes}
