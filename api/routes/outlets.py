"""`/api/v1/content/{id}/deliveries`, `/subscribers`, `/lists`, `/webhooks`: where content goes."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import Id, IdPath, PageQuery
from api.auth.roles import Owner
from api.content.hooks import checked_url
from api.content.inventory import Fault
from api.content.outlets import MAX_SUBSCRIBERS, Outlet, full
from api.content.sending import Deliverer
from api.content.subscribers import MAX_BYTES, MAX_FAULTS, counted, parse, take
from api.endpoint import Answer, Media, endpoint
from api.entity_tags import match, tagged
from api.identity import identity_of
from api.problems import Problem, body_of
from api.routes.content import project, project_of, projects_of
from api.services import services_of
from api.store.base import Duplicate
from api.store.content import (
    CopyLanguage,
    Delivery,
    DeliveryStatus,
    Phrase,
    Subscriber,
    Webhook,
)
from api.store.documents import Document, Email, Words
from engine.events import Wire

ListName = Annotated[Words, Field(min_length=1)]
Lists = Annotated[list[ListName], Field(max_length=20)]
Source = Annotated[Phrase, Field(min_length=1)]
KNOWN: Final = "This address is known, or has unsubscribed for good; look for it in the list."
KEPT: Final = "They have unsubscribed, and are kept so that nobody writes to them again."


class DeliveryBody(Wire):
    """`list` is of an e-mail, `webhookId` of a webhook."""

    outlet: Outlet
    list: ListName | None = None
    webhook_id: Id | None = None

    @model_validator(mode="after")
    def _has_target(self) -> Self:
        named = {"email": self.list, "webhook": self.webhook_id}
        if [outlet for outlet, target in named.items() if target is not None] != [self.outlet]:
            raise ValueError("an email needs a list, a webhook its webhookId, and neither both")
        return self

    @property
    def target(self) -> str:
        return self.list or self.webhook_id or ""


class DeliveryView(Wire):
    """`target` is the list's name, or the webhook's id. `refused` counts addresses that the mail
    server would not take, or fell silent at; `dueAt` tells when it is tried next."""

    id: Id
    revision: int
    outlet: Outlet
    target: str
    status: DeliveryStatus
    attempts: int
    sent: int
    refused: int
    error: str
    created_at: datetime
    due_at: datetime
    done_at: datetime | None


class DeliveryPage(Wire):
    items: list[DeliveryView]
    total: int


class SubscriberBody(Wire):
    """`source` tells how they agreed to get mails."""

    email: Email
    name: Phrase = ""
    language: CopyLanguage = "en"
    lists: Lists
    source: Source


class SubscriberChange(Wire):
    name: Phrase
    language: CopyLanguage
    lists: Lists


class SubscriberView(Wire):
    id: Id
    email: str
    name: str
    language: CopyLanguage
    lists: list[str]
    source: str
    unsubscribed_at: datetime | None
    created_at: datetime


class SubscriberPage(Wire):
    items: list[SubscriberView]
    total: int


class SubscribersQuery(PageQuery):
    on_list: Annotated[ListName | None, Field(alias="list")] = None


class ImportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source: Source
    dry: bool = False


class ImportView(Wire):
    """What a file changed, or with `dry` would. Lines with faults are left out; `unsubscribed`
    want no more mails, and stay as they are."""

    added: int
    changed: int
    unchanged: int
    unsubscribed: int
    faulty: int
    faults: list[Fault]


class ListView(Wire):
    """`people` still want mails."""

    name: str
    people: int


class ListsView(Wire):
    items: list[ListView]


class WebhookBody(Wire):
    name: Annotated[Phrase, Field(min_length=1)]
    url: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class WebhookView(Wire):
    id: Id
    name: str
    url: str
    created_at: datetime


class NewWebhook(WebhookView):
    """`secret` signs what is sent, as Standard Webhooks has it; it is told this once."""

    secret: str


class WebhookPage(Wire):
    items: list[WebhookView]
    total: int


def _delivery(delivery: Delivery) -> DeliveryView:
    return DeliveryView(**_told(delivery, DeliveryView))


def _subscriber(subscriber: Subscriber) -> SubscriberView:
    return SubscriberView(**_told(subscriber, SubscriberView))


def _webhook(webhook: Webhook) -> WebhookView:
    return WebhookView(**_told(webhook, WebhookView))


def _told(document: Document, view: type[Wire]) -> dict[str, Any]:
    return {name: getattr(document, name) for name in view.model_fields}


def _deliverer(request: Request) -> Deliverer:
    deliverer: Deliverer = request.app.state.deliverer
    return deliverer


async def subscriber(request: Request, params: IdPath) -> Owner | None:
    """The dealership's, as `_subscribed` has it afterwards."""
    dealership_id = identity_of(request).dealership_id
    found = await services_of(request).store.subscribers.get(dealership_id, params.id)
    request.state.subscriber = found
    return None if found is None else Owner(dealership_id)


