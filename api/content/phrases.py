"""The phrase bank: sentences of ours in English and Spanish (`bank/*.yaml`), filled with facts.

Facts are only ever values of a template, never a part of one: template syntax in them stays as it
is typed. Which phrases are taken is a matter of a key (a vehicle and a seed) alone: the same key
chooses the same ones, on every machine.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar, get_args

import yaml
from jinja2 import StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment

from api.store.content import Audience, Brief, CopyLanguage, Tone

Item = TypeVar("Item")

_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_VALUE = re.compile(r"\{\{ (\w+)")
_NUMBER = re.compile(r"\d+")
_TWO_STOPS = re.compile(r"(?<!\.)\.\.$")
"""A sentence that ends with "Inc." or the like."""


class Draw:
    """Choices that follow from `key`: a hash of it and of how many there were."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._drawn = 0

    def __call__(self, count: int) -> int:
        """One of `count`: 0 to `count` - 1."""
        self._drawn += 1
        digest = hashlib.sha256(f"{self._key}|{self._drawn}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % count

    def shuffled(self, items: Iterable[Item]) -> list[Item]:
        left = list(items)
        return [left.pop(self(len(left))) for _ in range(len(left))]


@dataclass(frozen=True, slots=True)
class Phrase:
    """`id` is of its `source`. `needs` are the values without which it says nothing."""

    id: str
    slot: str
    source: str
    tones: frozenset[str]
    audiences: frozenset[str]
    needs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a phrase became."""

    text: str
    phrase: str
    """Its id."""


class Bank:
    """The phrases of one language. Raises `ValueError` for a bank that is not well made."""

    def __init__(self, source: str) -> None:
        read = yaml.safe_load(source)
        self.kinds: Mapping[str, str] = read["kinds"]
        self._and: str = read["and"]
        self._words: Mapping[str, str] = read["words"]
        self.phrases: Final = tuple(
            _phrase(group, text) for group in read["phrases"] for text in group["texts"]
        )
        if len({each.id for each in self.phrases}) < len(self.phrases):
            raise ValueError("The bank has a phrase twice in one slot.")
        self._by_slot: Final[defaultdict[str, list[Phrase]]] = defaultdict(list)
        for phrase in self.phrases:
            self._by_slot[phrase.slot].append(phrase)

    def word(self, text: str) -> str:
        """A common word of listings (a color, a body style) as sentences have it; others stay."""
        known = self._words.get(_NUMBER.sub("{}", text.casefold()))
        return text if known is None else known.format(*_NUMBER.findall(text))

    def listed(self, items: Sequence[str]) -> str:
        """``sunroof, Bluetooth and remote start``"""
        if len(items) < 2:
            return "".join(items)
        return f"{', '.join(items[:-1])} {self._and} {items[-1]}"

    def sentences(
        self, slot: str, brief: Brief, values: Mapping[str, str], key: str
    ) -> Iterator[Sentence]:
        """All that fit the brief and that `values` can fill, in the order that `key` chooses."""
        fitting = [
            each
            for each in self._by_slot[slot]
            if brief.tone in each.tones
            and brief.target_audience in each.audiences
            and each.needs <= values.keys()
        ]
        for phrase in Draw(f"{key}|{slot}").shuffled(fitting):
            draw = Draw(f"{key}|{phrase.id}")
            text = _template(phrase.source).render(values, draw=draw)
            yield Sentence(_TWO_STOPS.sub(".", text), phrase.id)


@cache
def bank(language: CopyLanguage) -> Bank:
    return Bank(files("api.content").joinpath("bank", f"{language}.yaml").read_text("utf-8"))


def initial(text: str) -> str:
    """As a sentence begins: its first letter a capital, all else as it is."""
    return text[:1].upper() + text[1:]


def _phrase(group: Mapping[str, Any], source: str) -> Phrase:
    slot = group["slot"]
    tones = group.get("tones", get_args(Tone))
    audiences = group.get("audiences", get_args(Audience))
    digest = hashlib.sha256(f"{slot}|{tones}|{audiences}|{source}".encode()).hexdigest()
    return Phrase(
        id=f"{slot}.{digest[:8]}",
        slot=slot,
        source=source,
        tones=frozenset(tones),
        audiences=frozenset(audiences),
        needs=frozenset(_VALUE.findall(source)),
    )


@cache
def _environment() -> SandboxedEnvironment:
    made = SandboxedEnvironment(undefined=StrictUndefined)
    made.filters["initial"] = initial
    return made


@cache
def _template(source: str) -> Template:
    """Compiled when it is first asked for: all of them would take a second."""
    return _environment().from_string(_CHOICE.sub(_chosen, source))


def _chosen(choice: re.Match[str]) -> str:
    """``[a|b]`` in the template language."""
    texts = choice[1].split("|")
    branches = "".join(f"{{% elif drawn == {at} %}}{text}" for at, text in enumerate(texts))
    return f"{{% set drawn = draw({len(texts)}) %}}{branches.replace('elif', 'if', 1)}{{% endif %}}"
