"""Whose a session is that a path names."""

from __future__ import annotations

from starlette.requests import Request

from api.auth.roles import Owner
from api.calls import calls_of
from api.identity import identity_of
from api.views import SessionPath


async def session(request: Request, params: SessionPath) -> Owner | None:
    return await calls_of(request).owner_of(identity_of(request).dealership_id, params.id)
