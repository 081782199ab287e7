"""WHEP (draft-ietf-wish-whep): listen to a live call."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.calls import Calls
from api.problems import Problem, body_of
from signaling.sdp import MAX_OFFER_BYTES


async def listen(request: Request) -> Response:
    body = await body_of(request, "application/sdp", MAX_OFFER_BYTES)
    try:
        offer = body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, "The body is not UTF-8 text (SDP, RFC 8866).") from error
    calls: Calls = request.app.state.calls
    session_id = request.path_params["id"]
    answer, resource = await calls.listen(session_id, offer)
    location = f"/api/v1/sessions/{session_id}/whep/{resource}"
    headers = {"Location": location, "ETag": f'"{resource}"'}
    return Response(answer, 201, headers, media_type="application/sdp")


async def options(request: Request) -> Response:
    """Says what may be posted here (RFC 9725, 4.2, which WHEP follows)."""
    return Response(status_code=204, headers={"Accept-Post": "application/sdp"})


async def delete(request: Request) -> Response:
    calls: Calls = request.app.state.calls
    await calls.listeners.leave(request.path_params["id"], request.path_params["resource"])
    return Response(status_code=200)


routes = [
    Route("/sessions/{id}/whep", listen, methods=["POST"]),
    Route("/sessions/{id}/whep", options, methods=["OPTIONS"]),
    Route("/sessions/{id}/whep/{resource}", delete, methods=["DELETE"]),
]
