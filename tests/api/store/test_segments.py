"""Encrypted files: written while they grow, cut anywhere, tampered with, read in ranges."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.store.crypto import Damaged, DataKey, MasterKeys, WrongKey
from api.store.growing import GrowingFile
from api.store.segments import (
    FIXED,
    HEADER_BYTES,
    OVERHEAD_BYTES,
    SEGMENT_BYTES,
    Finished,
    FixedLayout,
    Sealer,
    SegmentReader,
    Segments,
    new_header,
)

PLACE = "d1:s1:journal"
in_a_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


@pytest.fixture
def key() -> DataKey:
    return DataKey.new()


def write(path: Path, key: DataKey, *parts: bytes, finish: bool = False) -> list[int]:
    """Each part in a segment of its own; where each segment ends."""
    file = GrowingFile(path, key, PLACE)
    ends = []
    for part in parts:
        file.append(part, through=True)
        ends.append(path.stat().st_size)
    file.close(finish=finish)
    return ends


def text(path: Path, key: DataKey, place: str = PLACE, *, finished: bool = False) -> bytes:
    with SegmentReader(path, key, place, finished=finished) as reader:
        return b"".join(reader)


def parts_of(path: Path, lengths: list[int]) -> list[bytes]:
    """A file's header, then its segments of these lengths of plain text."""
    raw, parts, at = path.read_bytes(), [], HEADER_BYTES
    parts.append(raw[:HEADER_BYTES])
    for length in lengths:
        parts.append(raw[at : at + OVERHEAD_BYTES + length])
        at += OVERHEAD_BYTES + length
    return [*parts, raw[at:]]


def test_what_was_appended_is_read_and_stands_nowhere_in_the_file(
    tmp_path: Path, key: DataKey
) -> None:
    path = tmp_path / "journal"
    file = GrowingFile(path, key, PLACE)
    for number in range(300):
        file.append(b"the customer said record %d\n" % number, through=number % 3 == 0)
    file.close()
    assert text(path, key) == b"".join(b"the customer said record %d\n" % n for n in range(300))
    assert b"customer" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_appending_goes_on_after_a_restart(tmp_path: Path, key: DataKey) -> None:
    path = tmp_path / "journal"
    write(path, key, b"one,")
    write(path, key, b"two,", b"three")
    assert text(path, key) == b"one,two,three"


def test_what_was_written_through_can_be_read_while_the_file_is_open(
    tmp_path: Path, key: DataKey
) -> None:
    file = GrowingFile(tmp_path / "journal", key, PLACE)
    file.append(b"through", through=True)
    file.append(b" waiting")
    assert text(file.path, key) == b"through"
    file.sync()
    assert text(file.path, key) == b"through waiting"
    file.close()


def test_more_than_a_segment_at_once_is_cut_into_segments(tmp_path: Path, key: DataKey) -> None:
    path, data = tmp_path / "audio", random.Random(1).randbytes(3 * SEGMENT_BYTES + 17)
    file = GrowingFile(path, key, PLACE)
    file.append(data)
    assert path.stat().st_size == HEADER_BYTES + 3 * (SEGMENT_BYTES + OVERHEAD_BYTES)
    file.close(finish=True)
    assert text(path, key, finished=True) == data


def test_a_file_cut_at_any_byte_opens_up_to_its_last_whole_segment(
    tmp_path: Path, key: DataKey
) -> None:
    path, parts = tmp_path / "journal", [b"first,", b"second,", b"third"]
    ends = write(path, key, *parts)
    raw = path.read_bytes()
    for cut in range(len(raw) + 1):
        path.write_bytes(raw[:cut])
        whole = b"".join(part for part, end in zip(parts, ends, strict=True) if end <= cut)
        assert text(path, key) == whole
        write(path, key, b"+more")
        assert text(path, key) == whole + b"+more"


def test_zeros_that_a_power_cut_left_are_a_torn_tail(tmp_path: Path, key: DataKey) -> None:
    path = tmp_path / "journal"
    write(path, key, b"one,")
    raw = path.read_bytes()
    for zeros in (1, 5, 100, 70_000):
        path.write_bytes(raw + bytes(zeros))
        assert text(path, key) == b"one,"
        write(path, key, b"two")
        assert text(path, key) == b"one,two"
    path.write_bytes(bytes(200))
    assert text(path, key) == b""
    write(path, key, b"anew")
    assert text(path, key) == b"anew"


