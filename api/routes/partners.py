"""How somebody comes into a call to play the customer: invitation, preview, joining."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api import ownership
from api.bus import bus_of
from api.call import Call
from api.endpoint import endpoint
from api.identity import identity_of
from api.services import services_of
from api.views import ConsentView, SessionPath
from engine.events import SessionType, Wire


class InvitationView(Wire):
    """Whoever has the `code`, and is signed in to the dealership, may join; a new one ends it."""

    code: str
    expires_at: datetime


class CodeBody(Wire):
    code: Annotated[str, Field(min_length=1, max_length=64)]


class JoinBody(CodeBody):
    consent: ConsentView


class CallPreview(Wire):
    """Who invites to what. `recording`: whether everybody in the call is recorded."""

    session_id: str
    trainee_name: str
    session_type: SessionType
    language: str
    recording: bool


class Joined(CallPreview):
    """`resumeToken` publishes at `whipUrl`, and lets the partner come back: it is told once."""

    resume_token: str
    whip_url: str


@endpoint(
    "POST",
    "/sessions/{id}/invitation",
    "session.invite",
    owner=ownership.session,
    params=SessionPath,
    answers={201: InvitationView},
    errors=[409],
)
async def invite(request: Request, params: SessionPath) -> Response:
    """Invite somebody to play the customer."""
    identity = identity_of(request)
    made = await bus_of(request).invite(identity.dealership_id, params.id)
    await services_of(request).audit.allowed(
        identity_of(request), "session.invite", "session", params.id
    )
    view = InvitationView(code=made.code, expires_at=made.expires_at)
    headers = {"Cache-Control": "no-store"}
    return Response(view.model_dump_json(by_alias=True), 201, headers, "application/json")


@endpoint(
    "POST",
    "/partners/preview",
    "session.join",
    body=CodeBody,
    answers={200: CallPreview},
    errors=[404, 409],
)
async def preview(request: Request, body: CodeBody) -> CallPreview:
    """What an invitation is to."""
    call = await bus_of(request).invited_to(identity_of(request).dealership_id, body.code)
    return CallPreview(**await _shown(request, call))


@endpoint(
    "POST",
    "/partners",
    "session.join",
    body=JoinBody,
    answers={201: Joined},
    errors=[404, 409],
)
async def join(request: Request, body: JoinBody) -> Response:
    """Join a call as its customer, first or again."""
    identity = identity_of(request)
    name = await services_of(request).people.name_of(identity.dealership_id, identity.user_id)
    call, token = await bus_of(request).join(identity, name, body.code, body.consent)
    await services_of(request).audit.allowed(
        identity_of(request), "session.join", "session", call.id
    )
    whip_url = f"/api/v1/sessions/{call.id}/whip"
    joined = Joined(**await _shown(request, call), resume_token=token, whip_url=whip_url)
    headers = {"Cache-Control": "no-store"}
    return Response(joined.model_dump_json(by_alias=True), 201, headers, "application/json")


async def _shown(request: Request, call: Call) -> dict[str, object]:
    people = services_of(request).people
    assert call.consent is not None
    return {
        "session_id": call.id,
        "trainee_name": await people.name_of(call.owner.dealership_id, call.owner.user_id),
        "session_type": call.created.session_type,
        "language": call.created.language,
        "recording": call.consent.recording,
    }


endpoints = [invite, preview, join]
