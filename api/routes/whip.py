"""WHIP (RFC 9725): publish a session's audio, trickle candidates, end.

A resource is one ICE session for its whole life, as ICE restarts are not done here: so its own id
is the entity tag of that ICE session too.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.calls import Calls
from api.problems import Problem, body_of
from signaling.sdp import MAX_OFFER_BYTES
from signaling.trickle import MAX_FRAGMENT_BYTES, BadFragment, RestartRefused

OFFER = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
PREFLIGHT = "access-control-request-method"


def _calls(request: Request) -> Calls:
    calls: Calls = request.app.state.calls
    return calls


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


async def _text(request: Request, media_type: str, limit: int) -> str:
    body = await body_of(request, media_type, limit)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Problem(400, "The body is not UTF-8 text (SDP, RFC 8866).") from error


def _with_links(response: Response, links: list[str]) -> Response:
    for link in links:
        response.headers.append("Link", link)
    response.headers["Cache-Control"] = "no-store"
    return response


async def publish(request: Request) -> Response:
    offer = await _text(request, OFFER, MAX_OFFER_BYTES)
    session_id, token = request.path_params["id"], _token(request)
    answer, resource = await _calls(request).publish(session_id, offer, token)
    headers = {
        "Location": f"/api/v1/sessions/{session_id}/whip/{resource}",
        "ETag": f'"{resource}"',
        "Accept-Patch": FRAGMENT,
    }
    response = Response(answer, 201, headers, media_type=OFFER)
    return _with_links(response, _calls(request).ice.links(session_id))


async def describe(request: Request) -> Response:
    """What the endpoint takes and, but for a preflight (RFC 9725, 4.6), its STUN/TURN servers."""
    links = await _calls(request).ice_links(request.path_params["id"], _token(request))
    response = Response(status_code=200, headers={"Accept-Post": OFFER, "Allow": "OPTIONS, POST"})
    return _with_links(response, [] if PREFLIGHT in request.headers else links)


async def describe_resource(request: Request) -> Response:
    headers = {"Accept-Patch": FRAGMENT, "Allow": "DELETE, OPTIONS, PATCH"}
    return Response(status_code=200, headers=headers)


async def trickle(request: Request) -> Response:
    fragment = await _text(request, FRAGMENT, MAX_FRAGMENT_BYTES)
    resource = request.path_params["resource"]
    room = _calls(request).publication(request.path_params["id"], resource)
    _check_entity_tag(request, resource)
    try:
        await room.trickle(fragment)
    except LookupError as error:
        raise Problem(404, "No peer connection publishes here any more.") from error
    except BadFragment as error:
        raise Problem(400, str(error)) from error
    except RestartRefused as error:
        raise Problem(422, str(error)) from error
    return Response(status_code=204)


def _check_entity_tag(request: Request, resource: str) -> None:
    """RFC 9110, 13.1.1, by strong comparison; RFC 6585, 3."""
    given = request.headers.getlist("if-match")
    if not given:
        raise Problem(428, "Send If-Match with the ETag that came with the answer.")
    tags = [tag.strip() for value in given for tag in value.split(",")]
    if "*" not in tags and f'"{resource}"' not in tags:
        raise Problem(412, "If-Match names another ICE session than the one that is here.")


async def delete(request: Request) -> Response:
    await _calls(request).end(request.path_params["id"], request.path_params["resource"])
    return Response(status_code=200)


routes = [
    Route("/sessions/{id}/whip", publish, methods=["POST"]),
    Route("/sessions/{id}/whip", describe, methods=["OPTIONS"]),
    Route("/sessions/{id}/whip/{resource}", trickle, methods=["PATCH"]),
    Route("/sessions/{id}/whip/{resource}", delete, methods=["DELETE"]),
    Route("/sessions/{id}/whip/{resource}", describe_resource, methods=["OPTIONS"]),
]
