"""The listen page in Chromium: somebody's live call is heard and read by somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.caller import Caller, calling
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import bare, expect_connection, until
from tests.e2e.speech import TEXT
from tests.e2e.test_accessibility import SMALL_TARGETS, SMALLEST_TARGET_PX, Walk, press_until

pytestmark = pytest.mark.slow

CONNECTIONS = """
window.connections = [];
const Original = RTCPeerConnection;
window.RTCPeerConnection = class extends Original {
  constructor(...given) { super(...given); connections.push(this); }
};
"""
RECEIVED = """async () => {
  const reports = [...(await connections.at(-1).getStats()).values()];
  const inbound = reports.filter(({ type }) => type === "inbound-rtp");
  inbound.sort((a, b) => b.packetsReceived - a.packetsReceived);
  return inbound[0] ?? { packetsReceived: 0, totalAudioEnergy: 0 };
}"""
RECOGNIZED_WITHIN_MS = 60_000
EARS = 4
"""Tracks that a page can hear at once."""


class ListenPage:
    """One tab."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_init_script(CONNECTIONS)

    def open(self, session_id: str = "") -> None:
        self.page.goto(f"{self.url}/listen" + (f"#/sessions/{session_id}" if session_id else ""))
        self.page.wait_for_selector("body[data-view]")

    def expect_view(self, name: str) -> None:
        expect(self.page.locator(f"section[data-view={name}]")).to_be_visible()

    def start(self) -> None:
        self.page.get_by_role("button", name="Start listening").click()

    def expect_state(self, state: str) -> None:
        expect_connection(self.page, state)

    def wait_until_heard(self, packets: int = 0) -> None:
        until(self.page, lambda: self.received()["packetsReceived"] > packets)

    def received(self) -> dict[str, Any]:
        """Chromium's own statistics of the sound that came."""
        received: dict[str, Any] = self.page.evaluate(RECEIVED)
        return received

    def players(self, attribute: str) -> list[Any]:
        """This of each track's player."""
        players = self.page.locator("#ears audio")
        values: list[Any] = players.evaluate_all(
            "(all, name) => all.map((one) => one[name])", attribute
        )
        return values

    def words(self) -> list[str]:
        lines = self.page.locator("#transcript .utterance:visible p")
        return bare(lines.all_inner_texts())


@pytest.fixture
def caller(node: Node, reader: Path) -> Iterator[Caller]:
    with calling(node.account, reader) as caller:
        yield caller


@pytest.fixture
def listen(node: Node, browser: Browser) -> Iterator[ListenPage]:
    context = signed_in(browser, node, microphone_allowed=False)
    listen = ListenPage(context, node.url)
    yield listen
    assert listen.errors == []
    context.close()


def test_a_live_call_is_chosen_heard_read_and_over(caller: Caller, listen: ListenPage) -> None:
    caller.connect()
    listen.open()
    link = listen.page.locator(f"#calls a[href='#/sessions/{caller.session_id}']")
    expect(link).to_contain_text("Pitch practice")
    link.click()
    listen.start()
    listen.expect_state("live")
    listen.wait_until_heard(250)
    received = listen.received()
    assert received["packetsLost"] == 0
    assert received["totalAudioEnergy"] > 0
    assert received["concealedSamples"] < received["totalSamplesReceived"] / 4
    assert listen.players("paused") == [False] * EARS
    expect(listen.page.locator("#transcript")).to_contain_text(
        "age of wisdom", timeout=RECOGNIZED_WITHIN_MS, ignore_case=True
    )
    assert set(listen.words()[:12]) <= set(TEXT.split())
    expect(listen.page.locator("#gauges [data-gauge=volume] .reading-value")).to_contain_text(
        "dBFS"
    )
    caller.end()
    listen.expect_view("over")
    expect(listen.page.locator("#over-title")).to_be_focused()
    listen.page.get_by_role("link", name="Open the summary").click()
    expect(listen.page.locator("#summary-title")).to_be_visible()


def test_whoever_comes_late_reads_what_was_said_before(
    node: Node, caller: Caller, listen: ListenPage
) -> None:
    caller.connect()
    listen.page.wait_for_timeout(1_000)
    while not any(event["type"] == "transcript.final" for event in node.events(caller.session_id)):
        listen.page.wait_for_timeout(500)
    listen.open(caller.session_id)
    listen.start()
    expect(listen.page.locator("#transcript")).to_contain_text("best of times", ignore_case=True)
    listen.wait_until_heard()


def test_listening_begins_when_the_call_does(caller: Caller, listen: ListenPage) -> None:
    listen.open(caller.session_id)
    expect(listen.page.locator("#ready-lead")).to_contain_text("It has not begun yet")
    listen.start()
    listen.expect_state("waiting")
    caller.connect()
    listen.expect_state("live")
    listen.wait_until_heard()


def test_a_broken_connection_is_brought_back(caller: Caller, listen: ListenPage) -> None:
    caller.connect()
    listen.open(caller.session_id)
    listen.start()
    listen.wait_until_heard()
    listen.page.evaluate("connections.at(-1).close()")
    listen.expect_state("reconnecting")
    listen.expect_state("live")
    listen.wait_until_heard()
    assert listen.page.evaluate("connections.length") > 1


