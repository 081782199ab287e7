"""Phrases found among spoken words, whatever their case, punctuation and contractions.

A phrase is words and these signs, each standing where a word stands:

``guarantee*``    any word that begins so (three letters at least before the ``*``)
``wife/husband``  any of these words
``*``             any one word
``...``           up to `GAP_WORDS` words, or none

A phrase begins and ends with a word, and lies within one sentence. Words and phrases are normalised
alike by `tokens`.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

MAX_CHARACTERS = 100
MAX_WORDS = 14
MAX_GAPS = 2
GAP_WORDS = 4
NEGATED_WITHIN = 3
NEGATIONS = frozenset({"not", "never", "without"})

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W_]+(?:'[^\W_]+)*")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'"})
_WHOLE = {
    "cannot": ("can", "not"),
    "can't": ("can", "not"),
    "won't": ("will", "not"),
    "shan't": ("shall", "not"),
    "let's": ("let", "us"),
    "gonna": ("going", "to"),
    "wanna": ("want", "to"),
    "gotta": ("got", "to"),
    "ain't": ("is", "not"),
}
_ENDINGS = {"'re": "are", "'ll": "will", "'ve": "have", "'m": "am", "'d": "would"}
_IS = frozenset({"it", "that", "this", "there", "here", "he", "she", "what", "who", "where", "how"})
_BREAKS_AFTER = re.compile(r"[,;:—–][\"')\]”’]*$")


def tokens(text: str) -> list[str]:
    """Lower-case words without punctuation or accents; contractions in full ("it is", "can not").

    "it's" becomes "it is", but of most words 's is left: it may be a genitive. "%" is "percent".
    """
    apart = unicodedata.normalize("NFKD", text).casefold().translate(_APOSTROPHES)
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter))
    found: list[str] = []
    for match in _TOKEN.finditer(plain.replace("%", " percent ")):
        found += _in_full(match.group().replace(",", ""))
    return found


def _in_full(word: str) -> tuple[str, ...]:
    if word in _WHOLE:
        return _WHOLE[word]
    if word.endswith("n't"):
        return (*_in_full(word[:-3]), "not")
    if word.endswith("'s") and word[:-2] in _IS:
        return word[:-2], "is"
    for ending, full in _ENDINGS.items():
        if word.endswith(ending):
            return (*_in_full(word[: -len(ending)]), full)
    return (word,)


class Spoken:
    """The words of one sentence, ready to be searched. `words` are as they were recognized."""

    def __init__(self, words: Sequence[str]) -> None:
        self.tokens: list[str] = []
        self._owners: list[int] = []
        self._breaks: set[int] = set()
        for index, word in enumerate(words):
            parts = tokens(word)
            self.tokens += parts
            self._owners += [index] * len(parts)
            if _BREAKS_AFTER.search(word):
                self._breaks.add(len(self.tokens))
        self.text = " ".join(self.tokens)
        sizes = [len(token) + 1 for token in self.tokens]
        self._starts = [0, *accumulate(sizes)][: len(sizes)]

    def token_at(self, position: int) -> int:
        """Index of the token that holds the character `position` of `text`."""
        return bisect_right(self._starts, position) - 1

    def word_of(self, token: int) -> int:
        """Index of the word that the token comes from."""
        return self._owners[token]

    def is_negated(self, token: int) -> bool:
        """Whether a negation stands close before `token`, with no comma between."""
        for before in range(token - 1, max(-1, token - 1 - NEGATED_WITHIN), -1):
            if before + 1 in self._breaks:
                return False
            if self.tokens[before] in NEGATIONS:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Match:
    """Words `first` to `last` (indexes, inclusive) of what was searched."""

    first: int
    last: int


class Phrases:
    """A few phrases that mean the same. Raises `ValueError` for what is no phrase.

    With `unless_negated`, a match with a negation just before it does not count.
    """

    def __init__(self, phrases: Sequence[str], *, unless_negated: bool = False) -> None:
        variants = "|".join(pattern(phrase) for phrase in phrases)
        self._search = re.compile(rf"(?<!\S)(?:{variants})(?!\S)") if phrases else None
        self._unless_negated = unless_negated

    def find(self, spoken: Spoken) -> list[Match]:
        """Every match, the leftmost first, none overlapping another."""
        if self._search is None:
            return []
        matches: list[Match] = []
        for found in self._search.finditer(spoken.text):
            first = spoken.token_at(found.start())
            if self._unless_negated and spoken.is_negated(first):
                continue
            last = spoken.token_at(found.end() - 1)
            matches.append(Match(spoken.word_of(first), spoken.word_of(last)))
        return matches


@lru_cache(maxsize=1024)
def compiled(phrases: tuple[str, ...], *, unless_negated: bool = False) -> Phrases:
    """`Phrases`, made once for all calls: to compile those of a playbook takes 10 ms."""
    return Phrases(phrases, unless_negated=unless_negated)


def pattern(phrase: str) -> str:
    """The regular expression of a phrase over tokens joined by single spaces.

    Raises `ValueError`, whose message continues "this phrase ...".
    """
    if len(phrase) > MAX_CHARACTERS:
        raise ValueError(f"has more than {MAX_CHARACTERS} characters: shorten it")
    parts = phrase.split()
    if len(parts) > MAX_WORDS:
        raise ValueError(f"has more than {MAX_WORDS} words: shorten it")
    if sum(part == "..." for part in parts) > MAX_GAPS:
        raise ValueError(f"has more than {MAX_GAPS} gaps (...): make two phrases of it")
    if parts and not {parts[0], parts[-1]}.isdisjoint(("...", "*")):
        raise ValueError("begins or ends with ... or *: begin and end it with a word")
    pieces: list[str] = []
    for part in parts:
        if part == "...":
            pieces.append(rf"(?:\S+ ){{0,{GAP_WORDS}}}?")
        elif part == "*":
            pieces.append(r"\S+ ")
        else:
            pieces.append(f"{_word(part)} ")
    if not pieces:
        raise ValueError("has no word in it: write one")
    return "".join(pieces).removesuffix(" ")


def _word(part: str) -> str:
    options: list[str] = []
    for option in part.split("/"):
        stem = option.removesuffix("*")
        found = tokens(stem)
        if not found or "*" in stem or "..." in stem:
            raise ValueError(f"holds {part!r}, which is neither a word nor a sign: correct it")
        literal = re.escape(" ".join(found)).replace(r"\ ", " ")
        if option.endswith("*"):
            if len(found[-1]) < 3:
                raise ValueError(f"holds {part!r}: write three letters at least before the *")
            literal += r"\S*"
        options.append(literal)
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"
