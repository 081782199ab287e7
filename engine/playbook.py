"""Playbooks: what a good sales call has in it, written by sales people as YAML.

`engine/playbooks/car_sales.yaml` is the one that every node has and shows the form. A playbook is
checked as a whole: every error is told with its line and with what to do about it.
`engine.phrases` says what a phrase may hold.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from engine import document, phrases
from engine.document import Document, DocumentError, Fault
from engine.events import SessionType

SHIPPED = Path(__file__).with_name("playbooks")
DEFAULT = "car_sales"

SESSION_TYPES: tuple[SessionType, ...] = get_args(SessionType)
MAX_PHRASES = 800
MAX_SENTENCES = 500
"""Exemplars and ordinary sentences together: each costs about 10 ms of a core, once."""


class PlaybookError(DocumentError):
    """A playbook cannot be used; `faults` are all that was found, by line."""


def _phrase(text: str) -> str:
    phrases.pattern(text)
    return text


def _sentence(text: str) -> str:
    if len(phrases.tokens(text)) < 2:
        raise ValueError("is not a sentence: write it as a customer says it")
    return text


Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Title = Annotated[str, Field(min_length=1, max_length=40)]
Line = Annotated[str, Field(min_length=1, max_length=100)]
Speech = Annotated[str, Field(min_length=1, max_length=140)]
Phrase = Annotated[str, Field(min_length=1), AfterValidator(_phrase)]
PhraseList = Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=30)]
Sentence = Annotated[str, Field(min_length=1, max_length=160), AfterValidator(_sentence)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Part):
    """A part of the call; one of its `cues` from the salesperson shows that it was reached."""

    code: Code
    title: Title
    cues: PhraseList


class Stages(_Part):
    """The stages of each type of session, in the order in which they are best reached."""

    pitch: tuple[Stage, ...] = Field(min_length=1, max_length=12)
    objection: tuple[Stage, ...] = Field(min_length=1, max_length=12)
    closing: tuple[Stage, ...] = Field(min_length=1, max_length=12)

    def of(self, session_type: SessionType) -> tuple[Stage, ...]:
        found: tuple[Stage, ...] = getattr(self, session_type)
        return found


class MustSay(_Part):
    """Something to be said in sessions of these types; `why` is for the trainee."""

    code: Code
    title: Title
    why: Line
    sessions: tuple[SessionType, ...] = Field(min_length=1, max_length=len(SESSION_TYPES))
    phrases: PhraseList


class NeverSay(_Part):
    """Something never to be said, `reason` why, and what to say `instead`."""

    code: Code
    title: Title
    reason: Line
    instead: Line
    phrases: PhraseList


class Card(_Part):
    """What helps against an objection, short enough for a phone."""

    title: Title
    say: Speech
    ask: Line
    avoid: Line
    next: Line


class Objection(_Part):
    """An objection: sentences as customers say it, phrases that give it away, and its card."""

    code: Code
    title: Title
    exemplars: tuple[Sentence, ...] = Field(min_length=3, max_length=30)
    phrases: tuple[Phrase, ...] = Field(default=(), max_length=30)
    card: Card


class Playbook(_Part):
    """A whole playbook. `ordinary` sentences are no objection: they keep cards away."""

    id: Code
    version: Annotated[str, Field(min_length=1, max_length=20)]
    title: Title
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
    stages: Stages
    must_say: tuple[MustSay, ...] = Field(default=(), max_length=30)
    never_say: tuple[NeverSay, ...] = Field(default=(), max_length=30)
    objections: tuple[Objection, ...] = Field(min_length=1, max_length=24)
    ordinary: tuple[Sentence, ...] = Field(min_length=20, max_length=100)

    @cached_property
    def digest(self) -> str:
        """Tells contents apart, whatever the `version` says: 16 hex digits of the SHA-256."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @cached_property
    def cards(self) -> dict[str, Card]:
        """The card of each objection by its code."""
        return {objection.code: objection.card for objection in self.objections}


def shipped(name: str = DEFAULT) -> Playbook:
    """A playbook that comes with the engine. Raises `PlaybookError`, and `OSError`."""
    return read(SHIPPED / f"{name}.yaml")


