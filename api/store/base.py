"""What a database must be able to do, declared once for SQLite and MongoDB.

A `Kind` declares a collection: its model, the fields that can be asked for, its indexes. Fields go
by their names in JSON, nested ones with dots (``metrics.clarity``). Nothing here crosses documents:
each write is one document or independent ones, so neither database needs transactions.
"""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import ValidationError

from api.store.documents import Document

WITHIN_S = 2.0
"""How long any call of a store may take before it is `Unavailable`."""
MAX_UNDER_WAY = 2_000
"""Calls of one database at once; beyond it they are refused as `Unavailable`."""
MAX_MANY = 500
"""Documents that one call of `insert_new` or `scan` takes or gives."""
MAX_CHOICES = 1_000
MAX_OFFSET = 10_000_000
MAX_INT = 2**53
COMMON = ("id", "dealershipId", "createdAt", "updatedAt")
"""Fields that every kind of document can be asked for by."""

D = TypeVar("D", bound=Document)
H = TypeVar("H", bound=Document)
Value = str | int | float | bool | datetime | None
Operator = Literal["is", "in", "has", "has any", ">=", ">", "<"]

_MEMBER = re.compile(r"[A-Za-z0-9_]{1,80}")


class StoreError(Exception):
    """Base of what a store raises on purpose; no message quotes what a document holds."""


class Duplicate(StoreError):
    """Another document has the same values in `fields`, which must be unique."""

    def __init__(self, kind: str, fields: Sequence[str]) -> None:
        super().__init__(f"Another document of {kind} has the same {', '.join(fields)}.")
        self.fields = tuple(fields)


class Missing(StoreError):
    """There is no such document in this dealership."""


class Stale(StoreError):
    """The document is no longer at the version that the change was made to."""


class Unavailable(StoreError):
    """The database did not answer in time. A write may or may not have been done.

    Doing it again is safe where the document has its id already: then it is a `Duplicate`, `Stale`,
    or counted as not new.
    """


class Full(Unavailable):
    """There is no room on its disk; nothing was written."""


def is_full(error: BaseException) -> bool:
    """Whether the operating system says that a disk, or somebody's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class Unreadable(StoreError):
    """What is stored, or was exported, cannot be read back."""


class NewerSchema(StoreError):
    """The store was written by a newer version of Forecourt."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"The store has schema {found}, but this version of Forecourt knows up to {known}. "
            "Start the newer version, or restore a backup from before its first start."
        )


class OlderSchema(StoreError):
    """The store waits for `forecourt store migrate`."""

    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"The store has schema {found}, this version of Forecourt wants {known}. "
            "Back it up, then run `forecourt store migrate`."
        )


class Locked(StoreError):
    """Another process holds the migration lock."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`has` asks an array for a member, `has any` for one of several; the comparisons never match
    null."""

    field: str
    operator: Operator
    value: Value | tuple[Value, ...]


def equal(field: str, value: Value) -> Condition:
    return Condition(field, "is", value)


def one_of(field: str, values: Sequence[Value]) -> Condition:
    if len(values) > MAX_CHOICES:
        raise ValueError(f"{field}: at most {MAX_CHOICES} values can be asked for at once")
    return Condition(field, "in", tuple(values))


def has(field: str, value: Value) -> Condition:
    """Raises `ValueError` for text with a NUL, at which SQLite cuts members of arrays."""
    if isinstance(value, str) and "\0" in value:
        raise ValueError(f"{field}: no member can hold a NUL")
    return Condition(field, "has", value)


def has_any(field: str, values: Sequence[str]) -> Condition:
    """Raises `ValueError` as `has` and `one_of` do; no value at all finds nothing."""
    for value in values:
        has(field, value)
    return Condition(field, "has any", one_of(field, values).value)


def at_least(field: str, value: Value) -> Condition:
    return Condition(field, ">=", value)


def above(field: str, value: Value) -> Condition:
    return Condition(field, ">", value)


def below(field: str, value: Value) -> Condition:
    return Condition(field, "<", value)


Where = Sequence[Condition]


