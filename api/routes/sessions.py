"""`/api/v1/sessions`: create, list, get, consent, events, recording."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from api.calls import Calls, calls_of
from api.endpoint import Answer, endpoint
from api.past import STOPPED
from api.problems import Problem
from api.views import ConsentView, CreateSession, SessionPath, SessionView
from engine.events import Event, Wire

MAX_LIST = 200
STREAM_GRACE_S = 4.0
"""How long a stream may go on when the node stops: its call is ended first, and that is told."""
MAX_STREAMED = 1_000
"""Events waiting for a slow reader of the stream; one more and it is closed, to be resumed."""


class ListQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=0, le=MAX_LIST)] = 50


class EventsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, le=2**53)] = 0


class NewSession(SessionView):
    """`resumeToken` shows later requests to be the same trainee's: keep it, it is told once."""

    resume_token: str


class SessionList(Wire):
    items: list[SessionView]


class EventList(Wire):
    items: list[Event]


@endpoint("POST", "/sessions", body=CreateSession, answers={201: NewSession}, errors=[503])
async def create(request: Request, body: CreateSession) -> Response:
    """Create a session.

    Its consent comes next (`PUT /sessions/{id}/consent`), then its audio (`whipUrl`).
    """
    view, token = calls_of(request).create(body)
    made = NewSession(**dict(view), resume_token=token)
    headers = {"Location": f"/api/v1/sessions/{view.id}", "Cache-Control": "no-store"}
    content = made.model_dump_json(by_alias=True)
    return Response(content, 201, headers, media_type="application/json")


@endpoint("GET", "/sessions", query=ListQuery, answers={200: SessionList})
async def list_sessions(request: Request, query: ListQuery) -> SessionList:
    """The newest sessions, newest first."""
    views = await calls_of(request).newest(query.limit)
    return SessionList(items=views)


@endpoint("GET", "/sessions/{id}", params=SessionPath, answers={200: SessionView})
async def get_session(request: Request, params: SessionPath) -> SessionView:
    """One session."""
    return await calls_of(request).view(params.id)


@endpoint(
    "PUT",
    "/sessions/{id}/consent",
    params=SessionPath,
    body=ConsentView,
    answers={200: ConsentView},
    errors=[409],
)
async def put_consent(request: Request, params: SessionPath, body: ConsentView) -> ConsentView:
    """Give consent, before the call begins."""
    return await calls_of(request).consent(params.id, body)


@endpoint("GET", "/sessions/{id}/consent", params=SessionPath, answers={200: ConsentView})
async def get_consent(request: Request, params: SessionPath) -> ConsentView:
    """The consent that was given."""
    return await calls_of(request).consent_of(params.id)


@endpoint(
    "GET",
    "/sessions/{id}/events",
    params=SessionPath,
    query=EventsQuery,
    answers={
        200: Answer("Events, oldest first; a stream where that is accepted", EventList),
        204: Answer("To a stream: the call is over, and there is nothing more"),
    },
)
async def get_events(request: Request, params: SessionPath, query: EventsQuery) -> Response:
    """The session's events behind a number.

    With `Accept: text/event-stream` they come as they happen, from `Last-Event-ID` on.
    """
    session_id, after_seq = params.id, query.after
    if "last-event-id" in request.headers:
        after_seq = _seq(request.headers["last-event-id"])
    view = await calls_of(request).view(session_id)
    if "text/event-stream" not in request.headers.get("accept", ""):
        items = await calls_of(request).events(session_id, after_seq)
        return JSONResponse({"items": items})
    if view.status == "completed" and not await calls_of(request).events(session_id, after_seq):
        # To a browser's EventSource this says: do not come back (HTML, 9.2.5).
        return Response(status_code=204)
    return EventSourceResponse(
        _stream(calls_of(request), session_id, after_seq), shutdown_grace_period=STREAM_GRACE_S
    )


def _seq(text: str) -> int:
    if len(text) > 16 or not text.isascii() or not text.isdigit() or int(text) > 2**53:
        raise Problem(422, f"Last-Event-ID must be a whole number from 0 to {2**53}.")
    return int(text)


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


@endpoint(
    "GET",
    "/sessions/{id}/recording",
    params=SessionPath,
    answers={
        200: Answer("The trainee's voice on session time", media_type="audio/ogg"),
        206: Answer("The range that was asked for", media_type="audio/ogg"),
    },
    errors=[400, 416],
)
async def get_recording(request: Request, params: SessionPath) -> Response:
    """The recording, Ogg/Opus, in whole or in ranges; of a live call what there is by now."""
    recording = await calls_of(request).recording(params.id)
    headers = {"Cache-Control": "no-store"}
    if recording is None:
        raise Problem(404, "No recording is kept of this call.")
    if isinstance(recording, bytes):
        return Response(recording, headers=headers, media_type="audio/ogg")
    return FileResponse(recording, media_type="audio/ogg", headers=headers)


endpoints = [
    create,
    list_sessions,
    get_session,
    put_consent,
    get_consent,
    get_events,
    get_recording,
]
