"""The tensors inside an ONNX file (its initializers), read without the `onnx` package.

ONNX is a protobuf message: ModelProto.graph (field 7), GraphProto.initializer (5), TensorProto
dims (1), data_type (2), name (8), raw_data (9); see onnx.proto of the ONNX standard.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MODEL_GRAPH, _GRAPH_INITIALIZER = 7, 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
_FLOAT = 1


def read_floats(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 initializer of the ONNX file at `path`, by name.

    Raises `ValueError` for what is no ONNX file.
    """
    tensors: dict[str, NDArray[np.float32]] = {}
    for field, graph in _fields(path.read_bytes()):
        if field != _MODEL_GRAPH or not isinstance(graph, bytes):
            continue
        for inner, tensor in _fields(graph):
            if inner == _GRAPH_INITIALIZER and isinstance(tensor, bytes):
                _take(tensor, tensors)
    if not tensors:
        raise ValueError(f"{path} is no ONNX file with weights inside")
    return tensors


def _take(tensor: bytes, into: dict[str, NDArray[np.float32]]) -> None:
    dims: list[int] = []
    name, kind, raw = "", 0, b""
    for field, value in _fields(tensor):
        if field == _DIMS:
            dims += _integers(value)
        elif field == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif field == _NAME and isinstance(value, bytes):
            name = value.decode()
        elif field == _RAW_DATA and isinstance(value, bytes):
            raw = value
    if kind == _FLOAT and raw:
        into[name] = np.frombuffer(raw, "<f4").reshape(dims)


def _integers(value: int | bytes) -> list[int]:
    """A repeated integer field: one of them, or all of them packed."""
    if isinstance(value, int):
        return [value]
    found: list[int] = []
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(number)
    return found


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a protobuf message: integers, or bytes of what has a length."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield field, value
            continue
        if wire == 2:
            size, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"protobuf wire type {wire} is not expected")
        if at + size > len(message):
            raise ValueError("the file ends in the middle of a field")
        yield field, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("the file ends in the middle of a number")
