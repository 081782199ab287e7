"""`/api/v1/teams` and `/api/v1/dealership`."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import (
    DealershipBody,
    DealershipView,
    IdPath,
    PageQuery,
    TeamBody,
    TeamList,
    TeamView,
    dealership_view,
    team_view,
)
from api.auth.roles import Owner
from api.endpoint import Answer, endpoint
from api.entity_tags import match, tagged
from api.identity import Identity, identity_of
from api.problems import Problem
from api.services import Services, services_of
from api.store.base import Duplicate
from api.store.documents import Dealership, Team


async def team(request: Request, params: IdPath) -> Owner | None:
    """Which one a path names: `team_of` has it afterwards."""
    identity = identity_of(request)
    found = await services_of(request).store.teams.get(identity.dealership_id, params.id)
    if found is None:
        return None
    request.state.team = found
    return Owner(found.dealership_id, None, frozenset({found.id}))


def team_of(request: Request) -> Team:
    found: Team = request.state.team
    return found


async def dealership(request: Request, params: None) -> Owner:
    return Owner(identity_of(request).dealership_id)


@endpoint("GET", "/teams", "team.list", query=PageQuery, answers={200: TeamList})
async def list_teams(request: Request, query: PageQuery) -> TeamList:
    """The teams of the dealership, by name."""
    teams = services_of(request).store.teams
    page = await teams.page(identity_of(request).dealership_id, query.offset, query.limit)
    return TeamList(items=[team_view(each) for each in page.items], total=page.total)


@endpoint(
    "POST",
    "/teams",
    "team.create",
    body=TeamBody,
    answers={201: TeamView},
    errors=[409, 503],
    once=True,
)
async def create_team(request: Request, body: TeamBody) -> Response:
    """Make a team."""
    identity, services = identity_of(request), services_of(request)
    await _check_managers(services, identity, body.manager_ids)
    managers = tuple(dict.fromkeys(body.manager_ids))
    made = Team.new(identity.dealership_id, services.now(), name=body.name, manager_ids=managers)
    try:
        await services.store.teams.add(identity.dealership_id, made)
    except Duplicate as error:
        raise _name_taken() from error
    await services.audit.allowed(identity, "team.create", "team", made.id)
    _look_anew(services, made.manager_ids)
    headers = {"Location": f"/api/v1/teams/{made.id}"}
    return tagged(team_view(made), made.version, 201, headers)


@endpoint("GET", "/teams/{id}", "team.read", owner=team, params=IdPath, answers={200: TeamView})
async def get_team(request: Request, params: IdPath) -> Response:
    """One team; who is in it: `GET /users?teamId=…`."""
    found = team_of(request)
    return tagged(team_view(found), found.version)


@endpoint(
    "PUT",
    "/teams/{id}",
    "team.update",
    owner=team,
    params=IdPath,
    body=TeamBody,
    answers={200: TeamView},
    errors=[409, 412, 428],
)
async def put_team(request: Request, params: IdPath, body: TeamBody) -> Response:
    """Change a team's name and managers."""
    identity, services, found = identity_of(request), services_of(request), team_of(request)
    match(request, found.version)
    managers = tuple(dict.fromkeys(body.manager_ids))
    if identity.role != "admin" and set(managers) != set(found.manager_ids):
        raise Problem(403, "Who manages a team is an admin's to say.", code="forbidden")
    await _check_managers(services, identity, managers)
    changed = found.changed(services.now(), name=body.name, manager_ids=managers)
    await services.audit.allowed(identity, "team.update", "team", found.id)
    try:
        await services.store.teams.save(identity.dealership_id, changed)
    except Duplicate as error:
        raise _name_taken() from error
    _look_anew(services, {*found.manager_ids, *managers})
    return tagged(team_view(changed), changed.version)


@endpoint(
    "DELETE",
    "/teams/{id}",
    "team.delete",
    owner=team,
    params=IdPath,
    answers={204: Answer("It is gone")},
    errors=[409, 503],
)
async def delete_team(request: Request, params: IdPath) -> Response:
    """Delete a team that nobody is in."""
    identity, services, found = identity_of(request), services_of(request), team_of(request)
    if await services.store.users.in_team(identity.dealership_id, found.id):
        detail = "There are still people in this team: put them into another one first."
        raise Problem(409, detail, code="not_empty")
    await services.audit.allowed(identity, "team.delete", "team", found.id)
    await services.store.teams.remove(identity.dealership_id, found.id)
    _look_anew(services, found.manager_ids)
    return Response(status_code=204)


@endpoint("GET", "/dealership", "dealership.read", owner=dealership, answers={200: DealershipView})
async def get_dealership(request: Request) -> Response:
    """The dealership, its rules, and how customers reach it."""
    found = await _dealership(request)
    return tagged(dealership_view(found), found.version)


@endpoint(
    "PUT",
    "/dealership",
    "dealership.update",
    owner=dealership,
    body=DealershipBody,
    answers={200: DealershipView},
    errors=[412, 428],
)
async def put_dealership(request: Request, body: DealershipBody) -> Response:
    """Change the dealership's name, language, rules, and how customers reach it."""
    identity, services = identity_of(request), services_of(request)
    found = await _dealership(request)
    match(request, found.version)
    changed = found.changed(
        services.now(),
        name=body.name,
        language=body.language,
        policy=body.stored(),
        contact=body.contact or found.contact,
    )
    await services.audit.allowed(identity, "dealership.update", "dealership", found.id)
    await services.store.dealerships.save(found.id, changed)
    return tagged(dealership_view(changed), changed.version)


async def _dealership(request: Request) -> Dealership:
    found = await services_of(request).store.dealerships.get(identity_of(request).dealership_id)
    if found is None:
        raise Problem(404, "This dealership was removed.")
    return found


async def _check_managers(
    services: Services, identity: Identity, manager_ids: Sequence[str]
) -> None:
    """Raises `Problem` (409) for who is not here, or sells cars and nothing else."""
    for user_id in manager_ids:
        user = await services.store.users.get(identity.dealership_id, user_id)
        if user is None or user.role == "salesperson":
            message = f"{user_id} is no manager, coach or admin of this dealership"
            errors = [{"field": "managerIds", "message": message}]
            raise Problem(409, f"managerIds: {message}.", errors=errors, code="no_manager")


def _look_anew(services: Services, user_ids: Sequence[str] | set[str]) -> None:
    for user_id in user_ids:
        services.sign_ins.forget(user_id)


def _name_taken() -> Problem:
    return Problem(409, "There is a team of this name already.", code="name_taken")


endpoints = [
    list_teams,
    create_team,
    get_team,
    put_team,
    delete_team,
    get_dealership,
    put_dealership,
]
