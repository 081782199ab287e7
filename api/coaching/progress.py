"""How people come on: calls, minutes and scores of a period, against those of as long before it.

A call counts when it is over and lasted `COUNTS_MS`. A person's scores are means over calls; a
call's overall score is the mean of those it has.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from api.accounts.profile import Profiles
from api.problems import Problem
from api.store.base import MAX_MANY
from api.store.documents import User
from api.store.repositories.sessions import SessionFilter
from api.store.store import Store
from api.store.teaching import CallFigures
from engine.events import Wire

COUNTS_MS = 30_000
MAX_CALLS = 20_000
"""Of both periods together."""
MAX_PEOPLE = 1_000
MAX_ASSIGNMENTS = 5_000
SCORES = ("confidence", "clarity", "pace", "volume")


class ScoresView(Wire):
    confidence: float | None
    clarity: float | None
    pace: float | None
    volume: float | None


class BeforeView(Wire):
    overall: float | None
    calls: int


class AssignmentsView(Wire):
    """Given before the period's end, and due in it or later, or open still; `overdue` are among
    the open ones."""

    open: int = 0
    passed: int = 0
    failed: int = 0
    overdue: int = 0


class PersonView(Wire):
    """`change`: of the overall score, against `before`."""

    user_id: str
    name: str
    team_ids: list[str]
    calls: int
    minutes: float
    scores: ScoresView
    overall: float | None
    before: BeforeView
    change: float | None
    assignments: AssignmentsView
    last_call_at: datetime | None


class TeamTotal(Wire):
    """Of all `people` together, of whom `practised` so many."""

    calls: int
    minutes: float
    practised: int
    people: int
    scores: ScoresView
    overall: float | None
    change: float | None


class Given(Protocol):
    """An assignment as far as it is counted."""

    @property
    def user_id(self) -> str: ...

    @property
    def status(self) -> str:
        """open, passed, failed or cancelled."""
        ...

    @property
    def due_at(self) -> datetime: ...


class Assignments(Protocol):
    """Where assignments are kept."""

    async def of_period(
        self, dealership_id: str, start: datetime, end: datetime, most: int
    ) -> Sequence[Given]:
        """Those given before `end` that are due at `start` or later, or are open still."""
        ...


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose progress: everybody's of the dealership, of some teams, or one person's of those."""

    dealership_id: str
    team_ids: tuple[str, ...] | None = None
    user_id: str | None = None

    def filter(self, start: datetime | None, end: datetime) -> SessionFilter:
        return SessionFilter(
            user_ids=None if self.user_id is None else [self.user_id],
            team_ids=self.team_ids,
            status="completed",
            started_from=start,
            started_before=end,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """`people` by name; `calls` of the period by person, the newest first."""

    start: datetime
    end: datetime
    people: list[PersonView]
    team: TeamTotal
    calls: dict[str, list[CallFigures]] = field(repr=False)


class Progress:
    """`assignments` are counted where they are kept."""

    def __init__(
        self, store: Store, profiles: Profiles, assignments: Assignments | None = None
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._assignments = assignments

    async def of(self, scope: Scope, start: datetime, end: datetime, now: datetime) -> Report:
        """Salespeople, and whoever else has calls. Raises `Problem` (422) beyond the limits, and
        `StoreError`."""
        people = await self._people(scope)
        since = start - (end - start)
        only = scope.filter(since, end)
        found = await self._store.sessions.figures(scope.dealership_id, only, MAX_CALLS + 1)
        if len(found) > MAX_CALLS:
            detail = f"There are more than {MAX_CALLS} calls: choose a shorter period or a team."
            raise Problem(422, detail, code="too_many")
        recent, before = _divided(found, start)
        shown = [
            user
            for user in people
            if user.role == "salesperson" or user.id in recent or user.id in before
        ]
        last = {each.user_id: each.start_time for each in reversed(found)}
        missing = [user.id for user in shown if user.id not in last]
        last |= await self._last_calls(scope, missing, since)
        given = await self._given(scope, {user.id for user in shown}, start, end)
        due = _counted(given, now)
        views = [
            _person(user, self._profiles.name(user), recent, before, last.get(user.id), due)
            for user in shown
        ]
        views.sort(key=lambda view: (view.name.casefold(), view.user_id))
        ids = {user.id for user in shown}
        return Report(start, end, views, _total(views, recent, before, ids), recent)

    async def due(self, scope: Scope, report: Report, start: datetime, end: datetime) -> int:
        """How many open assignments of the report's people are due from `start` to `end`."""
        given = await self._given(scope, {person.user_id for person in report.people}, start, end)
        return sum(each.status == "open" and start <= each.due_at < end for each in given)

    async def _given(
        self, scope: Scope, user_ids: set[str], start: datetime, end: datetime
    ) -> list[Given]:
        if self._assignments is None or not user_ids:
            return []
        found = await self._assignments.of_period(
            scope.dealership_id, start, end, MAX_ASSIGNMENTS + 1
        )
        if len(found) > MAX_ASSIGNMENTS:
            detail = f"There are more than {MAX_ASSIGNMENTS} assignments: choose a shorter period."
            raise Problem(422, detail, code="too_many")
        return [each for each in found if each.user_id in user_ids]

    async def _people(self, scope: Scope) -> list[User]:
        """Those of the scope who can sign in."""
        if scope.team_ids == ():
            return []
        if scope.user_id is not None:
            user = await self._store.users.get(scope.dealership_id, scope.user_id)
            teams = scope.team_ids
            is_in = user is not None and (teams is None or set(teams) & set(user.team_ids))
            return [user] if user is not None and is_in else []
        found: list[User] = []
        while True:
            page = await self._store.users.page(
                scope.dealership_id,
                status="active",
                team_ids=scope.team_ids,
                offset=len(found),
                limit=MAX_MANY,
            )
            found += page.items
            if page.total > MAX_PEOPLE:
                detail = f"There are more than {MAX_PEOPLE} people: choose a team."
                raise Problem(422, detail, code="too_many")
            if len(page.items) < MAX_MANY:
                return found

    async def _last_calls(
        self, scope: Scope, user_ids: Sequence[str], before: datetime
    ) -> dict[str, datetime | None]:
        """Of those who had none since: when the one before was. Few have long been away, so that
        mostly one question answers for all."""
        found: dict[str, datetime | None] = {}
        left = list(user_ids)
        while left:
            only = SessionFilter(
                user_ids=left,
                team_ids=scope.team_ids,
                status="completed",
                started_before=before,
            )
            some = await self._store.sessions.figures(scope.dealership_id, only, MAX_MANY)
            if not some:
                break
            found |= {each.user_id: each.start_time for each in reversed(some)}
            left = [user_id for user_id in left if user_id not in found]
        return found


@dataclass(slots=True)
class _Sum:
    """Adds up calls."""

    calls: int = 0
    duration_ms: int = 0
    totals: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, call: CallFigures) -> None:
        self.calls += 1
        self.duration_ms += call.duration_ms
        scores = {
            name: score for name in SCORES if (score := getattr(call.metrics, name)) is not None
        }
        if scores:
            scores["overall"] = sum(scores.values()) / len(scores)
        for name, score in scores.items():
            self.totals[name] += score
            self.counts[name] += 1

    def mean(self, name: str) -> float | None:
        count = self.counts[name]
        return round(self.totals[name] / count, 1) if count else None

    @property
    def minutes(self) -> float:
        return round(self.duration_ms / 60_000, 1)


def overall(call: CallFigures) -> float | None:
    """A call's score: the mean of those it has."""
    one = _Sum()
    one.add(call)
    return one.mean("overall")


Calls = dict[str, list[CallFigures]]


def _divided(found: Iterable[CallFigures], start: datetime) -> tuple[Calls, Calls]:
    """Calls that count, by person: since `start`, and before."""
    now: Calls = defaultdict(list)
    before: Calls = defaultdict(list)
    for call in found:
        if call.duration_ms >= COUNTS_MS and call.start_time is not None:
            (now if call.start_time >= start else before)[call.user_id].append(call)
    return dict(now), dict(before)


def _sum(calls: Iterable[CallFigures]) -> _Sum:
    total = _Sum()
    for call in calls:
        total.add(call)
    return total


def _change(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else round(now - before, 1)


def _person(
    user: User,
    name: str,
    now: Calls,
    before: Calls,
    last_call_at: datetime | None,
    due: Mapping[str, Counter[str]],
) -> PersonView:
    this, that = _sum(now.get(user.id, ())), _sum(before.get(user.id, ()))
    return PersonView(
        user_id=user.id,
        name=name,
        team_ids=list(user.team_ids),
        calls=this.calls,
        minutes=this.minutes,
        scores=ScoresView(**{score: this.mean(score) for score in SCORES}),
        overall=this.mean("overall"),
        before=BeforeView(overall=that.mean("overall"), calls=that.calls),
        change=_change(this.mean("overall"), that.mean("overall")),
        assignments=AssignmentsView(**dict(due.get(user.id, Counter()))),
        last_call_at=last_call_at,
    )


def _counted(given: Iterable[Given], now: datetime) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for each in given:
        if each.status in AssignmentsView.model_fields:
            counts[each.user_id][each.status] += 1
        if each.status == "open" and each.due_at < now:
            counts[each.user_id]["overdue"] += 1
    return dict(counts)


def _total(views: Sequence[PersonView], now: Calls, before: Calls, ids: set[str]) -> TeamTotal:
    this = _sum(call for user_id, calls in now.items() if user_id in ids for call in calls)
    that = _sum(call for user_id, calls in before.items() if user_id in ids for call in calls)
    return TeamTotal(
        calls=this.calls,
        minutes=this.minutes,
        practised=sum(view.calls > 0 for view in views),
        people=len(views),
        scores=ScoresView(**{score: this.mean(score) for score in SCORES}),
        overall=this.mean("overall"),
        change=_change(this.mean("overall"), that.mean("overall")),
    )
