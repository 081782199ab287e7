"""A node's services and what works on deliveries, without the node: mails go to a real server.

`python -m tests.api.content.outbox FOLDER PORT` works on those of a folder until it is killed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from api.content.hooks import Hooks
from api.content.sending import Deliverer, Written
from api.identity import Identity
from api.ids import new_id
from api.services import Services, open_services
from api.settings import Settings
from api.store.content import ContentProject, ContentType, Delivery, Subscriber
from api.store.documents import Dealership
from tests.api.content.vehicles import CONTACT, VEHICLES

WITHIN_S = 20.0
PLATFORMS = {"email": "newsletter", "social": "facebook"}


async def short_mails(project: ContentProject, dealership: Dealership) -> Written:
    def written(subscriber: Subscriber, link: str) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = project.title
        message["From"] = "node@forecourt.example"
        message["To"] = subscriber.email
        message.set_content(f"{dealership.name}\n{link}\n")
        return message

    return written


class Outbox:
    """One dealership's."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.store = services.store
        self.by = Identity(
            new_id(), new_id(), "manager", frozenset(), new_id(), issued_at=services.now()
        )
        self.dealership_id = self.by.dealership_id

    async def open(self) -> None:
        made = Dealership.new(
            self.dealership_id, self.now(), id=self.dealership_id, name="North & Sons"
        )
        await self.store.dealerships.add(made.model_copy(update={"contact": CONTACT}))

    def now(self) -> datetime:
        return self.services.now()

    async def project(self, type_: ContentType = "email", **fields: Any) -> ContentProject:
        """Published, of a made vehicle."""
        known: dict[str, Any] = {
            "user_id": self.by.user_id,
            "title": "This week",
            "type": type_,
            "status": "published",
            "vehicle_id": new_id(),
            "settings": {"platform": PLATFORMS[type_]},
            "published_at": self.now(),
            "facts": next(iter(VEHICLES.values())),
            "content": {
                "text": [
                    {"role": "subject", "text": "Come and see"},
                    {"role": "body", "text": "It stands <here> & waits."},
                ]
            },
        }
        made = ContentProject.new(self.dealership_id, self.now(), **(known | fields))
        await self.store.content.add(self.dealership_id, made)
        return made

    async def people(self, count: int, on_list: str = "Weekly") -> list[Subscriber]:
        """In the order in which they are written to."""
        made = [
            Subscriber.new(
                self.dealership_id,
                self.now(),
                email=f"person{number}@{on_list.lower()}.example",
                name=f"Person {number}",
                lists=(on_list,),
            )
            for number in range(count)
        ]
        await self.store.subscribers.add_new(self.dealership_id, made)
        return sorted(made, key=lambda each: each.id)

    async def asked(self, project: ContentProject, list_name: str = "Weekly") -> Delivery:
        return await self.services.outlets.deliver(self.by, project, "email", list_name)

    async def called(self, project: ContentProject, port: int) -> Delivery:
        hook, _ = await self.services.outlets.add_webhook(
            self.by, f"Site {new_id()}", f"http://127.0.0.1:{port}/in"
        )
        return await self.services.outlets.deliver(self.by, project, "webhook", hook.id)

    async def found(self, delivery: Delivery) -> Delivery:
        found = await self.store.deliveries.get(self.dealership_id, delivery.id)
        assert found is not None
        return found

    async def over(self, delivery: Delivery) -> Delivery:
        """As it is once it went out or failed."""
        async with asyncio.timeout(WITHIN_S):
            while (found := await self.found(delivery)).status not in ("delivered", "failed"):
                await asyncio.sleep(0.02)
        return found

    def deliverer(self, **options: Any) -> Deliverer:
        """Quick to try again."""
        hooks = Hooks([ip_network("127.0.0.0/8")], within_s=0.4)
        quick = {"every_s": 0.02, "first_pause": timedelta(microseconds=20)}
        return Deliverer(self.services, hooks, short_mails, **(quick | options))


async def services_at(data: Path, smtp_port: int, node: str = "node1") -> Services:
    settings = Settings(
        data=data,
        node=node,
        smtp_host="127.0.0.1",
        smtp_port=smtp_port,
        smtp_tls="none",
        mail_from="node@forecourt.example",
    )
    return await open_services(settings, lambda: "https://forecourt.example")


@asynccontextmanager
async def opened(data: Path, smtp_port: int) -> AsyncIterator[Outbox]:
    services = await services_at(data, smtp_port)
    try:
        outbox = Outbox(services)
        await outbox.open()
        yield outbox
    finally:
        await services.close()


@asynccontextmanager
async def working(deliverer: Deliverer) -> AsyncIterator[Deliverer]:
    deliverer.start()
    try:
        yield deliverer
    finally:
        await deliverer.stop()


async def main(data: Path, smtp_port: int) -> None:
    outbox = Outbox(await services_at(data, smtp_port, "killed"))
    async with working(outbox.deliverer(lease=timedelta(milliseconds=200))):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
