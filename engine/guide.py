"""A playbook at work on one track: words in, `playbook` events out.

What must never be said is also handed on to `never`, for the coach to speak up. What the judge
finds comes later and is journalled before it is used, so that a replay needs no model: it hands the
records to `apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from engine.events import Objection, SessionType, Wire, Word
from engine.events import Playbook as PlaybookEvent
from engine.matching import Matcher, MustSayTicked, NeverSayHeard, Role, Sentence, StageReached
from engine.objections import Judge, Scores, verdict
from engine.playbook import Playbook

CARD_AGAIN_MS = 60_000
"""The card of an objection that comes up again within this is still on the screen, or was just put
away: the objection is told of without it."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a track is listened to for. `judge` is None in a replay.

    Of a call that goes on after a crash (`from_start` is false) nobody knows any more what was said
    before, so nothing is said to be missing.
    """

    playbook: Playbook
    session_type: SessionType
    role: Role
    judge: Judge | None
    from_start: bool = True


class Guide:
    """`emit` takes events, `record` journals what the judge found."""

    def __init__(
        self,
        lesson: Lesson,
        *,
        emit: Callable[[Wire], object],
        never: Callable[[NeverSayHeard], object],
        record: Callable[..., None],
    ) -> None:
        self._matcher = Matcher(lesson.playbook, lesson.session_type, lesson.role)
        self._judge = lesson.judge
        self._emit = emit
        self._never = never
        self._record = record
        self._shown_ms: dict[str, int] = {}
        self._is_closed = False
        self._unsaid = self._matcher.must_says
        self._from_start = lesson.from_start

    @property
    def unsaid(self) -> tuple[list[str], int] | None:
        """Titles of what must be said and has not been, and how much must be said in all."""
        if not self._from_start:
            return None
        return [each.title for each in self._unsaid.values()], len(self._matcher.must_says)

    @property
    def is_alone(self) -> bool:
        """Whether objections are listened for on the salesperson's track, too."""
        return self._matcher.asks_objections

    @is_alone.setter
    def is_alone(self, alone: bool) -> None:
        self._matcher.asks_objections = alone

    def push(self, utterance: int, words: Sequence[Word], *, is_final: bool = True) -> None:
        """All words of `utterance` so far, in order; `is_final` when no more will come."""
        findings = self._matcher.push(utterance, words, is_final=is_final)
        for found in findings:
            if not isinstance(found, Sentence):
                self._tell(found)
        # A judge without a model answers at once: its answers come last here as in a replay.
        for found in findings:
            if isinstance(found, Sentence) and self._judge is not None:
                self._judge.hear(found.words, partial(self._judged, found.span_ms))

    def close(self) -> None:
        """Take no answers any more."""
        self._is_closed = True

    def apply(self, scores: Scores, span_ms: tuple[int, int]) -> None:
        """Tell of the sentence at `span_ms` what `scores` give, if anything."""
        found = verdict(scores)
        if found is None:
            return
        card, end_ms = found.card, span_ms[1]
        if card is not None:
            shown_ms = self._shown_ms.get(card)
            if shown_ms is not None and end_ms - shown_ms < CARD_AGAIN_MS:
                card = None
            else:
                self._shown_ms[card] = end_ms
        objections = [Objection(code=each.code, margin=each.margin) for each in found.suggestions]
        self._emit(PlaybookEvent(objections=objections, card=card, span_ms=span_ms))

    def _tell(self, found: StageReached | MustSayTicked | NeverSayHeard) -> None:
        if isinstance(found, StageReached):
            self._emit(PlaybookEvent(stage=found.stage.code, span_ms=found.span_ms))
        elif isinstance(found, MustSayTicked):
            self._unsaid.pop(found.must_say.code, None)
            self._emit(PlaybookEvent(must_say=found.must_say.code, span_ms=found.span_ms))
        else:
            self._emit(PlaybookEvent(never_say=found.never_say.code, span_ms=found.span_ms))
            self._never(found)

    def _judged(self, span_ms: tuple[int, int], scores: Scores) -> None:
        if self._is_closed:
            return
        self._record(
            "likeness",
            span=span_ms,
            likeness=scores.likeness,
            ordinary=scores.ordinary,
            phrases=scores.phrases,
        )
        self.apply(scores, span_ms)
