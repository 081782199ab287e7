"""Training sessions: calls, and what was made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from api.store.base import MAX_MANY, Condition, Database, Query, at_least, below, equal, one_of
from api.store.documents import SessionHead, TrainingSession
from api.store.kinds import CALL_FIGURES, SESSIONS
from api.store.repositories.scoped import Now, Page, Scoped, among, given, utc_now
from api.store.teaching import CallFigures
from engine.events import SessionState, SessionType

Metric = Literal["confidence", "clarity", "pace", "volume"]
Fields = Mapping[str, object]
"""Of a document, by their Python names."""
SEALED = ("data_key", "transcript", "feedback", "summary", "recording", "journal", "timeline")
"""What a call's words are in, and what leads to them."""
FIGURES_AT_ONCE = 250
"""Some 5 ms of the media loop."""
UNFINISHED: tuple[SessionState, ...] = ("created", "active", "paused", "interrupted")


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Calls that meet all that is given. `user_ids`, `team_ids`, `assignment_ids`: one of them."""

    user_ids: Sequence[str] | None = None
    team_ids: Sequence[str] | None = None
    session_type: SessionType | None = None
    status: SessionState | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None
    feedback_code: str | None = None
    assignment_ids: Sequence[str] | None = None
    least: Mapping[Metric, int] = field(default_factory=dict)
    """Scores, 0-100."""

    def conditions(self) -> list[Condition]:
        where = [
            *among("userId", self.user_ids),
            *among("teamId", self.team_ids),
            *given("sessionType", self.session_type),
            *given("status", self.status),
            *among("assignmentId", self.assignment_ids),
        ]
        if self.started_from is not None:
            where.append(at_least("startTime", self.started_from))
        if self.started_before is not None:
            where.append(below("startTime", self.started_before))
        if self.feedback_code is not None:
            where.append(at_least(f"feedbackCounts.{self.feedback_code}", 1))
        where += [at_least(f"metrics.{metric}", score) for metric, score in self.least.items()]
        return where


class Sessions(Scoped[TrainingSession, SessionHead]):
    SORTS = tuple(
        sign + name
        for name in (
            "startTime",
            "createdAt",
            "durationMs",
            "metrics.confidence",
            "metrics.clarity",
            "metrics.pace",
            "metrics.volume",
        )
        for sign in ("", "-")
    )

    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, SESSIONS, now)
        self._figures = database.collection(CALL_FIGURES)

    async def add(self, dealership_id: str, session: TrainingSession) -> None:
        await self._add(dealership_id, session)

    async def get(self, dealership_id: str, session_id: str) -> TrainingSession | None:
        return await self._find(dealership_id, equal("id", session_id))

    async def save(self, dealership_id: str, changed: TrainingSession) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def page(
        self,
        dealership_id: str,
        only: SessionFilter | None = None,
        *,
        sort: str = "-createdAt",
        offset: int = 0,
        limit: int = 50,
    ) -> Page[SessionHead]:
        """Raises `ValueError` for a sort that is not one of `SORTS`."""
        if sort not in self.SORTS:
            raise ValueError(f"sessions cannot be sorted by {sort}")
        where = (only or SessionFilter()).conditions()
        return await self._page(dealership_id, where, [sort], offset, limit)

    async def of_user(self, dealership_id: str, user_id: str, after: str = "") -> list[SessionHead]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("userId", user_id))

    async def trend(self, dealership_id: str, user_id: str, limit: int = 100) -> list[SessionHead]:
        """A person's newest completed calls, the oldest of them first."""
        where = [equal("userId", user_id), equal("status", "completed")]
        newest = await self._list(dealership_id, where, ["-startTime"], limit=limit)
        return newest[::-1]

    async def figures(
        self, dealership_id: str, only: SessionFilter, most: int
    ) -> list[CallFigures]:
        """The newest first, `most` at most; `only` asks for no feedback and no scores.

        Read in small parts, between which calls go on.
        """
        where = [equal("dealershipId", dealership_id), *only.conditions()]
        found: list[CallFigures] = []
        while len(found) < most:
            limit = min(FIGURES_AT_ONCE, most - len(found))
            query = Query(where, ["-startTime"], offset=len(found), limit=limit)
            some = await self._figures.page(query)
            found += some
            if len(some) < limit:
                break
        return found

    async def created_before(
        self, dealership_id: str, before: datetime, limit: int = 100
    ) -> list[SessionHead]:
        """What retention may end, the oldest first."""
        where = [below("createdAt", before)]
        return await self._list(dealership_id, where, ["createdAt"], limit=limit)

    async def erase(self, dealership_id: str, session_id: str) -> bool:
        """Destroy the data key, with which every word of the call was sealed."""

        def forget(session: TrainingSession) -> TrainingSession:
            gone: dict[str, object] = dict.fromkeys(SEALED)
            gone |= {"recordings": {}, "feedback_count": 0, "feedback_counts": {}}
            return session.changed(self._now(), **gone)

        return await self._change(dealership_id, [equal("id", session_id)], forget) is not None

    async def change(
        self, dealership_id: str, session_id: str, change: Callable[[TrainingSession], Fields]
    ) -> TrainingSession | None:
        """Give it the fields that `change` makes of what is stored at that moment; None where it is
        not there, or `change` found nothing to do. Raises `Stale` after many attempts."""

        def made(session: TrainingSession) -> TrainingSession | None:
            fields = change(session)
            return session.changed(self._now(), **fields) if fields else None

        return await self._change(dealership_id, [equal("id", session_id)], made)

    async def remove(self, dealership_id: str, session_id: str) -> bool:
        return bool(await self._remove(dealership_id, equal("id", session_id)))

    async def of_job(self, dealership_id: str, job_id: str) -> list[SessionHead]:
        """What a job made of a recording."""
        return await self._list(dealership_id, [equal("jobId", job_id)], ["createdAt"])

    async def unfinished(self, node: str) -> list[SessionHead]:
        """Of a node that starts: what it was in the midst of, in all dealerships, oldest first."""
        return await self._all([equal("node", node), one_of("status", UNFINISHED)])

    async def unbegun(
        self, dealership_id: str, node: str, before: datetime, limit: int = 100
    ) -> list[SessionHead]:
        """What was created on `node` before then and never begun, the oldest first."""
        where = [equal("node", node), equal("status", "created"), below("createdAt", before)]
        return await self._list(dealership_id, where, ["createdAt"], limit=limit)

    async def _all(self, where: Sequence[Condition]) -> list[SessionHead]:
        found: list[SessionHead] = []
        while True:
            query = Query(where, ["createdAt"], offset=len(found), limit=MAX_MANY)
            some = await self._collection.page(query)
            found += some
            if len(some) < MAX_MANY:
                return found

    async def of_id(self, session_id: str) -> TrainingSession | None:
        """Of the operator, who names a call by its id alone; of any dealership."""
        return await self._collection.find([equal("id", session_id)])

    async def every(self, after: str = "", limit: int = MAX_MANY) -> list[TrainingSession]:
        """Of the operator, who wraps data keys anew; of all dealerships, by id."""
        return await self._collection.scan(after, limit)
