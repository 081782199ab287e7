"""Calls through a real node in real time: each scenario is one call and what became of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.impairment import Impairment, Relay, relay
from signaling.publisher import RATE, Publisher, PublishError, Received
from tests.api.people import joined
from tests.node import ROOT, Node, children

PATIENCE_S = 40.0

Pcm = NDArray[np.int16]
Json = dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """A call after its end: what its client received and what the node tells about it."""

    received: list[Received]
    view: Json
    events: list[Json]
    recording: httpx.Response
    seen: Json = field(default_factory=dict)

    @property
    def states(self) -> list[tuple[str, str | None]]:
        return [(e["data"]["state"], e["data"]["reason"]) for e in self.of("session.state")]

    @property
    def text(self) -> str:
        return spoken(self.events)

    def of(self, kind: str) -> list[Json]:
        return [event for event in self.events if event["type"] == kind]


def spoken(events: list[Json]) -> str:
    """The final words, lower case."""
    finals = [event for event in events if event["type"] == "transcript.final"]
    return " ".join(word[0] for event in finals for word in event["data"]["words"]).lower()


async def until(true: Callable[[], object], what: str) -> None:
    """Wait for what must come."""
    until_s = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > until_s:
            raise TimeoutError(f"no {what} within {PATIENCE_S:.0f} s")
        await asyncio.sleep(0.05)


def heard(publisher: Publisher, kind: str, **data: Any) -> bool:
    """Whether the client has received an event of this type with this data."""
    return any(
        r.event.type == kind and data.items() <= r.event.data.items() for r in publisher.received
    )


async def play_to_end(publisher: Publisher) -> None:
    await publisher.play()
    await asyncio.sleep(1)
    await publisher.end()


@asynccontextmanager
async def api(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    """The admin's client."""
    url = f"{node.url}/api/v1"
    async with httpx.AsyncClient(base_url=url, auth=node.account, timeout=30) as http:
        yield http


async def view_of(http: httpx.AsyncClient, session_id: str) -> Json:
    view: Json = (await http.get(f"/sessions/{session_id}")).raise_for_status().json()
    return view


async def events_of(http: httpx.AsyncClient, session_id: str, after: int = 0) -> list[Json]:
    answer = await http.get(f"/sessions/{session_id}/events", params={"after": after})
    items: list[Json] = answer.raise_for_status().json()["items"]
    return items


async def outcome(node: Node, publisher: Publisher, **seen: Any) -> Outcome:
    async with api(node) as http:
        return Outcome(
            publisher.received,
            await view_of(http, publisher.session_id),
            await events_of(http, publisher.session_id),
            await http.get(f"/sessions/{publisher.session_id}/recording"),
            seen,
        )


class Together:
    """Scenarios run at once; one that fails does not take the others along."""

    def __init__(self, **scenarios: Coroutine[Any, Any, Any]) -> None:
        async def gather() -> list[Any]:
            return await asyncio.gather(*scenarios.values(), return_exceptions=True)

        self._results = dict(zip(scenarios, asyncio.run(gather()), strict=True))

    def __getitem__(self, name: str) -> Any:
        result = self._results[name]
        if isinstance(result, BaseException):
            raise result
        return result


def behind(line: Relay, node: Node, speech: Pcm) -> Publisher:
    """A publisher of `speech` whose datagrams pass through `line`."""
    publisher = Publisher(node.account, speech)
    publisher.rewrite_offer, publisher.rewrite_answer = line.rewrite_offer, line.rewrite_answer
    return publisher


async def lossy(node: Node, speech: Pcm) -> Outcome:
    """8 % loss and 30 ms of jitter all along, and a pause of 2 s in the middle."""
    links: list[Json] = []
    async with relay(Impairment(loss=0.08, jitter_s=0.03)) as line:
        publisher = behind(line, node, speech)
        publisher.on_meters = lambda _, meters: links.append(meters["data"]["link"])
        await publisher.create()
        await publisher.connect()
        await asyncio.sleep(5)
        publisher.command("pause")
        await until(lambda: heard(publisher, "session.state", state="paused"), "pause")
        await asyncio.sleep(2)
        publisher.command("resume")
        await publisher.play()
        await asyncio.sleep(1)
        await publisher.end()
        lost_pct = [link["lostPct"] for link in links if link]
        return await outcome(node, publisher, lost=line.lost, media=line.media, lost_pct=lost_pct)


