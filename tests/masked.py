"""A disk on which no file holds what was written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from engine.disk import PLAIN, Appending, PlainFile


class MaskedDisk:
    """Implements `engine.disk.Disk`: every byte is stored inverted."""

    def create(self, path: Path) -> Appending:
        return Masked(PLAIN.create(path))

    def go_on(self, path: Path) -> Appending:
        held = b"".join(self.chunks(path)) if path.exists() else b"\n"
        file = Masked(PlainFile(path, 0))
        if not held.endswith(b"\n"):
            file.append(b"\n")
        return file

    def chunks(self, path: Path) -> Iterator[bytes]:
        for chunk in PLAIN.chunks(path):
            yield mask(chunk)


class Masked:
    def __init__(self, file: Appending) -> None:
        self._file = file
        self.sync, self.close = file.sync, file.close

    def append(self, data: bytes) -> None:
        self._file.append(mask(data))


def mask(data: bytes) -> bytes:
    return data.translate(bytes(range(255, -1, -1)))
