"""Where published content goes: subscribers of mails, webhooks, and deliveries to both."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from api.ids import new_id
from api.store.base import MAX_MANY, Database, Query, Stale, below, equal, has, one_of
from api.store.content import Delivery, DeliveryStatus, Subscriber, Webhook
from api.store.kinds import DELIVERIES, SUBSCRIBERS, WEBHOOKS
from api.store.repositories.scoped import Now, Page, Scoped, utc_now

OPEN: tuple[DeliveryStatus, ...] = ("pending", "sending")
OVER: tuple[DeliveryStatus, ...] = ("delivered", "failed")


class Subscribers(Scoped[Subscriber, Subscriber]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, SUBSCRIBERS, now)

    async def add(self, dealership_id: str, subscriber: Subscriber) -> None:
        """Raises `Duplicate` where the address is known."""
        await self._add(dealership_id, subscriber)

    async def add_new(self, dealership_id: str, subscribers: Sequence[Subscriber]) -> int:
        """Those whose addresses are not known, of at most `MAX_MANY`; returns how many."""
        for each in subscribers:
            self._refuse_foreign(dealership_id, each)
        return await self._collection.insert_new(subscribers)

    async def get(self, dealership_id: str, subscriber_id: str) -> Subscriber | None:
        return await self._find(dealership_id, equal("id", subscriber_id))

    async def of_emails(self, dealership_id: str, emails: Sequence[str]) -> list[Subscriber]:
        """Those of at most `MAX_MANY` addresses that are known."""
        return await self._list(dealership_id, [one_of("email", emails)], limit=MAX_MANY)

    async def page(
        self, dealership_id: str, *, on_list: str | None = None, offset: int = 0, limit: int = 50
    ) -> Page[Subscriber]:
        """By address, those that unsubscribed too."""
        where = [] if on_list is None else [has("lists", on_list)]
        return await self._page(dealership_id, where, ["email"], offset, limit)

    async def every(self, dealership_id: str, after: str = "") -> list[Subscriber]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after)

    async def on_list(self, dealership_id: str, name: str, after: str = "") -> list[Subscriber]:
        """Those on a list who still want mails, behind the id `after`, by id, at most `WALKED`."""
        where = [has("lists", name), equal("unsubscribedAt", None)]
        return await self._after(dealership_id, after, *where)

    async def count(self, dealership_id: str) -> int:
        return await self._count(dealership_id, [])

    async def save(self, dealership_id: str, changed: Subscriber) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def unsubscribe(self, dealership_id: str, subscriber_id: str) -> Subscriber | None:
        """As it is then; None where they have unsubscribed before, or there is no such person."""

        def without(found: Subscriber) -> Subscriber | None:
            if found.unsubscribed_at is not None:
                return None
            now = self._now()
            return found.changed(now, unsubscribed_at=now)

        return await self._change(dealership_id, [equal("id", subscriber_id)], without)

    async def remove(self, dealership_id: str, subscriber_id: str) -> int:
        """Who unsubscribed stays known as such."""
        where = [equal("id", subscriber_id), equal("unsubscribedAt", None)]
        return await self._remove(dealership_id, *where)


class Webhooks(Scoped[Webhook, Webhook]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, WEBHOOKS, now)

    async def add(self, dealership_id: str, webhook: Webhook) -> None:
        """Raises `Duplicate` where the name is taken."""
        await self._add(dealership_id, webhook)

    async def get(self, dealership_id: str, webhook_id: str) -> Webhook | None:
        return await self._find(dealership_id, equal("id", webhook_id))

    async def page(self, dealership_id: str, *, offset: int = 0, limit: int = 50) -> Page[Webhook]:
        """By name."""
        return await self._page(dealership_id, [], ["name"], offset, limit)

    async def count(self, dealership_id: str) -> int:
        return await self._count(dealership_id, [])

    async def remove(self, dealership_id: str, webhook_id: str) -> int:
        return await self._remove(dealership_id, equal("id", webhook_id))

    async def disown(self, dealership_id: str, author_id: str) -> int:
        """Of a person who is erased: their webhooks stay, without them."""
        touched = 0

        def without(webhook: Webhook) -> Webhook:
            return webhook.changed(self._now(), author_id=None)

        where = [equal("authorId", author_id)]
        while some := await self._change_all(dealership_id, where, without):
            touched += some
        return touched


class Deliveries(Scoped[Delivery, Delivery]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, DELIVERIES, now)

    async def add(self, dealership_id: str, delivery: Delivery) -> None:
        """Raises `Duplicate` where there is one with its id."""
        await self._add(dealership_id, delivery)

    async def get(self, dealership_id: str, delivery_id: str) -> Delivery | None:
        return await self._find(dealership_id, equal("id", delivery_id))

    async def of_project(
        self, dealership_id: str, project_id: str, *, offset: int = 0, limit: int = 50
    ) -> Page[Delivery]:
        """The newest first."""
        where = [equal("projectId", project_id)]
        return await self._page(dealership_id, where, ["-createdAt"], offset, limit)

    async def of_user(self, dealership_id: str, user_id: str, after: str = "") -> list[Delivery]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("userId", user_id))

    async def count_open(self, dealership_id: str) -> int:
        return await self._count(dealership_id, [one_of("status", OPEN)])

    async def save(self, dealership_id: str, changed: Delivery) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def due(self, now: datetime, limit: int) -> list[Delivery]:
        """Those of all dealerships that wait to be worked on, what is due first at the top."""
        where = [equal("status", "pending"), below("dueAt", now + timedelta(milliseconds=1))]
        return await self._collection.page(Query(where, ["dueAt"], 0, limit))

    async def lapsed(self, now: datetime, limit: int) -> list[Delivery]:
        """Those of all dealerships whose node is lost."""
        where = [equal("status", "sending"), below("leaseUntil", now)]
        return await self._collection.page(Query(where, ["leaseUntil"], 0, limit))

    async def claim(self, delivery: Delivery, lease: timedelta) -> Delivery | None:
        """The right to work on it, for one of concurrent callers; it counts as an attempt. None
        where somebody else has it."""
        now = self._now()
        claimed = delivery.changed(
            now,
            status="sending",
            attempts=delivery.attempts + 1,
            claim_id=new_id(),
            lease_until=now + lease,
        )
        try:
            await self._save(delivery.dealership_id, claimed)
        except Stale:
            return None
        return claimed

    async def hand_over(self, dealership_id: str, from_id: str, to_id: str) -> int:
        """What a person who is erased asked for, as `to_id` did from now on; returns how many."""

        def handed(delivery: Delivery) -> Delivery:
            return delivery.changed(self._now(), user_id=to_id)

        moved = 0
        where = [equal("userId", from_id)]
        while some := await self._change_all(dealership_id, where, handed):
            moved += some
        return moved

    async def forget_before(self, dealership_id: str, before: datetime) -> int:
        """Those that were asked for earlier and are over."""
        where = [below("createdAt", before), one_of("status", OVER)]
        return await self._remove(dealership_id, *where)
