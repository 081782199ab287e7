"""A node that is told to stop while people talk to it, and started again: one scenario each."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import Any

import httpx

from signaling.publisher import RATE, Publisher
from tests.faults.scenarios import (
    PATIENCE_S,
    Json,
    Outcome,
    Pcm,
    api,
    events_of,
    heard,
    outcome,
    play_to_end,
    read_stream,
    until,
    view_of,
)
from tests.kept import kept_of
from tests.node import Node

AWAY_S = 2.0


@dataclass(slots=True)
class Stopped:
    """What a stopped node left of a call on its disk, in the clear."""

    exit_code: int
    journal: str
    recording: bytes


def left_on_disk(node: Node, session_id: str, exit_code: int) -> Stopped:
    found = kept_of(node.data, session_id)
    return Stopped(exit_code, found.journal.decode(), found.recordings["trainee"])


async def live(node: Node, speech: Pcm, *, recording: bool = True) -> Publisher:
    """A call in which words have been seen."""
    publisher = Publisher(node.account, speech, recording=recording)
    await publisher.create()
    await publisher.connect()
    await until(lambda: heard(publisher, "transcript.partial"), "words")
    return publisher


async def come_back(node: Node, publisher: Publisher, speech: Pcm) -> None:
    """Take the call up again on the node that was started anew, and speak to the end."""
    publisher.audio = speech
    await publisher.connect(resume=True)
    await play_to_end(publisher)


async def restarted(node: Node, speech: Pcm) -> Outcome:
    """SIGTERM in mid-call, a new node on the same disk, and the client comes back."""
    publisher = await live(node, speech)
    path = f"/sessions/{publisher.session_id}/events"
    async with api(node) as http:
        stream = asyncio.create_task(read_stream(node, path, None, None))
        await asyncio.sleep(2)
        exit_code = await asyncio.to_thread(node.stop)
        streamed = await asyncio.wait_for(stream, PATIENCE_S)
    await until(lambda: heard(publisher, "session.state", reason="node_stopped"), "farewell")
    told = [received.event.model_dump() for received in publisher.received]
    await publisher.close()
    stopped = await asyncio.to_thread(left_on_disk, node, publisher.session_id, exit_code or 0)
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(node.start)
    async with api(node) as http:
        view = await view_of(http, publisher.session_id)
        events = await events_of(http, publisher.session_id)
    await come_back(node, publisher, speech[: 4 * RATE])
    between = Outcome([], view, events, httpx.Response(204))
    return await outcome(
        node,
        publisher,
        stopped=stopped,
        told=told,
        streamed=streamed,
        between=between,
        secrets=[publisher.resume_token, publisher.location.rsplit("/", 1)[1]],
    )


async def drained(node: Node, speech: Pcm) -> Outcome:
    """A node that drains: its call goes on, comes back on another connection, ends by itself."""
    publisher = await live(node, speech)
    waiting = Publisher(node.account, speech)
    await waiting.create()
    node.tell(signal.SIGTERM)
    async with api(node) as http:
        refusals = await refusals_of(http, waiting)
        health = await http.get(f"{node.url}/healthz")
        metrics = await http.get(f"{node.url}/metrics")
        tab = Publisher(node.account, speech[: 5 * RATE], session_id=publisher.session_id)
        tab.resume_token = publisher.resume_token
        await tab.connect(resume=True)
        await publisher.close()
        await play_to_end(tab)
    exit_code = await asyncio.to_thread(node.wait)
    left = await asyncio.to_thread(left_on_disk, node, tab.session_id, exit_code)
    return Outcome(
        publisher.received + tab.received,
        {},
        [received.event.model_dump() for received in publisher.received + tab.received],
        httpx.Response(200, content=left.recording),
        {"exit_code": exit_code, "refusals": refusals, "health": health, "metrics": metrics.text},
    )


async def refusals_of(http: httpx.AsyncClient, waiting: Publisher) -> list[httpx.Response]:
    """What a draining node says to who would begin a call, as soon as it drains."""
    new: Any = {"sessionType": "pitch"}
    created = await http.post("/sessions", json=new)
    while created.status_code == 201:
        await asyncio.sleep(0.05)
        created = await http.post("/sessions", json=new)
    offer = {"content": "v=0\r\n", "headers": {"Content-Type": "application/sdp"}}
    return [created, await http.post(f"/sessions/{waiting.session_id}/whip", **offer)]


async def hurried(
    node: Node, speech: Pcm, how: signal.Signals
) -> tuple[Publisher, Publisher, Json]:
    """A draining node is told to be quick: SIGTERM once more, or SIGINT."""
    kept, refused = await asyncio.gather(live(node, speech), live(node, speech, recording=False))
    node.tell(signal.SIGTERM)
    await asyncio.sleep(1)
    before = [r.event.data for r in kept.received if r.event.type == "session.state"]
    node.tell(how)
    exit_code = await asyncio.to_thread(node.wait)
    for publisher in (kept, refused):
        await until(lambda p=publisher: heard(p, "session.state", reason="node_stopped"), "end")  # type: ignore[misc]
        await publisher.close()
    return kept, refused, {"exit_code": exit_code, "before": before}
