"""SQLite: one file in WAL mode, for one node.

Writes of concurrent callers share a transaction and so one flush to the disk (``synchronous=FULL``:
what was acknowledged outlives a power cut). Reads have a connection of their own and do not wait
behind them. Each connection works in a thread of its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import aiosqlite

from api.store.base import (
    MAX_UNDER_WAY,
    WITHIN_S,
    Collection,
    D,
    Duplicate,
    Gate,
    H,
    Kind,
    Locked,
    Query,
    Report,
    Stale,
    Unavailable,
    Where,
    examine,
    is_full,
)
from api.store.kinds import KINDS
from api.store.migrations import History
from api.store.statements import Parameters, Statements, quoted

MAX_BATCH = 200
"""Writes of one transaction."""
LOCK_WITHIN_S = 60.0
"""How long a migration waits for another process's."""
_BUSY_MS = int(WITHIN_S * 750)
_CHUNK = 200
_COLLISION = re.compile(r"UNIQUE constraint failed: (.+)")


class _Collision(Exception):
    """SQLite's words about a unique index."""


@dataclass(slots=True)
class _Write:
    sql: str
    parameters: Parameters
    done: asyncio.Future[list[Any]]


def _fills(error: Exception) -> bool:
    is_told = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return is_told or is_full(error)


class SqliteDatabase:
    """The database at `path`, whose folder is made; the file is its owner's alone."""

    def __init__(
        self,
        path: Path,
        kinds: Sequence[Kind[Any, Any]] = KINDS,
        history: History | None = None,
    ) -> None:
        self.location = f"sqlite:///{path}"
        self.gate = Gate(self.location, (sqlite3.Error, OSError), fills=_fills)
        self._path = path
        self._kinds = kinds
        self._history = history or History()
        self._waiting: asyncio.Queue[_Write] = asyncio.Queue(MAX_UNDER_WAY)
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._batches: asyncio.Task[None] | None = None

    async def open(self) -> None:
        if await self.schema() == 0:
            await self.migrate()
        self._history.refuse_other(await self.schema())
        async with self.gate():
            self._writer = await self._connect()
            self._reader = await self._connect()
            await self._reader.execute_fetchall("PRAGMA query_only = ON")
        self._batches = asyncio.create_task(self._write_batches(), name="sqlite writes")

    async def close(self) -> None:
        """Waiting writes are done first."""
        if self._batches is not None:
            if not self._batches.done():
                await self._waiting.join()
            self._batches.cancel()
            await asyncio.gather(self._batches, return_exceptions=True)
        for connection in (self._writer, self._reader):
            if connection is not None:
                await connection.close()
        self._writer = self._reader = self._batches = None

    async def schema(self) -> int:
        async with self._separate() as connection:
            return await _schema(connection)

    def collection(self, kind: Kind[D, H]) -> Collection[D, H]:
        return SqliteCollection(self, kind)

    async def read(self, sql: str, parameters: Parameters) -> list[Any]:
        """Rows as of the last acknowledged write. Raises `Unavailable`."""
        async with self.gate():
            if self._reader is None:
                raise Unavailable(f"{self.location} is not open.")
            return list(await self._reader.execute_fetchall(sql, parameters))

    async def write(self, sql: str, parameters: Parameters) -> list[Any]:
        """One statement, on the disk when it returns. Raises `_Collision` and `Unavailable`."""
        async with self.gate():
            if self._batches is None or self._batches.done():
                raise Unavailable(f"{self.location} is not open.")
            done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
            await self._waiting.put(_Write(sql, parameters, done))
            return await done

    async def _write_batches(self) -> None:
        assert self._writer is not None
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                await self._commit(self._writer, [w for w in batch if not w.done.done()])
            finally:
                for _ in batch:
                    self._waiting.task_done()

    async def _commit(self, writer: aiosqlite.Connection, batch: list[_Write]) -> None:
        """All of them in one transaction. A statement that fails undoes itself alone."""
        try:
            await writer.execute_fetchall("BEGIN IMMEDIATE")
            results = await asyncio.gather(
                *(writer.execute_fetchall(write.sql, write.parameters) for write in batch),
                return_exceptions=True,
            )
            if not writer.in_transaction:
                raise sqlite3.OperationalError("SQLite took the transaction back")
            await writer.execute_fetchall("COMMIT")
        except sqlite3.Error as error:
            if writer.in_transaction:
                await writer.rollback()
            results = [error] * len(batch)
        for write, result in zip(batch, results, strict=True):
            if write.done.done():
                continue
            if isinstance(result, sqlite3.IntegrityError):
                write.done.set_exception(_Collision(str(result)))
            elif isinstance(result, BaseException):
                write.done.set_exception(result)
            else:
                write.done.set_result(list(result))

    async def _connect(self, busy_ms: int = _BUSY_MS) -> aiosqlite.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._path.exists():
            self._path.touch(mode=0o600)
        connection = await aiosqlite.connect(self._path, isolation_level=None)
        try:
            for setting in (
                f"busy_timeout = {busy_ms}",
                "journal_mode = WAL",
                "synchronous = FULL",
                "cache_size = -64000",
            ):
                await connection.execute_fetchall(f"PRAGMA {setting}")
        except BaseException:
            await connection.close()
            raise
        return connection

    @asynccontextmanager
    async def _separate(self, within_s: float = WITHIN_S) -> AsyncIterator[aiosqlite.Connection]:
        async with self.gate(within_s):
            connection = await self._connect(int(within_s * 750))
            try:
                yield connection
            finally:
                await connection.close()

    async def migrate(self) -> int:
        """In one transaction, which is also the lock."""
        async with self._separate(24 * 3600) as connection:
            await connection.execute_fetchall(f"PRAGMA busy_timeout = {int(LOCK_WITHIN_S * 1000)}")
            try:
                await connection.execute_fetchall("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise Locked(
                    f"{self.location}: something else has been writing for {LOCK_WITHIN_S:g} s."
                ) from error
            found = await _schema(connection)
            self._history.refuse_newer(found)
            for kind in self._kinds:
                await self._migrate_kind(connection, Statements(kind), found)
            await connection.execute_fetchall(f"PRAGMA user_version = {self._history.schema}")
            await connection.execute_fetchall("COMMIT")
            return found

    async def _migrate_kind(
        self, connection: aiosqlite.Connection, statements: Statements, found: int
    ) -> None:
        kind = statements.kind
        columns = await _columns(connection, kind.name)
        if not columns:
            await connection.execute_fetchall(statements.create())
        elif columns != statements.columns or found < self._history.schema:
            await self._rebuild(connection, statements, found)
        wanted = {statements.index_name(index): index for index in kind.indexes}
        there = await _indexes(connection, kind.name)
        for name in there - wanted.keys():
            await connection.execute_fetchall(f"DROP INDEX {quoted(name)}")
        for name in wanted.keys() - there:
            await connection.execute_fetchall(statements.create_index(wanted[name]))

    async def _rebuild(
        self, connection: aiosqlite.Connection, statements: Statements, found: int
    ) -> None:
        """Every document through the steps since the schema `found`, into a new table."""
        kind = statements.kind
        rebuilt = quoted(f"{kind.name}~new")
        await connection.execute_fetchall(statements.create(rebuilt))
        after = ""
        while rows := list(await connection.execute_fetchall(*statements.scan(after, _CHUNK))):
            raws = [_whole(row) for row in rows]
            after = raws[-1]["id"]
            upgraded = [self._history.upgrade(kind.name, raw, found) for raw in raws]
            documents = [kind.read(raw, kind.model) for raw in upgraded]
            await connection.execute_fetchall(*statements.insert(documents, rebuilt))
        await connection.execute_fetchall(f"DROP TABLE {statements.table}")
        await connection.execute_fetchall(f"ALTER TABLE {rebuilt} RENAME TO {statements.table}")

    async def check(self) -> Report:
        problems: list[str] = []
        async with self._separate(24 * 3600) as connection:
            rows = await connection.execute_fetchall("PRAGMA quick_check(20)")
            problems += [str(row[0]) for row in rows if row[0] != "ok"]
            for kind in self._kinds:
                statements = Statements(kind)
                if await _columns(connection, kind.name) != statements.columns:
                    problems.append(f"{kind.name}: its columns are not the declared ones.")
                wanted = {statements.index_name(index) for index in kind.indexes}
                if missing := wanted - await _indexes(connection, kind.name):
                    problems.append(f"{kind.name}: without index {', '.join(sorted(missing))}.")
        return await examine(self, self._kinds, self._history.schema, problems)


