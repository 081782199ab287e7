"""What vehicles have: features by their names in English and Spanish, and where text names them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import yaml

from api.store.content import CopyLanguage

_PLURAL = re.compile(r"(?<=\w{3})(?:es|s)$")
_BETWEEN: Final = r"[\s\-‐‑–/'’]*"


@dataclass(frozen=True, slots=True)
class Feature:
    """`names` by language; the first is the one that copy uses."""

    code: str
    names: Mapping[CopyLanguage, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Named:
    """A feature that a text names, and where: characters."""

    feature: Feature
    start: int
    end: int


def _load() -> dict[str, Feature]:
    rows = yaml.safe_load(files("api.content").joinpath("features.yaml").read_text("utf-8"))
    return {
        code: Feature(code, {language: tuple(names) for language, names in row.items()})
        for code, row in rows.items()
    }


LEXICON: Final[Mapping[str, Feature]] = _load()
"""By code."""


def recognized(text: str) -> Feature | None:
    """The feature that `text`, an entry of a listing, is a name of, in either language."""
    return _by_name().get(_key(text))


def translated(text: str, language: CopyLanguage) -> str:
    """The name of a listing's feature in `language`; one that is not known stays as it stands."""
    feature = recognized(text)
    if feature is None:
        return text
    own = {_key(name) for name in feature.names[language]}
    return text if _key(text) in own else feature.names[language][0]


def named(text: str) -> list[Named]:
    """The features that a text in either language names, the longest name where several begin at
    one place, in their order."""
    found = []
    for match in _names().finditer(folded(text)):
        feature = _by_name().get(_key(match[0]))
        if feature is not None:
            found.append(Named(feature, match.start(), match.end()))
    return found


def folded(text: str) -> str:
    """In small letters without accents, character by character: places stay."""
    return "".join(_plain(character) for character in text)


@cache
def _plain(character: str) -> str:
    base = unicodedata.normalize("NFD", character)[:1].lower()
    return base if len(base) == 1 else character


def _key(text: str) -> str:
    words = re.findall(r"\w+", folded(text).replace("'", "").replace("’", ""))
    return "".join(_PLURAL.sub("", word) for word in words)


@cache
def _by_name() -> Mapping[str, Feature]:
    return {
        _key(name): feature
        for feature in LEXICON.values()
        for names in feature.names.values()
        for name in names
    }


@cache
def _names() -> re.Pattern[str]:
    every = {name for each in LEXICON.values() for names in each.names.values() for name in names}
    longest_first = sorted(every, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(_pattern, longest_first))})(?!\w)")


def _pattern(name: str) -> str:
    """A name whatever stands between its words, in singular and plural."""
    words = re.findall(r"\w+", folded(name).replace("'", "").replace("’", ""))
    bare = (re.escape(_PLURAL.sub("", word)) for word in words)
    return _BETWEEN.join(f"{word}(?:'?e?s)?" for word in bare)
