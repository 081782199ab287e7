"""What coaching is kept in: annotations of calls, scorecards, assignments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.store.documents import (
    Code,
    Count,
    Document,
    Id,
    Moment,
    Name,
    Part,
    Sealed,
    Short,
)
from engine.events import Score, SessionType

AnnotationKind = Literal["comment", "note", "stamp", "bookmark"]
Mark = Annotated[int, Field(ge=0, le=5)]
AssignmentStatus = Literal["open", "passed", "failed", "cancelled"]
MAX_MENTIONS = 10
MAX_CRITERIA = 20


class Annotation(Document):
    """Said of a moment, or span, of a call (session ms). `text` is sealed with the call's key.

    A comment with a `parent_id` answers that comment, which answers none itself. A comment without
    a text was removed and keeps its place for its answers; `author_id` is None once the person was
    erased.
    """

    session_id: Id
    author_id: Id | None
    kind: AnnotationKind
    at_ms: Count
    end_ms: Count | None = None
    parent_id: Id | None = None
    stamp: Name | None = None
    mentions: Annotated[tuple[Id, ...], Field(max_length=MAX_MENTIONS)] = ()
    text: Sealed | None = None


class JudgedCriterion(Part):
    """A criterion as it was when the scorecard was begun; None: not judged. `reason` is sealed with
    the call's key."""

    code: Code
    title: Short
    weight: Annotated[int, Field(ge=1, le=100)]
    score: Mark | None = None
    proposed: Mark | None = None
    reason: Sealed | None = None


class Scorecard(Document):
    """How a call was judged by the rubric, one for each call; `user_id` is the trainee's."""

    session_id: Id
    user_id: Id
    team_id: Id | None = None
    author_id: Id | None
    """Who changed it last; None once they were erased."""
    status: Literal["draft", "published"] = "draft"
    criteria: Annotated[tuple[JudgedCriterion, ...], Field(max_length=MAX_CRITERIA)]
    comment: Sealed | None = None
    total: Score | None = None
    published_at: Moment | None = None


class Assignment(Document):
    """What a person is to practise until `due_at`; those given at once share a `batch_id`.

    `attempts` and `best` are of the calls that were held for it (`api.coaching.attempts`).
    """

    user_id: Id
    team_id: Id | None = None
    author_id: Id | None
    batch_id: Id
    title: Short
    objection: Name | None = None
    session_type: SessionType
    due_at: Moment
    attempts_allowed: Annotated[int, Field(ge=1, le=50)] | None = None
    pass_mark: Score
    status: AssignmentStatus = "open"
    attempts: Count = 0
    best: Score | None = None
