"""A ZIP archive that is made while it is sent: nothing of it touches the disk."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Any


class Pipe(io.RawIOBase):
    """Keeps what a ZipFile writes until it is taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def entry(name: str, at: datetime) -> zipfile.ZipInfo:
    """A file in it, of the time `at`, stored as it is."""
    return zipfile.ZipInfo(name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
