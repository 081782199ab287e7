"""`/api/v1/audit`: who did what in the dealership."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints
from starlette.requests import Request

from api.accounts.views import Id, PageQuery
from api.endpoint import endpoint
from api.identity import identity_of
from api.routes.teams import dealership
from api.services import services_of
from api.store.documents import Outcome
from api.times import Time
from engine.events import Wire

Action = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,80}$")]
Target = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_:.-]{1,200}$")]


class AuditQuery(PageQuery):
    actor_id: Annotated[Id | None, Field(alias="actorId")] = None
    action: Action | None = None
    target_id: Annotated[Target | None, Field(alias="targetId")] = None
    outcome: Outcome | None = None
    since: Annotated[Time | None, Field(alias="from")] = None
    before: Time | None = None


class AuditView(Wire):
    """One entry of a node's chain, whose `seq` has no gaps."""

    id: Id
    node: str
    seq: int
    at: datetime
    actor_id: str | None
    action: str
    target_type: str | None
    target_id: str | None
    outcome: Outcome


class AuditList(Wire):
    items: list[AuditView]
    total: int


@endpoint(
    "GET", "/audit", "audit.read", owner=dealership, query=AuditQuery, answers={200: AuditList}
)
async def list_audit(request: Request, query: AuditQuery) -> AuditList:
    """The newest first. Ids alone: a person who was erased stays an id."""
    page = await services_of(request).store.audit.page(
        identity_of(request).dealership_id,
        actor_id=query.actor_id,
        action=query.action,
        target_id=query.target_id,
        outcome=query.outcome,
        since=query.since,
        before=query.before,
        offset=query.offset,
        limit=query.limit,
    )
    items = [
        AuditView(
            id=entry.id,
            node=entry.node,
            seq=entry.seq,
            at=entry.at,
            actor_id=entry.actor_id,
            action=entry.action,
            target_type=entry.target_type,
            target_id=entry.target_id,
            outcome=entry.outcome,
        )
        for entry in page.items
    ]
    return AuditList(items=items, total=page.total)


endpoints = [list_audit]
