"""The lane: takes jobs that are due, has workers do them, and writes down what became of them.

The job's document is the truth. Whoever works on a job holds a claim on it and renews that; who has
lost it, by a crash or by being cut off, can change nothing any more, so that of two workers on one
job one publishes. A claim is an attempt. After the last one that broke the job is dead.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from api.jobs.scratch import emptied
from api.jobs.shelf import Shelf
from api.problems import Problem
from api.store.base import Full, StoreError, is_full
from api.store.jobs import Job, JobNote, JobType
from api.store.repositories.jobs import Jobs
from api.store.repositories.scoped import Now
from processing.process import Broken, Limits, WorkerProcess
from processing.queue import Queue
from processing.work import Refused

log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 3
BACK_OFF: Final = timedelta(seconds=5)
"""After the first attempt; four times that after the second."""
LEASE: Final = timedelta(seconds=30)
TICK_S: Final = 1.0
"""How often a worker's progress is written down, and a cancellation seen."""
SWEEP_S: Final = 5.0
"""How long a job waits at most where its wake was lost."""
AHEAD: Final = 8
"""Due jobs that are looked at, and wakes that are sent, at a time."""
SETTLE_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Labour:
    """The work of a job type, by import path, and how long it may take for each input: far longer
    than on an idle machine, as it waits for whatever else there is to do."""

    work: str
    within_s: float


WORKS: Final[Mapping[JobType, Labour]] = {
    "background_removal": Labour("processing.photos:work_removal", 1_800),
    "image_enhancement": Labour("processing.photos:work_enhancement", 900),
    "call_analysis": Labour("processing.recordings:work_analysis", 24 * 3600),
}
Verdict = Literal["cancelled", "lost"]


