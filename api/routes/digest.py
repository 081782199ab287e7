"""`/api/v1/digest`: a manager's week, as the Monday page shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request

from api.coaching.digest import (
    Digests,
    IdleView,
    ImprovedView,
    MomentView,
    PractisedView,
    Week,
)
from api.coaching.progress import Progress, Scope
from api.endpoint import endpoint
from api.identity import identity_of
from api.problems import Problem
from api.services import services_of
from engine.events import Wire

WeekName = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-W(0[1-9]|[1-4][0-9]|5[0-3])$")]


class DigestQuery(BaseModel):
    """An ISO week; by default the last whole one."""

    model_config = ConfigDict(extra="forbid")

    week: WeekName | None = None


class DigestView(Wire):
    """`moments`: one of each who practised, to play. `assignmentsDue`: how many open ones are due
    in the seven days after the week."""

    week: str
    since: Annotated[datetime, Field(alias="from")]
    before: Annotated[datetime, Field(alias="to")]
    practised: list[PractisedView]
    idle: list[IdleView]
    improved: list[ImprovedView]
    moments: list[MomentView]
    assignments_due: int


@endpoint(
    "GET", "/digest", "digest.read", query=DigestQuery, answers={200: DigestView}, errors=[404]
)
async def get_digest(request: Request, query: DigestQuery) -> DigestView:
    """Who of your teams practised in a week, who improved, and a moment of each."""
    services, identity = services_of(request), identity_of(request)
    try:
        week = Week.before(services.now()) if query.week is None else Week.named(query.week)
    except ValueError as error:
        raise Problem(404, f"There is no week {query.week}.") from error
    teams = None
    if identity.reach("digest.read") != "D":
        teams = tuple(sorted(identity.team_ids))
    scope = Scope(identity.dealership_id, teams)
    progress = Progress(services.store, services.profiles, services.store.assignments)
    digests = Digests(services.store, progress, services.vault)
    found = await digests.of(scope, week, services.now())
    return DigestView(week=week.name, since=week.start, before=week.end, **found._asdict())


endpoints = [get_digest]
