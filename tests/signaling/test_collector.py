"""The collector's schedule, on virtual time with real garbage."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from signaling.collector import FULL_EVERY_S, Collector
from tests.signaling.virtual_loop import run


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    gc.unfreeze()
    if enabled:
        gc.enable()


class Knot:
    """Holds itself: only the collector frees it."""

    def __init__(self) -> None:
        self.self = self


def test_young_garbage_is_gone_within_seconds_and_old_garbage_within_two_minutes() -> None:
    async def scenario() -> None:
        collector = Collector()
        collector.start()
        young = weakref.ref(Knot())
        await asyncio.sleep(2.5)
        assert young() is None
        knot = Knot()
        old = weakref.ref(knot)
        await asyncio.sleep(30)
        del knot
        await asyncio.sleep(2 * FULL_EVERY_S)
        assert old() is None
        counts = collector.pauses.counts
        assert counts[0] > 50
        assert 1 <= counts[2] <= 3
        await collector.stop()

    run(scenario())


def test_while_it_runs_python_collects_nothing_by_itself() -> None:
    async def scenario() -> None:
        collector = Collector()
        collector.start()
        knot = weakref.ref(Knot())
        for _ in range(20):
            [[] for _ in range(1_000)]
        litter = [[index] for index in range(5_000)]
        assert knot() is not None, litter[0]
        assert not gc.isenabled()
        await collector.stop()
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0

    run(scenario())


def test_a_full_collection_that_takes_long_is_repeated_less_often() -> None:
    async def scenario() -> None:
        collector = Collector()
        collector.start()
        collector._collect = lambda generation: (  # type: ignore[method-assign]
            counted.append(generation) or 0.3
        )
        await asyncio.sleep(FULL_EVERY_S + 590)
        await collector.stop()

    counted: list[int] = []
    run(scenario())
    assert counted.count(2) == 1