def _subscribed(request: Request) -> Subscriber:
    found: Subscriber = request.state.subscriber
    return found


async def webhook(request: Request, params: IdPath) -> Owner | None:
    dealership_id = identity_of(request).dealership_id
    found = await services_of(request).store.webhooks.get(dealership_id, params.id)
    return None if found is None else Owner(dealership_id)


@endpoint(
    "POST",
    "/content/{id}/deliveries",
    "content.publish",
    owner=project,
    params=IdPath,
    body=DeliveryBody,
    answers={201: DeliveryView},
    errors=[409, 503],
    once=True,
)
async def deliver(request: Request, params: IdPath, body: DeliveryBody) -> DeliveryView:
    """Have published content go to a mailing list or a webhook, each revision once.

    409 where a finding has come to block since its approval, as when its offer has ended.

    It is worked on at once and, where the other side is away, for some hours. One that failed goes
    on where it stopped when it is asked for again.
    """
    services, identity = services_of(request), identity_of(request)
    await projects_of(request).check_release(project_of(request))
    await services.audit.allowed(identity, "content.deliver", "content", params.id)
    found = await services.outlets.deliver(identity, project_of(request), body.outlet, body.target)
    _deliverer(request).wake()
    return _delivery(found)


@endpoint(
    "GET",
    "/content/{id}/deliveries",
    "content.read",
    owner=project,
    params=IdPath,
    query=PageQuery,
    answers={200: DeliveryPage},
)
async def list_deliveries(request: Request, params: IdPath, query: PageQuery) -> DeliveryPage:
    """Where it went, or is going; the newest first."""
    found = await services_of(request).store.deliveries.of_project(
        identity_of(request).dealership_id, params.id, offset=query.offset, limit=query.limit
    )
    return DeliveryPage(items=[_delivery(each) for each in found.items], total=found.total)


@endpoint(
    "GET",
    "/subscribers",
    "outlet.manage",
    query=SubscribersQuery,
    answers={200: SubscriberPage},
)
async def list_subscribers(request: Request, query: SubscribersQuery) -> SubscriberPage:
    """Who is on mailing lists, by address; those too who unsubscribed."""
    found = await services_of(request).store.subscribers.page(
        identity_of(request).dealership_id,
        on_list=query.on_list,
        offset=query.offset,
        limit=query.limit,
    )
    return SubscriberPage(items=[_subscriber(each) for each in found.items], total=found.total)


@endpoint(
    "POST",
    "/subscribers",
    "outlet.manage",
    body=SubscriberBody,
    answers={201: SubscriberView},
    errors=[409],
    once=True,
)
async def add_subscriber(request: Request, body: SubscriberBody) -> Response:
    """Put somebody on lists. Who unsubscribed is not put on any again."""
    services, dealership_id = services_of(request), identity_of(request).dealership_id
    if await services.store.subscribers.count(dealership_id) >= MAX_SUBSCRIBERS:
        raise full("subscribers", MAX_SUBSCRIBERS)
    made = Subscriber.new(dealership_id, services.now(), **body.model_dump())
    try:
        await services.store.subscribers.add(dealership_id, made)
    except Duplicate as error:
        raise Problem(409, KNOWN, code="known") from error
    return tagged(_subscriber(made), made.version, 201)


@endpoint(
    "PUT",
    "/subscribers/{id}",
    "outlet.manage",
    owner=subscriber,
    params=IdPath,
    body=SubscriberChange,
    answers={200: SubscriberView},
    errors=[412, 428],
)
async def put_subscriber(request: Request, params: IdPath, body: SubscriberChange) -> Response:
    """Change a subscriber's name, language and lists. The address stays: they agreed by it."""
    services, found = services_of(request), _subscribed(request)
    match(request, found.version)
    changed = found.changed(services.now(), **body.model_dump())
    await services.store.subscribers.save(found.dealership_id, changed)
    return tagged(_subscriber(changed), changed.version)


