"""A playbook at work on one track: words in, `playbook` events out.

Stages and objections become events here; what must and what must never be said is handed on to
`said`, for the coach to tick or to speak up. What the judge finds comes later and is journalled
before it is used, so that a replay needs no model: it hands the records to `apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from engine.events import Objection, SessionType, Wire, Word
from engine.events import Playbook as PlaybookEvent
from engine.matching import Matcher, MustSayTicked, NeverSayHeard, Role, Sentence, StageReached
from engine.objections import Judge, Scores, verdict
from engine.playbook import Playbook

CARD_AGAIN_MS = 60_000
"""The card of an objection that comes up again within this is still on the screen, or was just put
away: the objection is told of without it."""


class Guide:
    """`judge` is None in a replay. `emit` takes events, `record` journals what the judge found."""

    def __init__(
        self,
        playbook: Playbook,
        session_type: SessionType,
        role: Role,
        judge: Judge | None,
        *,
        emit: Callable[[Wire], object],
        said: Callable[[MustSayTicked | NeverSayHeard], object],
        record: Callable[..., None],
    ) -> None:
        self._matcher = Matcher(playbook, session_type, role)
        self._judge = judge
        self._emit = emit
        self._said = said
        self._record = record
        self._shown_ms: dict[str, int] = {}
        self._is_closed = False

    def push(self, utterance: int, words: Sequence[Word], *, is_final: bool = True) -> None:
        """All words of `utterance` so far, in order; `is_final` when no more will come."""
        for found in self._matcher.push(utterance, words, is_final=is_final):
            if isinstance(found, StageReached):
                self._emit(PlaybookEvent(stage=found.stage.code))
            elif isinstance(found, Sentence):
                if self._judge is not None:
                    self._judge.hear(found.words, partial(self._judged, found.span_ms))
            else:
                self._said(found)

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
        self._emit(PlaybookEvent(objections=objections, card=card))

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
