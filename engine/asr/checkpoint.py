"""The weights inside a CTranslate2 model file, read without the library.

A file of binary version 6 (CTranslate2 3 and 4) is little-endian: version (u32), name of the
specification (a string: u16 length with its closing zero byte, bytes), its revision (u32), number
of variables (u32); for each its name, rank (u8), dimensions (u32 each), type (u8) and size in bytes
(u32) before its data; then the number of aliases (u32) and their pairs of names.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINARY_VERSION = 6
SPECIFICATION = "WhisperSpec"
MAX_VARIABLES = 10_000
_TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}


class BadCheckpoint(ValueError):
    """The file holds no Whisper model in the form that is read here; the message says why."""


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0

    def number(self, form: str) -> int:
        (value,) = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def text(self) -> str:
        size = self.number("H")
        raw = self._data[self._at : self._at + size - 1]
        self._at += size
        return raw.decode()

    def array(self) -> NDArray[Any]:
        shape = [self.number("I") for _ in range(self.number("B"))]
        dtype = np.dtype(_TYPES[self.number("B")])
        size = self.number("I")
        count = size // dtype.itemsize
        array = np.frombuffer(self._data, dtype, count, self._at).reshape(shape)
        self._at += size
        return array


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Every variable of the Whisper model at `path` by name, as stored; the file stays mapped.

    Raises `BadCheckpoint`, and `OSError` where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            reader = _Reader(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        version, name, _ = reader.number("I"), reader.text(), reader.number("I")
        if version != BINARY_VERSION or name != SPECIFICATION:
            raise BadCheckpoint(
                f"{path} holds {name!r} in binary version {version}; "
                f"{SPECIFICATION} in version {BINARY_VERSION} is read"
            )
        count = reader.number("I")
        if count > MAX_VARIABLES:
            raise BadCheckpoint(f"{path} claims {count} variables")
        return {reader.text(): reader.array() for _ in range(count)}
    except (struct.error, KeyError, ValueError, UnicodeDecodeError) as error:
        if isinstance(error, BadCheckpoint):
            raise
        raise BadCheckpoint(f"{path} is no CTranslate2 model, or cut short: {error}") from error
