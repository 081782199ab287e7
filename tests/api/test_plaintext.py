"""No word that was said, and no phone number, lies on the disk as it is: not while a call goes on,
not afterwards, not in a dump of the store, not in the log."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest

from signaling import stack
from signaling.publisher import Publisher, load_audio
from tests.api.people import joined
from tests.node import Node

pytestmark = pytest.mark.slow

RATE = 48_000
SAID_S = 22
WORDS = ("wisdom", "foolishness", "belief", "incredulity", "season")
"""Of the opening of A Tale of Two Cities."""
PHONE = "+1 555 0199 2337"
NAMES = ("Grizelda", "Featherstone")


def found_in(folder: Path, hidden: Iterable[str]) -> list[tuple[str, str]]:
    """(file, word) of every word that stands in a file below `folder`."""
    wanted = [word.lower().encode() for word in hidden]
    return [
        (path.name, word.decode())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for content in [path.read_bytes().lower()]
        for word in wanted
        if word in content
    ]


async def test_nothing_that_was_said_can_be_read_on_the_disk(node: Node, two_cities: Path) -> None:
    stack.use_loopback(True)
    account = await asyncio.to_thread(joined, node, "salesperson")
    publisher = Publisher(account, load_audio(two_cities)[: SAID_S * RATE])
    hidden = (*WORDS, PHONE, *NAMES)
    async with httpx.AsyncClient(base_url=f"{node.url}/api/v1", auth=account, timeout=30) as http:
        me = await http.get("/me")
        profile = {
            "firstName": NAMES[0],
            "lastName": NAMES[1],
            "phone": PHONE,
            "dealership": "North Motors",
        }
        path = f"/users/{me.json()['id']}/profile"
        saved = await http.put(path, json=profile, headers={"If-Match": me.headers["etag"]})
        assert saved.json()["profile"]["phone"] == PHONE
        await publisher.create()
        await publisher.connect()
        await publisher.play()
        await asyncio.sleep(2)
        # The call goes on: its journal and recording grow.
        (live,) = node.sessions.glob(f"*/{publisher.session_id}")
        assert sum(path.stat().st_size for path in live.iterdir()) > 20_000
        assert found_in(node.data, hidden) == []
        await publisher.end()
        session = f"/sessions/{publisher.session_id}"
        while (await http.get(session)).json()["status"] != "completed":
            await asyncio.sleep(0.05)
        # What is looked for was heard, and is told to whoever may ask.
        events = (await http.get(f"{session}/events")).json()["items"]
        finals = [event for event in events if event["type"] == "transcript.final"]
        said = " ".join(word[0].lower() for event in finals for word in event["data"]["words"])
        assert [word for word in WORDS if word not in said] == []
        recording = await http.get(f"{session}/recording")
        assert recording.content.startswith(b"OggS")
        while live.exists():
            await asyncio.sleep(0.05)
    assert found_in(node.data, [*hidden, "OpusHead"]) == []
    with sqlite3.connect(node.data / "store.db") as store:
        dump = "\n".join(store.iterdump()).lower()
    assert publisher.session_id in dump
    assert [word for word in hidden if word.lower() in dump] == []
    assert [word for word in hidden if word.lower() in node.log.lower()] == []
    stack.use_loopback(False)
