"""`/api/v1/sessions/{id}/scorecard` and `/api/v1/rubric`: how calls are judged."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import ownership
from api.bus import bus_of
from api.coaching.rubric import RubricView, rubric_of, view_of
from api.coaching.scorecards import (
    MAX_BODY_BYTES,
    Judging,
    ProposalView,
    ScorecardBody,
    ScorecardView,
)
from api.endpoint import endpoint
from api.entity_tags import match, stale, tagged
from api.identity import identity_of
from api.playbooks import Playbooks
from api.problems import Problem
from api.routes.teams import dealership
from api.services import services_of
from api.store.documents import Criterion, Dealership
from api.views import SessionPath


def _judging(request: Request) -> Judging:
    books: Playbooks = request.app.state.playbooks
    return Judging(services_of(request), bus_of(request), books)


@endpoint(
    "GET",
    "/sessions/{id}/scorecard",
    "scorecard.read",
    owner=ownership.session,
    params=SessionPath,
    answers={200: ScorecardView},
)
async def get_scorecard(request: Request, params: SessionPath) -> Response:
    """How a call was judged, with the trainee's calls before it; a draft only for who may write."""
    by, judging = identity_of(request), _judging(request)
    found = await judging.find(by, params.id)
    return tagged(await judging.view(by, found), found.version)


@endpoint(
    "PUT",
    "/sessions/{id}/scorecard",
    "scorecard.write",
    owner=ownership.session,
    params=SessionPath,
    body=ScorecardBody,
    answers={200: ScorecardView},
    errors=[409, 412, 428, 503],
    most_bytes=MAX_BODY_BYTES,
)
async def put_scorecard(request: Request, params: SessionPath, body: ScorecardBody) -> Response:
    """Judge a call, or judge it anew: the scorecard is a draft until it is published.

    The first one needs no `If-Match`; it keeps the rubric as it is now.
    """
    by, judging = identity_of(request), _judging(request)
    found = await services_of(request).store.scorecards.of_session(by.dealership_id, params.id)
    if found is not None:
        match(request, found.version)
    elif "if-match" in request.headers:
        raise stale()
    card = await judging.write(by, params.id, body, found)
    return tagged(await judging.view(by, card), card.version)


@endpoint(
    "POST",
    "/sessions/{id}/scorecard/publish",
    "scorecard.write",
    owner=ownership.session,
    params=SessionPath,
    answers={200: ScorecardView},
    errors=[409, 412, 503],
)
async def publish_scorecard(request: Request, params: SessionPath) -> Response:
    """Show it to the trainee, who is told; `If-Match` is heeded and need not be there.

    One that is published stays so.
    """
    by, judging = identity_of(request), _judging(request)
    found = await judging.find(by, params.id)
    if "if-match" in request.headers:
        match(request, found.version)
    card = await judging.publish(by, found)
    return tagged(await judging.view(by, card), card.version)


@endpoint(
    "GET",
    "/sessions/{id}/scorecard/proposal",
    "scorecard.write",
    owner=ownership.session,
    params=SessionPath,
    answers={200: ProposalView},
    errors=[409],
)
async def get_proposal(request: Request, params: SessionPath) -> ProposalView:
    """What the call's measurements suggest for each criterion, and why."""
    return await _judging(request).propose(identity_of(request), params.id)


@endpoint("GET", "/rubric", "dealership.read", owner=dealership, answers={200: RubricView})
async def get_rubric(request: Request) -> Response:
    """What calls are judged by: the dealership's own rubric, or the shipped one."""
    found = await _dealership(request)
    return tagged(view_of(rubric_of(found)), found.version)


@endpoint(
    "PUT",
    "/rubric",
    "rubric.write",
    owner=dealership,
    body=RubricView,
    answers={200: RubricView},
    errors=[412, 428, 503],
)
async def put_rubric(request: Request, body: RubricView) -> Response:
    """Judge calls by other criteria from now on. The `ETag` is the dealership's.

    Scorecards that were begun keep the criteria they were begun with.
    """
    services, by = services_of(request), identity_of(request)
    found = await _dealership(request)
    match(request, found.version)
    criteria = [Criterion(**dict(each)) for each in body.criteria]
    changed = found.changed(services.now(), rubric=tuple(criteria))
    await services.audit.allowed(by, "rubric.write", "dealership", found.id)
    await services.store.dealerships.save(found.id, changed)
    return tagged(view_of(criteria), changed.version)


async def _dealership(request: Request) -> Dealership:
    found = await services_of(request).store.dealerships.get(identity_of(request).dealership_id)
    if found is None:
        raise Problem(404, "This dealership was removed.")
    return found


endpoints = [
    get_scorecard,
    put_scorecard,
    publish_scorecard,
    get_proposal,
    get_rubric,
    put_rubric,
]
