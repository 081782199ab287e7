"""How a call's files are written and read: as they are, unless a node hands in another `Disk`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

BLOCK = 64 * 1024


class Unreadable(OSError):
    """A file whose bytes cannot be told: altered, or written by somebody else."""


class Appending(Protocol):
    """A file that is written. One writer at a time; `sync` may be called in another thread."""

    def append(self, data: bytes) -> None:
        """When this returns the operating system has `data`. Raises `OSError`, after which more may
        be appended; of the failed data some may be there, or none."""

    def sync(self) -> None:
        """Force what was written to the disk. May take long: call it in a thread."""

    def close(self) -> None:
        """As `sync`, then close. Does nothing a second time."""


class Disk(Protocol):
    """The files of one call. Everything may raise `OSError`, also as `Unreadable`."""

    def create(self, path: Path) -> Appending:
        """A new file (0600), which must not be there."""
        ...

    def go_on(self, path: Path) -> Appending:
        """A file of lines, new or gone on with: what a crash left of its last line does no harm to
        the next."""
        ...

    def chunks(self, path: Path) -> Iterator[bytes]:
        """What is in a file now, from its beginning on. Others may be writing it."""
        ...


class PlainFile:
    """Appends bytes as they are."""

    def __init__(self, path: Path, flags: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | flags, 0o600)
        self._dirty = False
        self._syncing = threading.Lock()

    def cut_torn_line(self, data: bytes) -> None:
        """`data` is the file's content."""
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            os.ftruncate(self._file, whole)

    def append(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]
        self._dirty = True

    def sync(self) -> None:
        with self._syncing:
            if self._dirty and self._file >= 0:
                self._dirty = False
                os.fsync(self._file)

    def close(self) -> None:
        with self._syncing:
            if self._file >= 0:
                os.fsync(self._file)
                os.close(self._file)
                self._file = -1


class PlainDisk:
    """Files as they are, for measurements and for calls of nobody."""

    def create(self, path: Path) -> PlainFile:
        return PlainFile(path, os.O_EXCL)

    def go_on(self, path: Path) -> PlainFile:
        file = PlainFile(path, 0)
        file.cut_torn_line(path.read_bytes())
        return file

    def chunks(self, path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                yield block


PLAIN: Disk = PlainDisk()


def lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Their lines, newlines included; the last may lack one."""
    rest: list[bytes] = []
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest.append(first)
        if not others:
            continue
        yield b"".join(rest) + b"\n"
        *whole, last = others
        for line in whole:
            yield line + b"\n"
        rest = [last]
    if tail := b"".join(rest):
        yield tail
