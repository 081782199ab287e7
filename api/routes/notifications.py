"""`/api/v1/notifications`: one's inbox."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import Id, IdPath, PageQuery
from api.endpoint import Answer, endpoint
from api.identity import identity_of
from api.problems import Problem
from api.routes.me import oneself
from api.services import services_of
from api.store.documents import Notification
from engine.catalogue import catalogue
from engine.events import Wire


class InboxQuery(PageQuery):
    unread: bool = False


class NotificationView(Wire):
    """`text` is in the person's language."""

    id: Id
    kind: str
    parameters: dict[str, str | int | float | None]
    text: str
    created_at: datetime
    read_at: datetime | None


class InboxView(Wire):
    items: list[NotificationView]
    total: int
    unread: Annotated[int, Field(ge=0)]


@endpoint(
    "GET",
    "/notifications",
    "notification.list",
    owner=oneself,
    query=InboxQuery,
    answers={200: InboxView},
)
async def list_notifications(request: Request, query: InboxQuery) -> InboxView:
    """The newest first."""
    identity, services = identity_of(request), services_of(request)
    inbox = services.store.notifications
    user = await services.account.of(identity)
    page = await inbox.page(
        identity.dealership_id,
        identity.user_id,
        only_unread=query.unread,
        offset=query.offset,
        limit=query.limit,
    )
    unread = await inbox.count_unread(identity.dealership_id, identity.user_id)
    language = user.preferences.language
    items = [_view(each, language) for each in page.items]
    return InboxView(items=items, total=page.total, unread=unread)


@endpoint(
    "PUT",
    "/notifications",
    "notification.update",
    owner=oneself,
    answers={204: Answer("All are read")},
)
async def read_all(request: Request) -> Response:
    """Mark everything in the inbox read."""
    identity = identity_of(request)
    inbox = services_of(request).store.notifications
    while await inbox.mark_all_read(identity.dealership_id, identity.user_id):
        pass
    return Response(status_code=204)


@endpoint(
    "PUT",
    "/notifications/{id}/read",
    "notification.update",
    owner=oneself,
    params=IdPath,
    answers={204: Answer("It is read")},
)
async def read(request: Request, params: IdPath) -> Response:
    """Mark one read."""
    identity = identity_of(request)
    inbox = services_of(request).store.notifications
    if not await inbox.mark_read(identity.dealership_id, identity.user_id, params.id):
        raise _unknown()
    return Response(status_code=204)


@endpoint(
    "DELETE",
    "/notifications/{id}",
    "notification.delete",
    owner=oneself,
    params=IdPath,
    answers={204: Answer("It is gone")},
)
async def delete(request: Request, params: IdPath) -> Response:
    """Remove one from the inbox."""
    identity = identity_of(request)
    inbox = services_of(request).store.notifications
    if not await inbox.remove(identity.dealership_id, identity.user_id, params.id):
        raise _unknown()
    return Response(status_code=204)


def _view(each: Notification, language: str) -> NotificationView:
    said = {name: value for name, value in each.parameters.items() if value is not None}
    return NotificationView(
        id=each.id,
        kind=each.kind,
        parameters=dict(each.parameters),
        text=catalogue(language).text(f"notice.{each.kind}", **said),
        created_at=each.created_at,
        read_at=each.read_at,
    )


def _unknown() -> Problem:
    return Problem(404, "There is no such notice in your inbox.")


endpoints = [list_notifications, read_all, read, delete]
