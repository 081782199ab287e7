"""Both databases: every test that takes `database` runs on SQLite and on a real mongod."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from api.ids import new_id
from api.store.base import Database, Kind
from api.store.kinds import KINDS
from api.store.migrations import History
from api.store.mongo import MongoDatabase
from api.store.sqlite import SqliteDatabase
from api.store.store import Store
from tests.api.store.cars import CARS
from tests.api.store.people import Clock
from tests.mongod import Mongod, running

BOTH = ["sqlite", "mongodb"]
Opener = Callable[..., Database]


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    with running(tmp_path_factory.mktemp("mongod") / "server") as mongod:
        yield mongod


@pytest.fixture
def own_mongod(tmp_path: Path) -> Iterator[Mongod]:
    """A server that a test may stop."""
    with running(tmp_path / "mongod") as mongod:
        yield mongod


@pytest.fixture(params=BOTH)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """A store that nothing is in yet."""
    if request.param == "sqlite":
        return tmp_path / "store.db"
    mongod: Mongod = request.getfixturevalue("mongod")
    return mongod.url(f"t{new_id()}")


def at(
    place: str | Path, kinds: Sequence[Kind[Any, Any]] = KINDS, history: History | None = None
) -> Database:
    if isinstance(place, Path):
        return SqliteDatabase(place, kinds, history)
    return MongoDatabase(place, kinds, history)


@pytest.fixture
async def database(place: str | Path) -> AsyncIterator[Database]:
    """Open, with the collection of cars alone."""
    database = at(place, [CARS])
    await database.open()
    yield database
    await database.close()


@pytest.fixture(scope="session")
def mongo_place(mongod: Mongod) -> str:
    """One for all tests of repositories: making it takes longer than they do."""
    return mongod.url(f"t{new_id()}")


@pytest.fixture(params=BOTH)
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock
) -> AsyncIterator[Store]:
    """Open, and told the time by `clock`. MongoDB's holds what other tests left."""
    where = tmp_path / "store.db"
    store = Store(
        at(where if request.param == "sqlite" else request.getfixturevalue("mongo_place")), clock
    )
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()