@dataclass(frozen=True, slots=True)
class Query:
    """Documents that meet all of `where`.

    They come in the order of `sort` (``-`` before a field: descending; null is least), then of
    their ids in the last field's direction, so that pages neither repeat nor leave out.
    """

    where: Where = ()
    sort: Sequence[str] = ()
    offset: int = 0
    limit: int = 50

    def order(self) -> list[tuple[str, bool]]:
        """(field, whether descending), ending with the id."""
        order = [(name.removeprefix("-"), name.startswith("-")) for name in self.sort]
        if any(name == "id" for name, _ in order):
            return order
        return [*order, ("id", order[-1][1] if order else False)]


@dataclass(frozen=True, slots=True)
class Index:
    """Ascending over `fields`, then the id. Fields of a unique one must not be null."""

    fields: tuple[str, ...]
    unique: bool = False

    @property
    def name(self) -> str:
        return f"{'unique' if self.unique else 'by'}_{'_'.join(self.fields)}"

    @property
    def ordered(self) -> tuple[str, ...]:
        return self.fields if self.unique else (*self.fields, "id")


@dataclass(frozen=True, slots=True)
class Kind(Generic[D, H]):
    """A collection: `name`, the `model` of its documents, and what can be asked for.

    `head` is what lists are made of: the model, or a base of it without its largest fields.
    `arrays` are among `fields` and can only be asked with `has`; `counts` are objects of numbers
    whose members can be compared (``feedbackCounts.too_fast``).
    """

    name: str
    model: type[D]
    head: type[H]
    fields: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()
    heavy: tuple[str, ...] = field(init=False)
    """Fields of the model that its head lacks."""

    def __post_init__(self) -> None:
        aliases = {info.alias or name for name, info in self.model.model_fields.items()}
        heads = {info.alias or name for name, info in self.head.model_fields.items()}
        object.__setattr__(self, "heavy", tuple(sorted(aliases - heads)))
        for name in self.columns:
            if name.partition(".")[0] not in heads:
                raise ValueError(f"{self.name}: {name} is no field of a listed document")
        for name in {name for index in self.indexes for name in index.fields}:
            if name not in self.columns or name in self.counts:
                raise ValueError(f"{self.name}: {name} is indexed but cannot be asked for")

    @property
    def columns(self) -> tuple[str, ...]:
        """All fields kept apart for questions."""
        return (*COMMON, *self.fields, *self.counts)

    def check(self, query: Query) -> None:
        """Raises `ValueError` for a question that was not declared."""
        for condition in query.where:
            self._check_field(condition)
        for name, _ in query.order():
            if name not in self.columns or name in (*self.arrays, *self.counts):
                raise ValueError(f"{self.name} cannot be sorted by {name}")
        if not 0 <= query.limit <= MAX_MANY or not 0 <= query.offset <= MAX_OFFSET:
            raise ValueError(f"limit must be 0 to {MAX_MANY}, offset 0 to {MAX_OFFSET}")

    def check_deletion(self, where: Where) -> None:
        """Raises `ValueError` as `check` does, and for a deletion of everything."""
        self.check(Query(where))
        if not where:
            raise ValueError(f"{self.name}: a deletion needs a condition")

    def _check_field(self, condition: Condition) -> None:
        name, value = condition.field, condition.value
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, int) and abs(one) > MAX_INT:
                raise ValueError(f"{self.name}.{name} cannot be asked for numbers beyond 2^53")
            if isinstance(one, datetime) and one.tzinfo is None:
                raise ValueError(f"{self.name}.{name} cannot be asked for a time without a zone")
        if (condition.operator in ("has", "has any")) != (name in self.arrays):
            raise ValueError(f"{self.name}.{name} cannot be asked with {condition.operator}")
        if name in self.columns and name not in self.counts:
            return
        whole, _, member = name.partition(".")
        if whole not in self.counts or not _MEMBER.fullmatch(member):
            raise ValueError(f"{self.name} cannot be filtered by {name}")

    def read(self, raw: Mapping[str, Any], model: type[Document]) -> Any:
        """A document from its JSON object. Raises `Unreadable`."""
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            places = sorted({".".join(str(part) for part in e["loc"]) for e in error.errors()})
            raise Unreadable(
                f"{self.name}/{raw.get('id', '?')} does not fit its schema at {', '.join(places)}."
            ) from error


