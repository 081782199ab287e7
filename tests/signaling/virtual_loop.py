"""An event loop whose clock jumps to the next timer: minutes of a call in milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is virtual; sockets and threads work, but nobody waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 1_000.0
        selector: Any = self._selector  # type: ignore[attr-defined]
        select = selector.select

        def jump(timeout: float | None = None) -> Any:
            if timeout is None:
                return select(None)
            self._now_s += max(0.0, timeout)
            return select(0)

        selector.select = jump

    def time(self) -> float:
        return self._now_s


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run `scenario` on virtual time; fail on any exception that nobody took."""
    faults: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        runner.run(scenario)
    assert faults == []
