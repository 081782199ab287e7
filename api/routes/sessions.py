"""`/api/v1/sessions`: create, list, get, consent, events, recording."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from api.calls import Calls, calls_of
from api.past import STOPPED
from api.problems import Problem, json_of
from api.views import ConsentView, CreateSession
from engine.events import Event

MAX_LIST = 200
STREAM_GRACE_S = 4.0
"""How long a stream may go on when the node stops: its call is ended first, and that is told."""
MAX_STREAMED = 1_000
"""Events waiting for a slow reader of the stream; one more and it is closed, to be resumed."""


def _number(text: str | None, name: str, default: int, most: int) -> int:
    if text is None:
        return default
    if len(text) > 16 or not text.isascii() or not text.isdigit() or int(text) > most:
        raise Problem(422, f"{name} must be a whole number from 0 to {most}.")
    return int(text)


async def create(request: Request) -> Response:
    view, token = calls_of(request).create(await json_of(request, CreateSession))
    location = f"/api/v1/sessions/{view.id}"
    body = view.body() | {"resumeToken": token}
    return JSONResponse(body, 201, headers={"Location": location, "Cache-Control": "no-store"})


async def list_sessions(request: Request) -> Response:
    limit = _number(request.query_params.get("limit"), "limit", 50, MAX_LIST)
    views = await calls_of(request).newest(limit)
    return JSONResponse({"items": [view.body() for view in views]})


async def get_session(request: Request) -> Response:
    view = await calls_of(request).view(request.path_params["id"])
    return JSONResponse(view.body())


async def put_consent(request: Request) -> Response:
    consent = await json_of(request, ConsentView)
    stored = await calls_of(request).consent(request.path_params["id"], consent)
    return JSONResponse(stored.model_dump(by_alias=True))


async def get_consent(request: Request) -> Response:
    consent = await calls_of(request).consent_of(request.path_params["id"])
    return JSONResponse(consent.model_dump(by_alias=True))


async def get_events(request: Request) -> Response:
    session_id = request.path_params["id"]
    after = request.headers.get("last-event-id") or request.query_params.get("after")
    after_seq = _number(after, "after", 0, 2**53)
    if "text/event-stream" not in request.headers.get("accept", ""):
        await calls_of(request).view(session_id)
        items = await calls_of(request).events(session_id, after_seq)
        return JSONResponse({"items": items})
    view = await calls_of(request).view(session_id)
    if view.status == "completed" and not await calls_of(request).events(session_id, after_seq):
        # To a browser's EventSource this says: do not come back (HTML, 9.2.5).
        return Response(status_code=204)
    return EventSourceResponse(
        _stream(calls_of(request), session_id, after_seq), shutdown_grace_period=STREAM_GRACE_S
    )


async def _stream(calls: Calls, session_id: str, after_seq: int) -> AsyncIterator[ServerSentEvent]:
    """Journalled events, then live ones, without a gap or a repeat, until the call completes or
    this node stops."""
    queue: asyncio.Queue[Event] = asyncio.Queue(MAX_STREAMED)
    behind = asyncio.Event()

    def take(event: Event) -> None:
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            behind.set()

    session = calls.session(session_id)
    undo = session.subscribe(take) if session is not None else None
    try:
        for event in await calls.events(session_id, after_seq):
            after_seq = event["seq"]
            yield _sse(event)
        while (session is not None and session.state != "completed") or not queue.empty():
            if behind.is_set():
                return
            event = (await queue.get()).model_dump()
            if event["seq"] > after_seq:
                after_seq = event["seq"]
                yield _sse(event)
                if event["data"].get("reason") == STOPPED:
                    # Where the call is not completed, the next node goes on with it.
                    return
    finally:
        if undo is not None:
            undo()


def _sse(event: dict[str, object]) -> ServerSentEvent:
    data = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    return ServerSentEvent(data=data, id=str(event["seq"]), event=str(event["type"]))


async def get_recording(request: Request) -> Response:
    recording = await calls_of(request).recording(request.path_params["id"])
    headers = {"Cache-Control": "no-store"}
    if recording is None:
        raise Problem(404, "No recording is kept of this call.")
    if isinstance(recording, bytes):
        return Response(recording, headers=headers, media_type="audio/ogg")
    return FileResponse(recording, media_type="audio/ogg", headers=headers)


routes = [
    Route("/sessions", create, methods=["POST"]),
    Route("/sessions", list_sessions, methods=["GET"]),
    Route("/sessions/{id}", get_session, methods=["GET"]),
    Route("/sessions/{id}/consent", put_consent, methods=["PUT"]),
    Route("/sessions/{id}/consent", get_consent, methods=["GET"]),
    Route("/sessions/{id}/events", get_events, methods=["GET"]),
    Route("/sessions/{id}/recording", get_recording, methods=["GET"]),
]
