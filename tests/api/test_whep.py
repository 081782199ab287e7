"""WHEP over HTTP (draft-ietf-wish-whep): who may listen, and that a node forwards what it gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiortc.rtp import RtpPacket

from api.identity import Identity
from api.listeners import Listeners
from api.problems import Problem
from signaling import stack
from signaling.ice import IceSettings
from signaling.publisher import Publisher
from tests.api.conftest import Refused
from tests.node import Node
from tests.signaling.calling import until
from tests.signaling.listening import ListeningClient
from tests.signaling.offers import CHROMIUM
from tests.signaling.packets import voice
from tests.signaling.stage import Stage

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = "application/trickle-ice-sdpfrag"
OFFER = CHROMIUM.replace("a=sendonly", "a=recvonly")


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    stack.use_loopback(True)
    yield
    stack.use_loopback(False)


@pytest.fixture
async def web(node: Node) -> AsyncIterator[httpx.AsyncClient]:
    """The admin's client. Addresses are below /api/v1."""
    url = f"{node.url}/api/v1"
    async with httpx.AsyncClient(base_url=url, auth=node.account, timeout=30) as web:
        yield web


@asynccontextmanager
async def on_air(node: Node, sent: list[bytes] | None = None) -> AsyncIterator[Publisher]:
    """A live call; `sent` gets the payload of every packet that its publisher sends."""
    publisher = Publisher(node.account, voice(60), lead_s=0.0)
    await publisher.create()
    await publisher.connect()
    assert publisher._pc is not None
    transport: Any = publisher._pc.getSenders()[0].transport
    send = transport._send_rtp

    async def noted(data: bytes) -> None:
        if sent is not None and not 192 <= data[1] <= 223:
            sent.append(RtpPacket.parse(data).payload)
        await send(data)

    transport._send_rtp = noted
    await until(lambda: publisher.received)
    try:
        yield publisher
    finally:
        await publisher.end()


class Visitor(ListeningClient):
    """A listener over HTTP."""

    location = ""
    etag = ""

    async def visit(self, web: httpx.AsyncClient, session_id: str) -> None:
        answer = await web.post(
            f"/sessions/{session_id}/whep", content=await self.offer(), headers=SDP
        )
        assert answer.status_code == 201, answer.text
        self.location = answer.headers["location"].removeprefix("/api/v1")
        self.etag = answer.headers["etag"]
        await self.accept(answer.text)


async def test_a_node_forwards_a_publishers_bytes_to_every_listener(
    node: Node, web: httpx.AsyncClient
) -> None:
    sent: list[bytes] = []
    async with on_air(node, sent) as publisher:
        visitors = [Visitor(), Visitor(), Visitor(channels=False)]
        for visitor in visitors:
            await visitor.visit(web, publisher.session_id)
        await until(lambda: all(len(visitor.heard) >= 75 for visitor in visitors))
        for visitor in visitors:
            at = sent.index(visitor.payloads[0])
            assert len(set(visitor.payloads)) > 50
            assert visitor.payloads == sent[at : at + len(visitor.payloads)]
            assert set(visitor.sequence_steps) == {1}
            assert set(visitor.timestamp_steps) == {960}
            await visitor.close()


async def test_whoever_joins_late_misses_no_event(node: Node, web: httpx.AsyncClient) -> None:
    """What came before is fetched once the channel is open; the channel brings the rest."""
    async with on_air(node) as publisher:
        await asyncio.sleep(2.5)
        visitor = Visitor()
        await visitor.visit(web, publisher.session_id)
        earlier = (await web.get(f"/sessions/{publisher.session_id}/events")).json()["items"]
        assert earlier
        publisher.command("bookmark", label="now")
        await until(lambda: any(event["type"] == "bookmark" for event in visitor.events))
        await until(lambda: visitor.meters)
        seen = {event["seq"] for event in [*earlier, *visitor.events]}
        assert seen == set(range(1, max(seen) + 1))
    await until(lambda: visitor.pc.connectionState == "closed")
    assert visitor.events[-1]["type"] == "session.state"
    assert visitor.events[-1]["data"]["state"] == "completed"
    await visitor.close()


async def test_a_listener_that_leaves_is_not_missed(
    node: Node, web: httpx.AsyncClient, refused: Refused
) -> None:
    async with on_air(node) as publisher:
        leaves, stays = Visitor(), Visitor()
        for visitor in (leaves, stays):
            await visitor.visit(web, publisher.session_id)
        other = leaves.location.replace(publisher.session_id, "0" * 24)
        refused(await web.delete(other), 404)
        assert (await web.delete(leaves.location)).status_code == 200
        refused(await web.delete(leaves.location), 404)
        await until(lambda: leaves.pc.connectionState == "closed")
        heard = len(stays.heard)
        await until(lambda: len(stays.heard) > heard + 20)
        shown = (await web.get(f"/sessions/{publisher.session_id}")).json()
        assert shown["status"] == "active"
        await stays.close()
        await leaves.close()


async def test_candidates_may_follow_the_offer(
    node: Node, web: httpx.AsyncClient, refused: Refused
) -> None:
    async with on_air(node) as publisher:
        visitor = Visitor()
        await visitor.visit(web, publisher.session_id)
        audio = visitor.pc.localDescription.sdp.partition("m=application")[0].splitlines()
        start = ("m=audio", "a=mid:", "a=ice-ufrag", "a=ice-pwd", "a=candidate")
        body = "".join(f"{line}\r\n" for line in audio if line.startswith(start))

        async def patch(content: str, **headers: str) -> httpx.Response:
            given = {"Content-Type": FRAGMENT, **headers}
            return await web.patch(visitor.location, content=content, headers=given)

        refused(await patch(body), 428)
        refused(await patch(body, **{"If-Match": '"another"'}), 412)
        refused(await patch("hello", **{"If-Match": visitor.etag}), 400)
        restart = body.replace("a=ice-ufrag:", "a=ice-ufrag:another")
        refused(await patch(restart, **{"If-Match": visitor.etag}), 422)
        assert (await patch(body, **{"If-Match": visitor.etag})).status_code == 204
        heard = len(visitor.heard)
        await until(lambda: len(visitor.heard) > heard + 10)
        described = await web.options(visitor.location)
        assert described.headers["accept-patch"] == FRAGMENT
        await visitor.close()


