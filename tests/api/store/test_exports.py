"""What is exported from either database is imported into either, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.ids import new_id
from api.store.base import Database, NewerSchema, StoreError, Unreadable
from api.store.exports import MANIFEST, export, restore
from api.store.migrations import History
from tests.api.store.cars import CARS, DEALER, OTHER_DEALER, car, day
from tests.api.store.conftest import at
from tests.api.store.test_migrations import HISTORY, NEW_CARS, all_of
from tests.mongod import Mongod


async def filled(database: Database, count: int = 1201) -> list[Any]:
    cars = [
        car(
            str(number),
            [DEALER, OTHER_DEALER][number % 2],
            sold_at=day(number % 40),
            colour="\u2028 ä \n",
            faults={"rust": number},
            manual="m",
        )
        for number in range(count)
    ]
    for start in range(0, count, 400):
        await database.collection(CARS).insert_new(cars[start : start + 400])
    return cars


async def everything(database: Database) -> list[Any]:
    found: list[Any] = []
    while more := await database.collection(CARS).scan(found[-1].id if found else ""):
        found += more
    return found


@pytest.fixture
async def folder(database: Database, tmp_path: Path) -> Path:
    """An export of three cars."""
    await filled(database, 3)
    await export(database, tmp_path / "export", [CARS])
    return tmp_path / "export"


async def test_an_export_moves_to_the_other_database_whole(
    database: Database, tmp_path: Path, mongod: Mongod
) -> None:
    await filled(database)
    folder = tmp_path / "a" / "export"
    manifest = await export(database, folder, [CARS])
    assert manifest.collections["cars"].documents == 1201
    assert {path.name for path in folder.iterdir()} == {"cars.jsonl", MANIFEST}
    assert [path.name for path in folder.parent.iterdir()] == ["export"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    is_sqlite = database.location.startswith("sqlite")
    other = at(mongod.url(f"t{new_id()}") if is_sqlite else tmp_path / "other.db", [CARS])
    await other.open()
    await restore(other, folder, [CARS])
    assert await everything(other) == await everything(database)
    assert (await other.check()).problems == []
    await other.close()


async def test_an_export_overwrites_nothing(database: Database, folder: Path) -> None:
    with pytest.raises(StoreError, match="there already"):
        await export(database, folder, [CARS])


async def test_an_import_refuses_a_store_with_something_in_it(
    database: Database, folder: Path
) -> None:
    before = await everything(database)
    with pytest.raises(StoreError, match="must be empty"):
        await restore(database, folder, [CARS])
    assert await everything(database) == before


def signed(folder: Path, change: Callable[[bytes], bytes], documents: int = 3) -> None:
    """Change the file and make the manifest agree."""
    path = folder / "cars.jsonl"
    path.write_bytes(change(path.read_bytes()))
    manifest = json.loads((folder / MANIFEST).read_text())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest["collections"]["cars"] = {"documents": documents, "sha256": digest}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def set_manifest(folder: Path, **fields: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | fields))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a bit flipped": lambda folder: flip(folder / "cars.jsonl"),
    "cut short": lambda folder: (folder / "cars.jsonl").write_bytes(b""),
    "the file gone": lambda folder: (folder / "cars.jsonl").unlink(),
    "the manifest gone": lambda folder: (folder / MANIFEST).unlink(),
    "the manifest cut": lambda folder: (folder / MANIFEST).write_bytes(b'{"format": 1,'),
    "another format": lambda folder: set_manifest(folder, format=2),
    "a path for a name": lambda folder: set_manifest(
        folder, collections={"../cars": {"documents": 0, "sha256": "0" * 64}}
    ),
    "an unknown collection": lambda folder: set_manifest(
        folder, collections={"boats": {"documents": 0, "sha256": "0" * 64}}
    ),
    "no JSON": lambda folder: signed(folder, lambda data: data + b"{\n", 4),
    "no object": lambda folder: signed(folder, lambda data: data + b"[]\n", 4),
    "an unknown field": lambda folder: signed(folder, lambda data: data.replace(b"doors", b"x", 1)),
    "one missing": lambda folder: signed(folder, lambda data: data.split(b"\n", 1)[1]),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_export_is_refused_before_anything_is_written(
    folder: Path, tmp_path: Path, damage: str
) -> None:
    DAMAGE[damage](folder)
    other = at(tmp_path / "other.db", [CARS])
    await other.open()
    with pytest.raises(Unreadable):
        await restore(other, folder, [CARS])
    assert await everything(other) == []
    await other.close()


async def test_documents_that_collide_are_not_passed_over(folder: Path, tmp_path: Path) -> None:
    signed(folder, lambda data: data + data.split(b"\n")[0] + b"\n", 4)
    other = at(tmp_path / "other.db", [CARS])
    await other.open()
    with pytest.raises(Unreadable, match="collide"):
        await restore(other, folder, [CARS])
    await other.close()


async def test_an_old_export_goes_through_the_steps_since(folder: Path, tmp_path: Path) -> None:
    set_manifest(folder, schema=1)
    other = at(tmp_path / "other.db", [NEW_CARS], HISTORY)
    await other.open()
    await restore(other, folder, [NEW_CARS], HISTORY)
    assert sorted(new.number for new in await all_of(other)) == ["0", "1", "2"]
    assert {new.price for new in await all_of(other)} == {50}
    await other.close()


async def test_a_newer_export_is_refused(folder: Path, tmp_path: Path) -> None:
    set_manifest(folder, schema=9)
    other = at(tmp_path / "other.db", [CARS])
    await other.open()
    with pytest.raises(NewerSchema):
        await restore(other, folder, [CARS], History())
    await other.close()
