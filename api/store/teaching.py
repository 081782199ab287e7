"""What teaching is kept in: own playbooks, managers' weekly mails, the figures of calls."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from api.store.documents import (
    Count,
    Document,
    Id,
    Moment,
    Number,
    Part,
    SessionMetrics,
    Short,
    Wrapped,
)
from engine.events import SessionState


class DomainWord(Part):
    """A word of the trade, and how it is spoken where its spelling does not say it."""

    term: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    spoken: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=80)], ...], Field(max_length=4)
    ] = ()


class PlaybookHead(Document):
    """A dealership's own playbook as lists show it; (`language`, `number`) is unique. One that was
    published never changes again, but for being retired."""

    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
    number: Number
    status: Literal["draft", "published", "retired"] = "draft"
    title: Short = ""
    digest: Short = ""
    """Of the playbook that the source makes; empty while it makes none."""
    author_id: Id
    remark: Short = ""
    published_at: Moment | None = None


class PlaybookVersion(PlaybookHead):
    """`source` is YAML as its author wrote it; a draft's may have faults."""

    source: Annotated[str, StringConstraints(max_length=256 * 1024)]
    domain_words: Annotated[tuple[DomainWord, ...], Field(max_length=500)] = ()


class WeeklyDigest(Document):
    """That a manager's mail about an ISO week goes out once: claimed by a node, then sent."""

    user_id: Id
    week: Annotated[str, StringConstraints(pattern=r"^\d{4}-W\d{2}$")]
    state: Literal["claimed", "sent", "failed"] = "claimed"
    claimed_at: Moment
    attempts: Count = 1
    sent_at: Moment | None = None


class CallFigures(Document):
    """What sums over many calls are made of: a call's numbers, without anything else of it."""

    model_config = ConfigDict(extra="ignore")

    user_id: Id
    team_id: Id | None = None
    status: SessionState
    start_time: Moment | None = None
    duration_ms: Count = 0
    assignment_id: Id | None = None
    metrics: SessionMetrics = SessionMetrics()
    feedback_counts: dict[str, int] = Field(default_factory=dict)
    data_key: Wrapped | None = None
