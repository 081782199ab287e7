"""A live call's files are encrypted from the first byte on, and bound to their call."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from api.ids import new_id
from api.sealed import GrowingText, SealedDisk
from api.store.crypto import DataKey
from engine.disk import Unreadable
from engine.journal import FileJournal, read
from signaling.recorder import OggFile, broken_path, continued
from tests.signaling.packets import RATE, encode, voice

DEALER, SESSION = new_id(), new_id()
SECRET = "the quokka wants financing"
SPEECH = encode(voice(2))


@pytest.fixture
def key() -> DataKey:
    return DataKey.new()


@pytest.fixture
def disk(key: DataKey) -> SealedDisk:
    return SealedDisk(key, DEALER, SESSION)


def test_every_record_is_on_the_disk_sealed_as_soon_as_it_is_appended(
    tmp_path: Path, disk: SealedDisk
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = FileJournal(path, disk)
    for n in range(20):
        journal.append("event", n=n, text=SECRET)
        # Nothing is flushed or closed: what a killed process leaves can be read.
        assert [record["n"] for record in read(path, disk)] == list(range(n + 1))
    assert b"quokka" not in path.read_bytes()
    assert b"event" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    journal.close()


def test_a_record_of_many_segments_that_was_torn_costs_no_other(
    tmp_path: Path, disk: SealedDisk
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = FileJournal(path, disk)
    journal.append("event", n=0)
    journal.append("setup", text="x" * 200_000)
    journal.close()
    content = path.read_bytes()
    path.write_bytes(content[:150_000])  # amid the long one: two of its segments are whole
    journal = FileJournal(path, disk)
    journal.append("event", n=1)
    journal.close()
    assert [record.get("n") for record in read(path, disk)] == [0, 1]


def test_nobody_elses_key_and_no_other_call_opens_a_file(
    tmp_path: Path, disk: SealedDisk, key: DataKey
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = FileJournal(path, disk)
    journal.append("event", text=SECRET)
    journal.close()
    for other in (
        SealedDisk(DataKey.new(), DEALER, SESSION),
        SealedDisk(key, DEALER, new_id()),
        SealedDisk(key, new_id(), SESSION),
    ):
        with pytest.raises(Unreadable):
            list(read(path, other))
        with pytest.raises(Unreadable):
            FileJournal(path, other)
    # Nor is one file taken for another of the same call.
    path.rename(tmp_path / "trainee.ogg")
    with pytest.raises(Unreadable):
        b"".join(disk.chunks(tmp_path / "trainee.ogg"))


def test_an_altered_byte_is_noticed(tmp_path: Path, disk: SealedDisk) -> None:
    path = tmp_path / "journal.jsonl"
    journal = FileJournal(path, disk)
    for n in range(5):
        journal.append("event", n=n, text=SECRET)
    journal.close()
    content = bytearray(path.read_bytes())
    content[180] ^= 1
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        list(read(path, disk))


def test_a_file_that_is_there_is_not_begun_again(tmp_path: Path, disk: SealedDisk) -> None:
    disk.create(tmp_path / "trainee.ogg").close()
    with pytest.raises(FileExistsError):
        disk.create(tmp_path / "trainee.ogg")


def test_a_recording_is_gone_on_with_and_its_copy_is_sealed_too(
    tmp_path: Path, disk: SealedDisk
) -> None:
    path = tmp_path / "trainee.ogg"
    file = OggFile(path, disk)
    for index, payload in enumerate(SPEECH):
        file.write(index * RATE // 50, payload)
    file.close()
    whole = b"".join(disk.chunks(path))
    path.rename(broken_path(path))  # where it waits while it is copied
    assert b"".join(disk.chunks(broken_path(path))) == whole
    path.write_bytes(b"")
    again = continued(path, disk)
    for index, payload in enumerate(SPEECH[:10], len(SPEECH)):
        again.write(index * RATE // 50, payload)
    again.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["trainee.ogg"]
    stored = path.read_bytes()
    assert b"OggS" not in stored
    longer = b"".join(disk.chunks(path))
    assert len(longer) > len(whole)
    assert all(payload in longer for payload in SPEECH)


async def test_a_growing_file_is_read_as_far_as_it_is_there(
    tmp_path: Path, disk: SealedDisk
) -> None:
    file = disk.create(tmp_path / "trainee.ogg")
    file.append(b"0123456789" * 10_000)
    text = await asyncio.to_thread(GrowingText, disk, tmp_path / "trainee.ogg")
    file.append(b"more")
    assert text.size == 100_000
    assert b"".join([part async for part in text.read()]) == b"0123456789" * 10_000
    assert b"".join([part async for part in text.read(65_530, 65_545)]) == b"012345678901234"
    assert [part async for part in text.read(5, 5)] == []
    file.close()
