"""`/api/v1/sessions/{id}/timeline`: what a call looks like."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import ownership
from api.bus import bus_of
from api.endpoint import Answer, endpoint
from api.identity import identity_of
from api.views import SessionPath, TimelineView

KEPT = "private, no-cache"
"""A browser keeps it, and asks each time whether it may still show it: a call can be erased."""


@endpoint(
    "GET",
    "/sessions/{id}/timeline",
    "session.events",
    owner=ownership.session,
    params=SessionPath,
    answers={
        200: Answer("Waveforms and lanes", TimelineView),
        304: Answer("You have it (`If-None-Match`)"),
    },
    errors=[409, 503],
)
async def get_timeline(request: Request, params: SessionPath) -> Response:
    """What a call looks like: each track's waveform, its pace, volume and pitch by the second.

    It is drawn soon after the call, else when it is asked for first: that may take a few seconds.
    """
    made, content = await bus_of(request).timeline(identity_of(request).dealership_id, params.id)
    tag = f'"{made.blob_id}-{made.size_bytes}"'
    headers = {"ETag": tag, "Cache-Control": KEPT}
    known = request.headers.get("if-none-match", "").replace("W/", "").split(",")
    if tag in (each.strip() for each in known):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(content.size)
    return StreamingResponse(content.read(), 200, headers, media_type="application/json")


endpoints = [get_timeline]
