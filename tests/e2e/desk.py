"""The people of a dealership, each with a browser of their own: for the tests of the lists."""

from __future__ import annotations

import asyncio
import email
import itertools
import re
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import policy
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from api.account_client import Account
from api.store.documents import Notification, SessionMetrics, TrainingSession
from tests.api.seeds import Seeds, utc_now
from tests.e2e import chromium
from tests.e2e.node import Node

PASSWORD = "seven blue umbrellas"
LINK = re.compile(r"https?://\S+/link#\S+")
MAILED_WITHIN_S = 10.0
_numbers = itertools.count(1)


class Desk:
    """Everything is made through the API, but for calls of days gone by and notices, which are put
    into the store."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.errors: list[str] = []

    def team(self, name: str) -> str:
        with self.node.client() as api:
            made = api.post("/teams", json={"name": name, "managerIds": []}).raise_for_status()
        team_id: str = made.json()["id"]
        return team_id

    def person(self, role: str, first_name: str, *team_ids: str) -> Account:
        """Somebody who was invited, and has come."""
        address = f"{first_name.lower()}.{next(_numbers)}@north-motors.example"
        body = {"email": address, "role": role, "teamIds": team_ids}
        with self.node.client() as api:
            api.post("/users", json=body).raise_for_status()
        said = {"firstName": first_name, "lastName": "Marsh"}
        return Account.accept(self.node.url, self.mailed(address), address, PASSWORD, said)

    def mailed(self, address: str, *, other_than: str = "") -> str:
        """The link in the newest mail to `address`, once there is one `other_than` this."""
        give_up_s = time.monotonic() + MAILED_WITHIN_S
        while time.monotonic() < give_up_s:
            links = [found for file in self._mails() if (found := _link(file, address))]
            if links and links[0] != other_than:
                return links[0]
            time.sleep(0.02)
        raise AssertionError(f"no mail to {address}")

    def _mails(self) -> list[Path]:
        return sorted((self.node.data / "mail").glob("*.eml"), reverse=True)

    def opened(
        self, browser: Browser, who: Account, path: str, *, width: int = 1280, height: int = 800
    ) -> Page:
        """A page in a fresh profile, signed in by another sign-in than `who`."""
        context = chromium.context(browser, self.node.url, width=width, height=height)
        own = Account.sign_in(self.node.url, who.email, who.password)
        context.add_cookies([own.cookie()])
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.node.url + path)
        return page

    def past_calls(self, who: Account, scores: list[int]) -> None:
        """A completed call on each of the last days, the newest last."""
        _run(self._past_calls(who, scores))

    async def _past_calls(self, who: Account, scores: list[int]) -> None:
        async with Seeds(self.node.data) as seeds:
            dealership = await self._dealership(seeds, who)
            for days, score in enumerate(reversed(scores), start=1):
                start = utc_now() - timedelta(days=days)
                call = TrainingSession.new(
                    dealership,
                    start,
                    user_id=who.user["id"],
                    team_id=next(iter(who.user["teamIds"]), None),
                    session_type="objection",
                    status="completed",
                    start_time=start,
                    end_time=start + timedelta(minutes=4),
                    duration_ms=240_000,
                    metrics=SessionMetrics(confidence=score, clarity=score, pace=score),
                    feedback_counts={"too_fast": 2},
                    node="node1",
                )
                _, wrapped = seeds.vault.new_key(call)
                call = call.model_copy(update={"data_key": wrapped})
                await seeds.store.sessions.add(dealership, call)

    def notice(self, who: Account, kind: str) -> None:
        """Something in their inbox."""
        _run(self._notice(who, kind))

    async def _notice(self, who: Account, kind: str) -> None:
        async with Seeds(self.node.data) as seeds:
            dealership = await self._dealership(seeds, who)
            made = Notification.new(dealership, utc_now(), user_id=who.user["id"], kind=kind)
            await seeds.store.notifications.add(dealership, made)

    async def _dealership(self, seeds: Seeds, who: Account) -> str:
        user = await seeds.store.users.by_email(who.email)
        assert user is not None
        return user.dealership_id


def _link(file: Path, address: str) -> str | None:
    message = email.message_from_bytes(file.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",))
    if address not in str(message["To"]) or body is None:
        return None
    found = LINK.search(body.get_content())
    return None if found is None else found[0]


def _run(work: Coroutine[Any, Any, None]) -> None:
    # Playwright keeps this thread's event loop.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
