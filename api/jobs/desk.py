"""Where jobs are asked for, cancelled and tried again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from api.auth.roles import allows
from api.identity import Identity
from api.jobs.shelf import further
from api.jobs.views import RANKS, JobBody
from api.problems import Problem
from api.services import Services
from api.store.jobs import OPEN, Job
from api.store.uploads import Upload
from api.uploads import owner
from processing.queue import Queue

MAX_OPEN: Final = 200
"""Jobs of one person that wait or are worked on."""


class Desk:
    def __init__(self, services: Services, queue: Queue) -> None:
        self._services = services
        self._jobs = services.store.jobs
        self._queue = queue

    async def ask(self, by: Identity, body: JobBody) -> Job:
        """Raises `Problem`: 422 for a file that cannot be its input, 409 for the quota."""
        batches = {each.batch_id for each in await self._check(by, body.input_files)}
        await self._check(by, body.settings.options.further(), "settings.options")
        now = self._services.now()
        job = Job.new(
            by.dealership_id,
            now,
            user_id=by.user_id,
            team_id=min(by.team_ids, default=None),
            batch_id=batches.pop() if len(batches) == 1 else None,
            job_type=body.job_type,
            input_files=body.input_files,
            settings=body.settings.model_dump(mode="json", by_alias=True),
            priority=RANKS[body.priority],
            turn=await self._jobs.count_open(by.dealership_id, by.user_id),
            due_at=now,
        )
        await self._jobs.add(by.dealership_id, job)
        # Counted when it is there, so that no two pass for one place.
        if await self._jobs.count_open(by.dealership_id, by.user_id) > MAX_OPEN:
            await self._jobs.remove(by.dealership_id, job.id)
            raise _too_many()
        await self._queue.wake()
        return job

    async def cancel(self, by: Identity, job: Job) -> Job:
        """One that waits is cancelled at once, one under way within seconds. Raises `Problem`: 409
        where it is over."""
        await self._services.audit.allowed(by, "job.cancel", "job", job.id)

        def cancelled(found: Job) -> Job | None:
            now = self._services.now()
            if found.status == "pending":
                done = {"status": "cancelled", "error": None, "completed_at": now}
                return found.changed(now, cancelled_by=by.user_id, **done)
            if found.status == "processing":
                return found.changed(now, cancelled_by=by.user_id)
            return None

        changed = await self._jobs.change(job.dealership_id, job.id, cancelled)
        if changed is None:
            raise Problem(409, "This job is over already, so it cannot be cancelled.", code="over")
        return changed

    async def retry(self, by: Identity, job: Job) -> Job:
        """From the beginning, with all its attempts. Raises `Problem`: 409, 422 as `ask`."""
        if job.status in OPEN or job.status == "completed":
            detail = f"This job is {job.status}; only one that failed or was cancelled is retried."
            raise Problem(409, detail, code="not_over")
        await self._check(by, job.input_files)
        await self._check(by, further(job), "settings.options")
        turn = await self._jobs.count_open(job.dealership_id, job.user_id)
        if turn >= MAX_OPEN:
            raise _too_many()

        def again(found: Job) -> Job | None:
            if found.version != job.version:
                return None
            now = self._services.now()
            return found.changed(
                now,
                status="pending",
                attempts=0,
                progress=0,
                stage=None,
                error=None,
                turn=turn,
                due_at=now,
                cancelled_by=None,
                started_at=None,
                completed_at=None,
            )

        changed = await self._jobs.change(job.dealership_id, job.id, again)
        if changed is None:
            raise Problem(409, "This job changed just now; look at it again.", code="changed")
        await self._queue.wake()
        return changed

    async def _check(
        self, by: Identity, ids: Sequence[str], field: str = "inputFiles"
    ) -> list[Upload]:
        """All are photos that `by` may read, and returned. Raises `Problem`."""
        photos, errors = [], []
        for number, each in enumerate(ids):
            found = await self._services.store.uploads.get(by.dealership_id, each)
            if found is None or found.status != "ready" or not _may_read(by, found):
                errors.append((number, "There is no such upload, or it was removed."))
            elif not found.media_type.startswith("image/"):
                errors.append((number, "This is a recording; photos are needed."))
            else:
                photos.append(found)
        if errors:
            told = [{"field": f"{field}.{number}", "message": why} for number, why in errors]
            raise Problem(422, "Some files cannot be used for this job.", errors=told)
        return photos


def _may_read(by: Identity, upload: Upload) -> bool:
    return allows(by.role, "upload.read", actor=by.actor, owner=owner(upload))


def _too_many() -> Problem:
    detail = (
        f"You have {MAX_OPEN} jobs waiting, which is the most there can be: wait until some are "
        "done, or cancel some."
    )
    return Problem(409, detail, code="quota")
