"""`forecourt backup` and `forecourt restore`: what comes back is what was there, or nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.audit.record import Audit
from api.auth import keys
from api.cli import main
from api.ids import new_id
from api.store import open_database
from api.store.blobs import BlobId, open_blobs
from api.store.crypto import DataKey
from api.store.rewrapping import place
from api.store.store import Store
from tests.api.store.people import Clock, Sample
from tests.mongod import Mongod
from tests.mongod import running as running_mongod
from tests.s3 import S3
from tests.s3 import running as running_s3

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PASSPHRASE = "correct horse battery staple"
WORDS = b"I can do nineteen five for it. "


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    with running_mongod(tmp_path_factory.mktemp("mongod") / "server") as mongod:
        yield mongod


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running_s3() as server:
        server.make_bucket("recordings")
        yield server


@dataclass
class Place:
    """Where a node keeps what."""

    data: Path
    store: str
    blobs: str

    def run(self, command: str, *arguments: str | Path, passphrase: str = PASSPHRASE) -> Result:
        file = self.data.parent / "passphrase"
        file.write_text(f"{passphrase}\n")
        options = ["--store", self.store, "--data", self.data, "--blobs", self.blobs]
        words = [command, *options, "--passphrase-file", file, *arguments]
        return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def in_folder(data: Path) -> Place:
    return Place(data, f"sqlite:///{data / 'store.db'}", (data / "blobs").as_uri())


async def chunks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 50_000):
        yield data[at : at + 50_000]


@dataclass
class Call:
    dealership_id: str
    session_id: str
    blob: BlobId
    recording: bytes


def fill(at: Place) -> Call:
    """A call with its words and its recording, people, and an audit log."""
    at.data.mkdir(parents=True, exist_ok=True)
    secrets, _ = keys.load_or_create(at.data / keys.FILE_NAME, NOW)
    sample, recording = Sample(Clock()), os.urandom(200_000)

    async def run() -> Call:
        store, blobs = Store(open_database(at.store)), open_blobs(at.blobs)
        await store.open()
        await blobs.open()
        session, key = sample.session(), DataKey.new()
        session = session.model_copy(
            update={
                "data_key": secrets.masters().wrap(key, place=place(session)),
                "transcript": key.seal(WORDS * 100, place=f"{place(session)}:transcript"),
            }
        )
        blob = BlobId(session.dealership_id, session.id, new_id())
        await store.dealerships.add(sample.dealership())
        await store.users.add(sample.dealership_id, sample.user())
        await store.sessions.add(sample.dealership_id, session)
        await blobs.put(key, blob, chunks(recording))
        audit = Audit(store.audit, secrets.audit_key, "n1", at.data / "audit")
        await audit.open()
        for _ in range(3):
            await audit.record(
                dealership_id=sample.dealership_id, actor_id=None, action="a", outcome="allowed"
            )
        await audit.close()
        await store.close()
        return Call(session.dealership_id, session.id, blob, recording)

    return asyncio.run(run())


def assert_holds(at: Place, call: Call) -> None:
    """Everything can be read with the secrets that are there."""
    masters = keys.load(at.data / keys.FILE_NAME).masters()

    async def run() -> None:
        store, blobs = Store(open_database(at.store)), open_blobs(at.blobs)
        await store.open()
        session = await store.sessions.get(call.dealership_id, call.session_id)
        assert session is not None
        assert session.data_key is not None
        assert session.transcript is not None
        key = masters.unwrap(session.data_key, place=place(session))
        opened = key.open(session.transcript, place=f"{place(session)}:transcript")
        assert opened == WORDS * 100
        blob = await blobs.get(key, call.blob)
        assert b"".join([part async for part in blob.read()]) == call.recording
        assert len((await store.users.page(call.dealership_id)).items) == 1
        await store.close()

    asyncio.run(run())
    words = ["audit", "verify", "--store", at.store, "--data", str(at.data)]
    told = CliRunner().invoke(main, words, catch_exceptions=False)
    assert told.exit_code == 0
    assert "n1: 3 entries, whole" in told.output
    assert "cannot be told" not in told.output


@pytest.mark.parametrize("kind", ["folder", "servers"])
def test_what_was_backed_up_is_restored(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "folder":
        source, target = in_folder(tmp_path / "a b" / "data"), in_folder(tmp_path / "two" / "data")
    else:
        mongod: Mongod = request.getfixturevalue("mongod")
        for name, value in request.getfixturevalue("s3").environment.items():
            monkeypatch.setenv(name, value)
        source, target = (
            Place(
                tmp_path / name / "data",
                mongod.url(f"t{new_id()}"),
                f"s3://recordings/{new_id()}",
            )
            for name in ("one", "two")
        )
    call, backup = fill(source), tmp_path / "backup"
    target.data.parent.mkdir()
    made = source.run("backup", backup)
    assert made.exit_code == 0
    assert "with secrets, written to" in made.output
    restored = target.run("restore", backup)
    assert (restored.exit_code, restored.output) == (
        0,
        made.output.replace("written to", "restored from"),
    )
    assert_holds(target, call)
    secrets = (target.data / keys.FILE_NAME).read_bytes()
    assert secrets == (source.data / keys.FILE_NAME).read_bytes()
    assert (target.data / keys.FILE_NAME).stat().st_mode & 0o777 == 0o600
    again = target.run("backup", tmp_path / "again")
    assert again.output.split(", written")[0] == made.output.split(", written")[0]
    assert "already holds" in target.run("restore", backup).output


def test_sqlite_moves_to_servers(
    tmp_path: Path, mongod: Mongod, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    source = in_folder(tmp_path / "data")
    target = Place(tmp_path / "other", mongod.url(f"t{new_id()}"), f"s3://recordings/{new_id()}")
    call = fill(source)
    assert source.run("backup", tmp_path / "backup").exit_code == 0
    assert target.run("restore", tmp_path / "backup").exit_code == 0
    assert_holds(target, call)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Call]:
    """A backup, not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    source = in_folder(folder / "data")
    call = fill(source)
    assert source.run("backup", folder / "backup").exit_code == 0
    return folder / "backup", call


