"""WHIP (RFC 9725): publish a session's audio."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.calls import Calls
from api.problems import Problem, body_of
from signaling.sdp import MAX_OFFER_BYTES


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


async def publish(request: Request) -> Response:
    body = await body_of(request, "application/sdp", MAX_OFFER_BYTES)
    try:
        offer = body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, "The body is not UTF-8 text (SDP, RFC 8866).") from error
    calls: Calls = request.app.state.calls
    session_id = request.path_params["id"]
    answer, resource = await calls.publish(session_id, offer, _token(request))
    location = f"/api/v1/sessions/{session_id}/whip/{resource}"
    return Response(answer, 201, {"Location": location}, media_type="application/sdp")


async def delete(request: Request) -> Response:
    calls: Calls = request.app.state.calls
    await calls.end(request.path_params["id"], request.path_params["resource"])
    return Response(status_code=200)


routes = [
    Route("/sessions/{id}/whip", publish, methods=["POST"]),
    Route("/sessions/{id}/whip/{resource}", delete, methods=["DELETE"]),
]
