"""What `append` returned for is there; what is torn or damaged is dropped, and only that."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.disk import PLAIN, lines
from engine.journal import MEMORY_LIMIT, FileJournal, Journal, MemoryJournal, read
from tests.masked import MaskedDisk, mask

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)
KEYS = st.text(min_size=1, max_size=8).filter(lambda key: key not in ("k", "self"))
RECORDS = st.lists(
    st.tuples(st.text(min_size=1, max_size=10), st.dictionaries(KEYS, VALUES)), max_size=8
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture(params=["file", "another disk", "memory"])
def journal(request: pytest.FixtureRequest, path: Path) -> Iterator[Journal]:
    one: Journal = MemoryJournal()
    if request.param != "memory":
        one = FileJournal(path, PLAIN if request.param == "file" else MaskedDisk())
    yield one
    one.close()


def test_a_journal_on_another_disk_is_written_and_read_by_way_of_it_alone(path: Path) -> None:
    disk = MaskedDisk()
    journal = FileJournal(path, disk)
    journal.append("event", text="a secret")
    journal.sync()
    assert b"secret" not in path.read_bytes()
    assert list(journal.records()) == [{"k": "event", "text": "a secret"}]
    journal.close()
    assert list(read(path)) == []
    with path.open("ab") as file:
        file.write(mask(b'["0123'))  # torn by a crash
    again = FileJournal(path, disk)
    again.append("event", text="another")
    again.close()
    assert [record["text"] for record in read(path, disk)] == ["a secret", "another"]


@given(data=st.binary(max_size=200).map(lambda raw: raw.replace(b"7", b"\n")), cuts=st.data())
def test_lines_are_the_same_however_they_come_in_chunks(data: bytes, cuts: st.DataObject) -> None:
    chunks, rest = [], data
    while rest:
        size = cuts.draw(st.integers(1, len(rest)))
        chunks.append(rest[:size])
        rest = rest[size:]
    assert [line.find(b"\n") for line in lines(iter(chunks))] == [
        len(line) for line in data.split(b"\n")[:-1]
    ] + [-1] * bool(data.split(b"\n")[-1])
    assert b"".join(lines(iter(chunks))) == data


def written(path: Path, count: int) -> list[dict[str, Any]]:
    """A closed journal of `count` records."""
    journal = FileJournal(path)
    for n in range(count):
        journal.append("event", n=n, text=f"word {n}")
    journal.close()
    return list(read(path))


def test_records_come_back_in_order(journal: Journal) -> None:
    for n in range(5):
        journal.append("event", n=n)
    assert [(record["k"], record["n"]) for record in journal.records()] == [
        ("event", n) for n in range(5)
    ]


def test_a_record_can_be_read_before_it_is_synced(journal: Journal) -> None:
    journal.append("session", id="a")
    assert list(journal.records()) == [{"k": "session", "id": "a"}]
    journal.sync()
    assert list(journal.records()) == [{"k": "session", "id": "a"}]


@given(records=RECORDS)
def test_any_json_value_in_any_language_comes_back_as_it_was(
    records: list[tuple[str, dict[str, Any]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    journal = FileJournal(path)
    for kind, fields in records:
        journal.append(kind, **fields)
    journal.close()
    assert list(read(path)) == [{"k": kind, **fields} for kind, fields in records]


def test_words_in_any_script_keep_their_line(path: Path) -> None:
    words = ["naïve", "価格", "ценa", "🚗\u200d💨", "a\u2028b", "two\nlines", 'quo"te']
    journal = FileJournal(path)
    for word in words:
        journal.append("event", text=word)
    journal.close()
    assert [record["text"] for record in read(path)] == words
    assert path.read_bytes().count(b"\n") == len(words)


def test_each_line_is_json_for_other_tools(path: Path) -> None:
    written(path, 3)
    for n, line in enumerate(path.read_text().splitlines()):
        checksum, record = json.loads(line)
        assert len(checksum) == 8
        assert record["n"] == n


@pytest.mark.parametrize("torn", [1, 2, 9, 20])
def test_a_torn_tail_is_dropped_and_the_next_record_is_whole(path: Path, torn: int) -> None:
    before = written(path, 3)
    path.write_bytes(path.read_bytes()[:-torn])
    assert list(read(path)) == before[:2]
    journal = FileJournal(path)
    journal.append("event", n=99)
    journal.close()
    assert list(read(path)) == [*before[:2], {"k": "event", "n": 99}]


def test_a_torn_tail_is_cut_off_the_file(path: Path) -> None:
    written(path, 2)
    whole = path.read_bytes()
    path.write_bytes(whole + b'["01234567",{"k":"ev')
    FileJournal(path).close()
    assert path.read_bytes() == whole


def test_a_file_that_is_one_torn_line_becomes_empty(path: Path) -> None:
    path.write_bytes(b'["0123')
    journal = FileJournal(path)
    assert list(journal.records()) == []
    journal.append("event", n=1)
    assert list(journal.records()) == [{"k": "event", "n": 1}]
    journal.close()


@given(data=st.data())
def test_a_flipped_bit_costs_the_records_it_touches_and_invents_none(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    before = written(path, 6)
    content = bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    after = list(read(path))
    lost = [record for record in before if record not in after]
    assert [record for record in before if record in after] == after
    # A newline that is flipped away joins two lines.
    assert len(lost) <= 2


def test_a_flipped_bit_in_a_body_costs_exactly_that_record(path: Path) -> None:
    before = written(path, 6)
    content = path.read_bytes().replace(b"word 3", b"word 2")
    path.write_bytes(content)
    assert list(read(path)) == before[:3] + before[4:]


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b'["zzzzzzzz",{}]', b'["00000000",[]]', b"\x00" * 64, b"\xff" * 64],
)
def test_a_line_that_was_never_a_record_is_dropped(path: Path, line: bytes) -> None:
    before = written(path, 2)
    path.write_bytes(line + b"\n" + path.read_bytes())
    assert list(read(path)) == before


def test_only_the_owner_may_read_a_journal(path: Path) -> None:
    FileJournal(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_opened_journal_goes_on_where_it_was(path: Path) -> None:
    before = written(path, 2)
    journal = FileJournal(path)
    journal.append("event", n=2)
    assert list(journal.records()) == [*before, {"k": "event", "n": 2}]
    journal.close()


def test_closing_or_syncing_a_closed_journal_does_nothing(path: Path) -> None:
    journal = FileJournal(path)
    journal.append("event", n=1)
    journal.close()
    journal.close()
    journal.sync()
    assert len(list(journal.records())) == 1


def test_a_sync_in_a_thread_survives_the_close_of_its_journal(path: Path) -> None:
    """The node syncs in a thread while the call ends on the loop: the file descriptor was gone,
    and with the error ended the syncing of every call."""
    failures: list[OSError] = []

    def sync_often(journal: FileJournal, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                journal.sync()
            except OSError as error:
                failures.append(error)

    for _ in range(30):
        journal, stop = FileJournal(path), threading.Event()
        thread = threading.Thread(target=sync_often, args=(journal, stop))
        thread.start()
        for n in range(20):
            journal.append("event", n=n)
        journal.close()
        stop.set()
        thread.join()
    assert failures == []
    assert len(list(read(path))) == 30 * 20


WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from engine.journal import FileJournal

    journal = FileJournal(Path(sys.argv[1]))
    n = 0
    while True:
        journal.append("event", n=n, text="x" * (n % 700))
        print(n, flush=True)
        n += 1
    """
)


