"""The end of a node's audit chain in a file of its own: what the store has yet to take.

Every entry is written here, and forced to the disk, before it goes to the store. So nothing that
was acknowledged is lost while the store is away, and a chain that was cut off in the store shows.
A line is an entry with the HMAC before it, or how far the store has taken them. The file begins
anew, with its last entry, when the store has all and it has grown.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from api.store.documents import AuditEntry

NODE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
ANEW_BYTES: Final = 2**20
SUFFIX: Final = ".jsonl"

_MAX_BYTES = 64 * 2**20


class BadTail(Exception):
    """The node's own end of the chain cannot be used; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry, and the HMAC that its own covers."""

    previous: str
    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class Tail:
    """What the file says: its last links, and up to which number the store took them."""

    links: tuple[Link, ...] = ()
    stored: int = 0
    whole_bytes: int = field(default=0, compare=False)
    """Where the last whole line ends; behind it a crash left a part of one."""

    @property
    def entries(self) -> tuple[AuditEntry, ...]:
        return tuple(link.entry for link in self.links)


def path_of(folder: Path, node: str) -> Path:
    """Raises `ValueError` for a name that no file could have."""
    if NODE.fullmatch(node) is None:
        raise ValueError("a node's name is 1 to 64 of A-Z a-z 0-9 _ - and dots not in front")
    return folder / f"{node}{SUFFIX}"


def read(path: Path) -> Tail:
    """An empty one if there is no file. Raises `BadTail`."""
    try:
        raw = path.read_bytes() if path.stat().st_size <= _MAX_BYTES else None
    except FileNotFoundError:
        return Tail()
    except OSError as error:
        raise BadTail(f"{path} cannot be read: {error.strerror}.") from error
    if raw is None:
        raise BadTail(f"{path} is larger than {_MAX_BYTES} bytes: it is no node's audit tail.")
    whole, _, _ = raw.rpartition(b"\n")
    links: list[Link] = []
    stored = 0
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            found = json.loads(line)
            if "stored" in found:
                stored = int(found["stored"])
            else:
                entry = AuditEntry.model_validate_json(json.dumps(found["entry"]))
                links.append(Link(str(found["previous"]), entry))
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise BadTail(
                f"{path}, line {number} is damaged. Move the file away, keep it, and start again: "
                "the chain then goes on from what the store holds."
            ) from error
    return Tail(tuple(links), stored, len(whole) + 1 if whole else 0)


class TailFile:
    """The writing end: one process at a time. It waits for the disk: call it in a thread."""

    def __init__(self, path: Path) -> None:
        """Open, creating it (0600) and its folder. Raises `BadTail`."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        # The lock lies beside, for the file itself is replaced when it begins anew.
        self._lock = os.open(path.with_suffix(".lock"), flags, 0o600)
        self._file = -1
        self._busy = threading.Lock()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.found = read(path)
            self._file = os.open(path, flags, 0o600)
            self._end = self.found.whole_bytes
            os.ftruncate(self._file, self._end)
            os.fsync(self._file)
            _sync_folder(path)
        except BlockingIOError as error:
            self.close()
            raise BadTail(f"Another process writes {path}: a node's name is its own.") from error
        except BaseException:
            self.close()
            raise

    def append(self, links: Sequence[Link]) -> None:
        """On the disk when it returns. Raises `OSError`; then none of them is kept."""
        with self._opened():
            end = self._end
            try:
                self._write(b"".join(_line(link) for link in links))
                os.fsync(self._file)
            except OSError:
                self._end = end
                os.ftruncate(self._file, end)
                raise

    def mark(self, last: Link, waiting: Sequence[Link] = ()) -> None:
        """The store has all up to `last`, not `waiting`. The mark may be lost in a crash."""
        mark = json.dumps({"stored": last.entry.seq}).encode() + b"\n"
        if self._end + len(mark) > ANEW_BYTES:
            self.rewrite([last, *waiting], stored=last.entry.seq)
            return
        with self._opened():
            self._write(mark)

    def rewrite(self, links: Sequence[Link], *, stored: int) -> None:
        """Put these in place of all that was there, at once or not at all. Raises `OSError`."""
        lines = json.dumps({"stored": stored}).encode() + b"\n"
        lines += b"".join(_line(link) for link in links)
        beside = self.path.with_suffix(".new")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with self._opened():
            file = os.open(beside, flags, 0o600)
            try:
                with os.fdopen(os.dup(file), "wb") as opened:
                    opened.write(lines)
                os.fsync(file)
                beside.replace(self.path)
            except BaseException:
                os.close(file)
                raise
            os.close(self._file)
            self._file, self._end = file, len(lines)
            _sync_folder(self.path)

    def close(self) -> None:
        with self._busy:
            for file in (self._file, self._lock):
                if file >= 0:
                    os.close(file)
            self._file = self._lock = -1

    @contextmanager
    def _opened(self) -> Iterator[None]:
        """Alone. Raises `OSError` when it is closed: a thread may come late."""
        with self._busy:
            if self._file < 0:
                raise OSError(errno.EBADF, "it is closed")
            yield

    def _write(self, data: bytes) -> None:
        at = self._end
        self._end += len(data)
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, at)
            view, at = view[written:], at + written


def _line(link: Link) -> bytes:
    entry = link.entry.model_dump(mode="json", by_alias=True)
    return json.dumps({"previous": link.previous, "entry": entry}).encode() + b"\n"


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
