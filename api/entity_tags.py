"""Versions of single documents over HTTP: `ETag` and `If-Match` (RFC 9110, 8.8.3 and 13.1.1)."""

from __future__ import annotations

import re

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from api.problems import Problem

_TAG = re.compile(r'"(\d{1,16})"')


def tagged(
    view: BaseModel, version: int, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """`view` as JSON, with its version as a strong entity tag."""
    told = {"ETag": f'"{version}"', "Cache-Control": "no-store"} | (headers or {})
    content = view.model_dump_json(by_alias=True)
    return Response(content, status, told, media_type="application/json")


def match(request: Request, version: int) -> None:
    """Raises `Problem`: 428 where `If-Match` names no version, 412 where it names another."""
    given = request.headers.get("if-match", "").strip()
    if given == "*":
        return
    versions = {found[1] for part in given.split(",") if (found := _TAG.fullmatch(part.strip()))}
    if not versions:
        detail = 'Send If-Match with the ETag of what you change, such as "3".'
        raise Problem(428, detail, code="no_version")
    if str(version) not in versions:
        raise stale()


def stale() -> Problem:
    detail = "Somebody has changed this meanwhile: read it again, then change it."
    return Problem(412, detail, code="stale")
