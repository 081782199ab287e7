"""`/api/v1/users`: the people of a dealership."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.accounts import export
from api.accounts.profile import Profile
from api.accounts.views import (
    FamilyPath,
    IdPath,
    Invitation,
    PreferencesBody,
    RoleBody,
    SignInEntry,
    SignInList,
    StatusBody,
    TeamsBody,
    UserList,
    UsersQuery,
    UserView,
    user_view,
)
from api.auth import refresh
from api.auth.roles import Owner
from api.bus import bus_of
from api.endpoint import Answer, endpoint
from api.entity_tags import match, tagged
from api.identity import identity_of
from api.jobs import own as jobs
from api.services import services_of
from api.store.documents import User
from engine.events import Scores, SessionType, Wire


async def person(request: Request, params: IdPath) -> Owner | None:
    """Who a path names: `person_of` has them afterwards."""
    identity = identity_of(request)
    user = await services_of(request).store.users.get(identity.dealership_id, params.id)
    if user is None:
        return None
    request.state.person = user
    return Owner(user.dealership_id, user.id, frozenset(user.team_ids))


def person_of(request: Request) -> User:
    user: User = request.state.person
    return user


def _shown(request: Request, user: User, status: int = 200) -> Response:
    view = user_view(user, services_of(request).profiles)
    headers = {"Location": f"/api/v1/users/{user.id}"} if status == 201 else {}
    return tagged(view, user.version, status, headers)


@endpoint("GET", "/users", "user.list", query=UsersQuery, answers={200: UserList})
async def list_users(request: Request, query: UsersQuery) -> UserList:
    """The people whom you may see: all of the dealership, or those of your teams."""
    identity, services = identity_of(request), services_of(request)
    teams = None if query.team_id is None else [query.team_id]
    if identity.reach("user.list") == "T":
        teams = sorted(identity.team_ids if teams is None else identity.team_ids & set(teams))
    page = await services.store.users.page(
        identity.dealership_id,
        role=query.role,
        status=query.status,
        team_ids=teams,
        sort=query.sort,
        offset=query.offset,
        limit=query.limit,
    )
    items = [user_view(user, services.profiles) for user in page.items]
    return UserList(items=items, total=page.total)


@endpoint(
    "POST",
    "/users",
    "user.invite",
    body=Invitation,
    answers={201: UserView},
    errors=[409, 503],
    once=True,
)
async def invite(request: Request, body: Invitation) -> Response:
    """Invite somebody: they are mailed a link to choose a password."""
    people = services_of(request).people
    by = identity_of(request)
    user = await people.invite(by, body.email, body.role, body.team_ids, body.language)
    return _shown(request, user, 201)


@endpoint("GET", "/users/{id}", "user.read", owner=person, params=IdPath, answers={200: UserView})
async def get_user(request: Request, params: IdPath) -> Response:
    """One person."""
    return _shown(request, person_of(request))


@endpoint(
    "PUT",
    "/users/{id}/profile",
    "user.update",
    owner=person,
    params=IdPath,
    body=Profile,
    answers={200: UserView},
    errors=[409, 412, 428],
)
async def put_profile(request: Request, params: IdPath, body: Profile) -> Response:
    """Change what somebody is called, and their phone."""
    user = person_of(request)
    match(request, user.version)
    people = services_of(request).people
    return _shown(request, await people.set_profile(identity_of(request), user, body))


@endpoint(
    "PUT",
    "/users/{id}/role",
    "user.change_role",
    owner=person,
    params=IdPath,
    body=RoleBody,
    answers={200: UserView},
    errors=[409, 412, 428],
)
async def put_role(request: Request, params: IdPath, body: RoleBody) -> Response:
    """Give somebody another role."""
    user = person_of(request)
    match(request, user.version)
    people = services_of(request).people
    return _shown(request, await people.change_role(identity_of(request), user, body.role))


@endpoint(
    "PUT",
    "/users/{id}/teams",
    "user.move",
    owner=person,
    params=IdPath,
    body=TeamsBody,
    answers={200: UserView},
    errors=[409, 412, 428],
)
async def put_teams(request: Request, params: IdPath, body: TeamsBody) -> Response:
    """Put somebody into other teams."""
    user = person_of(request)
    match(request, user.version)
    people = services_of(request).people
    return _shown(request, await people.move(identity_of(request), user, body.team_ids))


@endpoint(
    "PUT",
    "/users/{id}/status",
    "user.disable",
    owner=person,
    params=IdPath,
    body=StatusBody,
    answers={200: UserView},
    errors=[409, 412, 428],
)
async def put_status(request: Request, params: IdPath, body: StatusBody) -> Response:
    """Shut somebody out, which ends their sign-ins and live calls, or let them in again."""
    user = person_of(request)
    match(request, user.version)
    people = services_of(request).people
    return _shown(request, await people.set_status(identity_of(request), user, body.status))


@endpoint(
    "POST",
    "/users/{id}/invitation",
    "user.invite",
    owner=person,
    params=IdPath,
    answers={202: Answer("It is mailed again; the link before it works no longer")},
    errors=[409, 503],
)
async def invite_again(request: Request, params: IdPath) -> Response:
    """Mail an invitation again."""
    await services_of(request).people.invite_again(identity_of(request), person_of(request))
    return Response(status_code=202)


@endpoint(
    "DELETE",
    "/users/{id}/second-factor",
    "user.reset_totp",
    owner=person,
    params=IdPath,
    answers={204: Answer("It is gone, and so are their sign-ins")},
)
async def reset_second_factor(request: Request, params: IdPath) -> Response:
    """Take away the second factor of somebody who has lost it."""
    account = services_of(request).account
    await account.reset_second_factor(identity_of(request), person_of(request))
    return Response(status_code=204)


@endpoint(
    "DELETE",
    "/users/{id}",
    "user.erase",
    owner=person,
    params=IdPath,
    answers={204: Answer("Nothing of them is left but their id in the audit log")},
    errors=[409, 503],
)
async def erase(request: Request, params: IdPath) -> Response:
    """Erase a person: account, profile, calls, recordings, jobs, files. There is no way back."""
    calls, services, by = bus_of(request), services_of(request), identity_of(request)

    async def erase_files(dealership_id: str, user_id: str) -> None:
        # In this order: what goes first may still make some of what goes later.
        await jobs.erase_of(services, by, user_id)
        await services.uploading.forget_of(dealership_id, user_id)
        await calls.erase_of(dealership_id, user_id)

    await services.people.erase(by, person_of(request), erase_files)
    return Response(status_code=204)


@endpoint(
    "GET",
    "/users/{id}/export",
    "user.export",
    owner=person,
    params=IdPath,
    answers={200: Answer("All that is kept of them", media_type="application/zip")},
    errors=[503],
)
async def export_user(request: Request, params: IdPath) -> Response:
    """Everything that is kept of a person, as a ZIP archive of JSON and files."""
    services, user = services_of(request), person_of(request)
    await services.audit.about_person(
        "user.export",
        user.id,
        dealership_id=user.dealership_id,
        actor_id=identity_of(request).user_id,
    )
    headers = {
        "Content-Disposition": f'attachment; filename="forecourt-{user.id}.zip"',
        "Cache-Control": "no-store",
    }
    parts = export.archive(services, bus_of(request), user)
    return StreamingResponse(parts, media_type="application/zip", headers=headers)


@endpoint(
    "GET",
    "/users/{id}/sign-ins",
    "user.end_sign_ins",
    owner=person,
    params=IdPath,
    answers={200: SignInList},
)
async def list_sign_ins(request: Request, params: IdPath) -> SignInList:
    """Where a person is signed in."""
    identity = identity_of(request)
    tokens = services_of(request).store.tokens
    live = await tokens.live_of_user(identity.dealership_id, params.id)
    items = [
        SignInEntry(
            family=token.family,
            signed_in_at=refresh.began_at(token.family),
            last_used_at=token.issued_at,
            user_agent=token.user_agent,
            is_current=token.family == identity.family,
        )
        for token in live
    ]
    return SignInList(items=items)


@endpoint(
    "DELETE",
    "/users/{id}/sign-ins",
    "user.end_sign_ins",
    owner=person,
    params=IdPath,
    answers={204: Answer("Signed out everywhere")},
)
async def end_sign_ins(request: Request, params: IdPath) -> Response:
    """Sign a person out everywhere; their live calls end."""
    await services_of(request).people.end_sign_ins(identity_of(request), person_of(request))
    return Response(status_code=204)


@endpoint(
    "DELETE",
    "/users/{id}/sign-ins/{family}",
    "user.end_sign_ins",
    owner=person,
    params=FamilyPath,
    answers={204: Answer("Signed out there")},
)
async def end_sign_in(request: Request, params: FamilyPath) -> Response:
    """Sign a person out on one device."""
    people = services_of(request).people
    await people.end_sign_ins(identity_of(request), person_of(request), params.family)
    return Response(status_code=204)


@endpoint(
    "GET",
    "/users/{id}/preferences",
    "preferences.read",
    owner=person,
    params=IdPath,
    answers={200: PreferencesBody},
)
async def get_preferences(request: Request, params: IdPath) -> Response:
    """Language, theme and which notices are mailed."""
    user = person_of(request)
    return tagged(user.preferences, user.version)


@endpoint(
    "PUT",
    "/users/{id}/preferences",
    "preferences.update",
    owner=person,
    params=IdPath,
    body=PreferencesBody,
    answers={200: PreferencesBody},
    errors=[412, 428],
)
async def put_preferences(request: Request, params: IdPath, body: PreferencesBody) -> Response:
    """Change language, theme and which notices are mailed."""
    user = person_of(request)
    match(request, user.version)
    people = services_of(request).people
    changed = await people.set_preferences(identity_of(request), user, body.preferences())
    return tagged(changed.preferences, changed.version)


class Progress(Wire):
    """One completed call: its scores, and how often what was said to it."""

    id: str
    session_type: SessionType
    start_time: datetime | None
    duration_ms: int
    scores: Scores
    feedback_counts: dict[str, int]


class Trend(Wire):
    items: list[Progress]


@endpoint(
    "GET",
    "/users/{id}/trend",
    "session.list",
    owner=person,
    params=IdPath,
    answers={200: Trend},
)
async def get_trend(request: Request, params: IdPath) -> Trend:
    """How a person's calls have gone: the newest 100 that are over, the oldest of them first."""
    sessions = services_of(request).store.sessions
    heads = await sessions.trend(identity_of(request).dealership_id, params.id)
    items = [
        Progress(
            id=head.id,
            session_type=head.session_type,
            start_time=head.start_time,
            duration_ms=head.duration_ms,
            scores=Scores(
                confidence=head.metrics.confidence,
                clarity=head.metrics.clarity,
                pace=head.metrics.pace,
                volume=head.metrics.volume,
            ),
            feedback_counts=head.feedback_counts,
        )
        for head in heads
    ]
    return Trend(items=items)


endpoints = [
    list_users,
    invite,
    get_user,
    put_profile,
    put_role,
    put_teams,
    put_status,
    invite_again,
    reset_second_factor,
    erase,
    export_user,
    list_sign_ins,
    end_sign_ins,
    end_sign_in,
    get_preferences,
    put_preferences,
    get_trend,
]
