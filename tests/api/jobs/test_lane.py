"""What the lane makes of jobs: once each, whatever happens to workers and claims."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from api.ids import new_id
from api.jobs import lane as lanes
from api.jobs.lane import LEASE, MAX_ATTEMPTS
from api.jobs.views import job_view
from tests.api.jobs.yard import DEALER, Yard, opened, working

pytestmark = pytest.mark.slow


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    async with opened(tmp_path) as yard:
        yield yard


async def test_a_job_is_done_and_its_results_lie_beside_its_photos(yard: Yard) -> None:
    job = await yard.job(inputs=3)
    async with working(yard.lane()):
        done = await yard.until_is(job, "completed")
    assert (done.progress, done.stage, done.error, done.attempts) == (100, None, None, 1)
    assert (done.claim_id, done.lease_until) == (None, None)
    assert done.completed_at is not None
    assert sorted(done.output_files) == await yard.results(job)
    for given, made in zip(done.input_files, done.output_files, strict=True):
        source = await yard.store.uploads.get(DEALER, given)
        result = await yard.store.uploads.get(DEALER, made)
        assert source is not None
        assert result is not None
        assert (result.kind, result.job_id, result.sha256) == ("result", job.id, source.sha256)
        assert yard.uploading.name_of(result) == "car.png"
    assert not (yard.folder / "work-here").exists()


async def test_what_is_to_be_said_of_a_result_is_written_down(yard: Yard) -> None:
    job = await yard.job(inputs=2)
    async with working(yard.lane("remark")):
        done = await yard.until_is(job, "completed")
    assert [(note.file, note.code) for note in done.notes] == [(1, "no_vehicle")]
    (told,) = job_view(done).notes
    assert told.message == "No vehicle was found in this photo, so it was not cut out."


async def test_progress_is_written_down_while_it_goes_on(yard: Yard) -> None:
    job = await yard.job(inputs=2, settings={"for_s": 2.5})
    async with working(yard.lane()):
        found = await yard.until(job, lambda job: job.progress == 50)
        assert (found.status, found.stage) == ("processing", "copying")
        await yard.until_is(job, "completed")


async def test_what_cannot_be_used_fails_at_once_with_a_sentence(yard: Yard) -> None:
    job = await yard.job()
    async with working(yard.lane("refuse")):
        failed = await yard.until_is(job, "failed")
    assert failed.error is not None
    assert (failed.error.code, failed.attempts) == ("no_car", 1)
    assert failed.error.message == "There is no car in this photo; send another."


async def test_a_photo_that_was_removed_meanwhile_fails_the_job(yard: Yard) -> None:
    job = await yard.job()
    source = await yard.store.uploads.get(DEALER, job.input_files[0])
    assert source is not None
    await yard.uploading.remove(source)
    async with working(yard.lane()):
        failed = await yard.until_is(job, "failed")
    assert failed.error is not None
    assert failed.error.code == "input_gone"


@pytest.mark.parametrize(("work", "code"), [("fail", "work_failed"), ("die", "worker_lost")])
async def test_a_poison_job_is_dead_after_three_attempts_and_the_lane_goes_on(
    yard: Yard, work: str, code: str
) -> None:
    poison = await yard.job()
    lane = yard.lane(work)
    async with working(lane):
        for attempt in range(1, MAX_ATTEMPTS):
            waits = await yard.until(
                poison, lambda job, n=attempt: (job.status, job.attempts) == ("pending", n)
            )
            assert waits.error is not None
            assert waits.error.code == code
            assert waits.due_at > yard.clock()
            yard.clock.ahead += timedelta(minutes=5)
            await lane.queue.wake()
        dead = await yard.until_is(poison, "dead")
    assert dead.attempts == MAX_ATTEMPTS
    assert dead.error is not None
    assert "3 times" in dead.error.message
    assert await yard.results(poison) == []
    healthy = await yard.job()
    async with working(yard.lane()):
        await yard.until_is(healthy, "completed")
    assert (await yard.now(poison)).status == "dead"


async def test_a_job_that_hangs_is_ended(yard: Yard) -> None:
    job = await yard.job()
    async with working(yard.lane("child", within_s=2)):
        waits = await yard.until(job, lambda job: job.error is not None)
    assert waits.error is not None
    assert waits.error.code == "too_slow"


async def test_a_job_under_way_is_cancelled_and_publishes_nothing(yard: Yard) -> None:
    job = await yard.job(settings={"for_s": 60})
    after = await yard.job(turn=1)
    async with working(yard.lane()):
        await yard.until_is(job, "processing")
        found = await yard.now(job)
        asked = await yard.store.jobs.change(
            DEALER, found.id, lambda job: job.changed(yard.clock(), cancelled_by=new_id())
        )
        assert asked is not None
        await yard.until_is(job, "cancelled")
        await yard.until_is(after, "completed")
    assert await yard.results(job) == []


async def test_what_was_under_way_when_the_node_stops_is_given_back_unharmed(yard: Yard) -> None:
    job = await yard.job(settings={"for_s": 60})
    async with working(yard.lane()):
        await yard.until_is(job, "processing")
    found = await yard.now(job)
    assert (found.status, found.attempts, found.claim_id) == ("pending", 0, None)


async def test_what_a_crashed_node_held_is_taken_back_when_it_starts(yard: Yard) -> None:
    job = await yard.job()
    held = await yard.store.jobs.claim(job, "here", LEASE)
    assert held is not None
    cancelled = await yard.job()
    other = await yard.store.jobs.claim(cancelled, "here", LEASE)
    assert other is not None
    await yard.store.jobs.save(DEALER, other.changed(yard.clock(), cancelled_by=new_id()))
    left = yard.folder / "work-here" / "photo in the clear"
    left.parent.mkdir()
    left.touch()
    lane = yard.lane()
    await lane.start()
    assert not left.exists()
    found = await yard.now(job)
    assert (found.status, found.attempts) == ("pending", 1)
    assert found.error is not None
    assert found.error.code == "worker_lost"
    assert (await yard.now(cancelled)).status == "cancelled"
    yard.clock.ahead += timedelta(minutes=1)
    await yard.until_is(job, "completed")
    await lane.stop()


async def test_who_lost_the_claim_publishes_nothing(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One node is cut off (it cannot renew), another does the job meanwhile."""
    job = await yard.job(settings={"for_s": 4})
    cut_off = yard.lane(node="cut-off")
    async with working(cut_off):
        await yard.until_is(job, "processing")
        monkeypatch.setattr(lanes, "TICK_S", 600)
        yard.clock.ahead += 2 * LEASE
        async with working(yard.lane(node="other")) as other:
            await yard.until(job, lambda job: job.error is not None)
            yard.clock.ahead += timedelta(minutes=1)
            await other.queue.wake()
            await yard.until(job, lambda job: job.node == "other", 20)
            done = await yard.until_is(job, "completed")
            while cut_off.busy:
                await asyncio.sleep(0.1)
    assert done.attempts == 2
    assert sorted((await yard.now(job)).output_files) == await yard.results(job)
    assert len(await yard.results(job)) == 1


