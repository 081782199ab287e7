"""A call from the page through a TURN server alone, as on a network that lets nothing else out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests import coturn
from tests.coturn import Coturn
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import PracticePage

pytestmark = pytest.mark.slow

RELAY_ONLY = """
const setConfiguration = RTCPeerConnection.prototype.setConfiguration;
RTCPeerConnection.prototype.setConfiguration = function set(configuration) {
  (window.made ??= []).push(this);
  return setConfiguration.call(this, { ...configuration, iceTransportPolicy: "relay" });
};
"""
LOCAL_KINDS = """async () => {
  const reports = await window.made.at(-1).getStats();
  const pairs = [...reports.values()].filter((r) => r.type === "candidate-pair" && r.nominated);
  return pairs.map((pair) => reports.get(pair.localCandidateId).candidateType);
}"""
SERVERS = "async (header) => (await import('/static/js/ice.js')).serversOf(header)"
SPOKEN_MS = 5_000


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with coturn.running(tmp_path_factory.mktemp("coturn")) as server:
        yield server


@pytest.fixture(scope="module")
def page(
    turn: Coturn, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PracticePage]:
    node = Node(tmp_path_factory.mktemp("relayed") / "data", **turn.environment())
    node.start()
    context = signed_in(browser, node)
    yield PracticePage(context, node, checked=True, script=RELAY_ONLY)
    context.close()
    node.stop()


def test_a_call_from_the_page_goes_through_the_relay(page: PracticePage, turn: Coturn) -> None:
    page.call()
    assert page.page.evaluate(LOCAL_KINDS) == ["relay"]
    page.page.wait_for_timeout(SPOKEN_MS)
    page.end()
    events = page.api(f"/sessions/{page.session_id}/events")["items"]
    assert [e["data"]["state"] for e in events if e["type"] == "session.state"] == [
        "active",
        "completed",
    ]
    assert any(event["type"] == "transcript.final" for event in events)
    until_s = time.monotonic() + 10
    while turn.relayed_packets(page.session_id) < SPOKEN_MS // 20:
        assert time.monotonic() < until_s, turn.log[-3000:]
        page.page.wait_for_timeout(100)
    assert page.errors == []


TURN = {"urls": "turn:t.example:3478?transport=udp", "username": "1:a", "credential": "p+/="}
TURN_LINK = (
    '<turn:t.example:3478?transport=udp>; rel="ice-server"; username="1:a"; credential="p+/="; '
    'credential-type="password"'
)
HEADERS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "none": ("", []),
    "STUN": ('<stun:s.example>; rel="ice-server"', [{"urls": "stun:s.example"}]),
    "two": (
        f'<stun:s.example>; rel="ice-server", {TURN_LINK}',
        [{"urls": "stun:s.example"}, TURN],
    ),
    "another relation": (f'</x>; rel="urn:ietf:params:whip:ext:x", {TURN_LINK}', [TURN]),
    "several relations": (
        '<stun:s.example>;rel="x ice-server"',
        [{"urls": "stun:s.example"}],
    ),
    "unquoted": ("<stun:s.example>; rel=ice-server", [{"urls": "stun:s.example"}]),
    "upper case": ('<stun:s.example>; REL="ice-server"', [{"urls": "stun:s.example"}]),
    "commas, semicolons and quotes inside": (
        r'<turn:t.example>; title="a, <b>; rel=c"; rel="ice-server"; username="x\"y,;"; '
        r'credential="z"',
        [{"urls": "turn:t.example", "username": 'x"y,;', "credential": "z"}],
    ),
    "not a link": ("hello, rel=ice-server <", []),
}


@pytest.mark.parametrize(("header", "servers"), HEADERS.values(), ids=HEADERS.keys())
def test_the_page_reads_ice_servers_from_link_headers(
    links_page: Page, header: str, servers: list[dict[str, Any]]
) -> None:
    assert links_page.evaluate(SERVERS, header) == servers


@pytest.fixture(scope="module")
def links_page(browser: Browser, node: Node) -> Iterator[Page]:
    context = signed_in(browser, node)
    page = context.new_page()
    page.goto(node.url)
    yield page
    context.close()
