"""Entries go to the node's disk and to the store, in order, once; nothing is lost silently."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from api.audit.chain import verify
from api.audit.record import Audit, NotRecorded
from api.audit.tail import BadTail, path_of, read
from api.ids import new_id
from api.store.mongo import MongoDatabase
from api.store.sqlite import SqliteDatabase
from api.store.store import Store
from tests.api.store.people import Clock
from tests.mongod import Mongod

KEY = bytes(range(32))
DEALERSHIP = new_id()


async def record(audit: Audit, action: str = "user.update") -> str:
    return await audit.record(
        dealership_id=DEALERSHIP,
        actor_id=new_id(),
        action=action,
        target_type="user",
        target_id=new_id(),
        outcome="allowed",
    )


async def opened(store: Store, node: str, folder: Path) -> Audit:
    audit = Audit(store.audit, KEY, node, folder, Clock(), retry_s=0.05)
    await audit.open()
    return audit


async def until_written(audit: Audit) -> None:
    async with asyncio.timeout(30):
        while audit.waiting:
            await asyncio.sleep(0.02)


async def test_concurrent_callers_make_one_whole_chain(store: Store, tmp_path: Path) -> None:
    node = new_id()
    audit = await opened(store, node, tmp_path)
    ids = await asyncio.gather(*(record(audit) for _ in range(40)))
    chain = await store.audit.chain(node)
    assert [entry.seq for entry in chain] == list(range(1, 41))
    assert [entry.id for entry in chain] == ids
    await audit.close()
    found = await verify(store.audit, KEY, node, read(path_of(tmp_path, node)))
    assert (found.broken, found.entries, found.waiting, found.is_end_known) == (None, 40, 0, True)


async def test_a_chain_goes_on_after_a_restart(store: Store, tmp_path: Path) -> None:
    node = new_id()
    for _ in range(3):
        audit = await opened(store, node, tmp_path)
        await record(audit)
        await audit.close()
    found = await verify(store.audit, KEY, node)
    assert (found.broken, found.entries) == (None, 3)


async def test_a_chain_goes_on_where_the_nodes_folder_was_lost(
    store: Store, tmp_path: Path
) -> None:
    node = new_id()
    with capture_logs() as logs:
        for folder in ("one", "other"):
            audit = await opened(store, node, tmp_path / folder)
            await record(audit)
            await audit.close()
    assert logs == []
    found = await verify(store.audit, KEY, node)
    assert (found.broken, found.entries) == (None, 2)


async def test_entries_wait_on_the_disk_while_mongod_is_away_and_arrive_once_in_order(
    own_mongod: Mongod, tmp_path: Path
) -> None:
    store = Store(MongoDatabase(own_mongod.url("audit")))
    await store.open()
    node = new_id()
    audit = await opened(store, node, tmp_path)
    first = await record(audit)
    own_mongod.stop()
    while_away = await asyncio.gather(*(record(audit) for _ in range(5)))
    assert audit.waiting == 5
    assert audit.is_away
    own_mongod.start()
    await until_written(audit)
    last = await record(audit)
    assert [entry.id for entry in await store.audit.chain(node)] == [first, *while_away, last]
    await audit.close()
    found = await verify(store.audit, KEY, node, read(path_of(tmp_path, node)))
    assert (found.broken, found.entries, found.waiting) == (None, 7, 0)
    await store.close()


async def test_entries_outlive_a_stop_while_the_store_is_away(tmp_path: Path) -> None:
    path, node = tmp_path / "store.db", new_id()
    store = Store(SqliteDatabase(path))
    await store.open()
    audit = await opened(store, node, tmp_path)
    await record(audit, "first")
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    await record(audit, "second")
    await audit.close(within_s=0.1)
    tail = read(path_of(tmp_path, node))
    assert (tail.stored, len(tail.links)) == (1, 2)
    assert [entry.action for entry in await store.audit.chain(node)] == ["first"]
    waiting = await verify(store.audit, KEY, node, tail)
    assert (waiting.broken, waiting.entries, waiting.waiting) == (None, 1, 1)
    await store.close()  # with what it was about to write
    holder.rollback()
    holder.close()
    store = Store(SqliteDatabase(path))
    await store.open()
    assert [entry.action for entry in await store.audit.chain(node)] == ["first"]
    again = await opened(store, node, tmp_path)
    await until_written(again)
    await record(again, "third")
    await again.close()
    chain = await store.audit.chain(node)
    assert [entry.action for entry in chain] == ["first", "second", "third"]
    assert (await verify(store.audit, KEY, node)).broken is None
    await store.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from api.audit.record import Audit
from api.store.sqlite import SqliteDatabase
from api.store.store import Store

async def write(number, audit):
    entry = await audit.record(dealership_id="a" * 24, actor_id=None, action=f"a{number}",
                               outcome="failed")
    print(entry, flush=True)

async def main(folder):
    store = Store(SqliteDatabase(folder / "store.db"))
    await store.open()
    audit = Audit(store.audit, bytes(range(32)), "n1", folder)
    await audit.open()
    for start in range(0, 100000, 4):
        await asyncio.gather(*(write(number, audit) for number in range(start, start + 4)))

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_kill_9_loses_no_acknowledged_entry_and_breaks_no_chain(tmp_path: Path) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs here
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(50)]
    os.kill(process.pid, signal.SIGKILL)
    told += [line.strip() for line in process.stdout if len(line) == 25]
    process.wait()
    process.stdout.close()
    store = Store(SqliteDatabase(tmp_path / "store.db"))
    await store.open()
    audit = await opened(store, "n1", tmp_path)
    await until_written(audit)
    await audit.close()
    stored = [entry.id for entry in await store.audit.chain("n1")]
    assert set(told) <= set(stored)
    found = await verify(store.audit, KEY, "n1", read(path_of(tmp_path, "n1")))
    assert (found.broken, found.entries) == (None, len(stored))
    await store.close()


async def test_two_writers_of_one_name_lose_nothing(store: Store, tmp_path: Path) -> None:
    node = new_id()
    one = await opened(store, node, tmp_path / "one")
    other = await opened(store, node, tmp_path / "other")
    ids = [await record(one), await record(other), await record(one), await record(other)]
    await one.close()
    await other.close()
    chain = await store.audit.chain(node)
    assert [entry.id for entry in chain] == ids
    assert (await verify(store.audit, KEY, node)).broken is None


async def test_one_folder_has_one_writer(store: Store, tmp_path: Path) -> None:
    node = new_id()
    audit = await opened(store, node, tmp_path)
    with pytest.raises(BadTail, match="Another process writes"):
        await opened(store, node, tmp_path)
    await audit.close()


async def test_a_disk_that_takes_no_more_refuses_the_entry_and_keeps_the_chain(
    store: Store, tmp_path: Path
) -> None:
    node = new_id()
    audit = await opened(store, node, tmp_path)
    await record(audit)
    size = path_of(tmp_path, node).stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))
    try:
        with pytest.raises(NotRecorded, match="disk"):
            await record(audit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    await record(audit)
    await audit.close()
    found = await verify(store.audit, KEY, node, read(path_of(tmp_path, node)))
    assert (found.broken, found.entries) == (None, 2)


async def test_a_closed_log_takes_nothing(store: Store, tmp_path: Path) -> None:
    audit = await opened(store, new_id(), tmp_path)
    await audit.close()
    with pytest.raises(NotRecorded, match="closed"):
        await record(audit)


async def test_a_line_that_a_crash_tore_is_forgotten(store: Store, tmp_path: Path) -> None:
    node = new_id()
    audit = await opened(store, node, tmp_path)
    await record(audit)
    await audit.close()
    with path_of(tmp_path, node).open("ab") as file:
        file.write(b'{"previous": "00')
    again = await opened(store, node, tmp_path)
    await record(again)
    await again.close()
    found = await verify(store.audit, KEY, node, read(path_of(tmp_path, node)))
    assert (found.broken, found.entries) == (None, 2)


@pytest.mark.parametrize(("old", "new"), [('"allowed"', '"refused"'), ("{", "")])
async def test_a_tail_that_somebody_changed_is_refused(
    store: Store, tmp_path: Path, old: str, new: str
) -> None:
    node = new_id()
    audit = await opened(store, node, tmp_path)
    await record(audit)
    await audit.close()
    path = path_of(tmp_path, node)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(BadTail, match="ove the file away"):
        await opened(store, node, tmp_path)


async def test_the_tail_stays_small(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.audit.tail.ANEW_BYTES", 2_000)
    node = new_id()
    audit = await opened(store, node, tmp_path)
    for _ in range(12):
        await record(audit)
    await audit.close()
    path = path_of(tmp_path, node)
    assert path.stat().st_size < 3_000
    assert path.stat().st_mode & 0o777 == 0o600
    again = await opened(store, node, tmp_path)
    await record(again)
    await again.close()
    assert (await verify(store.audit, KEY, node, read(path))).entries == 13


@pytest.mark.parametrize("value", ["a.b@example.com", "Jo Smith", "", "x" * 201])
async def test_only_ids_are_taken(store: Store, tmp_path: Path, value: str) -> None:
    audit = await opened(store, new_id(), tmp_path)
    with pytest.raises(ValueError, match="ids"):
        await audit.record(
            dealership_id=DEALERSHIP, actor_id=value, action="sign_in", outcome="refused"
        )
    await audit.close()


async def test_a_name_that_is_a_path_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name"):
        Audit(store.audit, KEY, "../x", tmp_path)


async def test_recording_does_not_wait_for_a_store_that_is_known_to_be_away(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.db"
    store = Store(SqliteDatabase(path))
    await store.open()
    audit = await opened(store, "n1", tmp_path)
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    await record(audit)
    assert audit.is_away
    await asyncio.gather(*(record(audit) for _ in range(100)))
    assert audit.waiting == 101
    holder.rollback()
    holder.close()
    await until_written(audit)
    await audit.close()
    await store.close()


async def test_what_is_too_much_for_the_disk_of_a_node_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.audit.record.MAX_WAITING", 3)
    path = tmp_path / "store.db"
    store = Store(SqliteDatabase(path))
    await store.open()
    audit = await opened(store, "n1", tmp_path)
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    kept = [await record(audit) for _ in range(3)]
    with pytest.raises(NotRecorded, match="too many"):
        await record(audit)
    holder.rollback()
    holder.close()
    await until_written(audit)
    kept.append(await record(audit))
    assert [entry.id for entry in await store.audit.chain("n1")] == kept
    await audit.close()
    await store.close()


async def test_a_defect_leaves_nobody_waiting(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = new_id()
    audit = await opened(store, node, tmp_path)

    async def defective(*_: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(store.audit, "append", defective)
        kept = await record(audit)
    with pytest.raises(NotRecorded, match="failed"):
        await record(audit)
    await audit.close(within_s=0.1)
    again = await opened(store, node, tmp_path)
    await until_written(again)
    assert [entry.id for entry in await store.audit.chain(node)] == [kept]
    await again.close()


async def test_the_tail_stays_small_where_entries_never_cease(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.audit.tail.ANEW_BYTES", 2_000)
    monkeypatch.setattr("api.audit.record.MARK_EVERY", 5)
    node = new_id()
    audit = await opened(store, node, tmp_path)
    await asyncio.gather(*(record(audit) for _ in range(52)))
    await audit.close()
    path = path_of(tmp_path, node)
    assert path.stat().st_size < 3_000
    found = await verify(store.audit, KEY, node, read(path))
    assert (found.broken, found.entries) == (None, 52)