def source(name: str = DEFAULT) -> str:
    """A playbook that comes with the engine, as it was written. Raises `OSError`."""
    return (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")


def read(path: Path) -> Playbook:
    """A playbook from a file. Raises `PlaybookError`, and `OSError` where it cannot be read."""
    with path.open("rb") as file:
        return parse(file.read(document.MAX_BYTES + 1))


def parse(content: bytes) -> Playbook:
    """A playbook from YAML. Raises `PlaybookError`. Takes up to 0.5 s: call it in a thread."""
    try:
        source = document.read(content)
    except DocumentError as error:
        raise PlaybookError(error.faults) from error
    faults = list(_repeated(source))
    try:
        playbook = Playbook.model_validate(source.value)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise PlaybookError(faults + [_told(source, each) for each in found]) from error
    faults += _too_many(source)
    if faults:
        raise PlaybookError(faults)
    _compile(playbook)
    return playbook


def _compile(playbook: Playbook) -> None:
    """Now, and not when the first call of the playbook begins."""
    for session_type in SESSION_TYPES:
        for stage in playbook.stages.of(session_type):
            phrases.compiled(stage.cues)
    for must in playbook.must_say:
        phrases.compiled(must.phrases)
    for never in playbook.never_say:
        phrases.compiled(never.phrases, unless_negated=True)
    for objection in playbook.objections:
        phrases.compiled(objection.phrases, unless_negated=True)


def _too_many(source: Document) -> Iterator[Fault]:
    """Totals that keep matching within its time."""
    counts = {
        "phrases": (sum(1 for _ in _texts(source, ("cues", "phrases"))), MAX_PHRASES),
        "sentences": (sum(1 for _ in _texts(source, ("exemplars", "ordinary"))), MAX_SENTENCES),
    }
    for what, (count, most) in counts.items():
        if count > most:
            yield Fault(1, f"There are {count} {what} in all; at most {most}: leave some out.")


def _repeated(source: Document) -> Iterator[Fault]:
    """Codes that stand twice in a list, and sentences and phrases that stand for two things."""
    yield from _twice(
        source, ((path[:-2], str(value), path) for path, value in _values(source, "code"))
    )
    yield from _twice(
        source,
        (
            ("sentence", " ".join(phrases.tokens(text)), path)
            for path, text in _texts(source, ("exemplars", "ordinary"))
        ),
    )
    yield from _twice(
        source,
        (
            ("phrase", " ".join(text.casefold().split()), path)
            for path, text in _texts(source, ("phrases",))
            if path[0] in ("objections", "never_say")
        ),
    )


def _twice(source: Document, items: Iterable[tuple[Any, str, document.Path]]) -> Iterator[Fault]:
    seen: dict[tuple[Any, str], int] = {}
    for group, text, path in items:
        line = source.line(path)
        first = seen.setdefault((group, text), line)
        if text and first != line:
            yield Fault(line, f"{_shown(text)} stands at line {first} already: change one of them.")


def _values(source: Document, key: str) -> Iterator[tuple[document.Path, document.Value]]:
    for path in source.lines:
        if path and path[-1] == key:
            yield path, _at(source.value, path)


def _texts(source: Document, keys: tuple[str, ...]) -> Iterator[tuple[document.Path, str]]:
    """The texts in every list under one of `keys`."""
    for path in source.lines:
        if len(path) > 1 and path[-2] in keys and isinstance(path[-1], int):
            value = _at(source.value, path)
            if isinstance(value, str):
                yield path, value


def _at(value: Any, path: document.Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _told(source: Document, error: ErrorDetails) -> Fault:
    """One of pydantic's errors as a sentence that says what to do, at its line."""
    path = tuple(error["loc"])
    name = f"`{next((step for step in reversed(path) if isinstance(step, str)), 'playbook')}`"
    context, given = error.get("ctx", {}), error["input"]
    match error["type"]:
        case "missing":
            told = f"{name} is missing here: add it."
        case "extra_forbidden":
            told = f"{name} is not known here: {_nearest(str(path[-1]), path)}"
        case "string_too_short":
            told = f"{name} is empty: write something."
        case "string_too_long":
            most = context["max_length"]
            told = f"{name} has {len(str(given))} characters; at most {most} fit: shorten it."
        case "too_short":
            told = f"{name} needs {context['min_length']} entries or more: add some."
        case "too_long":
            told = f"{name} may have {context['max_length']} entries at most: leave some out."
        case "string_type":
            told = f"{name} must be a text: write it on one line, in quotes if need be."
        case "tuple_type":
            told = f"{name} must be a list: begin each entry with a dash."
        case "model_type":
            told = f"{name} must hold `key: value` lines: write them below it, indented."
        case "literal_error":
            told = f"{_shown(str(given))} is not one of {context['expected']}: use one of them."
        case "string_pattern_mismatch":
            told = (
                f"{_shown(str(given))} will not do for {name}: "
                "use lower-case letters, and digits or _ behind the first of a code."
            )
        case "value_error":
            told = f"{_shown(str(given))} {context['error']}."
        case _:
            told = f"{name}: {error['msg']}. Correct it."
    return Fault(source.line(path), told)


PARTS: dict[str, type[_Part]] = {
    "stages": Stages,
    "pitch": Stage,
    "objection": Stage,
    "closing": Stage,
    "must_say": MustSay,
    "never_say": NeverSay,
    "objections": Objection,
    "card": Card,
}


def _nearest(key: str, path: tuple[str | int, ...]) -> str:
    holder = next((step for step in reversed(path[:-1]) if isinstance(step, str)), None)
    fields = list(PARTS[holder].model_fields if holder in PARTS else Playbook.model_fields)
    close = difflib.get_close_matches(key, fields, 1)
    known = ", ".join(fields)
    return f"write `{close[0]}`." if close else f"delete it, or use one of {known}."


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[:40]!r}…" if len(text) > 40 else repr(text)
