"""A network that lets no UDP through: the page goes over to a WebSocket by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, WebSocket, WebSocketRoute, expect

from tests.e2e import chromium
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import PracticePage, bare, until
from tests.e2e.speech import TEXT

pytestmark = pytest.mark.slow

NO_UDP = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
SPEAKS_MS = 8_000
OTHER_DEVICE = "Fake Audio Input 1"
WITHOUT_AN_ENCODER = "delete window.AudioEncoder;"


@pytest.fixture(scope="module")
def walled_in(playwright: Playwright, reader: Path) -> Iterator[Browser]:
    """Chromium that may send no UDP but through a proxy, of which there is none."""
    launched = chromium.launch(playwright, reader, more_flags=[NO_UDP])
    yield launched
    launched.close()


@pytest.fixture
def practice(
    node: Node, walled_in: Browser, request: pytest.FixtureRequest
) -> Iterator[PracticePage]:
    context = signed_in(walled_in, node)
    script = getattr(request, "param", "")
    practice = PracticePage(context, node, checked=True, script=script)
    yield practice
    assert practice.errors == []
    context.close()


def frames_sent(practice: PracticePage) -> list[bytes]:
    """Collects the binary frames that the page sends from now on."""
    sent: list[bytes] = []

    def watch(socket: WebSocket) -> None:
        def note(payload: str | bytes) -> None:
            if isinstance(payload, bytes):
                sent.append(payload)

        socket.on("framesent", note)

    practice.page.on("websocket", watch)
    return sent


def states(node: Node, practice: PracticePage) -> list[str]:
    events = node.events(practice.session_id)
    return [event["data"]["state"] for event in events if event["type"] == "session.state"]


def assert_heard(practice: PracticePage) -> None:
    """The reader's words were written down, wherever in the text the call began.

    A word that was misheard spoils three triples; of other words than the text's none would fit.
    """
    said = bare(practice.page.locator("#said p").all_inner_texts())
    assert len(said) >= 10
    known = [" ".join(three) in TEXT for three in zip(said, said[1:], said[2:], strict=False)]
    assert sum(known) > len(known) / 4


@pytest.mark.parametrize(
    ("practice", "kind"), [("", 0x11), (WITHOUT_AN_ENCODER, 0x12)], indirect=["practice"]
)
def test_a_call_goes_over_a_websocket_where_udp_is_blocked(
    node: Node, practice: PracticePage, kind: int
) -> None:
    sent = frames_sent(practice)
    practice.call()
    expect(practice.notice("slow")).to_contain_text("a slower one is used")
    expect(practice.id("timer")).to_have_text(re.compile(r"0:(0[2-9]|[1-5]\d)"))
    practice.page.wait_for_timeout(SPEAKS_MS)
    assert practice.page.locator("[data-gauge=volume] .reading-value").inner_text() != "–"
    shown_s = int(practice.id("timer").inner_text()[2:])
    practice.end()
    expect(practice.notice("slow")).to_have_count(0)
    assert states(node, practice) == ["active", "completed"]
    assert {frame[:2] for frame in sent} == {bytes([kind, 0])}
    numbers = [int.from_bytes(frame[2:4]) for frame in sent]
    assert numbers == list(range(len(sent)))
    assert [int.from_bytes(frame[4:8]) for frame in sent] == [960 * n for n in numbers]
    lasted_ms = practice.api(f"/sessions/{practice.session_id}")["durationMs"]
    # What is sent while the call is being ended is not listened to any more; where a busy browser
    # stalled, session time went on without it.
    assert -1_000 <= 20 * len(sent) - lasted_ms <= 2_500
    assert abs(lasted_ms / 1000 - shown_s) < 2
    assert_heard(practice)


def test_pause_device_and_bookmark_work_over_a_websocket(
    node: Node, practice: PracticePage
) -> None:
    practice.call()
    practice.page.wait_for_timeout(1_000)
    practice.button("Pause").click()
    practice.expect_connection("paused")
    practice.page.wait_for_timeout(1_000)
    practice.button("Go on").click()
    practice.expect_connected()
    practice.button("Bookmark").click()
    practice.id("call-settings").locator("summary").click()
    practice.id("call-device").select_option(label=OTHER_DEVICE)
    expect(practice.notice("microphone")).to_contain_text(f"now “{OTHER_DEVICE}”")
    expect(practice.id("speaking-text")).to_have_text("Speaking")
    practice.end()
    assert states(node, practice) == ["active", "paused", "active", "completed"]
    kinds = {event["type"] for event in node.events(practice.session_id)}
    assert "bookmark" in kinds


def test_a_broken_websocket_is_made_again(node: Node, practice: PracticePage) -> None:
    routes: list[WebSocketRoute] = []

    def through(route: WebSocketRoute) -> None:
        routes.append(route)
        route.connect_to_server()

    practice.page.route_web_socket("**/socket", through)
    practice.call()
    practice.page.wait_for_timeout(1_000)
    routes[0].close(code=1011, reason="made up")
    practice.expect_connection("reconnecting")
    practice.expect_connected()
    practice.page.wait_for_timeout(2_000)
    practice.end()
    assert len(routes) == 2
    assert states(node, practice) == ["active", "interrupted", "active", "completed"]


def test_leaving_the_page_ends_the_call(practice: PracticePage) -> None:
    practice.call()
    practice.page.wait_for_timeout(500)
    practice.page.once("dialog", lambda dialog: dialog.accept())
    practice.page.reload()
    newest = "/sessions?limit=1"
    until(practice.page, lambda: practice.api(newest)["items"][0]["status"] == "completed")


def test_what_the_node_refuses_is_said_in_its_words(practice: PracticePage) -> None:
    def refuse(route: WebSocketRoute) -> None:
        route.close(code=4503, reason="This node is full; try again in half a minute.")

    practice.page.route_web_socket("**/socket", refuse)
    practice.open()
    practice.agree(recording=True)
    practice.start()
    expect(practice.notice("start")).to_contain_text("This node is full")
    expect(practice.view("ready")).to_be_visible()


def test_a_network_that_blocks_both_ways_is_said_so(practice: PracticePage) -> None:
    practice.page.route_web_socket("**/socket", lambda route: route.close(code=1006))
    practice.open()
    practice.agree(recording=True)
    practice.start()
    expect(practice.notice("start")).to_contain_text("A firewall or VPN may block it")


def test_a_call_whose_webrtc_dies_goes_on_over_a_websocket(node: Node, browser: Browser) -> None:
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    practice.call()
    expect(practice.notice("slow")).to_have_count(0)
    practice.page.wait_for_timeout(2_000)
    # From here on the browser may use a relay only, and there is none.
    practice.page.evaluate(
        """() => {
          const configure = RTCPeerConnection.prototype.setConfiguration;
          RTCPeerConnection.prototype.setConfiguration = function walled(wanted) {
            return configure.call(this, { ...wanted, iceTransportPolicy: "relay" });
          };
          spied.channels.events.dispatchEvent(new Event("close"));
        }"""
    )
    practice.expect_connection("reconnecting")
    practice.expect_connected()
    expect(practice.notice("slow")).to_be_visible()
    practice.page.wait_for_timeout(SPEAKS_MS)
    practice.end()
    assert practice.errors == []
    assert states(node, practice) == ["active", "interrupted", "active", "completed"]
    assert_heard(practice)
    # The next call tries WebRTC again.
    practice.page.reload()
    practice.call()
    expect(practice.notice("slow")).to_have_count(0)
    practice.end()
    context.close()


SLOW_NETWORK = """
  window.network = { takes: true };
  Object.defineProperty(WebSocket.prototype, "bufferedAmount", {
    get: () => (window.network.takes ? 0 : 2 ** 20),
  });
"""


@pytest.mark.parametrize("practice", [SLOW_NETWORK], indirect=True)
def test_sound_that_the_network_does_not_take_waits_then_goes_oldest_first(
    practice: PracticePage,
) -> None:
    sent = frames_sent(practice)
    practice.call()
    practice.page.wait_for_timeout(500)
    practice.page.evaluate("network.takes = false")
    practice.page.wait_for_timeout(500)
    before = len(sent)
    expect(practice.notice("dropped")).to_contain_text("could not be sent")
    practice.page.wait_for_timeout(1_000)
    assert len(sent) == before
    practice.page.evaluate("network.takes = true")
    until(practice.page, lambda: len(sent) - before >= 400)
    numbers = [int.from_bytes(frame[2:4]) for frame in sent]
    (gap,) = [after - last - 1 for last, after in pairwise(numbers) if after != last + 1]
    assert 20 <= gap <= 400
    practice.end()
