"""`GET /api/v1/playbooks/DIGEST`: what a page shows of the playbook that a call is held with."""

from __future__ import annotations

from typing import Any

from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.problems import Problem
from engine.playbook import Playbook

SHOWN: dict[str, Any] = {
    "id": True,
    "version": True,
    "title": True,
    "language": True,
    "stages": {kind: {"__all__": {"code", "title"}} for kind in ("pitch", "objection", "closing")},
    "must_say": {"__all__": {"code", "title", "why", "sessions"}},
    "never_say": {"__all__": {"code", "title", "reason", "instead"}},
    "objections": {"__all__": {"code": True, "title": True, "card": True}},
}
"""Not the phrases and exemplars, by which things are recognized."""


def shown(playbook: Playbook) -> dict[str, Any]:
    """As JSON."""
    body = playbook.model_dump(mode="json", include=SHOWN)
    return {to_camel(name): value for name, value in body.items()} | {"digest": playbook.digest}


async def get_playbook(request: Request) -> Response:
    """200, for ever the same; 404 for one that no call of this node was held with."""
    found = await request.app.state.playbooks.find(request.path_params["digest"])
    if found is None:
        raise Problem(404, "There is no such playbook on this node.")
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return JSONResponse(shown(found), headers=headers)


routes = [Route("/playbooks/{digest}", get_playbook, methods=["GET"])]
