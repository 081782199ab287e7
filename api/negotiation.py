"""What WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) have in common over HTTP.

A resource is one ICE session for its whole life, as ICE restarts are not done here: so its own id
is the entity tag of that ICE session too.
"""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.requests import Request
from starlette.responses import Response

from api.endpoint import Answer, Media
from api.problems import Problem, body_of
from signaling.sdp import MAX_OFFER_BYTES
from signaling.trickle import MAX_FRAGMENT_BYTES, BadFragment, RestartRefused

OFFER = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
PREFLIGHT = "access-control-request-method"
OFFERED = Media(OFFER, "The offer, with one audio track of Opus")
TRICKLED = Media(FRAGMENT, "A fragment of SDP (RFC 8840) with candidates; If-Match is needed")
ANSWERED = Answer("The answer; Location is where to trickle and end", media_type=OFFER)
DESCRIBED = Answer("See the headers")


async def offer_of(request: Request) -> str:
    """The offer in the body. 415, 413, or 400 for what is no text."""
    return await _text(request, OFFER, MAX_OFFER_BYTES)


def answered(answer: str, location: str, resource: str, links: list[str]) -> Response:
    """201 with the answer, the resource's address and entity tag, and the STUN/TURN servers."""
    headers = {"Location": location, "ETag": f'"{resource}"', "Accept-Patch": FRAGMENT}
    return _with_links(Response(answer, 201, headers, media_type=OFFER), links)


def described(request: Request, links: list[str]) -> Response:
    """What the endpoint takes and, but for a preflight (RFC 9725, 4.6), its STUN/TURN servers."""
    response = Response(status_code=200, headers={"Accept-Post": OFFER, "Allow": "OPTIONS, POST"})
    return _with_links(response, [] if PREFLIGHT in request.headers else links)


def described_resource() -> Response:
    headers = {"Accept-Patch": FRAGMENT, "Allow": "DELETE, OPTIONS, PATCH"}
    return Response(status_code=200, headers=headers)


async def fragment_of(request: Request) -> str:
    """The fragment of SDP in the body. 415, 413, or 400 for what is no text."""
    return await _text(request, FRAGMENT, MAX_FRAGMENT_BYTES)


def check_entity_tag(request: Request, resource: str) -> None:
    """Whether the ICE session meant is `resource`: RFC 9110, 13.1.1, strongly; RFC 6585, 3."""
    given = request.headers.getlist("if-match")
    if not given:
        raise Problem(428, "Send If-Match with the ETag that came with the answer.")
    tags = [tag.strip() for value in given for tag in value.split(",")]
    if "*" not in tags and f'"{resource}"' not in tags:
        raise Problem(412, "If-Match names another ICE session than the one that is here.")


async def trickled(taken: Awaitable[None]) -> Response:
    """204 once a fragment has been `taken`; 400 and 422 where it cannot be."""
    try:
        await taken
    except BadFragment as error:
        raise Problem(400, str(error)) from error
    except RestartRefused as error:
        raise Problem(422, str(error)) from error
    return Response(status_code=204)


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
