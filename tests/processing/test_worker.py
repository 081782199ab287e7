"""A worker does what it is told, whatever the work does; and takes what is its share."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from processing.process import MAX_SAID_BYTES, Broken, Limits, WorkerProcess
from processing.work import Made, Note, Refused

pytestmark = pytest.mark.slow


@pytest.fixture
async def worker() -> AsyncIterator[WorkerProcess]:
    worker = WorkerProcess()
    yield worker
    await worker.end()


class Told:
    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.some = asyncio.Event()

    def __call__(self, stage: str, percent: int) -> None:
        self.stages.append((stage, percent))
        self.some.set()


async def do(
    worker: WorkerProcess,
    name: str,
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    within_s: float = 60,
    told: Told | None = None,
) -> Made:
    outputs = folder / os.urandom(4).hex()
    outputs.mkdir()
    given = folder / "input"
    given.write_bytes(b"picture")
    work, tell = f"tests.processing.works:{name}", told or Told()
    return await worker.work(work, [given, given], outputs, settings or {}, tell, within_s)


async def test_a_worker_stays_warm_and_its_progress_is_heard_through_what_libraries_print(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    told = Told()
    made = await do(worker, "copy", tmp_path, told=told)
    assert [path.read_bytes() for path in made] == [b"picture", b"picture"]
    assert told.stages == [("copying", 0), ("copying", 50), ("writing", 99)]
    pid = worker.pid
    await do(worker, "copy", tmp_path)
    assert (worker.pid, worker.started) == (pid, 1)


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="Linux alone")
async def test_a_worker_comes_after_everything_else_on_the_machine(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    (told,) = await do(worker, "who", tmp_path)
    pid, nice, scheduler, session_nice, oom = map(int, told.read_text().split())
    assert (pid, nice, scheduler, oom) == (worker.pid, 19, os.SCHED_IDLE, 1000)
    # Else the kernel gives a worker's session as much as a node's, whatever the worker's own says.
    assert session_nice == 19


async def test_what_is_to_be_said_of_a_file_comes_with_it(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    made = await do(worker, "remark", tmp_path)
    assert len(made) == 2
    assert made.notes == (Note(1, "no_vehicle"),)


async def test_what_libraries_print_is_passed_on_up_to_a_limit(
    worker: WorkerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for lines in (100_000, 10):
        await do(worker, "chatter", tmp_path, {"lines": lines})
    await worker.end()
    said = capsys.readouterr()
    assert said.err.count("a pixel is odd") <= MAX_SAID_BYTES // 15 + 10
    assert said.err.count("a pixel is odd") >= MAX_SAID_BYTES // 15
    assert "job_worker_too_talkative" in said.out


async def test_a_refusal_costs_no_worker_and_is_told_as_it_is(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    with pytest.raises(Refused) as refused:
        await do(worker, "refuse", tmp_path)
    assert (refused.value.code, "no car" in refused.value.sentence) == ("no_car", True)
    await do(worker, "copy", tmp_path)
    assert worker.started == 1


@pytest.mark.parametrize(
    ("name", "settings", "code"),
    [
        ("fail", {}, "work_failed"),
        ("no_such_work", {}, "work_failed"),
        ("die", {}, "worker_lost"),
        ("stray", {}, "worker_lost"),
        ("grow", {"mib": 3000}, "out_of_memory"),
        ("fill", {"bytes": 2 * 2**20}, "work_failed"),
        ("child", {}, "too_slow"),
    ],
)
async def test_whatever_breaks_is_told_apart_and_the_next_job_has_a_new_worker(
    tmp_path: Path, name: str, settings: dict[str, Any], code: str
) -> None:
    worker = WorkerProcess(Limits(memory_bytes=2 * 2**30, file_bytes=2**20))
    try:
        await do(worker, "copy", tmp_path)
        group = worker.pid
        assert group is not None
        with pytest.raises(Broken) as broken:
            await do(worker, name, tmp_path, settings, 2 if code == "too_slow" else 60)
        assert broken.value.code == code
        assert "secret" not in broken.value.sentence
        with pytest.raises(ProcessLookupError):  # nor is a process left that it started
            await _gone(group)
        await do(worker, "copy", tmp_path)
        assert worker.started == 2
    finally:
        await worker.end()


async def _gone(group: int) -> None:
    for _ in range(100):
        os.killpg(group, 0)
        await asyncio.sleep(0.05)


async def test_a_worker_is_replaced_after_its_share_of_jobs_and_when_it_has_grown(
    tmp_path: Path,
) -> None:
    worker = WorkerProcess(Limits(recycle_jobs=2, recycle_bytes=300 * 2**20))
    try:
        for _ in range(4):
            await do(worker, "copy", tmp_path)
        assert worker.started == 2
        await do(worker, "grow", tmp_path, {"mib": 400})
        assert worker.pid is None
    finally:
        await worker.end()


async def test_who_gives_up_a_job_ends_its_worker_in_the_middle_of_it(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    told = Told()
    doing = asyncio.create_task(do(worker, "copy", tmp_path, {"for_s": 60}, told=told))
    await told.some.wait()
    pid = worker.pid
    assert pid is not None
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_worker_ends_with_its_node(tmp_path: Path) -> None:
    script = (
        "import asyncio\nfrom pathlib import Path\n"
        "from processing.process import WorkerProcess\n"
        "async def main():\n"
        "    worker = WorkerProcess()\n"
        f"    folder = Path({str(tmp_path)!r})\n"
        "    await worker.work('tests.processing.works:who', [], folder, {}, print, 60)\n"
        "    print('pid', worker.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    node = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert node.stdout is not None
        async with asyncio.timeout(60):
            while not (line := await node.stdout.readline()).startswith(b"pid "):
                assert line
        pid = int(line.split()[1])
        node.send_signal(signal.SIGKILL)
        await node.wait()
        with pytest.raises(ProcessLookupError):
            await _gone(pid)
    finally:
        with suppress(ProcessLookupError):
            node.kill()
