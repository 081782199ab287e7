"""Schemas go forward, once, under a lock, on both databases."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from api.store.base import (
    Database,
    Duplicate,
    Index,
    Kind,
    NewerSchema,
    OlderSchema,
    Query,
    Unreadable,
    equal,
)
from api.store.documents import Document, TrainingSession
from api.store.kinds import KINDS, SESSIONS
from api.store.migrations import SCHEMA, STEPS, History, Json, Step
from api.store.mongo import MongoDatabase
from api.store.sqlite import SqliteDatabase
from api.store.store import Store
from tests.api.store.cars import CARS, DEALER, NOW, car
from tests.api.store.conftest import at

KNOWN = (5, "ab96f486256c2aa9")
"""The schema's number, and a digest of all that is declared."""


class NewCar(Document):
    """What became of a `Car`: `plate` is called number, `doors` are gone, there is a price."""

    number: str
    price: int
    sold_at: Any = None


NEW_CARS = Kind(
    "cars",
    NewCar,
    NewCar,
    fields=("number", "price"),
    indexes=(Index(("number",), unique=True), Index(("dealershipId", "price"))),
)


def rename(document: Json) -> Json:
    return {
        key: document[key]
        for key in ("id", "dealershipId", "version", "createdAt", "updatedAt", "soldAt")
    } | {"number": document["plate"], "price": document["doors"]}


def tenfold(document: Json) -> Json:
    return document | {"price": document["price"] * 10}


FIRST = History(1, [])
HISTORY = History(3, [Step(3, "cars", tenfold), Step(2, "cars", rename)])


async def old_store(place: str | Path, count: int = 450) -> list[Any]:
    database = at(place, [CARS], FIRST)
    await database.open()
    cars = [car(str(number), doors=number, sold_at=NOW) for number in range(count)]
    await database.collection(CARS).insert_new(cars)
    await database.close()
    return sorted(cars, key=lambda one: one.id)


async def all_of(database: Database) -> list[NewCar]:
    return await database.collection(NEW_CARS).page(Query(sort=["price"], limit=500))


async def test_a_new_store_has_the_present_schema(database: Database) -> None:
    assert await database.schema() == SCHEMA
    report = await database.check()
    assert (report.schema, report.wanted, report.problems) == (SCHEMA, SCHEMA, [])
    assert report.documents == {"cars": 0}


async def test_an_old_store_waits_for_its_migration(place: str | Path) -> None:
    await old_store(place, 1)
    database = at(place, [NEW_CARS], HISTORY)
    with pytest.raises(OlderSchema, match="forecourt store migrate"):
        await database.open()
    await database.close()


async def test_documents_go_through_all_steps_in_order(place: str | Path) -> None:
    old = await old_store(place)
    database = at(place, [NEW_CARS], HISTORY)
    assert await database.migrate() == 1
    assert await database.migrate() == 3
    await database.open()
    found = await all_of(database)
    assert sorted(new.id for new in found) == [one.id for one in old]
    assert [new.price for new in found] == [10 * number for number in range(450)]
    assert {(new.version, new.updated_at) for new in found} == {(1, NOW)}
    assert await database.collection(NEW_CARS).find([equal("number", "7")]) == found[7]
    again = NewCar.new(DEALER, NOW, number="7", price=1)
    with pytest.raises(Duplicate) as refused:
        await database.collection(NEW_CARS).insert(again)
    assert refused.value.fields == ("number",)
    assert (await database.check()).problems == []
    await database.close()


async def test_two_migrations_at_once_change_each_document_once(place: str | Path) -> None:
    await old_store(place)
    databases = [at(place, [NEW_CARS], HISTORY) for _ in range(3)]
    found = await asyncio.gather(*(database.migrate() for database in databases))
    assert sorted(found) == [1, 3, 3]
    await databases[0].open()
    prices = [new.price for new in await all_of(databases[0])]
    assert prices == [10 * number for number in range(450)]
    for database in databases:
        await database.close()


async def test_a_migration_that_breaks_off_is_taken_up_again(place: str | Path) -> None:
    await old_store(place)
    changed = 0

    def breaks(document: Json) -> Json:
        nonlocal changed
        changed += 1
        if changed == 300:
            raise KeyboardInterrupt
        return rename(document)

    database = at(place, [NEW_CARS], History(3, [Step(2, "cars", breaks), HISTORY.steps[0]]))
    with pytest.raises(KeyboardInterrupt):
        await database.migrate()
    assert await database.schema() == 1
    await database.close()
    database = at(place, [NEW_CARS], HISTORY)
    assert await database.migrate() == 1
    await database.open()
    prices = [new.price for new in await all_of(database)]
    assert prices == [10 * number for number in range(450)]
    await database.close()


