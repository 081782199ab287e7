"""`/api/v1/progress`: how people come on, as JSON and for spreadsheets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import Id
from api.coaching.progress import SCORES, PersonView, Progress, Report, Scope, TeamTotal
from api.coaching.sheet import Cell, sheet
from api.endpoint import Answer, endpoint
from api.identity import Identity, identity_of
from api.services import services_of
from api.times import Time
from engine.catalogue import catalogue
from engine.events import Wire

USUAL = timedelta(days=28)
MAX_TEAMS = 500
LONGEST = timedelta(days=366)
EARLIEST = datetime(2001, 1, 1, tzinfo=UTC)
COLUMNS = (
    "name",
    "teams",
    "calls",
    "minutes",
    *SCORES,
    "overall",
    "overall_before",
    "change",
    "open",
    "passed",
    "failed",
    "overdue",
    "last_call",
)


class ProgressQuery(BaseModel):
    """By default the last 28 days. Of more than 366 days the last 366 are told."""

    model_config = ConfigDict(extra="forbid")

    team_id: Annotated[Id | None, Field(alias="teamId")] = None
    user_id: Annotated[Id | None, Field(alias="userId")] = None
    since: Annotated[Time | None, Field(alias="from")] = None
    before: Annotated[Time | None, Field(alias="to")] = None

    def period(self, now: datetime) -> tuple[datetime, datetime]:
        """The times in either order; nothing is told of the future."""
        end = now if self.before is None else self.before
        start = end - USUAL if self.since is None and end > EARLIEST else self.since or end
        start, end = sorted((start, end))
        end = min(max(end, EARLIEST), now)
        return max(min(start, end), EARLIEST, end - LONGEST), end


class ProgressView(Wire):
    """`from` and `to` are what the numbers are of."""

    since: Annotated[datetime, Field(alias="from")]
    before: Annotated[datetime, Field(alias="to")]
    people: list[PersonView]
    team: TeamTotal


def scope_of(identity: Identity, action: str, query: ProgressQuery) -> Scope:
    """What is asked for, as far as whoever asks may see it."""
    teams: tuple[str, ...] | None = None if query.team_id is None else (query.team_id,)
    reach, user_id = identity.reach(action), query.user_id
    if reach == "T":
        wanted = identity.team_ids if teams is None else identity.team_ids & set(teams)
        teams = tuple(sorted(wanted))
    elif reach != "D":
        if user_id not in (None, identity.user_id):
            teams = ()
        user_id = identity.user_id
    return Scope(identity.dealership_id, teams, user_id)


async def _report(request: Request, query: ProgressQuery) -> Report:
    services, identity = services_of(request), identity_of(request)
    start, end = query.period(services.now())
    progress = Progress(services.store, services.profiles, services.store.assignments)
    scope = scope_of(identity, "progress.read", query)
    return await progress.of(scope, start, end, services.now())


@endpoint("GET", "/progress", "progress.read", query=ProgressQuery, answers={200: ProgressView})
async def get_progress(request: Request, query: ProgressQuery) -> ProgressView:
    """Calls, minutes and scores of each person you may see, against those of as long before.

    A call counts when it is over and lasted 30 seconds.
    """
    report = await _report(request, query)
    return ProgressView(
        since=report.start, before=report.end, people=report.people, team=report.team
    )


@endpoint(
    "GET",
    "/progress.csv",
    "progress.read",
    query=ProgressQuery,
    answers={200: Answer("A table, in your language", media_type="text/csv")},
)
async def get_progress_csv(request: Request, query: ProgressQuery) -> Response:
    """The same as a table for spreadsheets."""
    services, identity = services_of(request), identity_of(request)
    report = await _report(request, query)
    reader = await services.store.users.get(identity.dealership_id, identity.user_id)
    texts = catalogue("en" if reader is None else reader.preferences.language)
    teams = await services.store.teams.page(identity.dealership_id, 0, MAX_TEAMS)
    names = {team.id: team.name for team in teams.items}
    header = [texts.text(f"sheet.{column}") for column in COLUMNS]
    content = sheet(header, (_row(person, names) for person in report.people))
    name = f"progress-{report.start:%Y-%m-%d}-{report.end:%Y-%m-%d}.csv"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return Response(content, 200, headers, media_type="text/csv")


def _row(person: PersonView, teams: dict[str, str]) -> list[Cell]:
    known = [teams[team_id] for team_id in person.team_ids if team_id in teams]
    due = person.assignments
    last = person.last_call_at
    return [
        person.name,
        ", ".join(sorted(known)),
        person.calls,
        person.minutes,
        *(getattr(person.scores, score) for score in SCORES),
        person.overall,
        person.before.overall,
        person.change,
        due.open,
        due.passed,
        due.failed,
        due.overdue,
        None if last is None else last.strftime("%Y-%m-%d %H:%M"),
    ]


endpoints = [get_progress, get_progress_csv]