async def test_what_an_attempt_kept_before_it_was_lost_is_no_result(yard: Yard) -> None:
    job = await yard.job()
    source = await yard.store.uploads.get(DEALER, job.input_files[0])
    assert source is not None
    opened_blob = await yard.uploading.open(source)
    await yard.uploading.keep_result(source, job.id, "x.png", "image/png", opened_blob.read())
    async with working(yard.lane()):
        done = await yard.until_is(job, "completed")
    assert await yard.results(job) == list(done.output_files)


async def test_no_job_is_lost_or_done_twice_when_workers_are_killed(yard: Yard) -> None:
    jobs = [await yard.job(turn=number) for number in range(20)]
    lane = yard.lane(slots=2)
    async with working(lane):
        for _ in range(3):
            await asyncio.sleep(0.7)
            for worker in _workers():
                os.kill(worker, signal.SIGKILL)
        yard.clock.ahead += timedelta(minutes=5)
        done = [await yard.until_is(job, "completed") for job in jobs]
    for job in done:
        assert await yard.results(job) == list(job.output_files)
        assert len(job.output_files) == 1


def _workers() -> list[int]:
    """Workers that this process started."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    lines = [(int(pid), Path(f"/proc/{pid}/cmdline").read_bytes()) for pid in children]
    return [pid for pid, line in lines if b"processing.worker" in line]
