"""What was acknowledged is there after a crash; a database that goes away is `Unavailable`."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from api.ids import new_id
from api.store.base import WITHIN_S, Collection, Database, Query, StoreError, Unavailable, equal
from api.store.mongo import MongoDatabase
from api.store.sqlite import SqliteDatabase
from api.store.store import Store
from tests.api.store.cars import CARS, NOW, Car, CarHead, car
from tests.api.store.conftest import at
from tests.api.store.people import Clock, Sample
from tests.mongod import Mongod, running

ACKNOWLEDGED = 1000
ROOT = Path(__file__).parents[3]
Cars = Collection[Car, CarHead]


@contextmanager
def writing(place: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.api.store.writer", str(place)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def acknowledged(process: subprocess.Popen[str]) -> list[str]:
    """The first thousand ids, while the process goes on writing."""
    assert process.stdout is not None
    ids = [process.stdout.readline().strip() for _ in range(ACKNOWLEDGED)]
    assert all(ids)
    return ids


def rest(process: subprocess.Popen[str]) -> list[str]:
    """What it printed until its end; a last line may be cut off."""
    assert process.stdout is not None
    return [line.strip() for line in process.stdout if line.endswith("\n")]


async def missing(database: Database, ids: list[str]) -> set[str]:
    await database.open()
    cars = database.collection(CARS)
    stored: list[str] = []
    while found := await cars.scan(stored[-1] if stored else ""):
        stored += [one.id for one in found]
    await database.close()
    return set(ids) - set(stored)


async def test_kill_9_of_a_node_on_sqlite_loses_no_acknowledged_write(tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    with writing(place) as process:
        ids = acknowledged(process)
        process.kill()
        ids += rest(process)
    assert await missing(SqliteDatabase(place, [CARS]), ids) == set()
    with sqlite3.connect(place) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


@pytest.mark.slow
async def test_kill_9_of_mongod_loses_no_acknowledged_write(own_mongod: Mongod) -> None:
    place = own_mongod.url("kill")
    with writing(place) as process:
        ids = acknowledged(process)
        own_mongod.kill()
        ids += rest(process)
        assert process.wait(30) == 3
    own_mongod.start()
    assert await missing(MongoDatabase(place, [CARS]), ids) == set()


async def test_sqlite_flushes_every_commit_to_the_disk(tmp_path: Path) -> None:
    """A killed process does not show it: the system keeps what was written, but not powered off."""
    database = SqliteDatabase(tmp_path / "store.db", [CARS])
    await database.open()
    assert database._writer is not None
    assert await database._writer.execute_fetchall("PRAGMA synchronous") == [(2,)]
    assert await database._writer.execute_fetchall("PRAGMA journal_mode") == [("wal",)]
    await database.close()


def every_call(cars: Cars) -> dict[str, Callable[[], Awaitable[Any]]]:
    one = car("A")
    return {
        "insert": lambda: cars.insert(car(new_id())),
        "insert_new": lambda: cars.insert_new([car(new_id())]),
        "find": lambda: cars.find([equal("id", one.id)]),
        "replace": lambda: cars.replace(one.changed(NOW)),
        "page": lambda: cars.page(Query()),
        "count": lambda: cars.count([]),
        "delete": lambda: cars.delete([equal("id", one.id)]),
        "scan": lambda: cars.scan(),
    }


async def refused(call: Awaitable[Any]) -> None:
    async with asyncio.timeout(WITHIN_S + 10):
        with pytest.raises(Unavailable):
            await call


@pytest.mark.slow
async def test_every_call_is_unavailable_while_mongod_is_away_and_works_when_it_is_back(
    own_mongod: Mongod,
) -> None:
    database = MongoDatabase(own_mongod.url("away"), [CARS])
    await database.open()
    cars = database.collection(CARS)
    await cars.insert(car("before"))
    own_mongod.stop()
    calls = every_call(cars)
    assert calls.keys() == {name for name in dir(Collection) if not name.startswith("_")}
    await asyncio.gather(*(refused(call()) for call in calls.values()))
    await asyncio.gather(
        *(refused(call()) for call in (database.schema, database.migrate, database.check))
    )
    own_mongod.start()
    async with asyncio.timeout(30):
        while True:
            try:
                await cars.insert(car("after"))
                break
            except Unavailable:
                continue
    assert {found.plate for found in await cars.page(Query())} >= {"before", "after"}
    await database.close()


async def test_events_sent_again_after_mongod_was_killed_are_there_once_and_in_order(
    own_mongod: Mongod,
) -> None:
    store, sample = Store(MongoDatabase(own_mongod.url("events"))), Sample(Clock())
    await store.open()
    mine, session = sample.dealership_id, sample.session_id
    events = [sample.event(seq) for seq in range(1, 2001)]
    sent = 0

    async def deliver() -> None:
        nonlocal sent
        while sent < len(events):
            try:
                await store.events.append(mine, session, events[sent : sent + 10])
            except Unavailable:
                continue
            sent += 10

    delivery = asyncio.create_task(deliver())
    async with asyncio.timeout(60):
        while sent < 500:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(own_mongod.kill)
        await asyncio.to_thread(own_mongod.start)
        await delivery
    stored: list[Any] = []
    while found := await store.events.after(mine, session, stored[-1].seq if stored else 0):
        stored += found
    assert stored == events
    await store.close()


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Another process's write transaction, as it were."""
    connection = sqlite3.connect(place, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.rollback()
        connection.close()


async def test_reads_go_on_while_sqlite_cannot_write_and_writes_come_back(tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    database = SqliteDatabase(place, [CARS])
    await database.open()
    cars = database.collection(CARS)
    await cars.insert(car("before"))
    calls = every_call(cars)
    with locked(place):
        writes = [calls.pop(name)() for name in ("insert", "insert_new", "delete", "replace")]
        reads = await asyncio.gather(*(call() for call in calls.values()))
        assert len(reads) == 4
        await asyncio.gather(*(refused(write) for write in writes))
    await cars.insert(car("after"))
    assert {found.plate for found in await cars.page(Query())} >= {"before", "after"}
    await database.close()


async def test_a_full_disk_takes_back_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.db", [CARS])
    await database.open()
    cars = database.collection(CARS)
    assert database._writer is not None
    # As SQLite itself says when the disk is full, and with the same error.
    await database._writer.execute_fetchall("PRAGMA max_page_count = 100")
    batch = [car(str(number), manual="x" * 9000) for number in range(100)]
    results: list[BaseException | None] = []
    for some in (batch[:10], batch[10:]):
        writes = (cars.insert(one) for one in some)
        results += await asyncio.gather(*writes, return_exceptions=True)
    assert results[:10] == [None] * 10
    stored = {one.id for one in await cars.scan()}
    kept = {one.id for one, result in zip(batch, results, strict=True) if result is None}
    assert any(isinstance(result, Unavailable) for result in results)
    assert kept == stored
    await cars.delete([equal("dealershipId", batch[0].dealership_id)])
    await cars.insert(batch[0])
    await database.close()


async def test_a_store_that_is_not_open_is_unavailable(tmp_path: Path) -> None:
    database = at(tmp_path / "store.db", [CARS])
    for call in every_call(database.collection(CARS)).values():
        await refused(call())


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="file"):
        await at(tmp_path / "file" / "store.db").open()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Unavailable, match="not a database"):
        await at(tmp_path / "store.db").open()


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    place = tmp_path / "data" / "store.db"
    database = at(place, [CARS])
    await database.open()
    await database.collection(CARS).insert(car("A"))
    kept = list(place.parent.iterdir())
    assert {path.name for path in kept} == {"store.db", "store.db-wal", "store.db-shm"}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert place.parent.stat().st_mode & 0o777 == 0o700
    await database.close()


