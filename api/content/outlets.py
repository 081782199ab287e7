"""Where published content goes: mailing lists and webhooks, and what is asked to go there."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

from api.content import hooks
from api.identity import Identity
from api.problems import Problem
from api.store.base import Duplicate
from api.store.content import ContentProject, Delivery, Subscriber, Webhook
from api.store.crypto import DataKey
from api.store.documents import Dealership
from api.store.kinds import WEBHOOKS
from api.store.store import Store

MAX_WEBHOOKS: Final = 20
MAX_SUBSCRIBERS: Final = 10_000
MAX_OPEN: Final = 50
"""Deliveries of a dealership that are under way."""
NO_ADDRESS: Final = (
    "Advertising mails must tell the dealership's postal address (15 USC 7704(a)(5)); "
    "an admin enters it in the dealership's settings."
)
MAC_BYTES: Final = 16
TOKEN_LETTERS: Final = 54
_ID_BYTES: Final = 12
Outlet = Literal["email", "webhook"]


def full(what: str, most: int) -> Problem:
    return Problem(409, f"There are {most} {what}, which is the most; remove some.", code="full")


class Outlets:
    """`secrets_key` seals the secrets of webhooks, `links_key` (32 bytes) signs the links by which
    people unsubscribe; both have no other purpose."""

    def __init__(
        self, store: Store, secrets_key: DataKey, links_key: bytes, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._secrets_key = secrets_key
        self._links_key = links_key
        self._now = now

    async def add_webhook(self, by: Identity, name: str, url: str) -> tuple[Webhook, str]:
        """It, and its secret. Raises `Problem`: 409."""
        if await self._store.webhooks.count(by.dealership_id) >= MAX_WEBHOOKS:
            raise full("webhooks", MAX_WEBHOOKS)
        secret = hooks.new_secret()
        made = Webhook.new(
            by.dealership_id, self._now(), name=name, url=url, secret="", author_id=by.user_id
        )
        sealed = self._secrets_key.seal(secret.encode(), place=_place(made))
        made = made.model_copy(update={"secret": sealed})
        try:
            await self._store.webhooks.add(by.dealership_id, made)
        except Duplicate as error:
            detail = "Another webhook has this name; take another one."
            raise Problem(409, detail, code="known") from error
        return made, secret

    def secret_of(self, webhook: Webhook) -> str:
        """Raises `Damaged`."""
        return self._secrets_key.open(webhook.secret, place=_place(webhook)).decode()

    def token_of(self, subscriber: Subscriber) -> str:
        """What a link by which they unsubscribe ends in. It works for good."""
        who = bytes.fromhex(subscriber.dealership_id + subscriber.id)
        return base64.urlsafe_b64encode(who + self._mac(who)).decode().rstrip("=")

    async def subscriber_of(self, token: str) -> Subscriber | None:
        """Whose token that is; None for a token that is not ours, and for who was removed."""
        if len(token) != TOKEN_LETTERS:
            return None
        try:
            raw = base64.b64decode(f"{token}==".encode(), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            return None
        who, mac = raw[: 2 * _ID_BYTES], raw[2 * _ID_BYTES :]
        if not hmac.compare_digest(mac, self._mac(who)):
            return None
        dealership_id, subscriber_id = who[:_ID_BYTES].hex(), who[_ID_BYTES:].hex()
        return await self._store.subscribers.get(dealership_id, subscriber_id)

    async def deliver(
        self, by: Identity, project: ContentProject, outlet: Outlet, target: str
    ) -> Delivery:
        """Have a published project go to a list (its name) or a webhook (its id), once for each of
        its revisions; one that failed goes on where it stopped. Raises `Problem`: 409."""
        if project.status != "published":
            detail = "Only what is published goes out; have it approved first."
            raise Problem(409, detail, code="not_published")
        if outlet == "email":
            await self._check_list(project, target)
        elif await self._store.webhooks.get(by.dealership_id, target) is None:
            raise Problem(409, "There is no such webhook; choose another one.", code="no_webhook")
        if await self._store.deliveries.count_open(by.dealership_id) >= MAX_OPEN:
            detail = f"{MAX_OPEN} deliveries are under way; try again when some are done."
            raise Problem(409, detail, code="full")
        now = self._now()
        asked = Delivery.new(
            by.dealership_id,
            now,
            id=_id_of(project, outlet, target),
            user_id=by.user_id,
            project_id=project.id,
            revision=project.revision,
            outlet=outlet,
            target=target,
            due_at=now,
        )
        try:
            await self._store.deliveries.add(by.dealership_id, asked)
        except Duplicate:
            return await self._again(asked)
        return asked

    async def _check_list(self, project: ContentProject, name: str) -> None:
        if project.type != "email":
            detail = "Only e-mails go to a list; send this one to a webhook, or download it."
            raise Problem(409, detail, code="wrong_type")
        dealership = await self._store.dealerships.get(project.dealership_id)
        if dealership is None or not dealership.contact.address:
            raise Problem(409, NO_ADDRESS, code="no_address")
        if not await self._store.subscribers.on_list(project.dealership_id, name):
            raise Problem(409, "Nobody on this list wants mails; choose another.", code="empty")

    async def _again(self, asked: Delivery) -> Delivery:
        known = await self._store.deliveries.get(asked.dealership_id, asked.id)
        if known is None or known.status != "failed":
            detail = "This revision went there already, or is on its way; change it to send more."
            raise Problem(409, detail, code="delivered_before")
        now = self._now()
        fresh = {"status": "pending", "attempts": 0, "due_at": now, "error": "", "done_at": None}
        revived = known.changed(now, user_id=asked.user_id, **fresh)
        await self._store.deliveries.save(asked.dealership_id, revived)
        return revived

    def _mac(self, who: bytes) -> bytes:
        return hmac.digest(self._links_key, who, "sha256")[:MAC_BYTES]


def _place(webhook: Webhook) -> str:
    return f"{webhook.dealership_id}:{WEBHOOKS.name}:{webhook.id}:secret"


def _id_of(project: ContentProject, outlet: Outlet, target: str) -> str:
    """The same for the same: so that one revision goes to one place once."""
    whole = "\0".join((project.id, str(project.revision), outlet, target))
    return hashlib.sha256(whole.encode()).hexdigest()[:24]


def hook_message(project: ContentProject, dealership: Dealership) -> dict[str, object]:
    """What a webhook is told: the body, as JSON."""
    facts = project.facts
    vehicle = facts.model_dump(mode="json", by_alias=True, exclude={"description"})
    return {
        "type": "content.published",
        "timestamp": project.published_at and project.published_at.isoformat(),
        "data": {
            "id": project.id,
            "revision": project.revision,
            "title": project.title,
            "type": project.type,
            "dealership": {"id": dealership.id, "name": dealership.name},
            "settings": project.settings.model_dump(mode="json", by_alias=True),
            "text": [each.model_dump(mode="json", by_alias=True) for each in project.content.text],
            "images": list(project.content.images),
            "vehicle": vehicle,
        },
    }
