"""Freed memory goes back to the system instead of staying with the C library (glibc).

A call holds a ring of 1 MB among thousands of small objects. glibc raises the size from which it
maps a block of its own (M_MMAP_THRESHOLD) to the largest such block freed so far; from the second
call on rings would then lie on the heap, where one small object above them keeps them: 300 calls
left 80 MB behind of which 3 were in use. Setting the thresholds keeps them where they are
(mallopt(3)). In the recognizer's process that would cost time, as its tensors would be mapped anew
for each window; there what lies free is given back now and then (malloc_trim(3)).
"""

from __future__ import annotations

import ctypes
from typing import Any

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 256 * 1024


def _libc(name: str) -> Any:
    """A function of the C library that returns an int; None where it has none of that name."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, TypeError, OSError):
        # musl, macOS; Windows does not open itself by None: TypeError.
        return None
    function.restype = ctypes.c_int
    return function


def return_large_blocks() -> bool:
    """From now on blocks of `LARGE_BYTES` and more are mapped alone and unmapped when freed.

    False where the C library has no `mallopt` or refuses: nothing changes.
    """
    mallopt = _libc("mallopt")
    if mallopt is None:
        return False
    mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    return bool(mallopt(M_MMAP_THRESHOLD, LARGE_BYTES) and mallopt(M_TRIM_THRESHOLD, LARGE_BYTES))


def give_back() -> bool:
    """Give free memory back now; takes about a millisecond. Whether there was any, or a way to."""
    trim = _libc("malloc_trim")
    if trim is None:
        return False
    trim.argtypes = [ctypes.c_size_t]
    return bool(trim(0))
