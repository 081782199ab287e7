"""Whoever may not speak any more does not, within 2 s; nor do they follow a call."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest

from api.account_client import Account
from signaling import stack
from signaling.publisher import Publisher
from tests.api.conftest import CONSENT
from tests.api.people import joined
from tests.node import Node

WITHIN_S = 2.0


@pytest.fixture
async def caller(node: Node) -> AsyncIterator[Publisher]:
    """A salesperson who speaks."""
    stack.use_loopback(True)
    account = await asyncio.to_thread(joined, node, "salesperson")
    rng = np.random.default_rng(3)
    noise = rng.integers(-2000, 2000, 60 * 48_000, dtype=np.int16)
    publisher = Publisher(account, noise)
    await publisher.create()
    await publisher.connect()
    yield publisher
    await publisher.close()
    stack.use_loopback(False)


def account_of(publisher: Publisher) -> Account:
    assert isinstance(publisher.server, Account)
    return publisher.server


async def ended(publisher: Publisher, begun_s: float) -> tuple[float, str | None]:
    """How long it took until the client was told that the call is over, and why."""
    while True:
        for received in publisher.received:
            event = received.event
            if event.type == "session.state" and event.data["state"] == "completed":
                return received.at_s - begun_s, event.data["reason"]
        assert time.monotonic() - begun_s < 10
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("how", ["disabled", "everywhere", "here", "sign-out"])
async def test_a_call_ends_within_two_seconds_of_its_owners_right(
    node: Node, caller: Publisher, how: str
) -> None:
    account = account_of(caller)
    user_id = account.user["id"]
    begun_s = time.monotonic()
    async with httpx.AsyncClient(base_url=f"{node.url}/api/v1", auth=node.account) as admin:
        if how == "disabled":
            version = (await admin.get(f"/users/{user_id}")).headers["etag"]
            answer = await admin.put(
                f"/users/{user_id}/status",
                json={"status": "disabled"},
                headers={"If-Match": version},
            )
        elif how == "everywhere":
            answer = await admin.delete(f"/users/{user_id}/sign-ins")
        elif how == "here":
            items = (await admin.get(f"/users/{user_id}/sign-ins")).json()["items"]
            answer = await admin.delete(f"/users/{user_id}/sign-ins/{items[0]['family']}")
        else:
            cookie = {"Cookie": f"forecourt-refresh={account.refresh_token}"}
            answer = await admin.post("/auth/sign-out", headers=cookie)
        assert answer.is_success, answer.text
        took_s, reason = await ended(caller, begun_s)
        assert took_s < WITHIN_S
        assert reason == "revoked"
        # The grant is worth nothing from now on.
        grant = {"Authorization": f"Bearer {caller.resume_token}"}
        path = f"/sessions/{caller.session_id}/whip"
        offer = {"Content-Type": "application/sdp"} | grant
        answer = await admin.post(path, content="v=0\r\n", headers=offer)
        assert answer.status_code in (401, 409)


async def test_another_persons_sign_out_ends_nothing(node: Node, caller: Publisher) -> None:
    other = await asyncio.to_thread(joined, node, "salesperson")
    async with httpx.AsyncClient(base_url=f"{node.url}/api/v1") as http:
        cookie = {"Cookie": f"forecourt-refresh={other.refresh_token}"}
        assert (await http.post("/auth/sign-out", headers=cookie)).status_code == 204
        await asyncio.sleep(WITHIN_S)
        view = await http.get(
            f"/sessions/{caller.session_id}", headers=account_of(caller).headers()
        )
        assert view.json()["status"] == "active"


async def test_a_stream_of_events_ends_with_the_readers_right(
    node: Node, caller: Publisher
) -> None:
    coach = await asyncio.to_thread(joined, node, "coach", account_of(caller).user["teamIds"])
    headers = {"Accept": "text/event-stream"} | coach.headers()
    path = f"/sessions/{caller.session_id}/events"
    async with (
        httpx.AsyncClient(base_url=f"{node.url}/api/v1", timeout=10) as http,
        http.stream("GET", path, headers=headers) as stream,
    ):
        assert stream.status_code == 200
        cookie = {"Cookie": f"forecourt-refresh={coach.refresh_token}"}
        begun_s = time.monotonic()
        assert (await http.post("/auth/sign-out", headers=cookie)).status_code == 204
        async for _ in stream.aiter_lines():
            assert time.monotonic() - begun_s < 5
        assert time.monotonic() - begun_s < 4


async def test_withdrawn_consent_stops_the_call_and_removes_its_words(
    node: Node, caller: Publisher
) -> None:
    account = account_of(caller)
    async with httpx.AsyncClient(base_url=f"{node.url}/api/v1", auth=account) as http:
        begun_s = time.monotonic()
        path = f"/sessions/{caller.session_id}"
        assert (await http.delete(f"{path}/consent")).status_code == 204
        took_s, reason = await ended(caller, begun_s)
        assert (took_s < WITHIN_S, reason) == (True, "consent_withdrawn")
        until_s = time.monotonic() + 10
        while (await http.get(f"{path}/recording")).status_code != 404:
            assert time.monotonic() < until_s
            await asyncio.sleep(0.05)
        assert (await http.get(f"{path}/events")).json()["items"] == []
        assert list(node.sessions.glob(f"*/{caller.session_id}")) == []
        again = await http.put(f"{path}/consent", json=CONSENT)
        assert again.status_code == 409, json.dumps(again.json())
