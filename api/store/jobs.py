"""Heavy work outside calls: a job's document is the truth about it, whatever queues may hold."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from api.store.documents import Code, Count, Document, Id, Moment, Part, Short

JobType = Literal["background_removal", "image_enhancement", "call_analysis"]
JobStatus = Literal["pending", "processing", "completed", "failed", "cancelled", "dead"]
OPEN: Final[tuple[JobStatus, ...]] = ("pending", "processing")
"""What a job may still leave; the others are the end of it."""
MAX_FILES = 100
Files = Annotated[tuple[Id, ...], Field(max_length=MAX_FILES)]
Percent = Annotated[int, Field(ge=0, le=100)]
Priority = Annotated[int, Field(ge=0, le=2)]
"""0 goes first."""


class JobError(Part):
    """What went wrong last: for programs, and in a sentence for people."""

    code: Code
    message: Short


class JobNote(Part):
    """Something to be said of the output of this number."""

    file: Count
    code: Code


class Job(Document):
    """`input_files` and `output_files` are ids of uploads; a call's analysis has put out a session.

    Whoever works on it holds a claim, `claim_id`, until `lease_until`, and renews it; when that is
    past, the worker is lost and somebody else may claim it. A change by whom lost the claim is
    stale. It becomes ``failed`` where its input cannot be used, ``dead`` where every attempt broke.
    """

    user_id: Id
    team_id: Id | None = None
    batch_id: Id | None = None
    """The batch that its photos are all of; None where there is none."""
    job_type: JobType
    input_files: Files
    output_files: Files = ()
    notes: Annotated[tuple[JobNote, ...], Field(max_length=MAX_FILES)] = ()
    settings: Annotated[dict[str, Any], Field(default_factory=dict, max_length=50)]
    priority: Priority = 1
    turn: Count = 0
    """How many open jobs its person had before it: whoever asks for much is not served first."""
    status: JobStatus = "pending"
    progress: Percent = 0
    stage: Code | None = None
    error: JobError | None = None
    attempts: Count = 0
    due_at: Moment
    """Not before it; later than now while a broken attempt is given time."""
    cancelled_by: Id | None = None
    """Who asked for it to be cancelled; its worker ends it soon."""
    node: Short | None = None
    claim_id: Id | None = None
    lease_until: Moment | None = None
    started_at: Moment | None = None
    completed_at: Moment | None = None
