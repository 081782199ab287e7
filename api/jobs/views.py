"""What routes take and tell of jobs."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationInfo, WrapValidator

from api.accounts.views import Id, PageQuery
from api.store.documents import Moment
from api.store.jobs import MAX_FILES, Job, JobStatus, JobType
from engine.events import Wire
from processing.photos import SETTINGS, Enhancement, Removal

PhotoJob = Literal["background_removal", "image_enhancement"]
PriorityName = Literal["high", "normal", "low"]
RANKS: dict[PriorityName, int] = {"high": 0, "normal": 1, "low": 2}
NOTES: Final = {
    "interior_shot": "This was taken for a vehicle's inside, so it was not cut out.",
    "detail_shot": "This was taken for a detail of a vehicle, so it was not cut out.",
    "no_vehicle": "No vehicle was found in this photo, so it was not cut out.",
}
"""By the codes of `processing.photos.WHOLE`."""
NAMES = {rank: name for name, rank in RANKS.items()}


def _of_type(given: object, _: object, info: ValidationInfo) -> object:
    """Settings by the job type before them, so that what is wrong is told of the right ones; of a
    wrong job type nothing is told but that."""
    kind = SETTINGS.get(info.data.get("job_type", ""))
    return given if kind is None else kind.model_validate(given)


class JobBody(Wire):
    """What is to be done with which uploads: photos, each of which becomes a result. `settings`
    are those of `job_type`."""

    model_config = ConfigDict(extra="forbid")

    job_type: PhotoJob
    input_files: Annotated[list[Id], Field(min_length=1, max_length=MAX_FILES)]
    settings: Annotated[Enhancement | Removal, WrapValidator(_of_type)] = Field(
        default_factory=dict, validate_default=True
    )
    priority: PriorityName = "normal"


class JobsQuery(PageQuery):
    status: JobStatus | None = None
    job_type: Annotated[JobType | None, Field(alias="jobType")] = None
    batch_id: Annotated[Id | None, Field(alias="batchId")] = None


class JobErrorView(Wire):
    code: str
    message: str


class JobNoteView(Wire):
    """What is to be said of the output of this number, from 0."""

    file: int
    code: str
    message: str


class JobView(Wire):
    """A job. `progress` is a percentage and `stage` what is done now; of `error` there may be one
    while it is ``pending``, too: then it is tried again at `dueAt`. ``dead``: every attempt broke;
    ``failed``: its files cannot be used. A ``call_analysis`` that is completed has made the session
    `sessionId`, and no files."""

    id: Id
    user_id: Id
    team_id: Id | None
    batch_id: Id | None
    job_type: JobType
    input_files: list[Id]
    output_files: list[Id]
    notes: list[JobNoteView]
    session_id: Id | None
    settings: dict[str, Any]
    priority: PriorityName
    status: JobStatus
    progress: int
    stage: str | None
    error: JobErrorView | None
    attempts: int
    created_at: Moment
    due_at: Moment
    started_at: Moment | None
    completed_at: Moment | None


class JobPage(Wire):
    """Some of `total` jobs."""

    items: list[JobView]
    total: int


def job_view(job: Job) -> JobView:
    told = {name: getattr(job, name, None) for name in JobView.model_fields}
    told["error"] = None if job.error is None else job.error.model_dump()
    told["priority"] = NAMES[job.priority]
    told["notes"] = [
        {"file": note.file, "code": note.code, "message": NOTES[note.code]} for note in job.notes
    ]
    if job.job_type == "call_analysis":
        told |= {"session_id": next(iter(job.output_files), None), "output_files": []}
    return JobView.model_validate(told)
