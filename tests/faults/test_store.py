"""A call goes on while its database is away, and no event of it is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from signaling import stack
from signaling.publisher import Publisher, load_audio
from tests import mongod
from tests.node import Node, running

pytestmark = pytest.mark.slow

AWAY_S = 20
RATE = 48_000
WORDS = ("wisdom", "foolishness", "incredulity")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mongod.Mongod]:
    with mongod.running(tmp_path_factory.mktemp("mongod") / "server") as server:
        yield server


@pytest.fixture(scope="module")
def node(database: mongod.Mongod, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    data = tmp_path_factory.mktemp("away") / "node"
    with running(data, FORECOURT_STORE=database.url("away")) as started:
        yield started


def dumped(url: str) -> str:
    """Every document of the database, as text."""
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=10_000) as client:
        database = client["away"]
        documents = {name: list(database[name].find()) for name in database.list_collection_names()}
        return json.dumps(documents, default=str)


@pytest.mark.timeout(240)
async def test_a_database_that_is_away_for_20_s_of_a_call_loses_no_event(
    node: Node, database: mongod.Mongod, two_cities: Path
) -> None:
    stack.use_loopback(True)
    speech = load_audio(two_cities)
    publisher = Publisher(node.account, speech)
    await publisher.create()
    await publisher.connect()
    await asyncio.sleep(5)
    await asyncio.to_thread(database.kill)
    async with httpx.AsyncClient(
        base_url=f"{node.url}/api/v1", auth=node.account, timeout=30
    ) as http:
        answer = await http.get("/sessions")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        before = len(publisher.received)
        await asyncio.sleep(AWAY_S)
        # Whoever speaks notices nothing.
        assert len(publisher.received) > before + 5
        await asyncio.to_thread(database.start)
        await publisher.play()
        await asyncio.sleep(1)
        await publisher.end()
        path = f"/sessions/{publisher.session_id}"
        async with asyncio.timeout(60):
            while True:
                answer = await http.get(path)
                if answer.is_success and answer.json()["status"] == "completed":
                    break
                await asyncio.sleep(0.2)
            while list(node.sessions.glob(f"*/{publisher.session_id}")):
                await asyncio.sleep(0.2)
        stored = (await http.get(f"{path}/events")).json()["items"]
        told = [
            received.event.model_dump()
            for received in publisher.received
            if received.event.type != "meters"
        ]
        assert len(told) > 30
        assert stored == told
        assert [event["seq"] for event in stored] == list(range(1, len(stored) + 1))
        recording = await http.get(f"{path}/recording", headers={"Range": "bytes=0-3"})
        assert (recording.status_code, recording.content) == (206, b"OggS")
    said = json.dumps(stored).lower()
    dump = await asyncio.to_thread(dumped, database.url("away"))
    assert publisher.session_id in dump
    for word in WORDS:
        assert word in said
        assert word not in dump.lower()
    stack.use_loopback(False)
