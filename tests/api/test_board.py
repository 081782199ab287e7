"""The live board over HTTP: every live call of the reader's teams as it stands, and no other."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from api.account_client import Account
from signaling import stack
from signaling.publisher import Publisher
from tests.api.people import joined
from tests.node import Node

pytestmark = pytest.mark.slow

STREAM = {"Accept": "text/event-stream"}
WITHIN_S = 10.0


class Board:
    """A reader of the stream: what it shows by now."""

    def __init__(self) -> None:
        self.cards: dict[str, dict[str, Any]] = {}
        self.kinds: list[str] = []
        self.is_over = False

    def take(self, kind: str, data: dict[str, Any]) -> None:
        self.kinds.append(kind)
        if kind == "snapshot":
            self.cards = {card["id"]: card for card in data["calls"]}
        elif kind == "call":
            self.cards[data["id"]] = data
        else:
            del self.cards[data["id"]]

    async def until(self, true: Any) -> None:
        until_s = time.monotonic() + WITHIN_S
        while not true():
            assert time.monotonic() < until_s, (self.kinds, self.cards)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def reading(node: Node, account: Account) -> AsyncIterator[Board]:
    board = Board()

    async def read() -> None:
        url = f"{node.url}/api/v1/board"
        headers = STREAM | account.headers()
        kind = ""
        async with (
            httpx.AsyncClient(timeout=60) as http,
            http.stream("GET", url, headers=headers) as lines,
        ):
            assert lines.status_code == 200
            async for line in lines.aiter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    board.take(kind, json.loads(line.removeprefix("data: ")))
        board.is_over = True

    task = asyncio.create_task(read())
    try:
        yield board
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def speaking(account: Account) -> AsyncIterator[Publisher]:
    rng = np.random.default_rng(3)
    noise = rng.integers(-2000, 2000, 60 * 48_000, dtype=np.int16)
    publisher = Publisher(account, noise)
    await publisher.create()
    await publisher.connect()
    try:
        yield publisher
    finally:
        await publisher.close()


@pytest.fixture
def loopback() -> Any:
    stack.use_loopback(True)
    yield
    stack.use_loopback(False)


async def test_a_call_appears_changes_and_goes_for_its_teams_manager_alone(
    node: Node, loopback: None
) -> None:
    trainee = await asyncio.to_thread(joined, node, "salesperson")
    teams = trainee.user["teamIds"]
    manager = await asyncio.to_thread(joined, node, "manager", teams)
    other = await asyncio.to_thread(joined, node, "manager")
    async with reading(node, manager) as board, reading(node, other) as foreign:
        await board.until(lambda: board.kinds == ["snapshot"])
        async with speaking(trainee) as publisher:
            mine = publisher.session_id
            await board.until(lambda: mine in board.cards and board.cards[mine]["name"])
            card = board.cards[mine]
            assert card["name"] == "Bo Lund"
            assert (card["status"], card["teamId"], card["alerts"]) == ("active", teams[0], [])
            shown = node.get("/board").json()["calls"]
            assert mine in [each["id"] for each in shown]
            publisher.command("pause")
            await board.until(lambda: board.cards[mine]["status"] == "paused")
            await publisher.end()
        await board.until(lambda: board.kinds[-1] == "gone")
        assert mine not in board.cards
        assert foreign.kinds == ["snapshot"]
    async with httpx.AsyncClient(base_url=f"{node.url}/api/v1", auth=trainee) as http:
        assert (await http.get("/board")).status_code == 403


async def test_the_stream_ends_with_the_readers_right(node: Node, loopback: None) -> None:
    trainee = await asyncio.to_thread(joined, node, "salesperson")
    coach = await asyncio.to_thread(joined, node, "coach", trainee.user["teamIds"])
    async with speaking(trainee) as publisher, reading(node, coach) as board:
        await board.until(lambda: publisher.session_id in board.cards)
        path = f"{node.url}/api/v1/users/{coach.user['id']}/sign-ins"
        begun_s = time.monotonic()
        await asyncio.to_thread(httpx.delete, path, headers=node.account.headers())
        await board.until(lambda: board.is_over)
        assert time.monotonic() - begun_s < 2.0