async def cut_off(node: Node, speech: Pcm) -> Outcome:
    """The network is gone for 5 s."""
    async with relay(Impairment()) as line:
        publisher = behind(line, node, speech)
        await publisher.create()
        await publisher.connect()
        await asyncio.sleep(4)
        line.impairment.cut = True
        await asyncio.sleep(5)
        line.impairment.cut = False
        await publisher.play()
        await asyncio.sleep(1)
        sent_ms = 20 * len(publisher._sent_s)
        await publisher.end()
        return await outcome(node, publisher, sent_ms=sent_ms)


async def streamed(node: Node, speech: Pcm) -> Outcome:
    """Its events are read as a stream that breaks off and is taken up again."""
    publisher = Publisher(node.account, speech)
    await publisher.create()
    path = f"/sessions/{publisher.session_id}/events"
    async with api(node) as http:
        await publisher.connect()
        await until(lambda: heard(publisher, "session.state", state="active"), "active")
        first = await read_stream(node, path, None, 5)
        playing = asyncio.create_task(play_to_end(publisher))
        rest = await read_stream(node, path, first[-1]["id"], None)
        await playing
        after = await http.get(
            path, headers={"Accept": "text/event-stream", "Last-Event-ID": rest[-1]["id"]}
        )
        listed = (await http.get("/sessions")).json()["items"]
    return await outcome(
        node, publisher, first=first, rest=rest, after=after.status_code, listed=listed
    )


async def read_stream(node: Node, path: str, last_id: str | None, count: int | None) -> list[Json]:
    """`count` events of a stream, or all until the node ends it: {id, event, data}.

    The token is a plain header: as a client's `auth` an `Account` reads answers to their end.
    """
    headers = {"Accept": "text/event-stream"} | node.account.headers()
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    events: list[Json] = []
    url = f"{node.url}/api/v1{path}"
    async with (
        httpx.AsyncClient(timeout=30) as http,
        http.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
                continue
            if "data" in fields:
                events.append(fields | {"data": json.loads(fields["data"])})
            fields = {}
            if count is not None and len(events) >= count:
                break
    return events


async def commanded(node: Node) -> Outcome:
    """Silence, and every kind of message; ended by DELETE."""
    publisher = Publisher(node.account, np.zeros(RATE, np.int16))
    await publisher.create()
    await publisher.connect()
    await until(lambda: heard(publisher, "session.state", state="active"), "active")
    await asyncio.sleep(0.5)
    publisher.command("bookmark", label="first")
    publisher.command("device", label="USB", settings={"autoGainControl": True})
    publisher.command("dance")
    events: Any = publisher._events
    for message in ("nonsense", "[1,2]", '{"type":7}', "x" * 5_000, b"\xff\xfe"):
        events.send(message)
    await until(lambda: len([r for r in publisher.received if r.event.type == "error"]) >= 5, "5")
    publisher.command("pause")
    await until(lambda: heard(publisher, "session.state", state="paused"), "pause")
    await asyncio.sleep(1)
    publisher.command("resume")
    await asyncio.sleep(1)
    publisher.command("bookmark", label="last")
    await until(lambda: heard(publisher, "bookmark", label="last"), "bookmark")
    location = publisher.location.removeprefix("/api/v1")
    async with api(node) as http:
        wrong = await http.delete(location[:-16] + location[:-17:-1])
        deleted = await http.delete(location)
        again = await http.delete(location)
    await until(lambda: heard(publisher, "session.state", state="completed"), "completed")
    await publisher.close()
    codes = [wrong.status_code, deleted.status_code, again.status_code]
    return await outcome(node, publisher, codes=codes)


async def wordless(node: Node, sound: Pcm) -> Outcome:
    publisher = Publisher(node.account, sound)
    await publisher.run()
    return await outcome(node, publisher)


async def refused(node: Node, speech: Pcm) -> Outcome:
    """Recording refused; the same call as any other. `seen` holds what was on disk during it."""
    publisher = Publisher(node.account, speech, recording=False)
    await publisher.create()
    await publisher.connect()
    await publisher.play()
    files = [path.name for path in node.sessions.rglob(f"*{publisher.session_id}*")]
    await asyncio.sleep(1)
    await publisher.end()
    return await outcome(node, publisher, files=files)


async def vanished(node: Node, speech_file: Path, speech: Pcm) -> Outcome:
    """The client's process is killed; another takes the call up again with its token."""
    publisher = Publisher(node.account, speech)
    await publisher.create()
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.faults.client",
        node.url,
        publisher.session_id,
        str(speech_file),
        cwd=ROOT,
        env=os.environ | {"FORECOURT_GRANT": publisher.resume_token},
        stdout=asyncio.subprocess.PIPE,
    )
    assert client.stdout is not None
    await asyncio.wait_for(client.stdout.readline(), PATIENCE_S)
    await asyncio.sleep(5)
    client.kill()
    killed_s = time.monotonic()
    await client.wait()
    async with api(node) as http:
        view = await view_of(http, publisher.session_id)
        while view["status"] != "interrupted" and time.monotonic() - killed_s < PATIENCE_S:
            await asyncio.sleep(0.1)
            view = await view_of(http, publisher.session_id)
        interrupted_after_s = time.monotonic() - killed_s
        before = await events_of(http, publisher.session_id)
    await publisher.connect(resume=True)
    await play_to_end(publisher)
    return await outcome(
        node,
        publisher,
        interrupted_after_s=interrupted_after_s,
        at_interruption=view,
        before=before,
    )


