"""A manager's week: who practised, who improved, and a moment of each to play in a one-to-one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import structlog

from api.accounts.vault import Vault
from api.coaching.progress import PersonView, Progress, Report, Scope
from api.payloads import opened_field
from api.store.crypto import Damaged, WrongKey
from api.store.documents import TrainingSession
from api.store.store import Store
from api.store.teaching import CallFigures
from engine.events import Wire

log = structlog.get_logger(__name__)

WEEK = timedelta(days=7)
LEAST_CHANGE = 1.0
"""Points of the overall score that are told as better."""
PRAISES = ("followed", "steady_delivery")
"""Codes of `engine.feedback`'s praise."""
MAX_MOMENTS = 200
"""People of whose newest call one moment is looked up."""

MomentKind = Literal["praise", "strength", "work_on"]


class PractisedView(Wire):
    user_id: str
    name: str
    calls: int
    minutes: float


class IdleView(Wire):
    user_id: str
    name: str
    last_call_at: datetime | None


class ImprovedView(Wire):
    """`change`: points of the overall score, against the week before."""

    user_id: str
    name: str
    change: float
    overall: float


class MomentView(Wire):
    user_id: str
    name: str
    session_id: str
    at_ms: int
    kind: MomentKind
    message: str


class Week(NamedTuple):
    """An ISO week: ``2026-W47`` from Monday 0:00 UTC on."""

    name: str
    start: datetime
    end: datetime

    @classmethod
    def named(cls, name: str) -> Week:
        """Raises `ValueError`."""
        year, _, number = name.partition("-W")
        monday = datetime.fromisocalendar(int(year), int(number), 1).replace(tzinfo=UTC)
        return cls(name, monday, monday + WEEK)

    @classmethod
    def before(cls, now: datetime) -> Week:
        """The last whole one."""
        year, number, _ = (now.astimezone(UTC) - WEEK).isocalendar()
        return cls.named(f"{year:04}-W{number:02}")


class Digest(NamedTuple):
    practised: list[PractisedView]
    idle: list[IdleView]
    improved: list[ImprovedView]
    moments: list[MomentView]
    assignments_due: int


class Digests:
    def __init__(self, store: Store, progress: Progress, vault: Vault) -> None:
        self._store = store
        self._progress = progress
        self._vault = vault

    async def of(self, scope: Scope, week: Week, now: datetime) -> Digest:
        """Raises `Problem` (422) beyond `Progress`' limits, and `StoreError`."""
        report = await self._progress.of(scope, week.start, week.end, now)
        practised = [person for person in report.people if person.calls]
        return Digest(
            [
                PractisedView(
                    user_id=each.user_id, name=each.name, calls=each.calls, minutes=each.minutes
                )
                for each in practised
            ],
            [
                IdleView(user_id=each.user_id, name=each.name, last_call_at=each.last_call_at)
                for each in report.people
                if not each.calls
            ],
            _improved(practised),
            await self._moments(scope.dealership_id, practised[:MAX_MOMENTS], report),
            await self._progress.due(scope, report, week.end, week.end + WEEK),
        )

    async def _moments(
        self, dealership_id: str, people: Sequence[PersonView], report: Report
    ) -> list[MomentView]:
        found: list[MomentView] = []
        for person in people:
            call = _to_play(report.calls[person.user_id])
            if call is None:
                continue
            session = await self._store.sessions.get(dealership_id, call.id)
            told = None if session is None else await asyncio.to_thread(self._told, session)
            if told is not None:
                kind, at_ms, message = told
                found.append(
                    MomentView(
                        user_id=person.user_id,
                        name=person.name,
                        session_id=call.id,
                        at_ms=at_ms,
                        kind=kind,
                        message=message,
                    )
                )
        return found

    def _told(self, session: TrainingSession) -> tuple[MomentKind, int, str] | None:
        """The best moment of a call: its newest praise, its first strength, or what to work on."""
        try:
            key = self._vault.key_of(session)
            if key is None:
                return None
            feedback = opened_field(key, session, "feedback") or []
            summary = opened_field(key, session, "summary") or {}
        except (Damaged, WrongKey) as error:
            log.error("session_locked", session=session.id, error=str(error))
            return None
        return next(_moments_of(feedback, summary), None)


def _to_play(calls: Sequence[CallFigures]) -> CallFigures | None:
    """The newest with praise, or the newest of those whose words are kept."""
    kept = [call for call in calls if call.data_key is not None]
    praised = (call for call in kept if any(map(call.feedback_counts.get, PRAISES)))
    return next(praised, kept[0] if kept else None)


def _moments_of(
    feedback: Sequence[dict[str, Any]], summary: dict[str, Any]
) -> Iterator[tuple[MomentKind, int, str]]:
    for cue in reversed(feedback):
        if cue["type"] == "praise":
            yield "praise", max(int(cue["spanMs"][0]), 0), cue["message"]
    parts: tuple[tuple[MomentKind, str], ...] = (("strength", "strengths"), ("work_on", "workOn"))
    for kind, part in parts:
        for point in summary.get(part, ()):
            for start_ms, _ in point["moments"]:
                yield kind, max(int(start_ms), 0), point["message"]


def _improved(people: Sequence[PersonView]) -> list[ImprovedView]:
    """The most first."""
    found = [
        ImprovedView(user_id=each.user_id, name=each.name, change=each.change, overall=each.overall)
        for each in people
        if each.change is not None and each.overall is not None and each.change >= LEAST_CHANGE
    ]
    return sorted(found, key=lambda each: -each.change)
