"""`/api/v1/sessions/{id}/media`: a cookie for what elements of a page fetch by themselves."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import ownership
from api.auth.media import Pass
from api.endpoint import Answer, endpoint
from api.identity import identity_of
from api.services import services_of
from api.views import SessionPath


@endpoint(
    "POST",
    "/sessions/{id}/media",
    "session.recording",
    owner=ownership.session,
    params=SessionPath,
    answers={204: Answer("With a cookie for GET below this session, for 10 minutes")},
)
async def allow(request: Request, params: SessionPath) -> Response:
    """Let a page play a session's recording, whose element sends no bearer token."""
    identity = identity_of(request)
    shown = Pass(identity.user_id, identity.dealership_id, identity.family, params.id)
    path = f"/api/v1/sessions/{params.id}/"
    cookie = services_of(request).cookies.set_cookie(shown, path)
    return Response(status_code=204, headers={"Set-Cookie": cookie, "Cache-Control": "no-store"})


endpoints = [allow]
