"""Text as it is read, whatever it is written with: for rules that must not be written around."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Final

_ALIKE: Final = str.maketrans(
    {
        **dict(zip("авеһіјкмнорстухѕԁ", "abehijkmhopctyxsd", strict=True)),  # Cyrillic
        **dict(zip("αβεηικνορτυχ", "abeniknoptux", strict=True)),  # Greek
        "ø": "o",
        "đ": "d",
        "ł": "l",
        "ı": "i",
        "ß": "ss",
        "ᴏ": "o",
    }
)
_LEET: Final = str.maketrans("0134578@$€!|", "oieastbaseil")
"""Digits and signs that stand for letters within words."""
_UNSEEN: Final = frozenset(
    "\u00ad\u034f\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff"
)
_DASHES: Final = frozenset("‐‑‒–—―−")
_QUOTES: Final = frozenset("’‘ʼ`´")
_SPACED: Final = re.compile(r"(?<!\w)(?:[a-z0-9][ .*\-]){2,}[a-z0-9](?!\w)")
"""Letters with something between each: ``f r e e``, ``g.r.a.t.i.s``."""
_DISGUISED: Final = re.compile(r"(?<!\w)[a-z]+[0134578@$€!|]+[a-z0134578@$€]*(?!\w)")
"""A word with digits and signs among its letters: ``b3st``, ``fr33``, ``gr@tis``."""
_SPACES: Final = re.compile(r"(?<= ) +")
_MARKUP: Final = re.compile(r"</?[a-z][^<>]{0,80}>|&(?:nbsp|shy|zwnj|zwj);")


@dataclass(frozen=True, slots=True)
class Folded:
    """Small letters of the Latin alphabet without accents; `origins` are where each was."""

    text: str
    origins: tuple[int, ...]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """A span of it, as characters of what was folded."""
        if start >= len(self.origins):
            last = self.origins[-1] + 1 if self.origins else 0
            return last, last
        return self.origins[start], self.origins[max(start, end - 1)] + 1


def folded(text: str) -> Folded:
    """What is not seen is gone; what looks alike is alike; what was spaced out is together, and
    all white space is single spaces."""
    letters: list[str] = []
    origins: list[int] = []
    for place, character in enumerate(text):
        for letter in _letters(character):
            letters.append(letter)
            origins.append(place)
    bare = _without(_MARKUP, Folded("".join(letters), tuple(origins)))
    return _joined(_without(_SPACES, bare))


def spelled(given: Folded) -> Folded:
    """Words with letters where digits and signs stood for them. ``V6`` becomes one, too: this is
    for rules about words."""
    text = _DISGUISED.sub(lambda match: match[0].translate(_LEET), given.text)
    return Folded(text, given.origins)


@cache
def _letters(character: str) -> str:
    if character in _UNSEEN:
        return ""
    if character in _DASHES:
        return "-"
    if character in _QUOTES:
        return "'"
    if character.isspace() or character == "_":
        return " "
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    plain = unicodedata.normalize("NFKD", character.lower().translate(_ALIKE))
    return "".join(each for each in plain if not unicodedata.combining(each)).lower()


def _without(pattern: re.Pattern[str], given: Folded) -> Folded:
    gone = {place for match in pattern.finditer(given.text) for place in range(*match.span())}
    return _kept(given, gone)


def _joined(given: Folded) -> Folded:
    gone = {
        place
        for match in _SPACED.finditer(given.text)
        for place in range(*match.span())
        if not given.text[place].isalnum()
    }
    return _kept(given, gone)


def _kept(given: Folded, gone: set[int]) -> Folded:
    if not gone:
        return given
    kept = [place for place in range(len(given.text)) if place not in gone]
    return Folded(
        "".join(given.text[place] for place in kept), tuple(given.origins[p] for p in kept)
    )
