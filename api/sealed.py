"""A live call's files, encrypted with its data key from the first byte on."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from api.store.crypto import Damaged, DataKey, WrongKey
from api.store.growing import GrowingFile
from api.store.segments import Finished, SegmentReader
from engine.disk import Unreadable

_WINDOW = 2**20
"""Plain text that is read and opened at once."""


class SealedFile:
    """Implements `engine.disk.Appending`: killing the process loses nothing that was appended."""

    def __init__(self, file: GrowingFile) -> None:
        self._file = file

    def append(self, data: bytes) -> None:
        self._file.append(data, through=True)

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._file.close()


class SealedDisk:
    """Implements `engine.disk.Disk` for the files of one call.

    A file is bound to ``dealership:session:name``, its name less the suffix, so that it may be
    renamed while it is copied (`signaling.recorder.broken_path`).
    """

    def __init__(self, key: DataKey, dealership_id: str, session_id: str) -> None:
        self._key = key
        self._call = f"{dealership_id}:{session_id}"

    def _place(self, path: Path) -> str:
        return f"{self._call}:{path.stem}"

    def create(self, path: Path) -> SealedFile:
        if path.exists():
            raise FileExistsError(17, "File exists", str(path))
        return SealedFile(self._open(path))

    def go_on(self, path: Path) -> SealedFile:
        file = self._open(path)
        with self.reading(path) as reader:
            is_torn = reader.size and reader.read(reader.size - 1, reader.size) != b"\n"
        if is_torn:
            file.append(b"\n", through=True)
        return SealedFile(file)

    def chunks(self, path: Path) -> Iterator[bytes]:
        with self.reading(path) as reader:
            yield from reader

    @contextmanager
    def reading(self, path: Path) -> Iterator[SegmentReader]:
        """What is in the file now. Raises `Unreadable`, and `OSError`."""
        try:
            with self.reader(path) as reader:
                yield reader
        except (Damaged, WrongKey) as error:
            raise Unreadable(str(error)) from error

    def reader(self, path: Path) -> SegmentReader:
        """What is in the file now, to be closed. Raises `Damaged`, `WrongKey` and `OSError`."""
        return SegmentReader(path, self._key, self._place(path))

    def _open(self, path: Path) -> GrowingFile:
        try:
            return GrowingFile(path, self._key, self._place(path))
        except (Damaged, Finished, WrongKey) as error:
            raise Unreadable(str(error)) from error


class GrowingText:
    """What there is now of a file that still grows, to be read in ranges like a blob.

    The file stays open for as long as this does, so that it may be put away meanwhile.
    """

    def __init__(self, disk: SealedDisk, path: Path) -> None:
        """Waits for the disk: use it in a thread. Raises `Unreadable`, and `OSError`."""
        try:
            self._reader = disk.reader(path)
        except (Damaged, WrongKey) as error:
            raise Unreadable(str(error)) from error
        weakref.finalize(self, self._reader.close)
        self.size = self._reader.size

    async def read(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Plain text ``[start, end)``, in parts of at most 1 MiB. Raises `OSError`."""
        end = self.size if end is None else end
        while start < end:
            until = min(start + _WINDOW, end)
            part = await asyncio.to_thread(self._part, start, until)
            if not part:
                return
            yield part
            start += len(part)

    def _part(self, start: int, end: int) -> bytes:
        try:
            return self._reader.read(start, end)
        except Damaged as error:
            raise Unreadable(str(error)) from error
