"""One contract for blobs in a folder and in a real S3."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.ids import new_id
from api.store.base import Duplicate, Missing, StoreError, Unavailable
from api.store.blobs import BlobId, Blobs, TooLarge, open_blobs
from api.store.crypto import Damaged, DataKey, WrongKey
from api.store.segments import OVERHEAD_BYTES, SEGMENT_BYTES
from tests.s3 import S3, running

SIZES = [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES]


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    with running() as server:
        server.make_bucket("recordings")
        yield server


@pytest.fixture(params=["folder", "s3"])
async def blobs(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Blobs:
    if request.param == "folder":
        found = open_blobs(f"file://{tmp_path / 'blobs'}")
    else:
        for name, value in request.getfixturevalue("s3").environment.items():
            monkeypatch.setenv(name, value)
        found = open_blobs(f"s3://recordings/of/{new_id()}")
    await found.open()
    return found


@pytest.fixture
def key() -> DataKey:
    return DataKey.new()


def blob() -> BlobId:
    return BlobId(new_id(), new_id(), new_id())


async def chunks(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read(
    blobs: Blobs, key: DataKey, blob: BlobId, start: int = 0, end: int | None = None
) -> bytes:
    found = await blobs.get(key, blob)
    return b"".join([part async for part in found.read(start, end)])


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_put_is_read_back(blobs: Blobs, key: DataKey, size: int) -> None:
    data, one = os.urandom(size), blob()
    assert await blobs.put(key, one, chunks(data)) == size
    assert (await blobs.get(key, one)).size == size
    assert await read(blobs, key, one) == data


async def test_ranges_are_what_was_asked_for(blobs: Blobs, key: DataKey) -> None:
    data, one = os.urandom(20 * SEGMENT_BYTES + 77), blob()
    await blobs.put(key, one, chunks(data, 300_000))
    edges = [0, 1, SEGMENT_BYTES, 5 * SEGMENT_BYTES - 1, 16 * SEGMENT_BYTES + 1, len(data)]
    for start in edges:
        for end in (edge for edge in edges if edge >= start):
            assert await read(blobs, key, one, start, end) == data[start:end]
    for start, end in ((-1, 3), (3, 2), (0, len(data) + 1)):
        with pytest.raises(ValueError, match="no bytes"):
            await read(blobs, key, one, start, end)


async def test_nothing_is_stored_in_the_clear(blobs: Blobs, key: DataKey) -> None:
    one = blob()
    await blobs.put(key, one, chunks(b"the customer said no" * 10_000))
    stored = await blobs.fetch(one, 0, await blobs.stored_bytes(one))
    assert b"customer" not in stored


async def test_another_key_or_place_opens_nothing(blobs: Blobs, key: DataKey) -> None:
    one, other = blob(), blob()
    await blobs.put(key, one, chunks(b"words"))
    with pytest.raises(WrongKey):
        await blobs.get(DataKey.new(), one)
    stored = await blobs.fetch(one, 0, await blobs.stored_bytes(one))
    await blobs.put_stored(other, chunks(stored))
    with pytest.raises(Damaged):
        await read(blobs, key, other)


@pytest.mark.parametrize("left", [SEGMENT_BYTES + OVERHEAD_BYTES + 48, 3 * SEGMENT_BYTES, 20])
async def test_a_cut_blob_is_refused(blobs: Blobs, key: DataKey, left: int) -> None:
    one, cut = blob(), blob()
    await blobs.put(key, one, chunks(os.urandom(4 * SEGMENT_BYTES)))
    await blobs.put_stored(cut, chunks(await blobs.fetch(one, 0, left)))
    with pytest.raises(Damaged):
        await read(blobs, key, cut)


class SourceFailed(Exception):
    pass


@pytest.mark.parametrize("before", [0, 100, 7_000_000])
@pytest.mark.parametrize("error", [SourceFailed("gone"), OSError("gone")])
async def test_a_source_that_fails_leaves_nothing(
    blobs: Blobs, key: DataKey, before: int, error: Exception
) -> None:
    one = blob()

    async def failing() -> AsyncIterator[bytes]:
        yield bytes(before)
        raise error

    with pytest.raises(type(error), match="gone"):
        await blobs.put(key, one, failing())
    assert not await blobs.exists(one)
    assert [found async for found in blobs.list()] == []


async def test_a_blob_has_a_limit(blobs: Blobs, key: DataKey) -> None:
    one = blob()
    with pytest.raises(TooLarge, match="1000 bytes"):
        await blobs.put(key, one, chunks(bytes(1001), 100), max_bytes=1000)
    assert not await blobs.exists(one)
    assert await blobs.put(key, one, chunks(bytes(1000), 100), max_bytes=1000) == 1000


async def test_a_blob_is_never_written_over(blobs: Blobs, key: DataKey) -> None:
    one = blob()
    await blobs.put(key, one, chunks(b"first"))
    with pytest.raises(Duplicate):
        await blobs.put(key, one, chunks(b"second"))
    assert await read(blobs, key, one) == b"first"


async def test_a_deleted_blob_is_gone_and_others_stay(blobs: Blobs, key: DataKey) -> None:
    one = blob()
    other = BlobId(one.dealership_id, one.session_id, new_id())
    for each in (one, other):
        await blobs.put(key, each, chunks(b"words"))
    await blobs.delete(one)
    await blobs.delete(one)
    assert not await blobs.exists(one)
    assert await blobs.exists(other)
    with pytest.raises(Missing):
        await blobs.get(key, one)
    with pytest.raises(Missing):
        await blobs.fetch(one, 0, 10)


async def test_blobs_are_listed_by_dealership_and_session(blobs: Blobs, key: DataKey) -> None:
    mine = BlobId(new_id(), new_id(), new_id())
    beside = BlobId(mine.dealership_id, mine.session_id, new_id())
    later = BlobId(mine.dealership_id, new_id(), new_id())
    others = blob()
    for one in (mine, beside, later, others):
        await blobs.put(key, one, chunks(b"words"))

    async def listed(*ids: str) -> set[BlobId]:
        found = [one async for one in blobs.list(*ids)]
        for one, size in found:
            assert size == await blobs.stored_bytes(one)
        assert len(found) == len(dict(found))
        return set(dict(found))

    assert await listed(mine.dealership_id, mine.session_id) == {mine, beside}
    assert await listed(mine.dealership_id) == {mine, beside, later}
    assert await listed() == {mine, beside, later, others}
    assert await listed(new_id()) == set()
    with pytest.raises(ValueError, match="listed by"):
        await listed("..")


async def test_many_blobs_are_all_listed(blobs: Blobs) -> None:
    dealership, session = new_id(), new_id()
    made = {BlobId(dealership, session, new_id()) for _ in range(60)}
    for one in made:
        await blobs.put_stored(one, chunks(b"x"))
    assert {one async for one, _ in blobs.list(dealership)} == made


async def test_a_large_blob_takes_little_memory(blobs: Blobs, key: DataKey) -> None:
    one, part = blob(), os.urandom(2**20)

    async def large() -> AsyncIterator[bytes]:
        for _ in range(48):
            yield part

    tracemalloc.start()
    try:
        await blobs.put(key, one, large())
        found = await blobs.get(key, one)
        read_bytes = 0
        async for some in found.read():
            assert len(some) <= 2**20
            read_bytes += len(some)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read_bytes == 48 * 2**20
    assert peak < 24 * 2**20


@pytest.mark.parametrize("part", ["", "..", "a/b", "A" * 24, "g" * 24, "a" * 23])
def test_only_ids_name_a_blob(part: str) -> None:
    for number in range(3):
        parts = [new_id(), new_id(), new_id()]
        parts[number] = part
        with pytest.raises(ValueError, match="three ids"):
            BlobId(*parts)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "blobs",
        "file://",
        "file:///",
        "file://host/x",
        "s3://",
        "s3://B_1/x",
        "http://a/b",
        "s3://bucket/x?secret=1",
        "s3://user:pass@bucket/x",
    ],
)
def test_an_address_of_another_form_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(StoreError, match="must be like") as caught:
        open_blobs(url)
    assert "secret" not in str(caught.value)
    assert "pass" not in str(caught.value)


async def test_an_s3_that_is_away_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, key: DataKey
) -> None:
    with running() as server:
        server.make_bucket("recordings")
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        blobs, one = open_blobs("s3://recordings"), blob()
        await blobs.put(key, one, chunks(b"words"))
        with pytest.raises(Unavailable) as caught:
            await open_blobs("s3://no-such-bucket").put(key, blob(), chunks(b"words"))
        assert "secret" not in str(caught.value)
    with pytest.raises(Unavailable):
        await blobs.get(key, one)


async def test_files_are_private_and_what_a_crash_left_is_cleared(
    tmp_path: Path, key: DataKey
) -> None:
    folder, one = tmp_path / "blobs", blob()
    program = (
        "import asyncio, os, sys\n"
        "from api.store.blobs import BlobId, open_blobs\n"
        "async def chunks():\n"
        "    for _ in range(3): yield bytes(6_000_000)\n"
        "    os.kill(os.getpid(), 9)\n"
        "async def main():\n"
        "    blobs = open_blobs(sys.argv[1])\n"
        "    await blobs.open()\n"
        "    await blobs.put_stored(BlobId(*sys.argv[2].split('/')), chunks())\n"
        "asyncio.run(main())\n"
    )
    url = f"file://{folder}"
    command = [sys.executable, "-c", program, url, one.path]
    ended = subprocess.run(command, check=False)  # noqa: ASYNC221 - nothing else runs here
    assert ended.returncode == -9
    assert any((folder / ".partial").iterdir())
    blobs = open_blobs(url)
    await blobs.open()
    assert not any((folder / ".partial").iterdir())
    assert not await blobs.exists(one)
    await blobs.put(key, one, chunks(b"words"))
    assert (folder / one.path).stat().st_mode & 0o777 == 0o600
    assert (folder / one.dealership_id).stat().st_mode & 0o777 == 0o700


async def test_a_folder_that_takes_no_file_is_unavailable(tmp_path: Path, key: DataKey) -> None:
    folder, one = tmp_path / "blobs", blob()
    blobs = open_blobs(f"file://{folder}")
    await blobs.open()
    (folder / one.dealership_id).write_text("in the way")
    with pytest.raises(Unavailable):
        await blobs.put(key, one, chunks(b"words"))
    assert not any((folder / ".partial").iterdir())
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable):
        open_blobs(f"file://{tmp_path / 'file' / 'blobs'}")


async def test_of_two_that_write_one_blob_in_a_folder_one_is_refused(
    tmp_path: Path, key: DataKey
) -> None:
    blobs, one = open_blobs(f"file://{tmp_path / 'blobs'}"), blob()
    await blobs.open()
    both = asyncio.Barrier(2)

    async def together(data: bytes) -> AsyncIterator[bytes]:
        await both.wait()
        yield data

    ended = await asyncio.gather(
        *(blobs.put(key, one, together(data)) for data in (b"first", b"other")),
        return_exceptions=True,
    )
    assert {type(each) for each in ended} == {int, Duplicate}
    assert await read(blobs, key, one) in (b"first", b"other")
    assert not any((tmp_path / "blobs" / ".partial").iterdir())