async def test_a_mongod_that_is_no_replica_set_is_refused(tmp_path: Path) -> None:
    """It lost a third of what it had acknowledged when it was killed."""
    with running(tmp_path / "mongod", replicates=False) as mongod:
        database = MongoDatabase(f"mongodb://127.0.0.1:{mongod.port}/bare")
        for call in (database.open, database.migrate):
            with pytest.raises(StoreError, match="--replSet"):
                await call()
        await database.close()


async def test_closing_waits_for_writes_that_were_taken(tmp_path: Path) -> None:
    place = tmp_path / "store.db"
    database = SqliteDatabase(place, [CARS])
    await database.open()
    cars = database.collection(CARS)
    batch = [car(str(number)) for number in range(300)]
    writes = [asyncio.create_task(cars.insert(one)) for one in batch]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writes)
    assert await missing(SqliteDatabase(place, [CARS]), [one.id for one in batch]) == set()


async def test_a_caller_that_gives_up_disturbs_no_other(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "store.db", [CARS])
    await database.open()
    cars = database.collection(CARS)
    writes = [asyncio.create_task(cars.insert(car(str(number)))) for number in range(100)]
    reads = [asyncio.create_task(cars.page(Query())) for _ in range(20)]
    await asyncio.sleep(0)
    for task in [*writes[::2], *reads[::2]]:
        task.cancel()
    await asyncio.gather(*writes[1::2], *reads[1::2])
    stored = {one.plate for one in await cars.page(Query(limit=500))}
    assert stored >= {str(number) for number in range(1, 100, 2)}
    await database.close()
