"""`/api/v1/content/{id}/deliveries`, `/subscribers`, `/lists`, `/webhooks`: where content goes."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import Id, IdPath, PageQuery
from api.content.hooks import checked_url
from api.content.outlets import MAX_SUBSCRIBERS, Outlet, full
from api.content.sending import Deliverer
from api.content.subscribers import MAX_BYTES, MAX_FAULTS, SubscriberFault, counted, parse, take
from api.endpoint import Answer, Media, endpoint
from api.entity_tags import match, tagged
from api.identity import identity_of
from api.problems import Problem, body_of
from api.routes.content import project, project_of
from api.services import services_of
from api.store.base import Duplicate
from api.store.content import CopyLanguage, Delivery, DeliveryStatus, Phrase, Subscriber, Webhook
from api.store.documents import Email, Words
from engine.events import Wire

ListName = Annotated[Words, Field(min_length=1)]
Lists = Annotated[list[ListName], Field(max_length=20)]
Source = Annotated[Phrase, Field(min_length=1)]


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
    model_config = ConfigDict(extra="forbid")

    on_list: Annotated[ListName | None, Field(alias="list")] = None


class ImportQuery(PageQuery):
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
    faults: list[SubscriberFault]


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


def delivery_view(delivery: Delivery) -> DeliveryView:
    return DeliveryView.model_validate(delivery, from_attributes=True)
