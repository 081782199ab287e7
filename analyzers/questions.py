"""Questions in a transcript."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from analyzers.pace import Word

_ENDS = ".?!…"
_AROUND = ".,;:!?\"()[]{}…—–-“”¿¡'‘’"

Phrases = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """A question at [start_ms, end_ms) of session time."""

    start_ms: int
    end_ms: int


class Interrogatives:
    """How questions begin in one language (see `words/questions/en.toml`). Immutable."""

    def __init__(self, starts: Phrases, lead_ins: Phrases) -> None:
        self._starts = starts
        self._lead_ins = lead_ins
        self._longest_start = max(map(len, starts), default=0)
        self._longest_lead_in = max(map(len, lead_ins), default=0)

    @classmethod
    def parse(cls, toml: str) -> Interrogatives:
        """Read a list as `words/questions/en.toml` describes it.

        Raises `ValueError` (`tomllib.TOMLDecodeError` is one) that names the entry at fault.
        """
        document = tomllib.loads(toml)
        unknown = document.keys() - {"language", "starts", "lead_ins"}
        if unknown:
            raise ValueError(f"unknown entries {sorted(unknown)}: expected starts, lead_ins")
        starts = _phrases(document.get("starts"), "starts")
        return cls(starts, _phrases(document.get("lead_ins", []), "lead_ins"))

    def find(self, words: Sequence[Word]) -> list[Question]:
        """The questions in the words of one final, in order of time.

        A sentence is a question when it ends with "?", holds "¿", or begins as one, after any
        lead-ins. Sentences end with . ? ! or the final.
        """
        return [
            Question(sentence[0][1], sentence[-1][2])
            for sentence in _sentences(words)
            if self._asks(sentence)
        ]

    def _asks(self, sentence: Sequence[Word]) -> bool:
        if sentence[-1][0].rstrip(" \"'”’)").endswith("?"):
            return True
        if any("¿" in word[0] for word in sentence):
            return True
        texts = " ".join(word[0] for word in sentence).lower().replace("’", "'").split()
        tokens = [token for text in texts if (token := text.strip(_AROUND))]
        at = 0
        while at < len(tokens):
            if _length(tokens, at, self._starts, self._longest_start):
                return True
            skipped = _length(tokens, at, self._lead_ins, self._longest_lead_in)
            if not skipped:
                return False
            at += skipped
        return False


@cache
def interrogatives(language: str = "en") -> Interrogatives:
    """The packaged list `words/questions/<language>.toml`; where there is none for `language`,
    one that knows questions by their marks alone."""
    words = resources.files("analyzers") / "words" / "questions" / f"{language}.toml"
    if not words.is_file():
        return Interrogatives(frozenset(), frozenset())
    return Interrogatives.parse(words.read_text(encoding="utf-8"))


def _phrases(texts: object, name: str) -> Phrases:
    if not isinstance(texts, list):
        raise ValueError(f"{name} is {texts!r}: expected {name} = [...]")
    phrases = set()
    for text in texts:
        if not isinstance(text, str) or not text.split():
            raise ValueError(f"{name} holds {text!r}: expected words")
        phrases.add(tuple(text.lower().split()))
    return frozenset(phrases)


def _sentences(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    first = 0
    for i, word in enumerate(words):
        if word[0].rstrip(" \"'”’)").endswith(tuple(_ENDS)):
            yield words[first : i + 1]
            first = i + 1
    if first < len(words):
        yield words[first:]


def _length(tokens: Sequence[str], at: int, phrases: Phrases, longest: int) -> int:
    """Words of the longest of `phrases` at `at`, 0 when there is none."""
    for length in range(min(longest, len(tokens) - at), 0, -1):
        if tuple(tokens[at : at + length]) in phrases:
            return length
    return 0
