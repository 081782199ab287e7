"""The writing end of an encrypted file that grows (its format: `api.store.segments`)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections import deque
from pathlib import Path

from api.store.crypto import DataKey
from api.store.segments import (
    GROWING,
    HEADER_BYTES,
    OVERHEAD_BYTES,
    SEGMENT_BYTES,
    Finished,
    Segments,
    header_of,
    new_header,
    walk,
)


class GrowingFile:
    """Appends to an encrypted file. One writer at a time; any number of readers.

    What `append` took is in memory (at most 64 KiB) until `flush`, `sync` or a full segment hands
    it to the operating system; with ``through=True`` that is at once. From then on killing the
    process loses nothing; after `sync` a power cut does not either.

    When the disk takes no more, `append` and `flush` raise `OSError`. Then nothing of what that
    call brought is kept, what was taken before stays, and a later call may succeed.
    """

    def __init__(self, path: Path, key: DataKey, place: str) -> None:
        """Open `path`, creating it (0600), and go on behind its last whole segment.

        Raises `Finished`, `Damaged`, `WrongKey`, and `BlockingIOError` when another writes it.
        """
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.open(path, flags, 0o600)
        self._pending = bytearray()
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self._dirty = False
        self._is_ragged = False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._resume(key, place)
        except BaseException:
            os.close(self._file)
            self._file = -1
            raise

    def _resume(self, key: DataKey, place: str) -> None:
        header = header_of(self._file)
        self._end, self._index = HEADER_BYTES, 0
        if header is None:
            os.ftruncate(self._file, 0)
            header = new_header(key, GROWING)
            self._segments = Segments(key, place, header)
            self._write_at(header, 0)
            self._dirty = True
            return
        self._segments = Segments(key, place, header)
        if self._segments.layout != GROWING:
            raise Finished("This encrypted file was written whole: nothing can be appended.")
        newest = deque(walk(self._file), maxlen=1)
        if newest:
            found = newest[0]
            stored = os.pread(self._file, OVERHEAD_BYTES + found.length, found.at)
            if self._segments.open(found.index, stored)[1]:
                raise Finished("This encrypted file was finished: nothing can be appended.")
            self._end, self._index = found.at + len(stored), found.index + 1
        if os.fstat(self._file).st_size != self._end:
            os.ftruncate(self._file, self._end)
            self._dirty = True

    def append(self, data: bytes, *, through: bool = False) -> None:
        """Take `data`; with `through` the operating system has it when this returns."""
        with self._lock:
            self._check_open()
            if len(self._pending) + len(data) < SEGMENT_BYTES and not through:
                self._pending += data
                return
            taken = bytes(self._pending)
            end, index = self._end, self._index
            self._pending += data
            try:
                while len(self._pending) >= SEGMENT_BYTES:
                    self._write_segment(bytes(self._pending[:SEGMENT_BYTES]))
                    del self._pending[:SEGMENT_BYTES]
                if through:
                    self._flush()
            except OSError:
                self._pending[:] = taken
                self._end, self._index = end, index
                self._is_ragged = True
                with contextlib.suppress(OSError):  # else before the next write, or on closing
                    self._trim()
                raise

    def flush(self) -> None:
        """Hand what was taken to the operating system."""
        with self._lock:
            self._check_open()
            self._flush()

    def sync(self) -> None:
        """Force what was taken to the disk. May take long: call it in a thread.

        `append` does not wait for it.
        """
        with self._syncing:
            with self._lock:
                if self._file < 0:
                    return
                self._flush()
                is_dirty, self._dirty = self._dirty, False
            if is_dirty:
                self._fsync()

    def close(self, *, finish: bool = False) -> None:
        """Force everything to the disk and close; with `finish` nothing can be appended later."""
        with self._syncing, self._lock:
            if self._file < 0:
                return
            try:
                if finish:
                    self._write_segment(bytes(self._pending), last=True)
                    self._pending.clear()
                else:
                    self._flush()
                self._trim()
                os.fsync(self._file)
            finally:
                os.close(self._file)
                self._file = -1

    def _fsync(self) -> None:
        try:
            os.fsync(self._file)
        except OSError:
            self._dirty = True
            raise

    def _check_open(self) -> None:
        if self._file < 0:
            raise ValueError("this encrypted file is closed")

    def _flush(self) -> None:
        if self._pending:
            self._write_segment(bytes(self._pending))
            self._pending.clear()

    def _write_segment(self, plain: bytes, *, last: bool = False) -> None:
        segment = self._segments.seal(self._index, plain, last=last)
        self._trim()
        self._is_ragged = True
        self._write_at(segment, self._end)
        self._is_ragged = False
        self._end += len(segment)
        self._index += 1
        self._dirty = True

    def _trim(self) -> None:
        """Cut off what a write that failed left behind the last whole segment."""
        if self._is_ragged:
            os.ftruncate(self._file, self._end)
            self._is_ragged = False

    def _write_at(self, data: bytes, at: int) -> None:
        while data:
            written = os.pwrite(self._file, data, at)
            data, at = data[written:], at + written