async def contested(node: Node) -> Outcome:
    """Others try to take a live call; then its own browser does, in a new tab.

    `refusals` are its trainee's without the grant, a colleague's, and two with wrong grants.
    """
    colleague = await asyncio.to_thread(joined, node, "salesperson")
    publisher = Publisher(node.account, np.zeros(20 * RATE, np.int16))
    await publisher.create()
    await publisher.connect()
    await until(lambda: heard(publisher, "session.state", state="active"), "active")
    refusals = []
    for account, token in (
        (node.account, ""),
        (colleague, ""),
        (colleague, "not the token"),
        (node.account, publisher.resume_token[:-1]),
    ):
        stranger = Publisher(account, publisher.audio, session_id=publisher.session_id)
        stranger.resume_token = token
        try:
            await stranger.connect(resume=bool(token))
        except PublishError as error:
            refusals.append(str(error))
        await stranger.close()
    tab = Publisher(node.account, np.zeros(RATE, np.int16), session_id=publisher.session_id)
    tab.resume_token = publisher.resume_token
    await tab.connect(resume=True)
    async with api(node) as http:
        stale = await http.delete(publisher.location.removeprefix("/api/v1"))
    connection: Any = publisher._pc
    await until(lambda: connection.connectionState in ("closed", "failed"), "end of the old one")
    await publisher.close()
    await asyncio.sleep(1)
    await tab.end()
    return await outcome(node, tab, refusals=refusals, stale=stale.status_code)


async def crashed(node: Node, speech: Pcm) -> Outcome:
    """The node is killed in mid-call, started again, and the client comes back."""
    publisher = Publisher(node.account, speech)
    await publisher.create()
    await publisher.connect()
    await asyncio.sleep(7)
    workers = children(node.pid)
    await asyncio.to_thread(node.kill)
    told = [received.event.model_dump() for received in publisher.received]
    await publisher.close()
    await until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers), "end")
    await asyncio.to_thread(node.start)
    async with api(node) as http:
        view = await view_of(http, publisher.session_id)
        events = await events_of(http, publisher.session_id)
        recording = await http.get(f"/sessions/{publisher.session_id}/recording")
    publisher.received.clear()
    publisher.audio = speech[: 4 * RATE]
    await publisher.connect(resume=True)
    await play_to_end(publisher)
    return await outcome(
        node,
        publisher,
        told=told,
        restarted=Outcome([], view, events, recording),
    )


async def operated(node: Node, speech: Pcm) -> Outcome:
    """The recognizer is killed while somebody speaks.

    The call is read as a stream too, so that whatever logs what it sends has its chance.
    """
    publisher = Publisher(node.account, speech)
    await publisher.create()
    await publisher.connect()
    path = f"/sessions/{publisher.session_id}/events"
    async with api(node) as http:
        stream = asyncio.create_task(read_stream(node, path, None, None))
        await until(lambda: heard(publisher, "transcript.partial"), "words")
        killed_ms = max(received.event.t for received in publisher.received)
        os.kill(node.worker_pid, signal.SIGKILL)
        await play_to_end(publisher)
        await stream
        health = (await http.get(f"{node.url}/healthz")).json()
    return await outcome(node, publisher, killed_ms=killed_ms, health=health)
