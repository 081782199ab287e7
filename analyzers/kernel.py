"""How the arithmetic is compiled: explicit signatures, without the GIL, cached on disk.

Importing a module with kernels compiles them, or loads them from the cache that `NUMBA_CACHE_DIR`
names (it must be set before the import; on a read-only install it must be set). A kernel may call
only kernels of its own module: numba's cache notices no change in another file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit, types

Function = TypeVar("Function", bound=Callable[..., Any])

I8: Any = types.int64
F8: Any = types.float64
B1: Any = types.boolean
PCM: Any = types.Array(types.int16, 1, "C", readonly=True)
"""int16 samples. Read-only, so that frames made from network bytes are accepted as they are."""
F8S: Any = types.Array(types.float64, 1, "C")
F4S: Any = types.Array(types.float32, 1, "C")
I8S: Any = types.Array(types.int64, 1, "C")


def kernel(returns: Any, *takes: Any) -> Callable[[Function], Function]:
    """Compile the decorated function now, for exactly these argument types."""

    def compiled(function: Function) -> Function:
        compiler = njit(returns(*takes), nogil=True, cache=True, error_model="numpy")
        return cast(Function, compiler(function))

    return compiled
