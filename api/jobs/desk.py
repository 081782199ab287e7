"""Where jobs are asked for, cancelled and tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request

from api.auth.roles import Owner, allows
from api.identity import Identity
from api.jobs.calls import CallBody, CallKind, CallSettings
from api.jobs.shelf import further
from api.jobs.views import RANKS, JobBody
from api.problems import Problem
from api.services import Services
from api.store.documents import moment
from api.store.jobs import OPEN, Job, JobType
from api.store.uploads import Upload
from engine.events import Wire
from processing.queue import Queue

MAX_OPEN: Final = 200
"""Jobs of one person that wait or are worked on."""


PICTURE, RECORDING = "image/", "audio/"
WRONG: Final = {
    PICTURE: "This is a recording; photos are needed.",
    RECORDING: "This is a photo; a recording is needed.",
}
OLDEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""No call is said to be older."""


class Desk:
    def __init__(self, services: Services, queue: Queue) -> None:
        self._services = services
        self._jobs = services.store.jobs
        self._queue = queue

    async def ask(self, by: Identity, body: JobBody) -> Job:
        """Have something done with photos. Raises `Problem`: 422 for a file that cannot be its
        input, 409 for the quota."""
        batches = {each.batch_id for each in await self._check(by, body.input_files)}
        await self._check(by, body.settings.options.further(), "settings.options")
        return await self._put_in(
            by,
            body.job_type,
            body.input_files,
            body.settings,
            batch_id=batches.pop() if len(batches) == 1 else None,
            priority=RANKS[body.priority],
        )

    async def ask_call(self, by: Identity, body: CallBody) -> Job:
        """Make a session of a recording. Raises `Problem`: 422 for what cannot be one, 409 for the
        quota."""
        await self._check(by, [body.upload_id], "uploadId", RECORDING)
        user_id, team_ids = await self._trainee(by, body.user_id)
        now = self._services.now()
        if body.started_at is not None and not OLDEST <= body.started_at <= now:
            why = f"Give a time between {OLDEST.year} and now."
            raise _unfit("A call was held in the past.", "startedAt", why)
        settings = CallSettings(
            **body.model_dump(include=set(CallKind.model_fields)),
            user_id=user_id,
            team_id=min(team_ids, default=None),
            started_at=moment(body.started_at or now),
            attested_by=by.user_id,
            attested_at=moment(now),
            text_version=body.consent.text_version,
        )
        await self._services.audit.allowed(by, "session.upload", "upload", body.upload_id)
        return await self._put_in(by, "call_analysis", [body.upload_id], settings)

    async def _trainee(self, by: Identity, user_id: str | None) -> tuple[str, frozenset[str]]:
        """Whose call it is to be, and their teams. Raises `Problem`."""
        if user_id is None or user_id == by.user_id:
            return by.user_id, by.team_ids
        user = await self._services.store.users.get(by.dealership_id, user_id)
        if user is not None and user.status == "active":
            teams = frozenset(user.team_ids)
            theirs = Owner(by.dealership_id, user.id, teams)
            if allows(by.role, "session.upload", actor=by.actor, owner=theirs):
                return user.id, teams
        why = "There is nobody with this id for whom you may upload calls."
        raise _unfit("This call cannot be that person's.", "userId", why)

    async def _put_in(
        self,
        by: Identity,
        job_type: JobType,
        input_files: Sequence[str],
        settings: Wire,
        **fields: object,
    ) -> Job:
        """A new job. Raises `Problem`: 409 for the quota."""
        now = self._services.now()
        job = Job.new(
            by.dealership_id,
            now,
            user_id=by.user_id,
            team_id=min(by.team_ids, default=None),
            job_type=job_type,
            input_files=input_files,
            settings=settings.model_dump(mode="json", by_alias=True),
            turn=await self._jobs.count_open(by.dealership_id, by.user_id),
            due_at=now,
            **fields,
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
        changed = await self._jobs.cancel(job.dealership_id, job.id, by.user_id)
        if changed is None:
            raise Problem(409, "This job is over already, so it cannot be cancelled.", code="over")
        return changed

    async def retry(self, by: Identity, job: Job) -> Job:
        """From the beginning, with all its attempts. Raises `Problem`: 409, 422 as `ask`."""
        if job.status in OPEN or job.status == "completed":
            detail = f"This job is {job.status}; only one that failed or was cancelled is retried."
            raise Problem(409, detail, code="not_over")
        media = RECORDING if job.job_type == "call_analysis" else PICTURE
        await self._check(by, job.input_files, media=media)
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
                notes=(),
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
        self,
        by: Identity,
        ids: Sequence[str],
        field: str = "inputFiles",
        media: str = PICTURE,
    ) -> list[Upload]:
        """All are of `media` and `by` may read them; they are returned. Raises `Problem`."""
        right, errors = [], []
        for number, each in enumerate(ids):
            found = await self._services.store.uploads.get(by.dealership_id, each)
            if found is None or found.status != "ready" or not _may_read(by, found):
                errors.append((number, "There is no such upload, or it was removed."))
            elif not found.media_type.startswith(media):
                errors.append((number, WRONG[media]))
            else:
                right.append(found)
        if errors:
            told = [{"field": f"{field}.{number}", "message": why} for number, why in errors]
            raise Problem(422, "Some files cannot be used for this job.", errors=told)
        return right


def desk_of(request: Request) -> Desk:
    """Of the node that serves `request`."""
    desk: Desk = request.app.state.desk
    return desk


def _may_read(by: Identity, upload: Upload) -> bool:
    return allows(by.role, "upload.read", actor=by.actor, owner=Owner.of(upload))


def _unfit(detail: str, field: str, why: str) -> Problem:
    return Problem(422, detail, errors=[{"field": field, "message": why}])


def _too_many() -> Problem:
    detail = (
        f"You have {MAX_OPEN} jobs waiting, which is the most there can be: wait until some are "
        "done, or cancel some."
    )
    return Problem(409, detail, code="quota")