@pytest.fixture
def backup(made: tuple[Path, Call], tmp_path: Path) -> Path:
    """A copy to spoil."""
    shutil.copytree(made[0], tmp_path / "backup")
    return tmp_path / "backup"


@pytest.fixture
def target(tmp_path: Path) -> Place:
    (tmp_path / "target").mkdir()
    return in_folder(tmp_path / "target" / "data")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def assert_refused(target: Place, backup: Path, why: str, passphrase: str = PASSPHRASE) -> None:
    """And nothing was written."""
    told = target.run("restore", backup, passphrase=passphrase)
    assert told.exit_code == 1
    assert why in told.output
    assert not (target.data / keys.FILE_NAME).exists()
    assert not (target.data / "audit").exists()
    assert files(target.data / "blobs") == []

    async def count() -> int:
        store = Store(open_database(target.store))
        await store.open()
        found = len(await store.sessions.every()) + len(await store.users.every())
        await store.close()
        return found

    assert asyncio.run(count()) == 0


def test_a_backup_tells_nothing(made: tuple[Path, Call]) -> None:
    for path in files(made[0]):
        assert b"nineteen" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    text = (made[0] / "secrets.sealed").read_bytes()
    assert b"master" not in text


def test_sha256sum_knows_the_sums(made: tuple[Path, Call]) -> None:
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
        cwd=made[0],
        check=False,
        capture_output=True,
    )
    assert checked.returncode == 0


def test_damage_to_any_file_is_refused_before_anything_is_written(
    backup: Path, target: Place
) -> None:
    for path in files(backup):
        raw = path.read_bytes()
        for spoilt in {raw[:-1], bytes([raw[0] ^ 1]) + raw[1:]} if raw else {b"x"}:
            path.write_bytes(spoilt)
            assert_refused(target, backup, path.name)
        path.unlink()
        assert_refused(target, backup, path.name)
        path.write_bytes(raw)
    assert target.run("restore", backup).exit_code == 0