WRITER = """
import sys
from pathlib import Path
from api.store.crypto import DataKey
from api.store.growing import GrowingFile
file = GrowingFile(Path(sys.argv[1]), DataKey(bytes.fromhex(sys.argv[2])), "d1:s1:journal")
for number in range(1_000_000):
    file.append(b"%08d" % number, through=True)
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path, raw = tmp_path / "journal", os.urandom(32)
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), raw.hex()], stdout=subprocess.PIPE
        )
        assert writer.stdout is not None
        acknowledged = -1
        for line in writer.stdout:
            acknowledged = int(line)
            if acknowledged == 500:
                writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        read = text(path, DataKey(raw))
        newest = [read[at : at + 8] for at in range(0, len(read), 8)]
        newest = newest[len(newest) - 1 - newest[::-1].index(b"00000000") :]
        assert newest[: acknowledged + 1] == [b"%08d" % n for n in range(acknowledged + 1)]


@pytest.mark.parametrize(
    "order",
    [(0, 2, 1, 3), (0, 0, 1, 2, 3), (0, 2, 3), (1, 2, 3), (0, 1, 1, 2, 3), (0, 1, 3, 2), (3,)],
    ids=str,
)
def test_segments_swapped_repeated_or_left_out_are_refused(
    tmp_path: Path, key: DataKey, order: tuple[int, ...]
) -> None:
    path, lengths = tmp_path / "journal", [6, 6, 6, 6]
    write(path, key, b"first,", b"other,", b"third,", b"fourth", finish=True)
    header, *segments = parts_of(path, [*lengths, 0])
    path.write_bytes(header + b"".join(segments[at] for at in order) + segments[4])
    with pytest.raises(Damaged):
        text(path, key)
    path.write_bytes(header + b"".join(segments[at] for at in order))
    with pytest.raises(Damaged):
        text(path, key)


def test_a_segment_of_another_file_of_the_same_session_is_refused(
    tmp_path: Path, key: DataKey
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write(one, key, b"first.", b"second")
    write(two, key, b"FIRST.", b"SECOND")
    mine, other = parts_of(one, [6, 6]), parts_of(two, [6, 6])
    one.write_bytes(mine[0] + mine[1] + other[2])
    with pytest.raises(Damaged):
        text(one, key)


@pytest.mark.parametrize("place", ["d2:s1:journal", "d1:s2:journal", "d1:s1:audio"])
def test_a_file_of_another_session_or_dealership_is_refused(
    tmp_path: Path, key: DataKey, place: str
) -> None:
    write(tmp_path / "journal", key, b"words")
    with pytest.raises(Damaged):
        text(tmp_path / "journal", key, place)
    with pytest.raises(Damaged):
        GrowingFile(tmp_path / "journal", key, place)


def test_another_key_is_told_from_damage(tmp_path: Path, key: DataKey) -> None:
    write(tmp_path / "journal", key, b"words")
    with pytest.raises(WrongKey):
        text(tmp_path / "journal", DataKey.new())
    with pytest.raises(WrongKey):
        GrowingFile(tmp_path / "journal", DataKey.new(), PLACE)
    assert text(tmp_path / "journal", key) == b"words"


@in_a_folder
@given(st.data())
def test_any_changed_byte_is_refused_or_cuts_the_tail(tmp_path: Path, data: st.DataObject) -> None:
    """A longer head at the end looks torn, as any cut does; no byte of other text comes out."""
    path, key = tmp_path / "journal", DataKey.new()
    path.unlink(missing_ok=True)
    write(path, key, b"first,", b"second,", b"third", finish=True)
    raw = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    try:
        read = text(path, key)
    except (Damaged, WrongKey):
        read = b""
    assert b"first,second,third".startswith(read)
    with pytest.raises((Damaged, WrongKey)):
        text(path, key, finished=True)


@in_a_folder
@given(st.binary(max_size=300))
def test_junk_is_refused_as_damage_or_read_as_nothing(tmp_path: Path, junk: bytes) -> None:
    path, key = tmp_path / "junk", DataKey.new()
    for content in (junk, b"FCSEG\x01\x00\x00" + junk, new_header(key, 0) + junk):
        path.write_bytes(content)
        try:
            assert text(path, key) == b""
        except (Damaged, WrongKey):
            continue


def test_a_finished_file_that_was_cut_is_refused_by_who_knows_it_was_finished(
    tmp_path: Path, key: DataKey
) -> None:
    path = tmp_path / "audio"
    write(path, key, b"one", b"two", finish=True)
    header, one, two, last, rest = parts_of(path, [3, 3, 0])
    assert rest == b""
    assert text(path, key, finished=True) == b"onetwo"
    for cut in (header + one + two, header + one, header, b""):
        path.write_bytes(cut)
        with pytest.raises(Damaged, match="was cut"):
            text(path, key, finished=True)
    path.write_bytes(header + one + two + last + b"x")
    with pytest.raises(Damaged):
        text(path, key)


def test_a_segment_cannot_be_made_the_last_or_the_last_one_made_another(
    tmp_path: Path, key: DataKey
) -> None:
    path = tmp_path / "audio"
    write(path, key, b"one", b"two", finish=True)
    header, one, *_ = parts_of(path, [3, 3, 0])
    made_last = bytes([one[0] | 0x80]) + one[1:]
    path.write_bytes(header + made_last)
    with pytest.raises(Damaged):
        text(path, key, finished=True)
    stored = sealed(key, b"whole")
    path.write_bytes(stored[:HEADER_BYTES] + bytes([stored[HEADER_BYTES] & 0x7F]) + stored[49:])
    with pytest.raises(Damaged):
        text(path, key)


def test_nothing_of_a_long_torn_tail_is_left_behind_a_short_segment(
    tmp_path: Path, key: DataKey
) -> None:
    path = tmp_path / "journal"
    write(path, key, b"one,", b"x" * 1000)
    path.write_bytes(path.read_bytes()[:-1])
    write(path, key, b"two", finish=True)
    assert text(path, key, finished=True) == b"one,two"


def test_a_finished_file_takes_no_more(tmp_path: Path, key: DataKey) -> None:
    write(tmp_path / "audio", key, b"one", finish=True)
    with pytest.raises(Finished):
        GrowingFile(tmp_path / "audio", key, PLACE)
    assert text(tmp_path / "audio", key) == b"one"


def test_an_empty_file_that_was_finished_reads_as_nothing(tmp_path: Path, key: DataKey) -> None:
    write(tmp_path / "audio", key, finish=True)
    assert text(tmp_path / "audio", key, finished=True) == b""


def test_two_writers_do_not_meet(tmp_path: Path, key: DataKey) -> None:
    file = GrowingFile(tmp_path / "journal", key, PLACE)
    with pytest.raises(BlockingIOError):
        GrowingFile(tmp_path / "journal", key, PLACE)
    file.close()
    write(tmp_path / "journal", key, b"now")


def test_a_symbolic_link_is_not_followed(tmp_path: Path, key: DataKey) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        GrowingFile(tmp_path / "link", key, PLACE)
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
def small_disk() -> Iterator[None]:
    """A disk that takes 100 kB a file and then no more."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_loses_only_what_it_refused(
    tmp_path: Path, key: DataKey, small_disk: None
) -> None:
    path = tmp_path / "journal"
    file = GrowingFile(path, key, PLACE)
    file.append(b"a" * 60_000, through=True)
    file.append(b"kept,")
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        file.append(b"b" * 60_000, through=True)
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        file.append(b"c" * 70_000 * 2)
    assert text(path, key) == b"a" * 60_000
    file.append(b"later", through=True)
    file.close()
    assert text(path, key) == b"a" * 60_000 + b"kept,later"


