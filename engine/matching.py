"""What of a playbook is heard on a track: stages, must-says, never-says, and whole sentences.

Words come as they are committed or final: always all words of an utterance so far, so that a later
push of the same utterance only adds. What was found is not taken back when a final differs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.events import SessionType, Word
from engine.phrases import Match, Phrases, Spoken, compiled, tokens
from engine.playbook import MustSay, NeverSay, Playbook, Stage

Role = Literal["salesperson", "customer", "both"]
"""Whose voice a track carries. Stages, must-says and never-says are the salesperson's, objections
the customer's."""

LONGEST_SENTENCE = 30
SHORTEST_PIECE = 8
"""Words. What Whisper leaves without full stops is divided at commas."""
SHORTEST_SENTENCE = 2

_ENDS = re.compile(r"[.?!…][\"')\]”’]*$")
_COMMA = re.compile(r"[,;:][\"')\]”’]*$")


@dataclass(frozen=True, slots=True)
class StageReached:
    """A stage of the session's type was reached, for the first time on this track."""

    stage: Stage
    span_ms: tuple[int, int]


@dataclass(frozen=True, slots=True)
class MustSayTicked:
    """Something to be said was said, for the first time on this track."""

    must_say: MustSay
    span_ms: tuple[int, int]


@dataclass(frozen=True, slots=True)
class NeverSayHeard:
    """Something never to be said was said; told each time."""

    never_say: NeverSay
    span_ms: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A whole sentence that may be an objection: `words` as recognized."""

    words: tuple[str, ...]
    span_ms: tuple[int, int]


Finding = StageReached | MustSayTicked | NeverSayHeard | Sentence


class Matcher:
    """One track's. Under a millisecond for an utterance of 15 s."""

    def __init__(self, playbook: Playbook, session_type: SessionType, role: Role) -> None:
        self.asks_objections = role != "salesperson"
        self._once: dict[tuple[str, str], tuple[Stage | MustSay, Phrases]] = {}
        self._never: list[tuple[NeverSay, Phrases]] = []
        self._must_says: dict[str, MustSay] = {}
        if role != "customer":
            for stage in playbook.stages.of(session_type):
                self._once["stage", stage.code] = stage, compiled(stage.cues)
            for must in playbook.must_say:
                if session_type in must.sessions:
                    self._must_says[must.code] = must
                    self._once["must_say", must.code] = must, compiled(must.phrases)
            self._never = [
                (never, compiled(never.phrases, unless_negated=True))
                for never in playbook.never_say
            ]
        self._utterance: int | None = None
        self._told: Counter[str] = Counter()
        """How often each never-say was told of in the utterance."""
        self._asked: set[tuple[str, ...]] = set()
        """Sentences of the utterance that were handed on, as tokens."""

    @property
    def must_says(self) -> dict[str, MustSay]:
        """What must be said on this track, by code."""
        return dict(self._must_says)

    def push(
        self, utterance: int, words: Sequence[Word], *, is_final: bool = True
    ) -> list[Finding]:
        """All words of `utterance` so far, in order; `is_final` when no more will come."""
        if utterance != self._utterance:
            self._utterance = utterance
            self._told.clear()
            self._asked.clear()
        sentences = split(words)
        found: list[Finding] = []
        heard: Counter[str] = Counter()
        for number, sentence in enumerate(sentences):
            if self._once or self._never:
                spoken = Spoken([text for text, *_ in sentence])
                found += self._first_times(spoken, sentence)
                found += self._never_says(spoken, sentence, heard)
            if self.asks_objections and (is_final or number < len(sentences) - 1):
                found += self._whole(sentence)
        return found

    def _first_times(self, spoken: Spoken, words: Sequence[Word]) -> list[Finding]:
        found: list[Finding] = []
        for key, (wanted, phrases) in list(self._once.items()):
            matches = phrases.find(spoken)
            if not matches:
                continue
            del self._once[key]
            span_ms = _span_ms(words, matches[0])
            if isinstance(wanted, Stage):
                found.append(StageReached(wanted, span_ms))
            else:
                found.append(MustSayTicked(wanted, span_ms))
        return found

    def _never_says(
        self, spoken: Spoken, words: Sequence[Word], heard: Counter[str]
    ) -> list[Finding]:
        found: list[Finding] = []
        for never, phrases in self._never:
            for match in phrases.find(spoken):
                heard[never.code] += 1
                if heard[never.code] > self._told[never.code]:
                    self._told[never.code] += 1
                    found.append(NeverSayHeard(never, _span_ms(words, match)))
        return found

    def _whole(self, words: Sequence[Word]) -> list[Finding]:
        texts = tuple(text for text, *_ in words)
        plain = tuple(tokens(" ".join(texts)))
        if len(plain) < SHORTEST_SENTENCE or plain in self._asked:
            return []
        self._asked.add(plain)
        return [Sentence(texts, (words[0][1], words[-1][2]))]


def split(words: Sequence[Word]) -> list[list[Word]]:
    """Sentences by their closing marks; longer ones than `LONGEST_SENTENCE` words in pieces."""
    sentences: list[list[Word]] = []
    current: list[Word] = []
    for word in words:
        current.append(word)
        if _ENDS.search(word[0]):
            sentences.append(current)
            current = []
        elif len(current) == LONGEST_SENTENCE:
            commas = [
                index
                for index, (text, *_) in enumerate(current, 1)
                if index >= SHORTEST_PIECE and _COMMA.search(text)
            ]
            at = commas[-1] if commas else len(current)
            sentences.append(current[:at])
            current = current[at:]
    return [*sentences, current] if current else sentences


def _span_ms(words: Sequence[Word], match: Match) -> tuple[int, int]:
    return words[match.first][1], words[match.last][2]
