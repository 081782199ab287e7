"""SQL of a collection: a table with its documents' JSON and a column for each field to ask by.

Columns are written from the document, and come before its JSON, so that a question about one field
reads neither the JSON nor the pages it spills over to. Fields that lists leave out are in a JSON
object of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from api.store.base import Condition, Index, Kind, Query, Where
from api.store.documents import Document, written

Parameters = tuple[Any, ...]
Statement = tuple[str, Parameters]

_COMPARISONS = {">=": ">=", ">": ">", "<": "<", "is": "IS"}


class Statements:
    """What is said to SQLite about one kind of document; values never become part of the text."""

    def __init__(self, kind: Kind[Any, Any]) -> None:
        self.kind = kind
        self.table = quoted(kind.name)
        self.columns = (*kind.columns, "version", "doc", "heavy")
        self._names = ", ".join(quoted(name) for name in self.columns)
        self._marks = f"({', '.join('?' * len(self.columns))})"

    def create(self, table: str | None = None) -> str:
        """The table, of another name while it is rebuilt."""
        types = {"id": "TEXT PRIMARY KEY", "version": "INTEGER NOT NULL", "doc": "TEXT NOT NULL"}
        columns = ", ".join(f"{quoted(name)} {types.get(name, '')}" for name in self.columns)
        return f"CREATE TABLE {table or self.table} ({columns})"

    def index_name(self, index: Index) -> str:
        return f"{self.kind.name}_{index.name}"

    def create_index(self, index: Index) -> str:
        unique = "UNIQUE " if index.unique else ""
        fields = ", ".join(quoted(name) for name in index.ordered)
        name = quoted(self.index_name(index))
        return f"CREATE {unique}INDEX {name} ON {self.table} ({fields})"

    def insert(self, documents: Sequence[Document], table: str | None = None) -> Statement:
        """A row for each that was inserted."""
        rows = [self.row(document.model_dump(mode="json", by_alias=True)) for document in documents]
        marks = ", ".join([self._marks] * len(rows))
        sql = f"INSERT INTO {table or self.table} ({self._names}) VALUES {marks}"
        return f"{sql} RETURNING id", tuple(value for row in rows for value in row)

    def insert_new(self, documents: Sequence[Document]) -> Statement:
        """A row for each that was inserted; those that collide are left out."""
        sql, parameters = self.insert(documents)
        return sql.replace(" RETURNING", " ON CONFLICT DO NOTHING RETURNING"), parameters

    def replace(self, document: Document) -> Statement:
        """A row if the version before was there."""
        row = self.row(document.model_dump(mode="json", by_alias=True))
        changes = ", ".join(f"{quoted(name)} = ?" for name in self.columns)
        sql = (
            f"UPDATE {self.table} SET {changes} "
            'WHERE id = ? AND "dealershipId" = ? AND version = ? RETURNING id'
        )
        return sql, (*row, document.id, document.dealership_id, document.version - 1)

    def delete(self, where: Where) -> Statement:
        """A row for each that was deleted."""
        clause, parameters = self.where(where)
        return f"DELETE FROM {self.table}{clause} RETURNING id", parameters

    def find(self, where: Where) -> Statement:
        """(doc, heavy) of the one with the least id."""
        clause, parameters = self.where(where)
        return f"SELECT doc, heavy FROM {self.table}{clause} ORDER BY id LIMIT 1", parameters

    def page(self, query: Query) -> Statement:
        """(doc,) of each."""
        clause, parameters = self.where(query.where)
        order = ", ".join(
            f"{quoted(name)} {'DESC' if falling else 'ASC'}" for name, falling in query.order()
        )
        sql = f"SELECT doc FROM {self.table}{clause} ORDER BY {order} LIMIT ? OFFSET ?"
        return sql, (*parameters, query.limit, query.offset)

    def count(self, where: Where) -> Statement:
        clause, parameters = self.where(where)
        return f"SELECT count(*) FROM {self.table}{clause}", parameters

    def scan(self, after: str, limit: int) -> Statement:
        """(doc, heavy) of each."""
        sql = f"SELECT doc, heavy FROM {self.table} WHERE id > ? ORDER BY id LIMIT ?"
        return sql, (after, limit)

    def row(self, document: Mapping[str, Any]) -> Parameters:
        """The columns' values of a document as a JSON object."""
        heavy = {name: document[name] for name in self.kind.heavy}
        light = {name: value for name, value in document.items() if name not in heavy}
        asked = (_held(_at(document, name)) for name in self.kind.columns)
        doc = json.dumps(light, ensure_ascii=False)
        rest = json.dumps(heavy, ensure_ascii=False) if heavy else None
        return (*asked, document["version"], doc, rest)

    def where(self, conditions: Where) -> Statement:
        """`` WHERE ...`` and its values, or nothing."""
        if not conditions:
            return "", ()
        parts = [self._condition(condition) for condition in conditions]
        clause = " AND ".join(text for text, _ in parts)
        return f" WHERE {clause}", tuple(value for _, values in parts for value in values)

    def _condition(self, condition: Condition) -> Statement:
        name, operator, value = condition.field, condition.operator, condition.value
        column = quoted(name)
        before: Parameters = ()
        whole, _, member = name.partition(".")
        if whole in self.kind.counts:
            column, before = f"json_extract({quoted(whole)}, ?)", (f'$."{member}"',)
        if operator == "in":
            assert isinstance(value, tuple)
            given = tuple(_held(one) for one in value)
            return f"{column} IN ({', '.join('?' * len(given))})", (*before, *given)
        if operator == "has":
            inside = f"SELECT 1 FROM json_each({column}) WHERE value = ?"
            return f"EXISTS ({inside})", (_held(value),)
        if operator == "has any":
            assert isinstance(value, tuple)
            given = tuple(_held(one) for one in value)
            inside = f"value IN ({', '.join('?' * len(given))})"
            return f"EXISTS (SELECT 1 FROM json_each({column}) WHERE {inside})", given
        return f"{column} {_COMPARISONS[operator]} ?", (*before, _held(value))


def quoted(name: str) -> str:
    return f'"{name}"'


def _at(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where the way there ends."""
    value: Any = document
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _held(value: Any) -> Any:
    """As a column holds it, and as it is compared with."""
    if isinstance(value, datetime):
        return written(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return value
