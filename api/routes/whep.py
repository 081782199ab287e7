"""WHEP (draft-ietf-wish-whep): listen to a live call, trickle candidates, leave."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import negotiation
from api.calls import calls_of


async def listen(request: Request) -> Response:
    offer = await negotiation.offer_of(request)
    session_id = request.path_params["id"]
    answer, resource = await calls_of(request).listen(session_id, offer)
    location = f"/api/v1/sessions/{session_id}/whep/{resource}"
    links = calls_of(request).ice.links(session_id)
    return negotiation.answered(answer, location, resource, links)


async def describe(request: Request) -> Response:
    """What the endpoint takes; relay credentials only where there is a live call to hear."""
    session_id = request.path_params["id"]
    await calls_of(request).audible(session_id)
    return negotiation.described(request, calls_of(request).ice.links(session_id))


async def trickle(request: Request) -> Response:
    fragment = await negotiation.fragment_of(request)
    resource = request.path_params["resource"]
    listener = calls_of(request).listeners.listener(request.path_params["id"], resource)
    negotiation.check_entity_tag(request, resource)
    return await negotiation.trickled(listener.trickle(fragment))


async def delete(request: Request) -> Response:
    session_id, resource = request.path_params["id"], request.path_params["resource"]
    await calls_of(request).listeners.leave(session_id, resource)
    return Response(status_code=200)


routes = [
    Route("/sessions/{id}/whep", listen, methods=["POST"]),
    Route("/sessions/{id}/whep", describe, methods=["OPTIONS"]),
    Route("/sessions/{id}/whep/{resource}", trickle, methods=["PATCH"]),
    Route("/sessions/{id}/whep/{resource}", delete, methods=["DELETE"]),
    Route("/sessions/{id}/whep/{resource}", negotiation.describe_resource, methods=["OPTIONS"]),
]
