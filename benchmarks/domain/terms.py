"""Which terms of a list a text holds, and what of that a transcript found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from benchmarks.wer import normalised
from engine.asr.domain import Terms

_APART = re.compile(r"[^a-z0-9]+")


class Tagger:
    """Finds terms in texts as the word error rate reads them, however they are cut into words:
    "CRV", "C.R.V." and "cr v" are all CR-V, "F one fifty" is F-150."""

    def __init__(self, terms: Terms) -> None:
        keys = {_joined(term.term): term.term for term in terms.terms}
        self._keys = keys
        self._longest = max(map(len, keys), default=0)

    def found(self, text: str) -> Counter[str]:
        """How often each term stands in `text`: from the left, the longest first, none inside
        another."""
        words = [word for word in _APART.split(normalised(text).lower()) if word]
        found: Counter[str] = Counter()
        at = 0
        while at < len(words):
            term, at = self._longest_from(words, at)
            if term is not None:
                found[term] += 1
        return found

    def _longest_from(self, words: list[str], at: int) -> tuple[str | None, int]:
        best: tuple[str | None, int] = (None, at + 1)
        run = ""
        for end in range(at, len(words)):
            run += words[end]
            if len(run) > self._longest:
                break
            if run in self._keys:
                best = (self._keys[run], end + 1)
        return best


def _joined(term: str) -> str:
    return _APART.sub("", normalised(term).lower())


def missed(wanted: Iterable[str], found: Counter[str]) -> list[str]:
    """Of the `wanted` terms those that were not found, each as often as it lacks."""
    return sorted((Counter(wanted) - found).elements())


def inserted(said: Counter[str], found: Counter[str]) -> list[str]:
    """Terms found that nobody said."""
    return sorted((found - said).elements())
