"""WHEP (draft-ietf-wish-whep): listen to a live call, trickle candidates, speak in it, leave."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from api import negotiation, ownership
from api.bus import bus_of
from api.endpoint import Answer, endpoint
from api.identity import identity_of
from api.services import services_of
from api.views import ConsentView, ResourcePath, SessionPath
from engine.events import Mode, Wire


class ModeBody(Wire):
    """`recordingConsent`: whoever barges into a recorded call agrees to be recorded, once."""

    mode: Mode
    recording_consent: StrictBool = False
    text_version: Annotated[str, Field(min_length=1, max_length=40)] | None = None

    def consent(self) -> ConsentView | None:
        if not self.recording_consent:
            return None
        return ConsentView(
            coaching=True, recording=True, text_version=self.text_version or "unnamed"
        )


class ModeView(Wire):
    """`track` carries the listener's words while they barge; None where they never spoke."""

    mode: Mode
    track: str | None


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
    await services_of(request).audit.allowed(
        identity_of(request), "session.listen", "session", session_id
    )
    name = await services_of(request).people.name_of(identity.dealership_id, identity.user_id)
    answer, resource = await bus_of(request).listen(session_id, offer, identity, name)
    location = f"/api/v1/sessions/{session_id}/whep/{resource}"
    links = await bus_of(request).answered_links(session_id)
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
    dealership_id = identity_of(request).dealership_id
    links = await bus_of(request).listener_links(dealership_id, session_id)
    return negotiation.described(request, links)


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
    negotiation.check_entity_tag(request, resource)
    trickling = bus_of(request).trickle_to_listener(
        identity_of(request), params.id, resource, fragment
    )
    return await negotiation.trickled(trickling)


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
    await bus_of(request).leave(identity_of(request), params.id, params.resource)
    return Response(status_code=200)


@endpoint(
    "PUT",
    "/sessions/{id}/whep/{resource}/mode",
    "session.listen",
    owner=ownership.session,
    params=ResourcePath,
    body=ModeBody,
    answers={200: ModeView},
    errors=[409],
)
async def put_mode(request: Request, params: ResourcePath, body: ModeBody) -> ModeView:
    """Monitor, whisper to the trainee alone, or barge in and be heard, and recorded, by all."""
    track = await bus_of(request).switch(
        identity_of(request), params.id, params.resource, body.mode, body.consent()
    )
    await services_of(request).audit.allowed(
        identity_of(request), f"session.{body.mode}", "session", params.id
    )
    return ModeView(mode=body.mode, track=track)


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


endpoints = [listen, describe, trickle, put_mode, delete, describe_resource]
