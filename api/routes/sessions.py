"""`/api/v1/sessions`: create, list, get, delete, consent, events, recording."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from sse_starlette import ServerSentEvent
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api import ownership, streaming
from api.bus import bus_of
from api.call import CallOwner
from api.coaching.attempts import check_attempt
from api.endpoint import Answer, endpoint
from api.identity import Identity, identity_of
from api.leftovers import STOPPED
from api.problems import Problem
from api.ranges import ranged
from api.services import services_of
from api.store.base import MAX_OFFSET
from api.store.documents import Name
from api.store.repositories.sessions import SessionFilter
from api.times import Time
from api.views import (
    ConsentView,
    CreateSession,
    SessionId,
    SessionPage,
    SessionPath,
    SessionView,
)
from engine.events import TYPES, Event, SessionState, SessionType, Wire

MAX_LIST = 200


class ListQuery(BaseModel):
    """Which calls: those that meet all that is given."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=False)

    user_id: SessionId | None = None
    team_id: SessionId | None = None
    session_type: SessionType | None = None
    status: SessionState | None = None
    started_from: Time | None = None
    started_before: Time | None = None
    feedback_code: Name | None = None
    sort: Literal[
        "createdAt",
        "-createdAt",
        "startTime",
        "-startTime",
        "durationMs",
        "-durationMs",
        "metrics.confidence",
        "-metrics.confidence",
        "metrics.clarity",
        "-metrics.clarity",
        "metrics.pace",
        "-metrics.pace",
        "metrics.volume",
        "-metrics.volume",
    ] = "-createdAt"
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0
    limit: Annotated[int, Field(ge=0, le=MAX_LIST)] = 50

    def filter(self, identity: Identity) -> SessionFilter:
        """What is asked for, as far as whoever asks may see it."""
        users = None if self.user_id is None else [self.user_id]
        teams = None if self.team_id is None else [self.team_id]
        reach = identity.reach("session.list")
        if reach == "T" and identity.team_ids:
            teams = sorted(identity.team_ids if teams is None else identity.team_ids & set(teams))
        elif reach != "D":
            users = [identity.user_id] if users in (None, [identity.user_id]) else []
        return SessionFilter(
            user_ids=users,
            team_ids=teams,
            session_type=self.session_type,
            status=self.status,
            started_from=self.started_from,
            started_before=self.started_before,
            feedback_code=self.feedback_code,
        )


class RecordingQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    track: Literal["trainee", "partner", "coach_1", "coach_2"] = "trainee"


_TYPE = "|".join(re.escape(name) for name in TYPES)


class EventsQuery(BaseModel):
    """`types`: of which types, with commas between them; all, if it is left out."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[int, Field(ge=0, le=2**53)] = 0
    types: (
        Annotated[str, StringConstraints(max_length=400, pattern=rf"^({_TYPE})(,({_TYPE}))*$")]
        | None
    ) = None

    @property
    def wanted(self) -> tuple[str, ...]:
        return () if self.types is None else tuple(dict.fromkeys(self.types.split(",")))


class NewSession(SessionView):
    """`resumeToken` shows later requests to be the same trainee's: keep it, it is told once."""

    resume_token: str


class EventList(Wire):
    items: list[Event]


@endpoint(
    "POST",
    "/sessions",
    "session.create",
    body=CreateSession,
    answers={201: NewSession},
    once=True,
)
async def create(request: Request, body: CreateSession) -> Response:
    """Create a session.

    Its consent comes next (`PUT /sessions/{id}/consent`), then its audio (`whipUrl`).
    """
    identity = identity_of(request)
    if body.assignment_id is not None:
        await check_attempt(services_of(request).store, identity, body)
    # Whoever is in several teams speaks for the one that has been there for longest.
    team_id = min(identity.team_ids, default=None)
    owner = CallOwner(
        identity.dealership_id, identity.user_id, team_id, identity.family, identity.issued_at
    )
    view, token = await bus_of(request).create(body, owner)
    made = NewSession(**dict(view), resume_token=token)
    headers = {"Location": f"/api/v1/sessions/{view.id}", "Cache-Control": "no-store"}
    content = made.model_dump_json(by_alias=True)
    return Response(content, 201, headers, media_type="application/json")


@endpoint("GET", "/sessions", "session.list", query=ListQuery, answers={200: SessionPage})
async def list_sessions(request: Request, query: ListQuery) -> SessionPage:
    """The sessions that you may see: your own, those of your teams, or all of the dealership."""
    identity = identity_of(request)
    return await bus_of(request).page(
        identity.dealership_id, query.filter(identity), query.sort, query.offset, query.limit
    )


@endpoint(
    "GET",
    "/sessions/{id}",
    "session.read",
    owner=ownership.session,
    params=SessionPath,
    answers={200: SessionView},
)
async def get_session(request: Request, params: SessionPath) -> SessionView:
    """One session."""
    return await bus_of(request).view(_dealership(request), params.id)