async def test_a_step_that_makes_no_document_stops_the_migration(place: str | Path) -> None:
    old = await old_store(place, 3)
    broken = History(2, [Step(2, "cars", lambda document: document | {"plate": None})])
    database = at(place, [CARS], broken)
    with pytest.raises(Unreadable, match=r"cars/[0-9a-f]{24} does not fit its schema at plate"):
        await database.migrate()
    await database.close()
    database = at(place, [CARS], FIRST)
    await database.open()
    assert await database.collection(CARS).scan() == old
    await database.close()


async def test_a_newer_schema_refuses_to_start(place: str | Path) -> None:
    newer = at(place, [CARS], History(7))
    await newer.open()
    await newer.close()
    database = at(place, [CARS], FIRST)
    for call in (database.open, database.migrate):
        with pytest.raises(NewerSchema, match=r"schema 7.*knows up to 1"):
            await call()
    assert await database.schema() == 7
    await database.close()


async def test_fields_and_indexes_alone_need_a_schema_but_no_step(place: str | Path) -> None:
    old = await old_store(place, 3)
    more = Kind("cars", CARS.model, CARS.head, fields=("colour", "doors"))
    database = at(place, [more], History(2))
    await database.migrate()
    await database.open()
    assert await database.collection(more).page(Query([equal("doors", 2)]))
    assert await database.collection(more).scan() == old
    await database.collection(more).insert(car("0"))  # it is no longer unique
    assert (await database.check()).problems == []
    await database.close()


async def test_a_check_names_what_is_missing_and_what_cannot_be_read(place: str | Path) -> None:
    await old_store(place, 3)
    wanted = Kind(
        "cars", NewCar, NewCar, fields=CARS.fields[:0], indexes=(Index(("dealershipId",)),)
    )
    database = at(place, [wanted], FIRST)
    await database.open()
    report = await database.check()
    assert report.documents == {"cars": 3}
    assert any("without index" in problem for problem in report.problems)
    assert any("does not fit its schema at" in problem for problem in report.problems)
    await database.close()


async def test_the_product_opens_and_its_store_is_sound(place: str | Path) -> None:
    for _ in range(2):
        store = Store(at(place))
        await store.open()
        report = await store.database.check()
        assert report.problems == []
        assert report.documents == {kind.name: 0 for kind in KINDS}
        await store.close()


async def test_a_killed_migrations_lock_runs_out(place: str | Path, monkeypatch: Any) -> None:
    """MongoDB's; SQLite's lock ends with the process that holds it."""
    database = at(place, [CARS])
    if isinstance(database, MongoDatabase):
        monkeypatch.setattr("api.store.mongo.LOCK_HELD_S", 0.5)
        await database._lock("5f0000000000000000000009")
    else:
        assert isinstance(database, SqliteDatabase)
    await database.open()
    assert await database.schema() == SCHEMA
    await database.close()


def test_whoever_changes_what_is_declared_raises_the_schema() -> None:
    """If this fails: add 1 to SCHEMA, a step if stored documents change, and set KNOWN."""
    declared = [
        (
            kind.name,
            kind.columns,
            kind.arrays,
            kind.heavy,
            kind.indexes,
            kind.model.model_json_schema(),
        )
        for kind in KINDS
    ]
    digest = hashlib.sha256(repr(declared).encode()).hexdigest()[:16]
    assert (SCHEMA, digest) == KNOWN
    assert all(1 < step.schema <= SCHEMA for step in STEPS)


def test_a_call_of_schema_1_learns_how_many_cues_it_gave() -> None:
    old = {
        "id": "5f0000000000000000000001",
        "dealershipId": DEALER,
        "version": 3,
        "createdAt": "2026-11-23T02:11:10.123Z",
        "updatedAt": "2026-11-23T02:11:10.123Z",
        "userId": "5f0000000000000000000002",
        "teamId": None,
        "sessionType": "pitch",
        "status": "completed",
        "durationMs": 61_000,
        "metrics": {"confidence": 70, "clarity": None, "pace": 90, "volume": None},
        "feedbackCounts": {"too_fast": 3, "long_pause": 2},
        "node": "here",
    }
    new = TrainingSession.model_validate(History().upgrade(SESSIONS.name, old, 1))
    assert (new.feedback_count, new.language, new.recording_consent) == (5, "en", None)
    assert (new.quantities, new.journal, new.version) == (None, None, 3)
    del old["feedbackCounts"]
    without = TrainingSession.model_validate(History().upgrade(SESSIONS.name, old, 1))
    assert without.feedback_count == 0
