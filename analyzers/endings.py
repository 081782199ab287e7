"""How statements end: final rises and falls, without the questions, which may rise."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from analyzers.intonation import Contour, Direction
from analyzers.pace import Word
from analyzers.questions import Question

MIN_STATEMENTS = 5
"""Fewer endings give no share."""
REACH_MS = 300
"""How far the end of the last word may be from where speech was heard to end. Two ends of speech
are further apart."""

_ENDS = (".", "!")
_CLOSING = " \"'”’)"


class _Ending(NamedTuple):
    end_ms: int
    direction: Direction


class _End(NamedTuple):
    """Where a word ends, and whether a statement ends with it."""

    end_ms: int
    is_statement: bool


class Endings:
    """Final contours of one track, counted as they are heard, and once more as statements when the
    transcript of their time is there, which comes before them or later.

    A statement ends where the transcript ends a sentence that is no question. An ending inside a
    sentence, or without words (a laugh, what the recognizer left out), is that of no statement.
    """

    AT_MOST = 64
    """More endings do not wait, more words are not remembered: the oldest are forgotten."""

    def __init__(self) -> None:
        self._waiting: deque[_Ending] = deque(maxlen=self.AT_MOST)
        self._words: deque[_End] = deque(maxlen=self.AT_MOST)
        self.reset()

    def reset(self) -> None:
        self._waiting.clear()
        self._words.clear()
        self.falls = 0
        self.rises = 0
        self.statements = 0
        self.falling_statements = 0

    def hear(self, contour: Contour, end_ms: int) -> None:
        """Take the contour of speech that ended at `end_ms` of session time, in order of time."""
        self.falls += contour.direction == "fall"
        self.rises += contour.direction == "rise"
        self._waiting.append(_Ending(end_ms, contour.direction))
        self._settle()

    def read(self, words: Sequence[Word], questions: Sequence[Question]) -> None:
        """Take the words of one final, in order of time, and the `questions` found in them."""
        self._words.extend(_End(word[2], _is_statement(word, questions)) for word in words)
        self._settle()

    @property
    def falling_pct(self) -> float | None:
        """Statements that end in a fall, percent of all; `None` before 5 statements."""
        if self.statements < MIN_STATEMENTS:
            return None
        return 100.0 * self.falling_statements / self.statements

    def _settle(self) -> None:
        """Count the endings whose words are there; later words tell that one has none."""
        left = [ending for ending in self._waiting if not self._count(ending)]
        newest_ms = max((word.end_ms for word in self._words), default=0)
        self._waiting.clear()
        self._waiting.extend(one for one in left if one.end_ms + REACH_MS >= newest_ms)

    def _count(self, ending: _Ending) -> bool:
        def distance_ms(word: _End) -> int:
            return abs(word.end_ms - ending.end_ms)

        last = min(self._words, key=distance_ms, default=None)
        if last is None or distance_ms(last) >= REACH_MS:
            return False
        if last.is_statement:
            self.statements += 1
            self.falling_statements += ending.direction == "fall"
        return True


def _is_statement(word: Word, questions: Sequence[Question]) -> bool:
    text = word[0].rstrip(_CLOSING)
    if not text.endswith(_ENDS) or text.endswith(".."):
        return False
    return not any(asked.start_ms <= word[1] < asked.end_ms for asked in questions)
