"""WHIP (RFC 9725): publish a session's audio, trickle candidates, end."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import negotiation
from api.calls import calls_of
from api.endpoint import Answer, endpoint
from api.problems import Problem
from api.views import ResourcePath, SessionPath


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


@endpoint(
    "POST",
    "/sessions/{id}/whip",
    params=SessionPath,
    body=negotiation.OFFERED,
    answers={201: negotiation.ANSWERED},
    errors=[400, 401, 403, 409, 422, 503],
)
async def publish(request: Request, params: SessionPath) -> Response:
    """Publish the trainee's voice (WHIP, RFC 9725), first or again.

    Whoever comes back shows the session's resume token as a bearer token.
    """
    offer = await negotiation.offer_of(request)
    session_id, token = params.id, _token(request)
    answer, resource = await calls_of(request).publish(session_id, offer, token)
    location = f"/api/v1/sessions/{session_id}/whip/{resource}"
    links = calls_of(request).ice.links(session_id)
    return negotiation.answered(answer, location, resource, links)


@endpoint(
    "OPTIONS",
    "/sessions/{id}/whip",
    params=SessionPath,
    answers={200: negotiation.DESCRIBED},
    errors=[409, 503],
)
async def describe(request: Request, params: SessionPath) -> Response:
    """What publishing takes, and STUN and TURN servers as `Link` headers."""
    links = await calls_of(request).ice_links(params.id, _token(request))
    return negotiation.described(request, links)


@endpoint(
    "PATCH",
    "/sessions/{id}/whip/{resource}",
    params=ResourcePath,
    body=negotiation.TRICKLED,
    answers={204: Answer("The candidates are taken")},
    errors=[400, 412, 422, 428],
)
async def trickle(request: Request, params: ResourcePath) -> Response:
    """Send candidates (trickle ICE)."""
    fragment = await negotiation.fragment_of(request)
    resource = params.resource
    room = calls_of(request).publication(params.id, resource)
    negotiation.check_entity_tag(request, resource)
    try:
        return await negotiation.trickled(room.trickle(fragment))
    except LookupError as error:
        raise Problem(404, "No peer connection publishes here any more.") from error


@endpoint(
    "DELETE",
    "/sessions/{id}/whip/{resource}",
    params=ResourcePath,
    answers={200: Answer("The call is over")},
)
async def delete(request: Request, params: ResourcePath) -> Response:
    """End the call."""
    await calls_of(request).end(params.id, params.resource)
    return Response(status_code=200)


@endpoint(
    "OPTIONS",
    "/sessions/{id}/whip/{resource}",
    params=ResourcePath,
    answers={200: negotiation.DESCRIBED},
)
async def describe_resource(request: Request, params: ResourcePath) -> Response:
    """What a publication takes."""
    return negotiation.described_resource()


endpoints = [publish, describe, trickle, delete, describe_resource]
