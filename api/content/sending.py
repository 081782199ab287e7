"""Works on deliveries: mails to a list, one by one, and messages to webhooks.

The delivery's document is the truth. Whoever works on it holds a claim; who has lost that can save
nothing any more, and so stops. That somebody is written to is saved before the mail leaves: where a
node dies between the two, one person gets no mail, and nobody gets two. A turn writes to one page
of a list at most, so that a long list keeps nothing else waiting.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import structlog

from api.content.addresses import Network
from api.content.hooks import Hooks, NotTaken
from api.content.outlets import NO_ADDRESS, hook_message
from api.mail import MailError, MailRefused, MailUnsure
from api.services import Services
from api.store.base import Stale, StoreError
from api.store.content import ContentProject, Delivery, Subscriber
from api.store.crypto import Damaged
from api.store.documents import Dealership
from api.store.repositories.scoped import WALKED

log = structlog.get_logger(__name__)

MAX_ATTEMPTS: Final = 8
"""In a row that came to nothing."""
FIRST_PAUSE: Final = timedelta(seconds=10)
"""After the first attempt; four times as long after each further one."""
LONGEST_PAUSE: Final = timedelta(hours=1)
JITTER: Final = 0.2
LEASE: Final = timedelta(minutes=2)
"""Longer than one mail or one message takes."""
SLOTS: Final = 4
"""Deliveries that a node works on at once."""
EVERY_S: Final = 2.0
STOPS_WITHIN_S: Final = 5.0


Written = Callable[[Subscriber, str], EmailMessage]
"""The mail to one person, with the link by which they unsubscribe."""
Compose = Callable[[ContentProject, Dealership], Awaitable[Written]]
"""Reads what all mails of a project have in common."""


class GivenUp(Exception):
    """It will never go out; the message is a sentence for people."""


class Later(Exception):
    """It may go out later, after `pause` at the earliest; the message is a sentence for people."""

    def __init__(self, why: str, pause: timedelta = timedelta(0)) -> None:
        super().__init__(why)
        self.pause = pause


@dataclass(slots=True)
class _Claim:
    """The delivery as it was saved last."""

    held: Delivery


class Deliverer:
    """`compose` makes the mails. `first_pause` and `lease` are shorter in tests."""

    def __init__(
        self,
        services: Services,
        hooks: Hooks,
        compose: Compose,
        *,
        every_s: float = EVERY_S,
        first_pause: timedelta = FIRST_PAUSE,
        lease: timedelta = LEASE,
    ) -> None:
        self._services = services
        self._deliveries = services.store.deliveries
        self._hooks = hooks
        self._compose = compose
        self._every_s = every_s
        self._first_pause = first_pause
        self._lease = lease
        self._news = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="deliveries")

    async def stop(self) -> None:
        """What is being sent is sent; the rest waits for whoever comes next."""
        self._is_stopping = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOPS_WITHIN_S)
        for turn in self._under_way:
            turn.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._hooks.close()

    @property
    def networks(self) -> Sequence[Network]:
        """Those that webhooks may reach beside the public internet."""
        return self._hooks.networks

    def wake(self) -> None:
        """There is something new to deliver."""
        self._news.set()

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                await self._begin_turns()
            except StoreError as error:
                log.warning("deliveries_postponed", error=str(error))
            except Exception:
                # A defect in one round must not end all later ones.
                log.exception("deliveries_failed")
            try:
                async with asyncio.timeout(self._every_s):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def _begin_turns(self) -> None:
        """Raises `StoreError`."""
        free = SLOTS - len(self._under_way)
        if free <= 0:
            return
        now = self._services.now()
        found = await self._deliveries.lapsed(now, free) + await self._deliveries.due(now, free)
        for each in found[:free]:
            held = await self._deliveries.claim(each, self._lease)
            if held is not None:
                turn = asyncio.create_task(self._turn(_Claim(held)), name=f"delivery-{held.id}")
                self._under_way.add(turn)
                turn.add_done_callback(self._ended)

    def _ended(self, turn: asyncio.Task[None]) -> None:
        self._under_way.discard(turn)
        self._news.set()

    async def _turn(self, claim: _Claim) -> None:
        delivery_id = claim.held.id
        try:
            await self._save(claim, await self._outcome(claim))
        except Stale:
            log.warning("delivery_lost", delivery=delivery_id)
        except StoreError as error:
            # Its lease runs out, and it is gone on with.
            log.warning("delivery_left", delivery=delivery_id, error=str(error))
        else:
            held = claim.held
            log.info("delivery_turn", delivery=delivery_id, status=held.status, sent=held.sent)

    async def _outcome(self, claim: _Claim) -> dict[str, object]:
        """What the delivery is after this turn. Raises `StoreError`."""
        try:
            if claim.held.attempts > MAX_ATTEMPTS:
                raise GivenUp("Whoever worked on it broke off each time; look into the log.")
            project, dealership = await self._published(claim.held)
            if claim.held.outlet == "webhook":
                await self._call(claim.held, project, dealership)
                return self._done()
            return await self._mail_some(claim, project, dealership)
        except GivenUp as error:
            return self._failed(str(error))
        except Later as error:
            return self._postponed(claim.held, error)
        except StoreError:
            raise
        except Exception:
            log.exception("delivery_failed", delivery=claim.held.id)
            why = "It cannot be sent because of a defect on our side; the log has the details."
            return self._postponed(claim.held, Later(why))

    async def _published(self, held: Delivery) -> tuple[ContentProject, Dealership]:
        """What goes out. Raises `GivenUp` where it is no longer to."""
        store = self._services.store
        project = await store.content.get(held.dealership_id, held.project_id)
        dealership = await store.dealerships.get(held.dealership_id)
        if project is None or dealership is None:
            raise GivenUp("It was removed before all of it went out.")
        if project.status != "published" or project.revision != held.revision:
            raise GivenUp("It was changed before all of it went out; publish and send it again.")
        return project, dealership

    async def _call(self, held: Delivery, project: ContentProject, dealership: Dealership) -> None:
        """Raises `GivenUp` or `Later`."""
        webhook = await self._services.store.webhooks.get(held.dealership_id, held.target)
        if webhook is None:
            raise GivenUp("The webhook was removed.")
        try:
            secret = self._services.outlets.secret_of(webhook)
        except Damaged as error:
            raise GivenUp("The webhook's secret does not open; make the webhook anew.") from error
        body = json.dumps(hook_message(project, dealership), ensure_ascii=False).encode()
        try:
            await self._hooks.post(webhook.url, secret, held.id, body, self._services.now())
        except NotTaken as error:
            if not error.again:
                raise GivenUp(str(error)) from error
            raise Later(str(error), error.pause) from error

    async def _mail_some(
        self, claim: _Claim, project: ContentProject, dealership: Dealership
    ) -> dict[str, object]:
        """Write to one page of the list. Raises `GivenUp` or `Later`."""
        if not dealership.contact.address:
            raise GivenUp(NO_ADDRESS)
        held, subscribers = claim.held, self._services.store.subscribers
        found = await subscribers.on_list(held.dealership_id, held.target, held.sent_after)
        written = await self._compose(project, dealership)
        for each in found:
            if self._is_stopping:
                return self._to_be_continued()
            # Whoever has unsubscribed since the page was read gets nothing.
            present = await subscribers.get(held.dealership_id, each.id)
            if present is not None and present.unsubscribed_at is None:
                token = self._services.outlets.token_of(present)
                link = self._services.post.page(f"/unsubscribe?token={token}")
                message = written(present, link)
                message["Message-ID"] = self._message_id(held, present)
                message["Date"] = format_datetime(self._services.now())
                await self._mail(claim, present, message)
        if len(found) == WALKED:
            return self._to_be_continued()
        if claim.held.refused and not claim.held.sent:
            raise GivenUp("The mail server took none of the addresses; ask whoever runs it.")
        return self._done()

    async def _mail(self, claim: _Claim, subscriber: Subscriber, message: EmailMessage) -> None:
        """Raises `Later` where the server takes nothing now."""
        before = claim.held.sent_after
        until = self._services.now() + self._lease
        await self._save(claim, {"sent_after": subscriber.id, "lease_until": until})
        try:
            await self._services.mail.hand_on(message)
        except MailRefused:
            claim.held = claim.held.model_copy(update={"refused": claim.held.refused + 1})
        except MailUnsure as error:
            claim.held = claim.held.model_copy(update={"refused": claim.held.refused + 1})
            raise Later("The mail server fell silent in the middle of a mail.") from error
        except MailError as error:
            claim.held = claim.held.model_copy(update={"sent_after": before})
            raise Later("The mail server takes no mails now.") from error
        else:
            fresh = {"sent": claim.held.sent + 1, "attempts": 1}
            claim.held = claim.held.model_copy(update=fresh)

    def _message_id(self, held: Delivery, subscriber: Subscriber) -> str:
        """The same for the same mail, so that whoever gets it twice may see that."""
        host = self._services.mail.sender.rpartition("@")[2]
        return f"<{held.id}.{subscriber.id}@{host}>"

    async def _save(self, claim: _Claim, fields: Mapping[str, object]) -> None:
        """Raises `Stale` where the claim is lost, and `StoreError`."""
        changed = claim.held.changed(self._services.now(), **fields)
        await self._deliveries.save(changed.dealership_id, changed)
        claim.held = changed

    def _done(self) -> dict[str, object]:
        return _LET_GO | {"status": "delivered", "done_at": self._services.now(), "error": ""}

    def _failed(self, why: str) -> dict[str, object]:
        return _LET_GO | {"status": "failed", "done_at": self._services.now(), "error": why}

    def _to_be_continued(self) -> dict[str, object]:
        now = self._services.now()
        return _LET_GO | {"status": "pending", "attempts": 0, "due_at": now, "error": ""}

    def _postponed(self, held: Delivery, why: Later) -> dict[str, object]:
        if held.attempts >= MAX_ATTEMPTS:
            return self._failed(f"{why} It was tried {MAX_ATTEMPTS} times.")
        pause = min(self._first_pause * 4 ** (held.attempts - 1), LONGEST_PAUSE)
        pause *= 1 + JITTER * random.uniform(-1, 1)
        due = self._services.now() + max(pause, why.pause)
        return _LET_GO | {"status": "pending", "due_at": due, "error": str(why)}


_LET_GO: Final[dict[str, object]] = {"claim_id": None, "lease_until": None}
