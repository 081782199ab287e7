"""Mailing lists as files: who is to get mails, one a line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from pydantic import ValidationError

from api.content.inventory import Fault
from api.content.outlets import MAX_SUBSCRIBERS, full
from api.problems import Problem
from api.store.base import MAX_MANY
from api.store.content import Subscriber
from api.store.store import Store

MAX_BYTES: Final = 2 * 2**20
MAX_FAULTS: Final = 100
"""That are told; all are counted."""
COLUMNS: Final = {
    "email": "email",
    "e-mail": "email",
    "correo": "email",
    "name": "name",
    "nombre": "name",
    "language": "language",
    "idioma": "language",
    "lists": "lists",
    "list": "lists",
    "listas": "lists",
    "lista": "lists",
}
"""Our fields by what columns are called."""
FAULTS: Final = {
    "email": "This is no e-mail address.",
    "name": "A name has at most 80 letters on one line.",
    "language": "A language is en or es.",
    "lists": "A list's name has at most 40 letters; nobody is on more than 20 lists.",
}
_CHUNK: Final = MAX_MANY // 5


@dataclass(slots=True)
class Parsed:
    """Who stands in a file, by address, and what was wrong in it."""

    people: dict[str, Subscriber] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


@dataclass(slots=True)
class Counts:
    """What a file changed, or would; `unsubscribed` want no more mails, and get none."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    unsubscribed: int = 0


def parse(raw: bytes, source: str, dealership_id: str, now: datetime) -> Parsed:
    """A CSV file in UTF-8 with a line of column names: email and, where there are, name, language
    and lists (several between semicolons or bars). Raises `ValueError` with a sentence."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("The file is not in UTF-8: save it as CSV UTF-8.") from error
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text))
    parsed, made = Parsed(), partial(Subscriber.new, dealership_id, now, source=source)
    try:
        heads = next(lines, [])
        names = [COLUMNS.get(each.strip().lower(), "") for each in heads]
        if "email" not in names:
            raise ValueError("The first line must name the columns, one of them email.")
        for cells in lines:
            if any(cell.strip() for cell in cells):
                given = {name: cell for name, cell in zip(names, cells, strict=False) if name}
                _add(parsed, lines.line_num, given, made)
    except csv.Error as error:
        raise ValueError(f"Line {lines.line_num} cannot be read: {error}.") from error
    if len(parsed.people) > MAX_SUBSCRIBERS:
        raise ValueError(f"The file has more than {MAX_SUBSCRIBERS} people; divide it.")
    return parsed


def _separator(text: str) -> str:
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


def _add(
    parsed: Parsed, line: int, given: Mapping[str, str], made: Callable[..., Subscriber]
) -> None:
    email = given.get("email", "").strip().lower()
    known = parsed.people.get(email)
    fields: dict[str, object] = {"email": email, "name": given.get("name", "")}
    fields["lists"] = _united(known.lists if known else (), _lists(given.get("lists", "")))
    if language := given.get("language", "").strip().lower():
        fields["language"] = language
    try:
        person = made(**fields)
    except ValidationError as error:
        wrong = str(error.errors()[0]["loc"][0])
        parsed.faults.append(Fault(line=line, column=wrong, message=FAULTS[wrong]))
        return
    parsed.people[email] = person


def _lists(text: str) -> tuple[str, ...]:
    names = (each.strip() for each in text.replace("|", ";").split(";"))
    return tuple(dict.fromkeys(name for name in names if name))


def _united(some: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*some, *more)))


async def take(
    store: Store,
    dealership_id: str,
    people: Sequence[Subscriber],
    now: datetime,
    *,
    dry: bool,
    most: int = MAX_SUBSCRIBERS,
) -> Counts:
    """Add those that are not known, and the lists that are new to those that are; with `dry` only
    count. Raises `Problem`: 409 where there would be too many people, or lists of one."""
    counts, fresh, changed = Counts(), list[Subscriber](), list[Subscriber]()
    for chunk in _chunks(people):
        emails = [each.email for each in chunk]
        found = await store.subscribers.of_emails(dealership_id, emails)
        known = {each.email: each for each in found}
        for each in chunk:
            there = known.get(each.email)
            if there is None:
                fresh.append(each)
            elif there.unsubscribed_at is not None:
                counts.unsubscribed += 1
            elif (merged := _merged(there, each, now)) is None:
                counts.unchanged += 1
            else:
                changed.append(merged)
    counts.added, counts.changed = len(fresh), len(changed)
    if await store.subscribers.count(dealership_id) + len(fresh) > most:
        raise full("subscribers", most)
    if not dry:
        for chunk in _chunks(fresh):
            await store.subscribers.add_new(dealership_id, chunk)
        for each in changed:
            await store.subscribers.save(dealership_id, each)
    return counts


def _merged(there: Subscriber, given: Subscriber, now: datetime) -> Subscriber | None:
    """None where nothing is new. Raises `Problem`: 409."""
    lists = _united(there.lists, given.lists)
    name = there.name or given.name
    if (lists, name) == (there.lists, there.name):
        return None
    try:
        return there.changed(now, lists=lists, name=name)
    except ValidationError as error:
        raise Problem(409, FAULTS["lists"], code="full") from error


def _chunks(people: Sequence[Subscriber]) -> Iterator[Sequence[Subscriber]]:
    for start in range(0, len(people), _CHUNK):
        yield people[start : start + _CHUNK]


async def counted(store: Store, dealership_id: str) -> Counter[str]:
    """The lists by name, and how many people on each still want mails."""
    counts: Counter[str] = Counter()
    after = ""
    while found := await store.subscribers.every(dealership_id, after):
        for each in found:
            wanted = each.unsubscribed_at is None
            counts.update({name: int(wanted) for name in each.lists})
        after = found[-1].id
    return counts