def test_appending_and_forcing_to_disk_from_two_threads_keeps_the_order(
    tmp_path: Path, key: DataKey
) -> None:
    file = GrowingFile(tmp_path / "journal", key, PLACE)
    done = threading.Event()

    def keep_syncing() -> None:
        while not done.is_set():
            file.sync()

    thread = threading.Thread(target=keep_syncing)
    thread.start()
    for number in range(3000):
        file.append(b"%06d" % number, through=number % 7 == 0)
    done.set()
    thread.join()
    file.close()
    assert text(file.path, key) == b"".join(b"%06d" % number for number in range(3000))
    with pytest.raises(ValueError, match="closed"):
        file.append(b"late")
    file.sync()
    file.close()


def test_a_destroyed_key_leaves_nothing_readable(tmp_path: Path) -> None:
    master, key = MasterKeys({"a": os.urandom(32)}, "a"), DataKey.new()
    wrapped = master.wrap(key, place="d1:sessions:s1")
    write(tmp_path / "journal", key, b"what was said")
    del key
    assert text(tmp_path / "journal", master.unwrap(wrapped, place="d1:sessions:s1"))
    with pytest.raises(Damaged):
        master.unwrap("", place="d1:sessions:s1")
    with pytest.raises(WrongKey):
        text(tmp_path / "journal", DataKey.new())


@in_a_folder
@given(st.lists(st.integers(1, 90), min_size=1, max_size=12), st.data())
def test_a_range_of_a_growing_file_is_that_range_of_its_text(
    tmp_path: Path, lengths: list[int], data: st.DataObject
) -> None:
    path, key = tmp_path / "audio", DataKey.new()
    path.unlink(missing_ok=True)
    parts = [random.Random(n).randbytes(n) for n in lengths]
    write(path, key, *parts)
    whole = b"".join(parts)
    start = data.draw(st.integers(0, len(whole) + 5))
    end = data.draw(st.integers(start, len(whole) + 10))
    with SegmentReader(path, key, PLACE) as reader:
        assert reader.size == len(whole)
        assert reader.read(start, end) == whole[start:end]