@endpoint(
    "DELETE",
    "/subscribers/{id}",
    "outlet.manage",
    owner=subscriber,
    params=IdPath,
    answers={204: Answer("They are gone")},
    errors=[409],
)
async def delete_subscriber(request: Request, params: IdPath) -> Response:
    """Forget a subscriber. Who unsubscribed is kept, so that nobody puts them on a list again."""
    services, identity = services_of(request), identity_of(request)
    await services.audit.allowed(identity, "subscriber.delete", "subscriber", params.id)
    if not await services.store.subscribers.remove(identity.dealership_id, params.id):
        raise Problem(409, KEPT, code="unsubscribed")
    return Response(status_code=204)


@endpoint(
    "POST",
    "/lists",
    "outlet.manage",
    query=ImportQuery,
    body=Media("text/csv", "A line for each; the first names the columns: email, name, ..."),
    answers={200: ImportView},
    errors=[409, 413, 415, 422],
)
async def import_subscribers(request: Request, query: ImportQuery) -> ImportView:
    """Put all of a CSV file (UTF-8) on lists: columns email, name, language (en, es) and lists.

    Lines that are right are taken, and the others told. Who is known gets the lists that are new;
    `source` tells how they agreed to get mails. With `dry` nothing is changed.
    """
    services, identity = services_of(request), identity_of(request)
    raw = await body_of(request, "text/csv", MAX_BYTES)
    dealership_id, now = identity.dealership_id, services.now()
    try:
        parsed = await asyncio.to_thread(parse, raw, query.source, dealership_id, now)
    except ValueError as error:
        raise Problem(422, str(error), code="unreadable") from error
    if not query.dry:
        await services.audit.allowed(identity, "subscriber.import", "dealership", dealership_id)
    people = list(parsed.people.values())
    counts = await take(services.store, dealership_id, people, now, dry=query.dry)
    return ImportView(
        **asdict(counts), faulty=len(parsed.faults), faults=parsed.faults[:MAX_FAULTS]
    )


@endpoint("GET", "/lists", "outlet.manage", answers={200: ListsView})
async def list_lists(request: Request) -> ListsView:
    """The mailing lists, by name, and how many people on each still want mails."""
    store, dealership_id = services_of(request).store, identity_of(request).dealership_id
    counts = await counted(store, dealership_id)
    return ListsView(items=[ListView(name=name, people=n) for name, n in sorted(counts.items())])


@endpoint("GET", "/webhooks", "outlet.manage", query=PageQuery, answers={200: WebhookPage})
async def list_webhooks(request: Request, query: PageQuery) -> WebhookPage:
    """By name."""
    found = await services_of(request).store.webhooks.page(
        identity_of(request).dealership_id, offset=query.offset, limit=query.limit
    )
    return WebhookPage(items=[_webhook(each) for each in found.items], total=found.total)


@endpoint(
    "POST",
    "/webhooks",
    "outlet.manage",
    body=WebhookBody,
    answers={201: NewWebhook},
    errors=[409],
    once=True,
)
async def add_webhook(request: Request, body: WebhookBody) -> NewWebhook:
    """Name an address that published content can be sent to. It must be on the public internet,
    unless the node's operator allowed its network."""
    services, identity = services_of(request), identity_of(request)
    try:
        url = checked_url(body.url, _deliverer(request).networks)
    except ValueError as error:
        raise Problem(422, str(error), code="bad_address") from error
    made, secret = await services.outlets.add_webhook(identity, body.name, url)
    await services.audit.allowed(identity, "webhook.create", "webhook", made.id)
    return NewWebhook(**_webhook(made).model_dump(), secret=secret)


@endpoint(
    "DELETE",
    "/webhooks/{id}",
    "outlet.manage",
    owner=webhook,
    params=IdPath,
    answers={204: Answer("It is gone")},
)
async def delete_webhook(request: Request, params: IdPath) -> Response:
    """Remove a webhook. What was to go there fails."""
    services, identity = services_of(request), identity_of(request)
    await services.audit.allowed(identity, "webhook.delete", "webhook", params.id)
    await services.store.webhooks.remove(identity.dealership_id, params.id)
    return Response(status_code=204)


endpoints = [
    deliver,
    list_deliveries,
    list_subscribers,
    add_subscriber,
    import_subscribers,
    put_subscriber,
    delete_subscriber,
    list_lists,
    list_webhooks,
    add_webhook,
    delete_webhook,
]
