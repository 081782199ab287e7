"""`forecourt audit verify`."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.audit.record import Audit
from api.auth import keys
from api.cli import main
from api.ids import new_id
from api.store import open_database
from api.store.store import Store

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def verify(data: Path, *arguments: str) -> Result:
    words = ["audit", "verify", "--data", str(data), *arguments]
    return CliRunner().invoke(main, words, catch_exceptions=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A node's folder with four entries of the node n1."""
    folder = tmp_path / "data"
    folder.mkdir()
    secrets, _ = keys.load_or_create(folder / keys.FILE_NAME, NOW)

    async def fill() -> None:
        store = Store(open_database(f"sqlite:///{folder / 'store.db'}"))
        await store.open()
        audit = Audit(store.audit, secrets.audit_key, "n1", folder / "audit")
        await audit.open()
        for _ in range(4):
            await audit.record(
                dealership_id=new_id(), actor_id=None, action="sign_in", outcome="refused"
            )
        await audit.close()
        await store.close()

    asyncio.run(fill())
    return folder


def tamper(data: Path, statement: str) -> None:
    connection = sqlite3.connect(data / "store.db")
    with connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def test_a_whole_log_is_whole(data: Path) -> None:
    told = verify(data)
    assert told.exit_code == 0
    assert told.output.startswith("n1: 4 entries, whole; the last is ")
    body = json.loads(verify(data, "--json").output)
    assert body["nodes"][0]["endKnown"] is True
    assert body["nodes"][0]["broken"] is None


@pytest.mark.parametrize(
    ("statement", "breach", "seq"),
    [
        ("DELETE FROM audit_log WHERE json_extract(doc, '$.seq') = 2", "removed", 2),
        ("DELETE FROM audit_log WHERE json_extract(doc, '$.seq') > 2", "cut", 3),
        ("DELETE FROM audit_log", "cut", 1),
        (
            "UPDATE audit_log SET doc = json_set(doc, '$.outcome', 'allowed') "
            "WHERE json_extract(doc, '$.seq') = 3",
            "changed",
            3,
        ),
        (
            "UPDATE audit_log SET doc = json_set(doc, '$.surplus', 1) "
            "WHERE json_extract(doc, '$.seq') = 1",
            "changed",
            1,
        ),
    ],
)
def test_tampering_with_the_database_is_told(
    data: Path, statement: str, breach: str, seq: int
) -> None:
    tamper(data, statement)
    told = verify(data)
    assert told.exit_code == 1
    assert f"n1: broken ({breach})" in told.output
    broken = json.loads(verify(data, "--json").output)["nodes"][0]["broken"]
    assert (broken["breach"], broken["seq"]) == (breach, seq)


def test_a_folder_without_the_nodes_tail_says_what_it_cannot_tell(data: Path) -> None:
    for path in (data / "audit").iterdir():
        path.unlink()
    tamper(data, "DELETE FROM audit_log WHERE json_extract(doc, '$.seq') = 4")
    told = verify(data)
    assert told.exit_code == 0
    assert "whether its end was cut off cannot be told" in told.output


def test_what_cannot_be_verified_is_no_broken_log(data: Path, tmp_path: Path) -> None:
    missing = verify(tmp_path / "nowhere")
    assert missing.exit_code == 2
    assert "secrets.toml cannot be read" in missing.output
    elsewhere = verify(data, "--store", f"sqlite:///{tmp_path / 'none.db'}")
    assert elsewhere.exit_code == 2
    assert "holds no store" in elsewhere.output
