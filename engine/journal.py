"""The append-only record of one session: its inputs and its events.

A journal is a file of JSON lines ``["crc32 as 8 hex digits", {"k": kind, ...}]``. The checksum is
over the record's own bytes. A torn or damaged line is dropped on reading; a torn tail is cut off
before more is appended. `MemoryJournal` serves calls of which nothing may be kept.
"""

from __future__ import annotations

import json
import zlib
from collections import deque
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

from engine.disk import PLAIN, Disk, lines

Record = dict[str, Any]

MEMORY_LIMIT = 50_000
"""Records a memory journal keeps (about an hour of a call); the oldest go first."""


class Journal(Protocol):
    def append(self, kind: str, /, **fields: Any) -> None:
        """Write one record; when this returns the operating system has it."""

    def sync(self) -> None:
        """Force what was written to the disk. May take long: call it in a thread."""

    def records(self) -> Iterator[Record]:
        """Every record so far, oldest first."""

    def close(self) -> None: ...


_BODY = 12
"""Where a line's record begins."""


def _encode(kind: str, fields: Record) -> bytes:
    body = json.dumps({"k": kind, **fields}, separators=(",", ":"), ensure_ascii=False).encode()
    return b'["%08x",%s]\n' % (zlib.crc32(body), body)


def record_of(line: bytes) -> Record | None:
    """The record of a line with its newline; None when it is torn or damaged."""
    if line[-1:] != b"\n":
        return None
    line = line.rstrip(b"\n")
    if len(line) < 14 or line[:2] != b'["' or line[10:12] != b'",' or line[-1:] != b"]":
        return None
    body = line[_BODY:-1]
    try:
        if int(line[2:10], 16) != zlib.crc32(body):
            return None
        record = json.loads(body)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def read(
    path: Path, disk: Disk = PLAIN, without: Collection[str] = frozenset()
) -> Iterator[Record]:
    """The good records of a journal file, oldest first. Raises `OSError`."""
    return decoded(disk.chunks(path), without)


def decoded(chunks: Iterator[bytes], without: Collection[str] = frozenset()) -> Iterator[Record]:
    """The good records of what a journal file holds; those of kinds in `without` are passed over
    unread, which saves nearly all of the time where they are ``features``."""
    unread = tuple(b'{"k":"%s"' % kind.encode() for kind in without)
    for line in lines(chunks):
        if unread and line[_BODY:].startswith(unread):
            continue
        record = record_of(line)
        if record is not None:
            yield record


class FileJournal:
    """A journal on disk. One writer at a time."""

    def __init__(self, path: Path, disk: Disk = PLAIN) -> None:
        """Open `path` for appending, creating it (0600); a torn tail is cut off first."""
        self.path = path
        self._disk = disk
        self._file = disk.go_on(path)
        self._torn = False

    def append(self, kind: str, /, **fields: Any) -> None:
        """Write one record. Raises `OSError` when the disk takes no more; later ones still may."""
        line = _encode(kind, fields)
        if self._torn:
            line = b"\n" + line
        self._torn = True
        self._file.append(line)
        self._torn = False

    def sync(self) -> None:
        self._file.sync()

    def records(self) -> Iterator[Record]:
        return read(self.path, self._disk)

    def close(self) -> None:
        """Force what was written to the disk and close. May take long, as `sync`."""
        self._file.close()


class MemoryJournal:
    """A journal that leaves no trace: for calls whose recording was refused."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque(maxlen=MEMORY_LIMIT)

    def append(self, kind: str, /, **fields: Any) -> None:
        self._records.append({"k": kind, **fields})

    def sync(self) -> None:
        """Nothing to force."""

    def records(self) -> Iterator[Record]:
        return iter(list(self._records))

    def close(self) -> None:
        self._records.clear()
