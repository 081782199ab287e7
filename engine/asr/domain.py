"""The words of the trade: makes, models, trims, finance and sales terms, and how they are spoken.

`engine/domain.toml` is the list that every node has (its head describes the format); a dealership
may add one of its own. `engine.asr.correction` uses them.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

LIST = Path(__file__).parents[1] / "domain.toml"

Kind = Literal["make", "model", "trim", "finance", "sales"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_FILE_BYTES = 256 * 1024
MAX_TERMS = 1_000
"""Of one list."""
MAX_CHARACTERS = 40
MAX_WORDS = 5
MAX_SPOKEN = 4

_TERM = re.compile(r"[^\W_](?:[^\W_]|[ '&+./-](?=[^\W_]))*")
_SPOKEN = re.compile(r"[a-z']+(?: [a-z']+)*")


class DomainError(ValueError):
    """A list of domain terms cannot be used; the message says which entry and what to do."""


def _written(term: str) -> str:
    if not _TERM.fullmatch(term):
        raise ValueError(
            "holds a character that is not a letter or a digit, nor one of - ' & + . / or a space "
            "between them"
        )
    if len(term.split()) > MAX_WORDS:
        raise ValueError(f"has more than {MAX_WORDS} words")
    return term


def _said(spoken: str) -> str:
    if not _SPOKEN.fullmatch(spoken):
        raise ValueError("must be lower-case words of the letters a to z, digits written out")
    return spoken


Written = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(_written)]
Said = Annotated[str, Field(max_length=2 * MAX_CHARACTERS), AfterValidator(_said)]


class Term(BaseModel):
    """`term` as it is to be written; `spoken` in plain English spelling, the likeliest first, where
    the spelling does not say it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    term: Written
    spoken: tuple[Said, ...] = Field(default=(), max_length=MAX_SPOKEN)

    @model_validator(mode="after")
    def _is_sayable(self) -> Term:
        if not self.spoken:
            if any(letter.isdigit() for letter in self.term):
                raise ValueError(
                    "holds a digit, so it must say how it is spoken: add spoken = [...]"
                )
            if not _SPOKEN.fullmatch(_as_spelled(self.term)):
                raise ValueError("has a letter beyond a to z, so it must say how it is spoken")
        return self

    @property
    def said(self) -> tuple[str, ...]:
        """How it is spoken: `spoken`, or as it is spelled, capitals letter by letter."""
        return self.spoken or (_as_spelled(self.term),)

    @property
    def key(self) -> str:
        """What makes two entries the same term."""
        return self.term.casefold()


def _as_spelled(term: str) -> str:
    """ "EX-L" as "e x l", "Grand Cherokee" as "grand cherokee"."""
    parts = re.findall(r"[^\W\d_']+(?:'[^\W\d_]+)*", term.replace("&", " and "))
    return " ".join(" ".join(part) if part.isupper() else part for part in parts).lower()


def _entry(value: Any) -> Any:
    return {"term": value} if isinstance(value, str) else value


_ENTRIES: TypeAdapter[list[Term]] = TypeAdapter(list[Annotated[Term, BeforeValidator(_entry)]])


@dataclass(frozen=True)
class Terms:
    """Terms in the order of their lists, each once."""

    terms: tuple[Term, ...]

    def said(self, term: str) -> tuple[str, ...]:
        """How `term` is spoken. Raises `KeyError` for a term that is not in the list."""
        return self._by_key[term.casefold()].said

    def extended(self, own: Iterable[Term]) -> Terms:
        """With `own`, which wins where both have a term."""
        merged = {term.key: term for term in self.terms} | {term.key: term for term in own}
        return Terms(tuple(merged.values()))

    @cached_property
    def version(self) -> str:
        """Tells lists apart: 16 hex digits of the SHA-256 of the terms and how they are spoken."""
        lines = ["\t".join((term.term, *term.said)) for term in self.terms]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    @cached_property
    def _by_key(self) -> dict[str, Term]:
        return {term.key: term for term in self.terms}


def load(path: Path | None = None) -> Terms:
    """The node's own list and, where `path` names one, a dealership's, which wins where both have a
    term. Raises `DomainError`."""
    own = [] if path is None else read(path)
    return Terms(tuple(read(LIST))).extended(own)


def read(path: Path) -> list[Term]:
    """One list as it stands. Raises `DomainError`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DomainError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_FILE_BYTES:
        raise DomainError(f"{path} is larger than {MAX_FILE_BYTES // 1024} KiB.")
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DomainError(f"{path} is not UTF-8: byte {error.start}.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DomainError(f"{path} is not TOML: {error}.") from error
    terms: list[Term] = []
    for kind, entries in tables.items():
        if kind not in KINDS:
            raise DomainError(f"{path}: {kind!r} is no kind of term; {', '.join(KINDS)} are.")
        terms += _checked(path, kind, entries)
    if len(terms) > MAX_TERMS:
        raise DomainError(f"{path} holds {len(terms)} terms; at most {MAX_TERMS}.")
    seen: dict[str, str] = {}
    for term in terms:
        if term.key in seen:
            raise DomainError(f"{path}: {term.term!r} stands twice; leave one of them out.")
        seen[term.key] = term.term
    return terms


def _checked(path: Path, kind: str, entries: Any) -> list[Term]:
    try:
        return _ENTRIES.validate_python(entries)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = f"{path}: {kind}"
        if first["loc"]:
            number = int(first["loc"][0])
            where += f" entry {number + 1} ({_shown(entries[number])})"
        inner = ".".join(str(part) for part in first["loc"][1:])
        said = first["msg"].removeprefix("Value error, ")
        raise DomainError(f"{where}: {inner + ' ' if inner else ''}{said}.") from error


def _shown(entry: Any) -> str:
    text = repr(entry.get("term", entry) if isinstance(entry, dict) else entry)
    return text if len(text) <= MAX_CHARACTERS + 2 else f"{text[:MAX_CHARACTERS]}…"