async def _schema(connection: aiosqlite.Connection) -> int:
    ((found,),) = await connection.execute_fetchall("PRAGMA user_version")
    return int(found)


async def _columns(connection: aiosqlite.Connection, table: str) -> tuple[str, ...]:
    rows = await connection.execute_fetchall("SELECT name FROM pragma_table_info(?)", (table,))
    return tuple(row[0] for row in rows)


async def _indexes(connection: aiosqlite.Connection, table: str) -> set[str]:
    sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql NOT NULL"
    return {row[0] for row in await connection.execute_fetchall(sql, (table,))}


def _whole(row: Sequence[Any]) -> dict[str, Any]:
    doc, heavy = row
    document: dict[str, Any] = json.loads(doc)
    document.update(json.loads(heavy or "{}"))
    return document


class SqliteCollection(Generic[D, H]):
    def __init__(self, database: SqliteDatabase, kind: Kind[D, H]) -> None:
        self._database = database
        self._kind = kind
        self._statements = Statements(kind)

    async def insert(self, document: D) -> None:
        await self._write(*self._statements.insert([document]))

    async def insert_new(self, documents: Sequence[D]) -> int:
        self._kind.check(Query(limit=len(documents)))
        if not documents:
            return 0
        return len(await self._write(*self._statements.insert_new(documents)))

    async def find(self, where: Where) -> D | None:
        self._kind.check(Query(where))
        rows = await self._database.read(*self._statements.find(where))
        return self._read(rows[0]) if rows else None

    async def replace(self, document: D) -> None:
        if not await self._write(*self._statements.replace(document)):
            raise Stale(f"{self._kind.name}/{document.id} is not at version {document.version - 1}")

    async def page(self, query: Query) -> list[H]:
        self._kind.check(query)
        rows = await self._database.read(*self._statements.page(query))
        return [self._kind.read(json.loads(row[0]), self._kind.head) for row in rows]

    async def count(self, where: Where) -> int:
        self._kind.check(Query(where))
        ((found,),) = await self._database.read(*self._statements.count(where))
        return int(found)

    async def delete(self, where: Where) -> int:
        self._kind.check_deletion(where)
        return len(await self._write(*self._statements.delete(where)))

    async def scan(self, after: str = "", limit: int = _CHUNK) -> list[D]:
        rows = await self._database.read(*self._statements.scan(after, limit))
        return [self._read(row) for row in rows]

    def _read(self, row: Sequence[Any]) -> D:
        document: D = self._kind.read(_whole(row), self._kind.model)
        return document

    async def _write(self, sql: str, parameters: Parameters) -> list[Any]:
        try:
            return await self._database.write(sql, parameters)
        except _Collision as error:
            collision = _COLLISION.fullmatch(str(error))
            columns = collision[1].split(", ") if collision else [str(error)]
            fields = [column.removeprefix(f"{self._kind.name}.") for column in columns]
            raise Duplicate(self._kind.name, fields) from error