def test_a_range_opens_no_segment_it_does_not_touch(tmp_path: Path, key: DataKey) -> None:
    path = tmp_path / "audio"
    ends = write(path, key, b"first,", b"second,", b"third,", b"fourth")
    raw = bytearray(path.read_bytes())
    raw[ends[1] - 1] ^= 1
    path.write_bytes(raw)
    with SegmentReader(path, key, PLACE) as reader:
        assert reader.read(0, 6) == b"first,"
        assert reader.read(13, 25) == b"third,fourth"
        with pytest.raises(Damaged):
            reader.read(5, 8)


def sealed(key: DataKey, data: bytes, chunk: int = 100_000) -> bytes:
    sealer = Sealer(key, PLACE)
    out = [sealer.push(data[at : at + chunk]) for at in range(0, len(data), chunk)]
    return b"".join([*out, sealer.finish()])


def ranged(stored: bytes, key: DataKey, start: int, end: int) -> bytes:
    layout = FixedLayout(len(stored))
    low, high, _ = layout.span(start, end)
    segments = Segments(key, PLACE, stored[:HEADER_BYTES])
    return layout.open(segments, start, end, stored[low:high])


S = SEGMENT_BYTES
SIZES = [0, 1, S - 1, S, S + 1, 2 * S - 1, 2 * S, 2 * S + 1, 200_000]


@pytest.mark.parametrize("size", SIZES)
def test_a_fixed_file_knows_its_size_and_gives_any_range(key: DataKey, size: int) -> None:
    data = random.Random(size).randbytes(size)
    stored = sealed(key, data, chunk=10_000)
    assert FixedLayout(len(stored)).size == size
    marks = sorted({min(mark, size) for mark in (0, 1, S - 1, S, S + 1, 2 * S, size - 1, size)})
    for start in (mark for mark in marks if mark >= 0):
        for end in (mark for mark in marks if mark >= start):
            assert ranged(stored, key, start, end) == data[start:end]


def test_a_range_fetches_only_the_segments_it_touches() -> None:
    full = S + OVERHEAD_BYTES
    layout = FixedLayout(HEADER_BYTES + 5 * full)
    assert layout.span(S, S + 1) == (HEADER_BYTES + full, HEADER_BYTES + 2 * full, 1)
    assert layout.span(S - 1, S + 1) == (HEADER_BYTES, HEADER_BYTES + 2 * full, 0)
    assert layout.span(10, 10)[:2] == (HEADER_BYTES, HEADER_BYTES)
    for start, end in ((-1, 1), (2, 1), (0, 5 * S + 1)):
        with pytest.raises(ValueError, match="no bytes"):
            layout.span(start, end)


def test_a_fixed_file_is_read_from_disk_as_well_and_takes_no_more(
    tmp_path: Path, key: DataKey
) -> None:
    data = random.Random(3).randbytes(150_000)
    path = tmp_path / "audio"
    path.write_bytes(sealed(key, data))
    assert text(path, key, finished=True) == data
    with pytest.raises(Finished):
        GrowingFile(path, key, PLACE)


def test_a_fixed_file_that_was_cut_or_reordered_is_refused(key: DataKey) -> None:
    full = S + OVERHEAD_BYTES
    stored = sealed(key, random.Random(4).randbytes(3 * S + 1000))
    header, body = stored[:HEADER_BYTES], stored[HEADER_BYTES:]
    segments = [body[at : at + full] for at in range(0, len(body), full)]
    one, two, three, last = segments
    for broken in (
        [one, two, three],
        [two, one, three, last],
        [one, two, last],
        [one, two, two, last],
        [one, two, three, last, last],
    ):
        cut = header + b"".join(broken)
        with pytest.raises(Damaged):
            ranged(cut, key, 0, FixedLayout(len(cut)).size)
    with pytest.raises(Damaged):
        FixedLayout(HEADER_BYTES + 3 * full + OVERHEAD_BYTES - 1)
    with pytest.raises(Damaged):
        FixedLayout(HEADER_BYTES)


def test_a_growing_file_is_not_read_as_a_fixed_one(tmp_path: Path, key: DataKey) -> None:
    write(tmp_path / "audio", key, b"words", finish=False)
    with pytest.raises(Damaged):
        ranged((tmp_path / "audio").read_bytes(), key, 0, 5)


def test_a_header_says_which_layout_it_has(key: DataKey) -> None:
    header = bytearray(new_header(key, FIXED))
    assert Segments(key, PLACE, bytes(header)).layout == FIXED
    header[6] = 7
    with pytest.raises(Damaged, match="version"):
        Segments(key, PLACE, bytes(header))