def test_killing_the_writer_loses_nothing_that_append_returned_for(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(500)]
        child.send_signal(signal.SIGKILL)
        told += child.stdout.readlines()
    last = max(int(line) for line in told if line.endswith("\n"))
    numbers = [record["n"] for record in read(path)]
    assert numbers[: last + 1] == list(range(last + 1))


FULL_DISK = textwrap.dedent(
    """
    import resource, signal, sys
    from pathlib import Path
    from engine.journal import FileJournal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = FileJournal(Path(sys.argv[1]))
    journal.append("event", n=0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
    try:
        journal.append("event", n=1, text="x" * 500)
    except OSError as error:
        print(type(error).__name__)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    journal.append("event", n=2)
    journal.append("event", n=3)
    journal.close()
    """
)


def test_a_record_cut_short_by_a_full_disk_does_not_take_the_next_one_with_it(path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    assert result.stdout == "OSError\n"
    assert path.read_bytes().count(b"x") > 0
    assert [record["n"] for record in read(path)] == [0, 2, 3]


def test_a_memory_journal_is_bounded_and_drops_the_oldest() -> None:
    journal = MemoryJournal()
    for n in range(MEMORY_LIMIT + 10):
        journal.append("event", n=n)
    numbers = [record["n"] for record in journal.records()]
    assert (numbers[0], numbers[-1], len(numbers)) == (10, MEMORY_LIMIT + 9, MEMORY_LIMIT)


def test_a_memory_journal_keeps_nothing_once_closed() -> None:
    journal = MemoryJournal()
    journal.append("event", text="a secret")
    journal.close()
    assert list(journal.records()) == []
