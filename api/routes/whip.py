"""WHIP (RFC 9725): publish a session's audio, trickle candidates, end."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import negotiation
from api.calls import calls_of
from api.problems import Problem


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


async def publish(request: Request) -> Response:
    offer = await negotiation.offer_of(request)
    session_id, token = request.path_params["id"], _token(request)
    answer, resource = await calls_of(request).publish(session_id, offer, token)
    location = f"/api/v1/sessions/{session_id}/whip/{resource}"
    links = calls_of(request).ice.links(session_id)
    return negotiation.answered(answer, location, resource, links)


async def describe(request: Request) -> Response:
    links = await calls_of(request).ice_links(request.path_params["id"], _token(request))
    return negotiation.described(request, links)


async def trickle(request: Request) -> Response:
    fragment = await negotiation.fragment_of(request)
    resource = request.path_params["resource"]
    room = calls_of(request).publication(request.path_params["id"], resource)
    negotiation.check_entity_tag(request, resource)
    try:
        return await negotiation.trickled(room.trickle(fragment))
    except LookupError as error:
        raise Problem(404, "No peer connection publishes here any more.") from error


async def delete(request: Request) -> Response:
    await calls_of(request).end(request.path_params["id"], request.path_params["resource"])
    return Response(status_code=200)


routes = [
    Route("/sessions/{id}/whip", publish, methods=["POST"]),
    Route("/sessions/{id}/whip", describe, methods=["OPTIONS"]),
    Route("/sessions/{id}/whip/{resource}", trickle, methods=["PATCH"]),
    Route("/sessions/{id}/whip/{resource}", delete, methods=["DELETE"]),
    Route("/sessions/{id}/whip/{resource}", negotiation.describe_resource, methods=["OPTIONS"]),
]
