"""`forecourt store`, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.cli import main
from api.ids import new_id
from api.store import open_database
from api.store.store import Store
from tests.api.store.people import Clock, Sample
from tests.mongod import Mongod, running


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    with running(tmp_path_factory.mktemp("mongod") / "server") as mongod:
        yield mongod


@pytest.fixture(params=["sqlite", "mongodb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'store.db'}"
    mongod: Mongod = request.getfixturevalue("mongod")
    return mongod.url(f"t{new_id()}")


def forecourt(*arguments: str | Path, **environment: str) -> Result:
    words = ["store", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(main, words, env=environment, catch_exceptions=False)


def on(url: str, *arguments: str | Path) -> Result:
    return forecourt("--store", url, *arguments)


def fill(url: str) -> None:
    async def run() -> None:
        store, sample = Store(open_database(url)), Sample(Clock())
        await store.open()
        await store.dealerships.add(sample.dealership())
        for number in range(3):
            user = sample.user(email=f"{number}@example.com")
            await store.users.add(sample.dealership_id, user)
        await store.sessions.add(sample.dealership_id, sample.session(transcript="sealed"))
        await store.close()

    asyncio.run(run())


def test_a_store_is_made_checked_and_moved(url: str, tmp_path: Path) -> None:
    made = on(url, "migrate")
    assert (made.exit_code, made.output) == (0, "schema none -> 5\n")
    assert on(url, "migrate").output == "schema 5\n"
    fill(url)
    checked = on(url, "check")
    assert checked.exit_code == 0
    assert "all documents can be read" in checked.output
    assert "users" in checked.output
    folder, other = tmp_path / "export", f"sqlite:///{tmp_path / 'other.db'}"
    assert on(url, "export", folder).output == f"5 documents exported to {folder}\n"
    imported = on(other, "import", folder)
    assert (imported.exit_code, imported.output) == (0, f"5 documents imported from {folder}\n")
    assert on(other, "export", tmp_path / "again").exit_code == 0
    for name in ("users", "dealerships", "training_sessions"):
        file = f"{name}.jsonl"
        assert (folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    refused = on(other, "import", folder)
    assert refused.exit_code == 1
    assert "must be empty" in refused.output


def test_a_store_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    for arguments in (["check"], ["export", tmp_path / "export"]):
        looked = on(f"sqlite:///{tmp_path / 'store.db'}", *arguments)
        assert looked.exit_code == 1
        assert "holds no store" in looked.output
    assert not (tmp_path / "export").exists()


def test_the_environment_names_the_store_or_the_folder_it_is_in(tmp_path: Path) -> None:
    made = forecourt("migrate", FORECOURT_DATA=str(tmp_path))
    assert made.exit_code == 0
    assert (tmp_path / "store.db").exists()
    url = f"sqlite:///{tmp_path / 'another.db'}"
    assert forecourt("migrate", FORECOURT_STORE=url).exit_code == 0
    assert (tmp_path / "another.db").exists()


def test_a_check_says_what_is_wrong(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    fill(url)
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE users SET doc = json_remove(doc, '$.role')")
        connection.execute("DROP INDEX users_unique_email")
    connection.close()
    checked = on(url, "check")
    assert checked.exit_code == 1
    assert "does not fit its schema at role" in checked.output
    assert "users_unique_email" in checked.output
    assert "@example.com" not in checked.output


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for command in ("check", "migrate"):
        refused = on(f"sqlite:///{tmp_path / 'store.db'}", command)
        assert refused.exit_code == 1
        assert "Start the newer version" in refused.output


def test_an_address_with_a_password_is_never_shown() -> None:
    wrong = on("mongodb://ann:pa55word@127.0.0.1:1/shop?replicaSet=rs0", "check")
    assert wrong.exit_code == 1
    assert "127.0.0.1:1" in wrong.output
    assert "pa55word" not in wrong.output
