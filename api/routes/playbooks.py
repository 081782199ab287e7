"""`GET /api/v1/playbooks/DIGEST`: what a page shows of the playbook that a call is held with."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.endpoint import endpoint
from api.problems import Problem
from engine.events import SessionType, Wire
from engine.playbook import Playbook

SHOWN: dict[str, Any] = {
    "id": True,
    "version": True,
    "title": True,
    "language": True,
    "stages": {kind: {"__all__": {"code", "title"}} for kind in ("pitch", "objection", "closing")},
    "must_say": {"__all__": {"code", "title", "why", "sessions"}},
    "never_say": {"__all__": {"code", "title", "reason", "instead"}},
    "objections": {"__all__": {"code", "title", "card"}},
}


def shown(playbook: Playbook) -> dict[str, Any]:
    """As JSON."""
    body = playbook.model_dump(mode="json", include=SHOWN)
    return {to_camel(name): value for name, value in body.items()} | {"digest": playbook.digest}


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


@endpoint("GET", "/playbooks/{digest}", params=PlaybookPath, answers={200: PlaybookBody})
async def get_playbook(request: Request, params: PlaybookPath) -> Response:
    """A playbook, for ever the same; 404 for one that no call of this node was held with."""
    found = await request.app.state.playbooks.find(params.digest)
    if found is None:
        raise Problem(404, "There is no such playbook on this node.")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return JSONResponse(shown(found), headers=headers)


endpoints = [get_playbook]