async def test_who_is_not_signed_in_hears_nothing(
    node: Node, web: httpx.AsyncClient, anonymous: httpx.Client, refused: Refused
) -> None:
    """Nor does the session's grant, which is for speaking."""
    async with on_air(node) as publisher:
        path = f"/sessions/{publisher.session_id}/whep"
        grant = {"Authorization": f"Bearer {publisher.resume_token}"}
        for shown in ({}, grant):
            post = await asyncio.to_thread(anonymous.post, path, content=OFFER, headers=SDP | shown)
            refused(post, 401)
            refused(await asyncio.to_thread(anonymous.options, path, headers=shown), 401)
        visitor = Visitor(channels=False)
        await visitor.visit(web, publisher.session_id)
        refused(await asyncio.to_thread(anonymous.delete, visitor.location), 401)
        await until(lambda: len(visitor.heard) > 5)
        await visitor.close()


async def test_what_the_endpoint_takes_can_be_asked(node: Node, web: httpx.AsyncClient) -> None:
    async with on_air(node) as publisher:
        described = await web.options(f"/sessions/{publisher.session_id}/whep")
    assert described.status_code == 200
    assert described.headers["accept-post"] == "application/sdp"
    assert set(described.headers["allow"].split(", ")) == {"OPTIONS", "POST"}


async def test_a_call_that_is_over_cannot_be_heard_live(
    node: Node, web: httpx.AsyncClient, refused: Refused
) -> None:
    async with on_air(node) as publisher:
        pass
    path = f"/sessions/{publisher.session_id}/whep"
    refused(await web.post(path, content=OFFER, headers=SDP), 409)
    refused(await web.options(path), 409)


@pytest.mark.parametrize(
    ("offer", "headers", "status"),
    [
        (CHROMIUM, SDP, 400),
        ("hello", SDP, 400),
        ("", SDP, 400),
        (b"v=0\r\n\xff", SDP, 400),
        (OFFER, {"Content-Type": "text/plain"}, 415),
        (OFFER + "a=x\r\n" * 20_000, SDP, 413),
    ],
    ids=["sends only", "no sdp", "empty", "no text", "another type", "too large"],
)
async def test_a_bad_offer_is_refused_and_the_call_goes_on(
    node: Node,
    web: httpx.AsyncClient,
    refused: Refused,
    offer: str | bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    async with on_air(node) as publisher:
        path = f"/sessions/{publisher.session_id}/whep"
        refused(await web.post(path, content=offer, headers=headers), status)
        visitor = Visitor(channels=False)
        await visitor.visit(web, publisher.session_id)
        await until(lambda: len(visitor.heard) > 5)
        await visitor.close()


def test_an_unknown_call_is_not_found(http: httpx.Client, refused: Refused) -> None:
    for session_id in ("0" * 24, "x", "%2e%2e%2f"):
        path = f"/sessions/{session_id}/whep"
        refused(http.post(path, content=OFFER, headers=SDP), 404)
    refused(http.delete(f"/sessions/{'0' * 24}/whep/0123456789abcdef"), 404)


def test_before_the_first_packet_there_is_nothing_to_hear(
    http: httpx.Client, refused: Refused, consented: dict[str, Any]
) -> None:
    path = f"/sessions/{consented['id']}/whep"
    answer = http.post(path, content=OFFER, headers=SDP)
    refused(answer, 409)
    assert answer.headers["retry-after"] == "2"
    connecting = http.post(
        path.replace("whep", "whip"), content=CHROMIUM, headers=SDP
    ).raise_for_status()
    refused(http.post(path, content=OFFER, headers=SDP), 409)
    http.delete(connecting.headers["location"].removeprefix("/api/v1"))


async def test_metrics_count_what_was_forwarded_to_those_who_left_too(
    node: Node, web: httpx.AsyncClient
) -> None:
    async def forwarded() -> float:
        text = (await web.get(f"{node.url}/metrics")).text
        (line,) = (line for line in text.splitlines() if line.startswith("forecourt_forwarded_p"))
        return float(line.split()[1])

    async with on_air(node) as publisher:
        before = await forwarded()
        visitor = Visitor()
        await visitor.visit(web, publisher.session_id)
        await until(lambda: len(visitor.heard) >= 10)
        await web.delete(visitor.location)
        assert await forwarded() >= before + 10
        await visitor.close()


IDENTITY = Identity("a" * 24, "b" * 24, "manager", frozenset(), "family", datetime.now(UTC))


@pytest.mark.parametrize("limited", ["call", "node"])
async def test_one_listener_too_many_is_told_to_come_back(limited: str) -> None:
    stage = Stage()
    await stage.speak(0.1)
    listeners, visitor = Listeners(), ListeningClient()
    if limited == "call":
        stage.room.audience.limit = 0
    else:
        listeners = Listeners(0)
    with pytest.raises(Problem, match="people listen") as caught:
        await listeners.join(stage.room, IceSettings(), await visitor.offer(), IDENTITY, "Ana")
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "30")
    assert len(listeners) == len(stage.room.audience) == 0
    await visitor.close()
    await stage.room.end("over")