@dataclass(slots=True)
class _Progress:
    stage: str | None = None
    percent: int = 0
    kept: list[str] = field(default_factory=list)
    """What would be published."""
    notes: list[JobNote] = field(default_factory=list)
    """On that."""

    def tell(self, stage: str, percent: int) -> None:
        self.stage, self.percent = stage, percent


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works for a lane: how many workers, within which limits, at what, in which folder."""

    folder: Path
    slots: int = 1
    limits: Limits = field(default_factory=Limits)
    works: Mapping[JobType, Labour] = field(default_factory=lambda: WORKS)


class Lane:
    """Jobs of all dealerships, on the node called `node`."""

    def __init__(
        self,
        jobs: Jobs,
        shelves: Mapping[JobType, Shelf],
        queue: Queue,
        crew: Crew,
        node: str,
        now: Now,
    ) -> None:
        self._jobs = jobs
        self._shelves = shelves
        self.queue = queue
        self._crew = crew
        self._node = node
        self._now = now
        self._idle = [WorkerProcess(crew.limits) for _ in range(crew.slots)]
        self._under_way: set[asyncio.Task[None]] = set()
        self._looks: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    @property
    def busy(self) -> int:
        return len(self._under_way)

    async def start(self) -> None:
        """Take back what this node left when it crashed, then work; without slots it only wakes
        others. Raises `StoreError`."""
        if self._crew.slots == 0:
            waking = self.queue.run(None)
            self._tasks = [asyncio.create_task(waking, name="job-queue")]
            return
        await asyncio.to_thread(emptied, self._crew.folder)
        while held := await self._jobs.held_by(self._node):
            await self._take_back(held)
        self._tasks = [
            asyncio.create_task(self.queue.run(self.look, self._crew.slots), name="job-queue"),
            asyncio.create_task(self._sweep(), name="job-sweep"),
        ]

    async def stop(self) -> None:
        """Jobs under way are given back, as if they had not been begun."""
        self._is_stopping = True
        for task in (*self._under_way, *self._tasks):
            task.cancel()
        # Looks end by themselves, as there is nothing under way any more.
        ending = (*self._under_way, *self._looks, *self._tasks)
        await asyncio.gather(*ending, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._idle))
        await asyncio.to_thread(shutil.rmtree, self._crew.folder, ignore_errors=True)

    async def look(self) -> None:
        """Do what is due until nothing is, if a worker is free."""
        if not self._idle:
            return
        worker = self._idle.pop()
        try:
            while not self._is_stopping and (held := await self._claim()) is not None:
                attempt = asyncio.create_task(self._attempt(held, worker), name=f"job-{held.id}")
                self._under_way.add(attempt)
                attempt.add_done_callback(self._under_way.discard)
                await asyncio.wait([attempt])
                if not attempt.cancelled() and (error := attempt.exception()) is not None:
                    # Its claim runs out, and it is tried again.
                    log.error("job_left", job=held.id, exc_info=error)
        except StoreError as error:
            log.warning("jobs_postponed", error=str(error))
        finally:
            self._idle.append(worker)

    async def _claim(self) -> Job | None:
        for job in await self._jobs.due(self._now(), AHEAD):
            held = await self._jobs.claim(job, self._node, LEASE)
            if held is not None and self._is_stopping:
                await self._give_back(held)
                return None
            if held is not None:
                return held
        return None

    async def _attempt(self, held: Job, worker: WorkerProcess) -> None:
        """One attempt, and what becomes of it. Raises `StoreError`."""
        progress = _Progress()
        making = asyncio.create_task(self._make(held, worker, progress))
        watching = asyncio.create_task(self._watch(held, progress))
        try:
            await asyncio.wait({making, watching}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _ended(making, watching)
            await self._shelf(held).remove(held, progress.kept)
            await self._give_back(held)
            raise
        is_made = making.done()
        await _ended(making, watching)
        if is_made:
            await self._finish(held, making, progress)
            return
        await self._shelf(held).remove(held, progress.kept)
        if watching.result() == "cancelled":
            await self._settle(held, self._cancelled())

    async def _finish(self, held: Job, making: asyncio.Task[None], progress: _Progress) -> None:
        outcome = self._outcome(held, making, progress)
        await self._settle(held, outcome)
        if kept := outcome.get("output_files"):
            # Nothing is published by whom lost the claim, or of what was cancelled meanwhile.
            found = await self._jobs.get(held.dealership_id, held.id)
            published = () if found is None else found.output_files
            await self._shelf(held).remove(held, set(kept) - set(published))
            if found is not None and set(kept) <= set(published):
                await self._shelf(held).published(found)

    async def _make(self, held: Job, worker: WorkerProcess, progress: _Progress) -> None:
        """What was kept of it is in `progress`."""
        shelf = self._shelf(held)
        await shelf.clear(held)
        assert held.claim_id is not None
        folder = self._crew.folder / held.claim_id
        labour = self._crew.works[held.job_type]
        within_s = labour.within_s * max(1, len(held.input_files))
        try:
            inputs, outputs = folder / "in", folder / "out"
            for each in (folder, inputs, outputs):
                await asyncio.to_thread(each.mkdir, 0o700)
            paths = await shelf.fetch(held, inputs)
            settings, tell = await shelf.settings(held), progress.tell
            made = await worker.work(labour.work, paths, outputs, settings, tell, within_s)
            progress.kept = await shelf.keep(held, made)
            progress.notes = [JobNote(**note._asdict()) for note in made.notes]
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _shelf(self, job: Job) -> Shelf:
        return self._shelves[job.job_type]

    async def _watch(self, held: Job, progress: _Progress) -> Verdict:
        """Write progress down and renew the claim, until the job is nobody's to go on with."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                found = await self._jobs.get(held.dealership_id, held.id)
                if not _holds(held, found):
                    return "lost"
                assert found is not None
                if found.cancelled_by is not None:
                    return "cancelled"
                now = self._now()
                told = {"stage": progress.stage, "progress": progress.percent}
                is_news = (found.stage, found.progress) != (progress.stage, progress.percent)
                if is_news or found.lease_until is None or found.lease_until < now + LEASE / 2:
                    renewed = found.changed(now, lease_until=now + LEASE, **told)
                    await self._jobs.save(held.dealership_id, renewed)
            except StoreError as error:
                # Also where somebody changed it in between: there is a next tick.
                log.info("job_progress_untold", job=held.id, error=type(error).__name__)

    def _outcome(
        self, held: Job, making: asyncio.Task[None], progress: _Progress
    ) -> dict[str, Any]:
        """The fields that tell what became of an attempt."""
        try:
            making.result()
        except Refused as refused:
            error = _error(refused.code, refused.sentence)
            return {"status": "failed", "error": error, "completed_at": self._now()}
        except Broken as broken:
            return self._broken(held, broken.code, broken.sentence)
        except (OSError, Problem, StoreError) as error:
            log.warning("job_storage_failed", job=held.id, error=type(error).__name__)
            if isinstance(error, Full) or is_full(error):
                return self._broken(held, "disk_full", "The server's disk is full.")
            return self._broken(held, "storage", "Its files could not be read or written.")
        except Exception:
            log.exception("job_broke", job=held.id)
            return self._broken(held, "work_failed", "The node could not do it.")
        done = {"status": "completed", "progress": 100, "stage": None, "error": None}
        made = {"output_files": progress.kept, "notes": progress.notes}
        return done | made | {"completed_at": self._now()}

    def _broken(self, held: Job, code: str, sentence: str) -> dict[str, Any]:
        now = self._now()
        log.warning("job_attempt_broke", job=held.id, attempt=held.attempts, code=code)
        if held.attempts >= MAX_ATTEMPTS:
            sentence = f"{sentence} It was tried {held.attempts} times."
            return {"status": "dead", "error": _error(code, sentence), "completed_at": now}
        wait = BACK_OFF * 4 ** (held.attempts - 1)
        return {"status": "pending", "error": _error(code, sentence), "due_at": now + wait}

    def _cancelled(self) -> dict[str, Any]:
        return {"status": "cancelled", "error": None, "completed_at": self._now()}

    async def _settle(self, held: Job, fields: Mapping[str, Any]) -> None:
        """Write down what became of a job, unless its claim was lost. A cancellation that came
        before wins. Raises `StoreError` where the store stays away."""

        def settled(found: Job) -> Job | None:
            if not _holds(held, found):
                return None
            free = {"claim_id": None, "lease_until": None, "node": None}
            wins = self._cancelled() if found.cancelled_by is not None else fields
            return found.changed(self._now(), **(free | dict(wins)))

        for attempt in range(SETTLE_TRIES):
            try:
                await self._jobs.change(held.dealership_id, held.id, settled)
            except StoreError:
                if attempt == SETTLE_TRIES - 1:
                    raise
                await asyncio.sleep(2**attempt)
            else:
                return

    async def _give_back(self, held: Job) -> None:
        """The node stops in the middle: that is not the job's fault."""
        fields = {"status": "pending", "attempts": held.attempts - 1, "due_at": self._now()}
        try:
            await self._settle(held, fields | {"progress": 0, "stage": None})
        except StoreError as error:
            log.warning("job_left", job=held.id, error=str(error))

    async def _take_back(self, lost: Sequence[Job]) -> None:
        for job in lost:
            await self._settle(job, self._broken(job, "worker_lost", "The worker was lost."))

    async def _sweep(self) -> None:
        while True:
            try:
                await self._take_back(await self._jobs.lapsed(self._now()))
                for _ in await self._jobs.due(self._now(), AHEAD):
                    if not await self.queue.wake():
                        # Without Redis work goes on, if with a delay.
                        self._look_unasked()
                        break
            except StoreError as error:
                log.warning("job_sweep_postponed", error=str(error))
            except Exception:
                # A defect in one round must not end all later ones.
                log.exception("job_sweep_failed")
            await asyncio.sleep(SWEEP_S)

    def _look_unasked(self) -> None:
        for _ in self._idle:
            look = asyncio.create_task(self.look(), name="job-look")
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)


def _holds(held: Job, found: Job | None) -> bool:
    return found is not None and found.status == "processing" and found.claim_id == held.claim_id


def _error(code: str, sentence: str) -> dict[str, str]:
    return {"code": code, "message": sentence[:200]}


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
