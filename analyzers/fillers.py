"""Filler and hedge words in a transcript.

Whisper leaves most "um" and "uh" out, so that the text alone under-counts filled pauses; phrases
("you know", "sort of") it keeps.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from analyzers.pace import Word

Kind = Literal["filler", "hedge"]
KINDS: tuple[Kind, ...] = ("filler", "hedge")

_BREAKS = '.,;:!?"()[]{}…—–-“”'
_QUOTES = "'‘"


@dataclass(frozen=True, slots=True)
class Phrase:
    """One entry of a word list: its tokens and where it counts (see `words/en.toml`)."""

    kind: Kind
    tokens: tuple[str, ...]
    not_after: frozenset[str] = frozenset()
    not_before: frozenset[str] = frozenset()
    set_off: bool = False


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A filler or hedge heard at [start_ms, end_ms) of session time; `text` as in the word list."""

    kind: Kind
    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start_ms: int
    end_ms: int
    breaks_before: bool
    breaks_after: bool


class Lexicon:
    """A language's fillers and hedges. Immutable; find occurrences with `find`."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self._by_first: dict[str, list[Phrase]] = {}
        for phrase in sorted(phrases, key=lambda phrase: -len(phrase.tokens)):
            self._by_first.setdefault(phrase.tokens[0], []).append(phrase)

    @classmethod
    def parse(cls, toml: str) -> Lexicon:
        """Read a word list as `words/en.toml` describes it.

        Raises `ValueError` (`tomllib.TOMLDecodeError` is one) that names the entry at fault.
        """
        document = tomllib.loads(toml)
        unknown = document.keys() - {"language", "rule", *KINDS}
        if unknown:
            raise ValueError(f"unknown entries {sorted(unknown)}: expected filler, hedge, rule")
        phrases: list[Phrase] = []
        for kind in KINDS:
            match document.get(kind, {"phrases": []}):
                case {"phrases": list(texts)}:
                    phrases += [Phrase(kind, _split(text)) for text in texts]
                case other:
                    raise ValueError(f"[{kind}] is {other!r}: expected phrases = [...]")
        phrases += [_rule(entry) for entry in document.get("rule", [])]
        return cls(phrases)

    def find(self, words: Sequence[Word]) -> list[Occurrence]:
        """Occurrences in the words of one final, in order of time; no word is in two of them."""
        tokens = _tokens(words)
        found: list[Occurrence] = []
        at = 0
        while at < len(tokens):
            length = 0
            for phrase in self._by_first.get(tokens[at].text, ()):
                length = _match(phrase, tokens, at)
                if length:
                    found.append(
                        Occurrence(
                            phrase.kind,
                            " ".join(phrase.tokens),
                            tokens[at].start_ms,
                            tokens[at + length - 1].end_ms,
                        )
                    )
                    break
            at += max(length, 1)
        return found


@cache
def lexicon(language: str = "en") -> Lexicon:
    """The packaged word list `words/<language>.toml`; one that finds nothing where there is none
    for `language`."""
    words = resources.files("analyzers") / "words" / f"{language}.toml"
    if not words.is_file():
        return Lexicon(())
    return Lexicon.parse(words.read_text(encoding="utf-8"))


def per_100_words(count: int, words: int, at_least: int = 10) -> float | None:
    """`count` per 100 words; `None` below `at_least` words, where one filler would be many."""
    return 100.0 * count / words if words >= at_least else None


def _split(text: object) -> tuple[str, ...]:
    if not isinstance(text, str) or not text.split():
        raise ValueError(f"a word list holds the phrase {text!r}: expected words")
    return tuple(text.lower().split())


def _rule(entry: dict[str, Any]) -> Phrase:
    unknown = entry.keys() - {"kind", "phrase", "not_after", "not_before", "set_off"}
    if unknown or entry.get("kind") not in KINDS or "phrase" not in entry:
        raise ValueError(
            f"rule {entry!r}: expected kind ('filler' or 'hedge'), phrase, and optionally "
            "not_after, not_before, set_off"
        )
    return Phrase(
        entry["kind"],
        _split(entry["phrase"]),
        frozenset(word.lower() for word in entry.get("not_after", ())),
        frozenset(word.lower() for word in entry.get("not_before", ())),
        bool(entry.get("set_off", False)),
    )


def _tokens(words: Sequence[Word]) -> list[_Token]:
    tokens: list[_Token] = []
    breaks = True
    for text, start_ms, end_ms, _ in words:
        for part in text.lower().replace("’", "'").split():
            core = part.strip(_BREAKS + _QUOTES)
            if not core:
                breaks = True
                if tokens:
                    tokens[-1] = _broken_after(tokens[-1])
                continue
            before = breaks or part[0] in _BREAKS
            if before and tokens:
                tokens[-1] = _broken_after(tokens[-1])
            breaks = part[-1] in _BREAKS
            tokens.append(_Token(core, start_ms, end_ms, before, breaks))
    return tokens


def _broken_after(token: _Token) -> _Token:
    return _Token(token.text, token.start_ms, token.end_ms, token.breaks_before, True)


def _match(phrase: Phrase, tokens: Sequence[_Token], at: int) -> int:
    """How many tokens from `at` on the phrase takes, 0 if it does not count there."""
    length = len(phrase.tokens)
    run = tokens[at : at + length]
    if tuple(token.text for token in run) != phrase.tokens:
        return 0
    if any(token.breaks_after for token in run[:-1]):
        return 0
    following = tokens[at + length] if at + length < len(tokens) else None
    if phrase.set_off:
        repeat = tokens[at + length : at + 2 * length]
        if tuple(token.text for token in repeat) == phrase.tokens:
            return 2 * length
        return length if run[0].breaks_before and run[-1].breaks_after else 0
    if at > 0 and not run[0].breaks_before and tokens[at - 1].text in phrase.not_after:
        return 0
    if following and not run[-1].breaks_after and following.text in phrase.not_before:
        return 0
    return length
