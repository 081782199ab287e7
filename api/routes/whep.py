"""WHEP (draft-ietf-wish-whep): listen to a live call, trickle candidates, leave."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import negotiation, ownership
from api.calls import calls_of
from api.endpoint import Answer, endpoint
from api.identity import identity_of
from api.services import services_of
from api.views import ResourcePath, SessionPath


@endpoint(
    "POST",
    "/sessions/{id}/whep",
    "session.listen",
    owner=ownership.session,
    params=SessionPath,
    body=negotiation.OFFERED,
    answers={201: negotiation.ANSWERED},
    errors=[400, 409, 422, 503],
)
async def listen(request: Request, params: SessionPath) -> Response:
    """Listen to a live call (WHEP)."""
    offer = await negotiation.offer_of(request)
    identity, session_id = identity_of(request), params.id
    await services_of(request).audit.record(
        dealership_id=identity.dealership_id,
        actor_id=identity.user_id,
        action="session.listen",
        target_type="session",
        target_id=session_id,
        outcome="allowed",
    )
    answer, resource = await calls_of(request).listen(identity.dealership_id, session_id, offer)
    location = f"/api/v1/sessions/{session_id}/whep/{resource}"
    links = calls_of(request).ice.links(session_id)
    return negotiation.answered(answer, location, resource, links)


@endpoint(
    "OPTIONS",
    "/sessions/{id}/whep",
    "session.listen",
    owner=ownership.session,
    params=SessionPath,
    answers={200: negotiation.DESCRIBED},
    errors=[409],
)
async def describe(request: Request, params: SessionPath) -> Response:
    """What listening takes; relay credentials only where there is a live call to hear."""
    session_id = params.id
    await calls_of(request).audible(identity_of(request).dealership_id, session_id)
    return negotiation.described(request, calls_of(request).ice.links(session_id))


@endpoint(
    "PATCH",
    "/sessions/{id}/whep/{resource}",
    "session.listen",
    owner=ownership.session,
    params=ResourcePath,
    body=negotiation.TRICKLED,
    answers={204: Answer("The candidates are taken")},
    errors=[400, 412, 422, 428],
)
async def trickle(request: Request, params: ResourcePath) -> Response:
    """Send candidates (trickle ICE)."""
    fragment = await negotiation.fragment_of(request)
    resource = params.resource
    listener = calls_of(request).listeners.listener(params.id, resource)
    negotiation.check_entity_tag(request, resource)
    return await negotiation.trickled(listener.trickle(fragment))


@endpoint(
    "DELETE",
    "/sessions/{id}/whep/{resource}",
    "session.listen",
    owner=ownership.session,
    params=ResourcePath,
    answers={200: Answer("The listener has left")},
)
async def delete(request: Request, params: ResourcePath) -> Response:
    """Stop listening."""
    await calls_of(request).listeners.leave(params.id, params.resource)
    return Response(status_code=200)


@endpoint(
    "OPTIONS",
    "/sessions/{id}/whep/{resource}",
    "session.listen",
    owner=ownership.session,
    params=ResourcePath,
    answers={200: negotiation.DESCRIBED},
)
async def describe_resource(request: Request, params: ResourcePath) -> Response:
    """What a listener's connection takes."""
    return negotiation.described_resource()


endpoints = [listen, describe, trickle, delete, describe_resource]