def test_a_pause_of_the_caller_is_told(caller: Caller, listen: ListenPage) -> None:
    caller.connect()
    listen.open(caller.session_id)
    listen.start()
    listen.wait_until_heard()
    caller.pause(True)
    listen.expect_state("paused")
    caller.pause(False)
    listen.expect_state("live")


def test_leaving_the_page_leaves_the_call(node: Node, caller: Caller, listen: ListenPage) -> None:
    caller.connect()
    listen.open(caller.session_id)
    listen.start()
    listen.wait_until_heard()
    with listen.page.expect_request(lambda request: request.method == "DELETE") as left:
        listen.page.get_by_role("button", name="Stop listening").click()
    assert f"/sessions/{caller.session_id}/whep/" in left.value.url
    # 404 where the connection's own goodbye came first.
    assert left.value.response().status in (200, 404)  # type: ignore[union-attr]
    listen.expect_view("calls")


def test_an_unknown_call_says_so_and_offers_another_way(listen: ListenPage) -> None:
    listen.open("0" * 24)
    listen.expect_view("over")
    expect(listen.page.get_by_role("link", name="Other calls")).to_be_visible()


STREAM = """async ([id, last]) => {
  const { stream } = await import("/static/js/api.js");
  window.streamed = [];
  window.stop = new AbortController();
  const onEvent = (event) => streamed.push(event);
  const wanted = { lastEventId: last, onEvent, signal: stop.signal };
  const ends = stream(`/sessions/${id}/events`, wanted);
  window.over = ends.then(() => "over", (problem) => problem.status);
}"""
CUT = """async (letters) => {
  const { eventsOf } = await import("/static/js/stream.js");
  const bytes = new TextEncoder().encode(letters);
  const body = new ReadableStream({ start(controller) {
    for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
    controller.close();
  } });
  const events = [];
  for await (const event of eventsOf(body)) events.push(event);
  return events;
}"""


def test_events_are_streamed_to_whoever_is_signed_in(
    node: Node, caller: Caller, listen: ListenPage
) -> None:
    page = listen.page
    caller.connect()
    listen.open()
    page.evaluate(STREAM, [caller.session_id, None])
    until(page, lambda: page.evaluate("streamed.length") >= 3)
    caller.end()
    assert page.evaluate("over") == "over"
    ids = page.evaluate("streamed.map(({ id }) => Number(id))")
    assert ids == [event["seq"] for event in node.events(caller.session_id)]
    page.evaluate(STREAM, [caller.session_id, str(ids[-2])])
    until(page, lambda: page.evaluate("streamed.length") >= 1)
    assert page.evaluate("over") == "over"
    assert page.evaluate("streamed.map(({ data }) => data.seq)") == ids[-1:]
    page.evaluate(STREAM, ["0" * 24, None])
    assert page.evaluate("over") == 404


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_a_stream_is_read_however_it_is_cut(listen: ListenPage, end: str) -> None:
    lines = ["id: 1", "event: a", 'data: {"word":', 'data: "añó"}', "", ": ping", "", "data:2", ""]
    listen.open()
    # The end of the last line may be half of a pair as long as nothing follows.
    assert listen.page.evaluate(CUT, end.join([*lines, ":"])) == [
        {"id": "1", "event": "a", "data": {"word": "añó"}},
        {"id": None, "event": "message", "data": 2},
    ]


def test_everything_is_accessible(caller: Caller, listen: ListenPage) -> None:
    walk, page = Walk(), listen.page
    caller.connect()
    listen.open()
    expect(page.locator("#calls a").first).to_be_visible()
    walk.look(page, "calls")
    listen.open(caller.session_id)
    listen.expect_view("ready")
    walk.look(page, "ready")
    listen.start()
    expect(page.locator("#transcript .utterance:visible").first).to_be_visible(
        timeout=RECOGNIZED_WITHIN_MS
    )
    page.get_by_role("button", name="Mute").click()
    walk.look(page, "live")
    caller.end()
    listen.expect_view("over")
    walk.look(page, "over")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert {step: found for step, found in walk.small_targets.items() if found} == {}
    assert page.evaluate(SMALL_TARGETS, 1_000) != []
    assert SMALLEST_TARGET_PX == 24


def test_listening_needs_nothing_but_a_keyboard(caller: Caller, listen: ListenPage) -> None:
    page = listen.page
    caller.connect()
    listen.open()
    press_until(page, page.locator(f"#calls a[href='#/sessions/{caller.session_id}']"))
    page.keyboard.press("Enter")
    expect(page.locator("#ready-title")).to_be_focused()
    press_until(page, page.get_by_role("button", name="Start listening"))
    page.keyboard.press("Enter")
    expect(page.locator("#live-title")).to_be_focused()
    listen.expect_state("live")
    press_until(page, page.get_by_role("button", name="Mute"))
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Unmute")).to_be_focused()
    assert listen.players("muted") == [True] * EARS
    press_until(page, page.locator("#call-settings summary"))
    page.keyboard.press("Enter")
    press_until(page, page.get_by_label("Playback volume"))
    page.keyboard.press("ArrowLeft")
    assert listen.players("volume") == pytest.approx([0.95] * EARS)
    press_until(page, page.get_by_role("button", name="Stop listening"), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#calls-title")).to_be_focused()
