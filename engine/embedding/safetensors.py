"""The tensors of a safetensors file, mapped and not copied.

The format (github.com/huggingface/safetensors): the length of the header (u64, little-endian), the
header as JSON (name to dtype, shape and the begin and end of its data), then the data.
"""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct("<Q")
MAX_HEADER_BYTES = 10_000_000


class BadTensors(ValueError):
    """The file is no safetensors file of the kind that is read here; the message says why."""


def read_floats(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 tensor of the file by name; the file stays mapped, read only.

    Raises `BadTensors`, and `OSError` where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (size,) = _LENGTH.unpack_from(data)
        if size > MAX_HEADER_BYTES:
            raise BadTensors(f"{path} claims a header of {size} bytes")
        begin = _LENGTH.size + size
        header = json.loads(data[_LENGTH.size : begin])
        header.pop("__metadata__", None)
        tensors: dict[str, NDArray[np.float32]] = {}
        for name, about in header.items():
            if about["dtype"] != "F32":
                continue
            first, last = about["data_offsets"]
            flat = np.frombuffer(data, "<f4", (last - first) // 4, begin + first)
            tensors[name] = flat.reshape(about["shape"])
        return tensors
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, BadTensors):
            raise
        raise BadTensors(f"{path} is no safetensors file, or cut short: {error}") from error
