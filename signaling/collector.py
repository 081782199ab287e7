"""Python's cyclic garbage collector, run on a schedule instead of in the middle of a frame.

By default CPython collects after so many allocations, wherever the program is, and walks every
object each time the oldest generation is due: tens of milliseconds with some hundred calls. Here
what is alive at the start is frozen (never walked again), young garbage is collected often, which
is short, and the oldest generation so rarely that its pauses stay below `PAUSE_SHARE` of the time.
"""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass

YOUNG_EVERY_S = 1.0
MIDDLE_EVERY = 10
"""Every so many young collections the middle generation too."""
FULL_EVERY_S = 60.0
PAUSE_SHARE = 0.0005
"""A full collection that took 60 ms is followed by none for 2 minutes."""


@dataclass(slots=True)
class Pauses:
    """How often, and for how long at most, each generation's collection held the loop up."""

    counts: list[int]
    longest_ms: list[float]


class Collector:
    """Start it on the media loop once what a node needs is loaded; `stop` undoes everything."""

    def __init__(self) -> None:
        self.pauses = Pauses([0, 0, 0], [0.0, 0.0, 0.0])
        self._task: asyncio.Task[None] | None = None
        self._was_enabled = False

    def start(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.collect()
        gc.freeze()
        gc.disable()
        self._task = asyncio.create_task(self._collect_forever(), name="garbage-collector")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        gc.unfreeze()
        if self._was_enabled:
            gc.enable()

    async def _collect_forever(self) -> None:
        turn = 0
        now_s = asyncio.get_running_loop().time
        full_at_s = now_s() + FULL_EVERY_S
        while True:
            await asyncio.sleep(YOUNG_EVERY_S)
            turn += 1
            if now_s() >= full_at_s:
                pause_s = self._collect(2)
                full_at_s = now_s() + max(FULL_EVERY_S, pause_s / PAUSE_SHARE)
            else:
                self._collect(1 if turn % MIDDLE_EVERY == 0 else 0)

    def _collect(self, generation: int) -> float:
        """Collect up to `generation`; returns the seconds that took."""
        begun_s = time.perf_counter()
        gc.collect(generation)
        pause_s = time.perf_counter() - begun_s
        self.pauses.counts[generation] += 1
        longest_ms = self.pauses.longest_ms[generation]
        self.pauses.longest_ms[generation] = max(longest_ms, round(pause_s * 1000, 3))
        return pause_s
