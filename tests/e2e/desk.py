"""The people of a dealership, each with a browser of their own: for the tests of the lists."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from playwright.sync_api import Browser, Page

from api.account_client import Account
from api.store.documents import Notification, SessionMetrics, TrainingSession
from tests.api.seeds import Seeds, utc_now
from tests.e2e import people
from tests.e2e.node import Node


class Desk:
    """Everything is made through the API, but for calls of days gone by and notices, which are put
    into the store."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._errors: list[list[str]] = []

    def team(self, name: str) -> str:
        with self.node.client() as api:
            made = api.post("/teams", json={"name": name, "managerIds": []}).raise_for_status()
        team_id: str = made.json()["id"]
        return team_id

    def person(self, role: str, first_name: str, *team_ids: str) -> Account:
        """Somebody who was invited, and has come."""
        address = people.invite(self.node, role, teamIds=team_ids)
        secret = people.mailed_secret(self.node, address)
        said = {"firstName": first_name, "lastName": "Marsh"}
        password = people.new_password()
        return Account.accept(self.node.url, secret, address, password, said)

    def blank(self, browser: Browser, who: Account | None = None) -> Page:
        """An empty page in a fresh profile that has just signed in; as the admin without `who`."""
        page = people.signed_in(browser, self.node, who).new_page()
        self._errors.append(people.watched(page))
        return page

    def opened(self, browser: Browser, who: Account | None, path: str) -> Page:
        """`blank`, gone to `path`."""
        page = self.blank(browser, who)
        page.goto(self.node.url + path)
        return page

    @property
    def errors(self) -> list[str]:
        """Of the scripts of every page that was opened."""
        return [error for found in self._errors for error in found]

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


def _run(work: Coroutine[Any, Any, None]) -> None:
    # Playwright keeps this thread's event loop.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
