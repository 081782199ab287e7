"""C libraries that PyAV's wheel brings along."""

from __future__ import annotations

import ctypes
import ctypes.util
from pathlib import Path

import av


def load(name: str) -> ctypes.CDLL | None:
    """`lib{name}` from PyAV's wheel, else the system's; None where neither has it."""
    bundled = sorted(Path(av.__file__).parent.parent.glob(f"av.libs/lib{name}*.so*"))
    path = str(bundled[0]) if bundled else ctypes.util.find_library(name)
    return None if path is None else ctypes.CDLL(path)