def test_a_file_that_was_put_there_later_is_refused(backup: Path, target: Place) -> None:
    (backup / "audit" / "n2.jsonl").write_text("")
    assert_refused(target, backup, "was put there later")


def resum(backup: Path, **changes: object) -> None:
    """Make the manifest fit what was changed, as somebody who means harm would."""
    manifest = json.loads((backup / "manifest.json").read_text())
    manifest["sums"] = hashlib.sha256((backup / "SHA256SUMS").read_bytes()).hexdigest()
    (backup / "manifest.json").write_text(json.dumps(manifest | changes))


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "store/../../x.json", "audit/../x.jsonl", "blobs/a/b/c"]
)
def test_a_name_that_leads_elsewhere_is_refused(backup: Path, target: Place, name: str) -> None:
    with (backup / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    resum(backup)
    assert_refused(target, backup, "names no file of a backup")


def test_a_symbolic_link_is_refused(backup: Path, target: Place, tmp_path: Path) -> None:
    path = next(path for path in files(backup / "blobs"))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert_refused(target, backup, "cannot be read")


def test_a_newer_schema_or_format_is_refused(backup: Path, target: Place) -> None:
    resum(backup, schema=99)
    assert_refused(target, backup, "schema 99")
    resum(backup, schema=1, format=2)
    assert_refused(target, backup, "not the manifest of a backup that this version")


def test_a_wrong_passphrase_is_refused(backup: Path, target: Place) -> None:
    assert_refused(target, backup, "not the passphrase", passphrase="wrong horse battery")
    assert_refused(target, backup, "not the passphrase", passphrase="")


def test_a_node_that_holds_anything_is_not_restored_to(
    backup: Path, tmp_path: Path, made: tuple[Path, Call]
) -> None:
    for name, why in (
        ("secrets.toml", "is there already"),
        ("audit/n1.jsonl", "audit log's tail"),
        (f"blobs/{made[1].blob.path}", "holds blobs"),
    ):
        target = in_folder(tmp_path / new_id() / "data")
        path = target.data / name
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        told = target.run("restore", backup)
        assert told.exit_code == 1
        assert why in told.output
        assert path.read_text() == "mine"


def test_without_secrets_a_backup_has_none_and_needs_the_nodes_own(
    tmp_path: Path, target: Place
) -> None:
    source = in_folder(tmp_path / "data")
    call = fill(source)
    told = source.run("backup", "--without-secrets", tmp_path / "bare")
    assert "without secrets" in told.output
    assert not (tmp_path / "bare" / "secrets.sealed").exists()
    target.data.mkdir()
    shutil.copy(source.data / keys.FILE_NAME, target.data)
    assert target.run("restore", tmp_path / "bare").exit_code == 0
    assert_holds(target, call)


def test_what_cannot_be_backed_up_leaves_no_folder(tmp_path: Path) -> None:
    source = in_folder(tmp_path / "data")
    fill(source)
    short = source.run("backup", tmp_path / "backup", passphrase="short")
    assert "at least 12 characters" in short.output
    secrets = source.data / keys.FILE_NAME
    kept = secrets.read_bytes()
    secrets.unlink()
    keys.load_or_create(secrets, NOW)
    foreign = source.run("backup", tmp_path / "backup")
    assert "lacks the master keys" in foreign.output
    secrets.unlink()
    assert "cannot be read" in source.run("backup", tmp_path / "backup").output
    secrets.write_bytes(kept)
    secrets.chmod(0o600)
    (tmp_path / "there").mkdir()
    assert "is there already" in source.run("backup", tmp_path / "there").output
    assert not (tmp_path / "backup").exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert source.run("backup", tmp_path / "backup").exit_code == 0