class Collection(Protocol[D, H]):
    """The documents of one kind. Every call may raise `Unavailable`."""

    async def insert(self, document: D) -> None:
        """Raises `Duplicate`. When it returns, the document outlives a crash."""

    async def insert_new(self, documents: Sequence[D]) -> int:
        """Those that collide with no stored document, in order; returns how many. <= MAX_MANY."""
        ...

    async def find(self, where: Where) -> D | None:
        """The document that meets all conditions, the one with the least id if several do."""

    async def replace(self, document: D) -> None:
        """Put `document` (at version n) in the place of its version n - 1, if that is stored.

        Raises `Stale` otherwise and `Duplicate`. It never moves to another dealership.
        """

    async def page(self, query: Query) -> list[H]: ...

    async def count(self, where: Where) -> int: ...

    async def delete(self, where: Where) -> int:
        """All that meet the conditions, of which there must be one; returns how many."""
        ...

    async def scan(self, after: str = "", limit: int = MAX_MANY) -> list[D]:
        """Whole documents of every dealership whose ids come after `after`, by id."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` found: schema found and wanted, documents by collection, and what is wrong."""

    schema: int
    wanted: int
    documents: dict[str, int]
    problems: list[str]


class Database(Protocol):
    location: str
    """Where it is, without credentials."""

    async def open(self) -> None:
        """Raises `NewerSchema`, `OlderSchema` or `Unavailable`. A new store is made ready."""

    async def close(self) -> None: ...

    async def schema(self) -> int:
        """The stored schema's number; 0 of a new store."""
        ...

    async def migrate(self) -> int:
        """Bring it to the present schema under a lock; returns the one found.

        Works before `open`. Raises `NewerSchema`, `Locked`, `Unreadable` or `Unavailable`.
        """
        ...

    async def check(self) -> Report:
        """Read every document and compare what is declared with what is there."""
        ...

    def collection(self, kind: Kind[D, H]) -> Collection[D, H]: ...


class Gate:
    """Bounds the calls of one database, in number and in time."""

    def __init__(
        self,
        location: str,
        errors: tuple[type[Exception], ...],
        explain: Callable[[Exception], str] = str,
        fills: Callable[[Exception], bool] = is_full,
    ) -> None:
        """`explain` says what a driver's error means without quoting a document, `fills` whether
        it means that the disk is full."""
        self._location = location
        self._errors = errors
        self._explain = explain
        self._fills = fills
        self._under_way = 0

    @asynccontextmanager
    async def __call__(self, within_s: float = WITHIN_S) -> AsyncIterator[None]:
        """What a driver raises for a database that is away, or no answer, is `Unavailable`; for a
        full disk `Full`."""
        if self._under_way >= MAX_UNDER_WAY:
            raise Unavailable(f"{self._location} has {MAX_UNDER_WAY} calls waiting already.")
        self._under_way += 1
        try:
            async with asyncio.timeout(within_s):
                yield
        except TimeoutError as error:
            raise Unavailable(f"{self._location} did not answer in {within_s:g} s.") from error
        except self._errors as error:
            kind = Full if self._fills(error) else Unavailable
            raise kind(f"{self._location}: {self._explain(error)[:200]}") from error
        finally:
            self._under_way -= 1


async def examine(
    database: Database, kinds: Sequence[Kind[Any, Any]], wanted: int, problems: list[str]
) -> Report:
    """Read every document; the part of `Database.check` that both databases share."""
    problems = list(problems)
    documents: dict[str, int] = {}
    for kind in kinds:
        collection = database.collection(kind)
        documents[kind.name] = await collection.count(())
        try:
            after = ""
            while found := await collection.scan(after):
                after = found[-1].id
        except Unreadable as error:
            problems.append(str(error))
    return Report(await database.schema(), wanted, documents, problems)