@endpoint(
    "PUT",
    "/sessions/{id}/consent",
    "session.consent",
    owner=ownership.session,
    params=SessionPath,
    body=ConsentView,
    answers={200: ConsentView},
    errors=[409],
)
async def put_consent(request: Request, params: SessionPath, body: ConsentView) -> ConsentView:
    """Give consent, before the call begins."""
    return await bus_of(request).consent(_dealership(request), params.id, body)


@endpoint(
    "GET",
    "/sessions/{id}/consent",
    "session.read",
    owner=ownership.session,
    params=SessionPath,
    answers={200: ConsentView},
)
async def get_consent(request: Request, params: SessionPath) -> ConsentView:
    """The consent that was given."""
    return await bus_of(request).consent_of(_dealership(request), params.id)


@endpoint(
    "GET",
    "/sessions/{id}/events",
    "session.events",
    owner=ownership.session,
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
    calls, after_seq = bus_of(request), query.after
    session = (_dealership(request), params.id)
    if "last-event-id" in request.headers:
        after_seq = _seq(request.headers["last-event-id"])
    view = await calls.view(*session)
    if not streaming.is_wanted(request):
        items = await calls.events(*session, after_seq, query.wanted)
        return JSONResponse({"items": items})
    if view.status == "completed" and not await calls.events(*session, after_seq, query.wanted):
        # To a browser's EventSource this says: do not come back (HTML, 9.2.5).
        return Response(status_code=204)
    events = _stream(request, identity_of(request), params.id, after_seq, query.wanted)
    return streaming.streamed(events)


def _seq(text: str) -> int:
    if len(text) > 16 or not text.isascii() or not text.isdigit() or int(text) > 2**53:
        raise Problem(422, f"Last-Event-ID must be a whole number from 0 to {2**53}.")
    return int(text)


async def _stream(
    request: Request,
    identity: Identity,
    session_id: str,
    after_seq: int,
    types: tuple[str, ...],
) -> AsyncIterator[ServerSentEvent]:
    """Journalled events, then live ones, without a gap or a repeat, until the call completes, this
    node stops, or the reader may read no more."""
    calls, guard = bus_of(request), services_of(request).guard
    dealership_id = identity.dealership_id
    owner = await calls.owner_of(dealership_id, session_id)
    live = calls.follow(dealership_id, session_id)
    try:
        for event in await calls.events(dealership_id, session_id, after_seq, types):
            after_seq = event["seq"]
            yield _sse(event)
        while live is not None and not (live.is_over or live.is_behind):
            if not await guard.still(identity, "session.events", owner):
                return
            news = await streaming.soon(live.next())
            if news is None:
                continue
            event = news.model_dump()
            if event["seq"] > after_seq:
                after_seq = event["seq"]
                if not types or event["type"] in types:
                    yield _sse(event)
                if event["data"].get("reason") == STOPPED:
                    # Where the call is not completed, the next node goes on with it.
                    return
    finally:
        if live is not None:
            live.close()


def _sse(event: dict[str, object]) -> ServerSentEvent:
    data = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    return ServerSentEvent(data=data, id=str(event["seq"]), event=str(event["type"]))


@endpoint(
    "GET",
    "/sessions/{id}/recording",
    "session.recording",
    owner=ownership.session,
    media=True,
    params=SessionPath,
    query=RecordingQuery,
    answers={
        200: Answer("One person's voice on session time", media_type="audio/ogg"),
        206: Answer("The range that was asked for", media_type="audio/ogg"),
    },
    errors=[400, 416],
)
async def get_recording(request: Request, params: SessionPath, query: RecordingQuery) -> Response:
    """The recording of a track, Ogg/Opus, in whole or in ranges; of a live call what there is by
    now."""
    recording = await bus_of(request).recording(_dealership(request), params.id, query.track)
    if recording is None:
        raise Problem(404, "No recording is kept of this call.")
    return ranged(request, recording, "audio/ogg")


@endpoint(
    "DELETE",
    "/sessions/{id}/consent",
    "session.consent",
    owner=ownership.consenter,
    params=SessionPath,
    answers={204: Answer("The consent is withdrawn")},
)
async def delete_consent(request: Request, params: SessionPath) -> Response:
    """Withdraw consent: a call that goes on ends at once, and its recording and all words of it are
    destroyed. Before a call begins, it only cannot begin."""
    identity = identity_of(request)
    await services_of(request).audit.allowed(
        identity_of(request), "session.consent", "session", params.id
    )
    await bus_of(request).withdraw(identity.dealership_id, params.id, identity.user_id)
    return Response(status_code=204)


@endpoint(
    "DELETE",
    "/sessions/{id}",
    "session.delete",
    owner=ownership.session,
    params=SessionPath,
    answers={204: Answer("It is gone")},
)
async def delete_session(request: Request, params: SessionPath) -> Response:
    """Destroy a session with all that was kept of it; a call that goes on ends."""
    await services_of(request).audit.allowed(
        identity_of(request), "session.delete", "session", params.id
    )
    await bus_of(request).erase(_dealership(request), params.id)
    return Response(status_code=204)


def _dealership(request: Request) -> str:
    return identity_of(request).dealership_id


endpoints = [
    create,
    list_sessions,
    get_session,
    put_consent,
    get_consent,
    get_events,
    get_recording,
    delete_consent,
    delete_session,
]
