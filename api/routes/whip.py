"""WHIP (RFC 9725): publish a session's audio, trickle candidates, end."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import negotiation, ownership
from api.accounts.sign_in import signed_out
from api.bus import bus_of
from api.endpoint import Answer, endpoint
from api.guard import bearer_of
from api.identity import identity_of
from api.problems import Problem
from api.routes.auth import client_of
from api.services import services_of
from api.views import ResourcePath, SessionPath


def _granted(request: Request, session_id: str) -> str | None:
    """The session's grant, if it is what the request shows; None for who is signed in as its owner.

    401 for a grant that is not this session's.
    """
    if hasattr(request.state, "identity"):
        return None
    token = bearer_of(request)
    if token is None or not bus_of(request).is_granted(session_id, token):
        raise signed_out()
    return token


@endpoint(
    "POST",
    "/sessions/{id}/whip",
    "session.publish",
    owner=ownership.session,
    granted=True,
    params=SessionPath,
    body=negotiation.OFFERED,
    answers={201: negotiation.ANSWERED},
    errors=[400, 409, 422, 429, 503],
)
async def publish(request: Request, params: SessionPath) -> Response:
    """Publish the trainee's voice (WHIP, RFC 9725), first or again.

    The first time an access token will do. Whoever comes back shows the session's grant, its
    `resumeToken`, as a bearer token: it outlives access tokens.
    """
    session_id, token = params.id, _granted(request, params.id)
    services = services_of(request)
    account = session_id if token else identity_of(request).user_id
    await services.limits.check("publish", address=client_of(request).address, account=account)
    offer = await negotiation.offer_of(request)
    answer, resource = await bus_of(request).publish(session_id, offer, token)
    location = f"/api/v1/sessions/{session_id}/whip/{resource}"
    links = await bus_of(request).answered_links(session_id)
    return negotiation.answered(answer, location, resource, links)


@endpoint(
    "OPTIONS",
    "/sessions/{id}/whip",
    "session.publish",
    owner=ownership.session,
    granted=True,
    params=SessionPath,
    answers={200: negotiation.DESCRIBED},
    errors=[409, 503],
)
async def describe(request: Request, params: SessionPath) -> Response:
    """What publishing takes, and STUN and TURN servers as `Link` headers."""
    token = _granted(request, params.id)
    links = await bus_of(request).ice_links(params.id, token)
    return negotiation.described(request, links)


@endpoint(
    "PATCH",
    "/sessions/{id}/whip/{resource}",
    "session.publish",
    owner=ownership.session,
    granted=True,
    params=ResourcePath,
    body=negotiation.TRICKLED,
    answers={204: Answer("The candidates are taken")},
    errors=[400, 412, 422, 428],
)
async def trickle(request: Request, params: ResourcePath) -> Response:
    """Send candidates (trickle ICE)."""
    _granted(request, params.id)
    fragment = await negotiation.fragment_of(request)
    resource = params.resource
    negotiation.check_entity_tag(request, resource)
    try:
        return await negotiation.trickled(bus_of(request).trickle(params.id, resource, fragment))
    except LookupError as error:
        raise Problem(404, "No peer connection publishes here any more.") from error


@endpoint(
    "DELETE",
    "/sessions/{id}/whip/{resource}",
    "session.publish",
    owner=ownership.session,
    granted=True,
    params=ResourcePath,
    answers={200: Answer("The call is over")},
)
async def delete(request: Request, params: ResourcePath) -> Response:
    """End the call."""
    _granted(request, params.id)
    await bus_of(request).end(params.id, params.resource)
    return Response(status_code=200)


@endpoint(
    "OPTIONS",
    "/sessions/{id}/whip/{resource}",
    "session.publish",
    owner=ownership.session,
    granted=True,
    params=ResourcePath,
    answers={200: negotiation.DESCRIBED},
)
async def describe_resource(request: Request, params: ResourcePath) -> Response:
    """What a publication takes."""
    _granted(request, params.id)
    return negotiation.described_resource()


endpoints = [publish, describe, trickle, delete, describe_resource]
