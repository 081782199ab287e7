"""Whose a session is that a path names."""

from __future__ import annotations

from starlette.requests import Request

from api.auth.roles import Owner
from api.bus import bus_of
from api.identity import identity_of
from api.views import SessionPath


async def consenter(request: Request, params: SessionPath) -> Owner | None:
    """A consent belongs to whoever gave it: a call's partner, and who barged in, have their own."""
    identity = identity_of(request)
    calls = bus_of(request)
    if await calls.has_consent_of(identity.dealership_id, params.id, identity.user_id):
        return identity.own
    return await calls.owner_of(identity.dealership_id, params.id)


async def session(request: Request, params: SessionPath) -> Owner | None:
    return await bus_of(request).owner_of(identity_of(request).dealership_id, params.id)
