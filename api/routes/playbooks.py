"""`GET /api/v1/playbooks/DIGEST`: what a page shows of the playbook that a call is held with."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from api.endpoint import endpoint
from api.problems import Problem
from engine.events import SessionType, Wire


class PlaybookPath(BaseModel):
    digest: Annotated[str, Field(max_length=100)]


class StageView(Wire):
    code: str
    title: str


class StagesView(Wire):
    pitch: list[StageView]
    objection: list[StageView]
    closing: list[StageView]


class MustSayView(Wire):
    code: str
    title: str
    why: str
    sessions: list[SessionType]


class NeverSayView(Wire):
    code: str
    title: str
    reason: str
    instead: str


class CardView(Wire):
    title: str
    say: str
    ask: str
    avoid: str
    next: str


class ObjectionView(Wire):
    code: str
    title: str
    card: CardView


class PlaybookBody(Wire):
    """Not the phrases and exemplars, by which things are recognized."""

    id: str
    version: str
    digest: str
    title: str
    language: str
    stages: StagesView
    must_say: list[MustSayView]
    never_say: list[NeverSayView]
    objections: list[ObjectionView]


@endpoint(
    "GET",
    "/playbooks/{digest}",
    "playbook.read",
    params=PlaybookPath,
    answers={200: PlaybookBody},
)
async def get_playbook(request: Request, params: PlaybookPath) -> Response:
    """A playbook, for ever the same; 404 for one that no call of this node was held with."""
    found = await request.app.state.playbooks.find(params.digest)
    if found is None:
        raise Problem(404, "There is no such playbook on this node.")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    shown = PlaybookBody.model_validate(found, from_attributes=True)
    return Response(shown.model_dump_json(by_alias=True), 200, headers, "application/json")


endpoints = [get_playbook]
