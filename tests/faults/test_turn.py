"""Calls of which every packet goes through a TURN server: Debian's coturn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from aioice import stun, turn

from signaling.ice import Credential, credentials, servers_of
from signaling.publisher import RATE, Publisher
from tests import coturn
from tests.coturn import Coturn
from tests.faults import scenarios
from tests.faults.scenarios import Outcome, Pcm, Together
from tests.node import Node, running
from tests.signaling.listening import ListeningClient
from tests.signaling.offers import CHROMIUM

pytestmark = pytest.mark.slow

ENOUGH_PACKETS = 4 * 50
"""Of 6 s in 20 ms packets."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """A node that others reach through the relay alone, one that they reach directly too."""

    turn: Coturn
    hidden: Node
    open: Node
    calls: Together


async def relayed(node: Node, speech: Pcm) -> Outcome:
    publisher = Publisher(node.account, speech, relay_only=True)
    answers: list[str] = []

    def noted(answer: str) -> str:
        answers.append(answer)
        return answer

    publisher.rewrite_answer = noted
    await publisher.create()
    await publisher.connect()
    assert publisher._pc is not None
    (sender,) = publisher._pc.getSenders()
    connection: Any = sender.transport.transport._connection
    pair = connection._nominated[1]
    await scenarios.play_to_end(publisher)
    candidates = [line for line in answers[0].splitlines() if line.startswith("a=candidate")]
    return await scenarios.outcome(
        node, publisher, pair=pair, candidates=candidates, id=publisher.session_id
    )


async def direct(node: Node, speech: Pcm) -> Outcome:
    """A client that knows of no TURN server, and one that listens to it."""
    publisher, listener = Publisher(node.account, speech), ListeningClient()
    await publisher.create()
    await publisher.connect()
    await scenarios.until(lambda: scenarios.heard(publisher, "session.state"), "beginning")
    async with scenarios.api(node) as http:

        async def answer_to(offer: str) -> str:
            path = f"/sessions/{publisher.session_id}/whep"
            headers = {"Content-Type": "application/sdp"}
            return (await http.post(path, content=offer, headers=headers)).raise_for_status().text

        answer = await listener.connect(answer_to)
    await scenarios.play_to_end(publisher)
    await listener.close()
    candidates = [line for line in answer.splitlines() if line.startswith("a=candidate")]
    return await scenarios.outcome(
        node, publisher, id=publisher.session_id, candidates=candidates, heard=len(listener.heard)
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, speech: Pcm) -> Iterator[Relayed]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("turn")
        server = stack.enter_context(coturn.running(folder))
        told = server.environment()
        hidden = stack.enter_context(
            running(folder / "hidden", FORECOURT_ICE_RELAY_ONLY="1", **told)
        )
        open_ = stack.enter_context(running(folder / "open", **told))
        said = speech[: 6 * RATE]
        calls = Together(
            both=relayed(hidden, said), client=relayed(open_, said), node=direct(hidden, said)
        )
        yield Relayed(server, hidden, open_, calls)


async def allocate(port: int, credential: Credential) -> turn.TurnTransport:
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        ("127.0.0.1", port),
        credential.username,
        credential.password,
    )
    return transport


@pytest.mark.parametrize("name", ["both", "client", "node"])
class TestCalls:
    """`both` ends behind the relay, the `client` alone, the `node` alone."""

    def test_a_whole_call_goes_through_the_relay(self, world: Relayed, name: str) -> None:
        call: Outcome = world.calls[name]
        assert [state for state, _ in call.states] == ["active", "completed"]
        assert "it was the best of times" in call.text
        assert call.view["durationMs"] > 6_000
        assert call.received[-1].event.data["state"] == "completed"
        assert call.view["hasRecording"]

    def test_the_turn_server_counted_its_packets(self, world: Relayed, name: str) -> None:
        call: Outcome = world.calls[name]
        until_s = time.monotonic() + 10  # the node's relay is given up just after the call
        while world.turn.relayed_packets(call.seen["id"]) < ENOUGH_PACKETS:
            assert time.monotonic() < until_s, world.turn.log[-3000:]
            time.sleep(0.1)


def test_neither_end_uses_an_address_of_its_own_where_both_must_not(world: Relayed) -> None:
    call: Outcome = world.calls["both"]
    assert call.seen["candidates"]
    assert all(" typ relay " in line for line in call.seen["candidates"])
    pair = call.seen["pair"]
    assert pair.local_candidate.type == "relay"
    relays = {line.split()[5] for line in call.seen["candidates"]}
    assert str(pair.remote_addr[1]) in relays


def test_a_client_behind_the_relay_reaches_the_nodes_own_address(world: Relayed) -> None:
    call: Outcome = world.calls["client"]
    assert {line.split()[7] for line in call.seen["candidates"]} == {"host", "relay"}
    assert call.seen["pair"].local_candidate.type == "relay"


def test_a_listener_hears_the_call_through_the_nodes_relay(world: Relayed) -> None:
    call: Outcome = world.calls["node"]
    assert {line.split()[7] for line in call.seen["candidates"]} == {"relay"}
    assert call.seen["heard"] > ENOUGH_PACKETS


def test_the_nodes_log_holds_no_credential(world: Relayed) -> None:
    for node, name in ((world.hidden, "both"), (world.open, "client")):
        assert world.calls[name].seen["id"] in node.log
        assert world.turn.secret not in node.log
        assert "credential" not in node.log
        assert f":{world.calls[name].seen['id']}" not in node.log


class TestLinks:
    @pytest.fixture
    def http(self, world: Relayed) -> Iterator[httpx.Client]:
        with world.open.client() as http:
            yield http

    @pytest.fixture
    def session(self, http: httpx.Client) -> dict[str, Any]:
        made: dict[str, Any] = http.post("/sessions", json={"sessionType": "pitch"}).json()
        consent = {"coaching": True, "recording": False, "textVersion": "file"}
        http.put(f"/sessions/{made['id']}/consent", json=consent).raise_for_status()
        return made

    def test_an_endpoint_tells_a_credential_that_the_turn_server_takes(
        self, world: Relayed, http: httpx.Client, session: dict[str, Any]
    ) -> None:
        answer = http.options(f"/sessions/{session['id']}/whip")
        assert answer.headers["cache-control"] == "no-store"
        (server,) = servers_of(answer.headers.get_list("link"))
        assert server.urls == world.turn.url
        expires, user = server.username.split(":")
        assert user == session["id"]
        assert 3_500 < int(expires) - time.time() <= 3_600

        async def try_it() -> str:
            given = Credential(server.username, server.credential)
            transport = await allocate(world.turn.port, given)
            transport.close()
            await asyncio.sleep(0.1)
            return str(transport.get_extra_info("sockname")[0])

        assert asyncio.run(try_it()) == "127.0.0.1"

    def test_a_preflight_and_a_session_that_does_not_exist_get_none(
        self, http: httpx.Client, session: dict[str, Any]
    ) -> None:
        preflight = {"Access-Control-Request-Method": "POST"}
        path = f"/sessions/{session['id']}/whip"
        assert "link" not in http.options(path, headers=preflight).headers
        strange = http.options(f"/sessions/{'0' * 24}/whip")
        assert (strange.status_code, "link" in strange.headers) == (404, False)

    def test_the_answer_tells_it_too_and_a_taken_call_only_to_its_own_client(
        self, http: httpx.Client, session: dict[str, Any]
    ) -> None:
        path = f"/sessions/{session['id']}/whip"
        answer = http.post(path, content=CHROMIUM, headers={"Content-Type": "application/sdp"})
        assert answer.status_code == 201
        (server,) = servers_of(answer.headers.get_list("link"))
        assert server.username.endswith(f":{session['id']}")
        assert "link" not in http.options(path).headers
        own = {"Authorization": f"Bearer {session['resumeToken']}"}
        assert len(http.options(path, headers=own).headers.get_list("link")) == 1
        http.delete(answer.headers["location"].removeprefix("/api/v1")).raise_for_status()


class TestCredentials:
    @pytest.mark.parametrize(
        "credential",
        [
            credentials("south", "a", time.time()),
            credentials("north by north-west", "a", time.time() - 7_200),
            Credential(f"{int(time.time()) + 3_600}:a", "forged"),
        ],
        ids=["another secret", "expired", "forged"],
    )
    def test_the_turn_server_refuses_what_we_did_not_make(
        self, world: Relayed, credential: Credential
    ) -> None:
        with pytest.raises(stun.TransactionFailed) as refusal:
            asyncio.run(allocate(world.turn.port, credential))
        assert refusal.value.response.attributes["ERROR-CODE"][0] == 401

    def test_a_relay_outlives_the_credential_that_allocated_it(self, world: Relayed) -> None:
        """What coturn does; other servers may ask for a credential at each refresh."""

        async def outlive() -> list[int]:
            brief = credentials(world.turn.secret, "a", time.time(), lifetime_s=1)
            transport = await allocate(world.turn.port, brief)
            inner: Any = transport._TurnTransport__inner_protocol
            await asyncio.sleep(2.5)
            with pytest.raises(stun.TransactionFailed):
                await allocate(world.turn.port, brief)
            refresh = stun.Message(stun.Method.REFRESH, stun.Class.REQUEST)
            refresh.attributes["LIFETIME"] = 600
            answer, _ = await inner.request_with_retry(refresh)
            await inner.channel_bind(0x4001, ("127.0.0.1", 9))
            transport.close()
            await asyncio.sleep(0.1)
            return [answer.attributes["LIFETIME"]]

        assert asyncio.run(outlive()) == [600]
