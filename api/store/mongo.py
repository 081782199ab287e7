"""MongoDB through motor, which nothing else knows of.

Writes are acknowledged by a majority with their journal, reads see what a majority has. It must be
a replica set, of one node if need be: a bare mongod may lose acknowledged writes. Every call has a
deadline inside the driver, and the pool connects again by itself when the server is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Generic

import pymongo
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo import ASCENDING, DESCENDING, IndexModel, ReadPreference, ReplaceOne, WriteConcern
from pymongo.errors import BulkWriteError, DuplicateKeyError, InvalidURI, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri

from api.ids import new_id
from api.store.base import (
    WITHIN_S,
    Collection,
    Condition,
    D,
    Duplicate,
    Gate,
    H,
    Index,
    Kind,
    Locked,
    Query,
    Report,
    Stale,
    StoreError,
    Where,
    examine,
)
from api.store.documents import Document, written
from api.store.kinds import KINDS
from api.store.migrations import History, Json

Raw = dict[str, Any]

LOCK_WITHIN_S = 60.0
LOCK_HELD_S = 60.0
"""A migration that does not renew its lock for so long is taken to be dead."""
LONG_S = 24 * 3600.0
"""How long indexes of a large collection may be built."""
POOL = 20
DEFAULT_NAME = "forecourt"
_DUPLICATE_KEY = 11000
_CHUNK = 200
_SCHEMA = "_schema"
"""In every document: the schema it was written under, so that a migration can be taken up again."""
_OPERATORS = {
    "is": "$eq",
    "has": "$eq",
    "in": "$in",
    "has any": "$in",
    ">=": "$gte",
    ">": "$gt",
    "<": "$lt",
}


class MongoDatabase:
    """The database that `url` names (``mongodb://...``), by default "forecourt"."""

    def __init__(
        self, url: str, kinds: Sequence[Kind[Any, Any]] = KINDS, history: History | None = None
    ) -> None:
        try:
            parsed = parse_uri(url)
        except (InvalidURI, PyMongoError, ValueError) as error:
            raise StoreError("The store's address is no valid MongoDB URL.") from error
        name = parsed["database"] or DEFAULT_NAME
        hosts = ",".join(f"{host}:{port}" for host, port in parsed["nodelist"])
        self.location = f"mongodb://{hosts}/{name}"
        self.gate = Gate(self.location, (PyMongoError, OSError), _explain)
        self._url = url
        self._name = name
        self._kinds = kinds
        self._history = history or History()
        self._held: AsyncIOMotorClient[Raw] | None = None

    @property
    def _client(self) -> AsyncIOMotorClient[Raw]:
        if self._held is None:
            deadline_ms = int(WITHIN_S * 900)
            self._held = AsyncIOMotorClient(
                self._url,
                appname="forecourt",
                tz_aware=True,
                tzinfo=UTC,
                timeoutMS=deadline_ms,
                serverSelectionTimeoutMS=deadline_ms,
                connectTimeoutMS=deadline_ms,
                heartbeatFrequencyMS=2_000,
                maxPoolSize=POOL,
                retryWrites=True,
                retryReads=True,
            )
        return self._held

    async def open(self) -> None:
        await self._refuse_standalone()
        if await self.schema() == 0:
            await self.migrate()
        self._history.refuse_other(await self.schema())

    async def close(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    async def schema(self) -> int:
        async with self.gate():
            found = await self._named("meta").find_one({"_id": "schema"})
        return int(found["schema"]) if found else 0

    def collection(self, kind: Kind[D, H]) -> Collection[D, H]:
        return MongoCollection(self, kind, self._history.schema)

    def named(self, name: str) -> AsyncIOMotorCollection[Raw]:
        """A raw collection with the store's guarantees. Call it within `gate`."""
        return self._named(name)

    def _named(self, name: str) -> AsyncIOMotorCollection[Raw]:
        options: CodecOptions[Raw] = CodecOptions(tz_aware=True, tzinfo=UTC)
        return self._client[self._name].get_collection(
            name,
            codec_options=options,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority", j=True),
            read_concern=ReadConcern("majority"),
        )

    async def migrate(self) -> int:
        """Document by document, so that one that was cut off is taken up where it stopped."""
        await self._refuse_standalone()
        owner = new_id()
        await self._lock(owner)
        try:
            found = await self.schema()
            self._history.refuse_newer(found)
            for kind in self._kinds:
                await self._drop_indexes(kind)
                await self._migrate_documents(kind, owner)
                await self._create_indexes(kind)
            async with self.gate():
                changes = {"$set": {"schema": self._history.schema}}
                await self._named("meta").update_one({"_id": "schema"}, changes, upsert=True)
        finally:
            async with self.gate():
                await self._named("meta").delete_one({"_id": "lock", "owner": owner})
        return found

    async def _refuse_standalone(self) -> None:
        async with self.gate():
            hello = await self._client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise StoreError(
                f"{self.location} is no replica set; a crash would lose acknowledged writes. "
                "Start mongod with --replSet and run rs.initiate(); one node is enough."
            )

    async def _lock(self, owner: str) -> None:
        """Take the migration lock, or renew it. Raises `Locked`."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + LOCK_WITHIN_S
        while True:
            now = datetime.now(UTC)
            free = {"_id": "lock", "$or": [{"owner": owner}, {"until": {"$lt": now}}]}
            held = {"$set": {"owner": owner, "until": now + timedelta(seconds=LOCK_HELD_S)}}
            async with self.gate():
                try:
                    await self._named("meta").update_one(free, held, upsert=True)
                except DuplicateKeyError as error:  # it is there, but not free
                    if loop.time() > give_up_at:
                        why = f"{self.location} is being migrated by another process."
                        raise Locked(why) from error
                else:
                    return
            await asyncio.sleep(0.2)

    async def _migrate_documents(self, kind: Kind[Any, Any], owner: str) -> None:
        older = {_SCHEMA: {"$lt": self._history.schema}}
        while True:
            async with self.gate():
                documents = self._named(kind.name)
                raws = await documents.find(older).limit(_CHUNK).to_list(_CHUNK)
            if not raws:
                return
            await self._lock(owner)
            # One that was changed meanwhile is found again in the next round.
            changes = [ReplaceOne(_unchanged(raw), self._upgraded(kind, raw)) for raw in raws]
            async with self.gate():
                await documents.bulk_write(changes, ordered=False)

    def _upgraded(self, kind: Kind[Any, Any], raw: Raw) -> Raw:
        upgraded = self._history.upgrade(kind.name, _as_json(raw), raw[_SCHEMA])
        return _as_raw(kind.read(upgraded, kind.model), self._history.schema)

    async def _drop_indexes(self, kind: Kind[Any, Any]) -> None:
        """Those no longer declared, before they refuse documents of the new shape."""
        wanted = {index.name for index in kind.indexes}
        for name in await self._indexes(kind.name) - wanted:
            async with self.gate():
                await self._named(kind.name).drop_index(name)

    async def _create_indexes(self, kind: Kind[Any, Any]) -> None:
        models = [IndexModel([(_SCHEMA, ASCENDING)], name=_SCHEMA)]
        models += [_index_model(index) for index in kind.indexes]
        async with self.gate(LONG_S):
            with pymongo.timeout(LONG_S):
                await self._named(kind.name).create_indexes(models)

    async def _indexes(self, name: str) -> set[str]:
        async with self.gate():
            there = await self._named(name).index_information()
        return set(there) - {"_id_", _SCHEMA}

    async def check(self) -> Report:
        problems = []
        for kind in self._kinds:
            wanted = {index.name for index in kind.indexes}
            if missing := wanted - await self._indexes(kind.name):
                problems.append(f"{kind.name}: without index {', '.join(sorted(missing))}.")
        return await examine(self, self._kinds, self._history.schema, problems)


class MongoCollection(Generic[D, H]):
    def __init__(self, database: MongoDatabase, kind: Kind[D, H], schema: int) -> None:
        self._database = database
        self._kind = kind
        self._schema = schema
        self._without = dict.fromkeys((*kind.heavy, _SCHEMA), 0)

    @property
    def _documents(self) -> AsyncIOMotorCollection[Raw]:
        return self._database.named(self._kind.name)

    async def insert(self, document: D) -> None:
        async with self._database.gate(), _duplicates(self._kind.name):
            await self._documents.insert_one(_as_raw(document, self._schema))

    async def insert_new(self, documents: Sequence[D]) -> int:
        self._kind.check(Query(limit=len(documents)))
        if not documents:
            return 0
        raws = [_as_raw(document, self._schema) for document in documents]
        async with self._database.gate():
            try:
                # The server takes them in order, but goes on behind one that collides.
                await self._documents.insert_many(raws, ordered=False)
            except BulkWriteError as error:
                found = (error.details or {}).get("writeErrors", [])
                if not found or any(one["code"] != _DUPLICATE_KEY for one in found):
                    raise
                return len(raws) - len(found)
        return len(raws)

    async def find(self, where: Where) -> D | None:
        found = await self._find(Query(where, limit=1), {_SCHEMA: 0})
        return self._read(found[0]) if found else None

    async def replace(self, document: D) -> None:
        before = {
            "_id": document.id,
            "dealershipId": document.dealership_id,
            "version": document.version - 1,
        }
        async with self._database.gate(), _duplicates(self._kind.name):
            done = await self._documents.replace_one(before, _as_raw(document, self._schema))
        if not done.matched_count:
            raise Stale(f"{self._kind.name}/{document.id} is not at version {document.version - 1}")

    async def page(self, query: Query) -> list[H]:
        found = await self._find(query, self._without)
        return [self._kind.read(_renamed(raw), self._kind.head) for raw in found]

    async def count(self, where: Where) -> int:
        self._kind.check(Query(where))
        async with self._database.gate():
            return await self._documents.count_documents(_filter(where))

    async def delete(self, where: Where) -> int:
        self._kind.check_deletion(where)
        async with self._database.gate():
            return (await self._documents.delete_many(_filter(where))).deleted_count

    async def scan(self, after: str = "", limit: int = _CHUNK) -> list[D]:
        async with self._database.gate():
            cursor = self._documents.find({"_id": {"$gt": after}}, {_SCHEMA: 0}).sort("_id", 1)
            return [self._read(raw) for raw in await cursor.limit(limit).to_list(limit)]

    async def _find(self, query: Query, projection: dict[str, int]) -> list[Raw]:
        self._kind.check(query)
        if not query.limit:  # which MongoDB would take as: all
            return []
        order = [(_key(name), DESCENDING if falls else ASCENDING) for name, falls in query.order()]
        async with self._database.gate():
            cursor = self._documents.find(_filter(query.where), projection).sort(order)
            return await cursor.skip(query.offset).limit(query.limit).to_list(query.limit)

    def _read(self, raw: Raw) -> D:
        document: D = self._kind.read(_renamed(raw), self._kind.model)
        return document


@asynccontextmanager
async def _duplicates(kind: str) -> AsyncIterator[None]:
    """Raises `Duplicate` with the fields' names for the server's error, which quotes values."""
    try:
        yield
    except DuplicateKeyError as error:
        fields = [_name(key) for key in (error.details or {}).get("keyPattern", {})]
        raise Duplicate(kind, fields or ["id"]) from None


def _explain(error: Exception) -> str:
    """Without the server's words, which may quote a document."""
    code = getattr(error, "code", None)
    return type(error).__name__ if code is None else f"{type(error).__name__}, code {code}"


def _key(name: str) -> str:
    return "_id" if name == "id" else name


def _name(key: str) -> str:
    return "id" if key == "_id" else key


def _index_model(index: Index) -> IndexModel:
    keys = [(_key(name), ASCENDING) for name in index.ordered]
    return IndexModel(keys, name=index.name, unique=index.unique)


def _filter(where: Where) -> Raw:
    return {"$and": [_condition(one) for one in where]} if where else {}


def _condition(condition: Condition) -> Raw:
    value = list(condition.value) if isinstance(condition.value, tuple) else condition.value
    return {_key(condition.field): {_OPERATORS[condition.operator]: value}}


def _unchanged(raw: Raw) -> Raw:
    return {name: raw[name] for name in ("_id", "version", _SCHEMA)}


def _as_raw(document: Document, schema: int) -> Raw:
    """With times as dates."""
    raw = document.model_dump(by_alias=True)
    return {"_id": raw.pop("id"), **raw, _SCHEMA: schema}


def _renamed(raw: Raw) -> Raw:
    raw["id"] = raw.pop("_id")
    return raw


def _as_json(raw: Raw) -> Json:
    """As a document's JSON, without validation: it may be of an older schema."""
    plain: Json = _plain({key: value for key, value in raw.items() if key != _SCHEMA})
    return _renamed(plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return written(value) if isinstance(value, datetime) else value
