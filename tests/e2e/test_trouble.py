"""What goes wrong around a call: each has a clear sentence and a way on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, Route, expect

from tests.e2e import chromium
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import CHECKED_DEVICE, PracticePage, bare, until

pytestmark = pytest.mark.slow

OTHER_DEVICE = "Fake Audio Input 1"


@pytest.fixture
def practice(node: Node, browser: Browser) -> Iterator[PracticePage]:
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    yield practice
    assert practice.errors == []
    practice.page.unroute_all(behavior="ignoreErrors")
    context.close()


# before the call


def test_a_missing_microphone_is_named_and_can_be_tried_again(
    node: Node, playwright: Playwright
) -> None:
    browser = chromium.launch(playwright, None)
    context = signed_in(browser, node)
    practice = PracticePage(context, node)
    practice.open()
    practice.agree(recording=True)
    practice.button("Start the check").click()
    expect(practice.notice("microphone")).to_contain_text("No microphone was found")
    expect(practice.button("Try again")).to_be_visible()
    browser.close()


def test_a_refused_microphone_tells_where_to_allow_it(
    node: Node, playwright: Playwright, reader: Path
) -> None:
    browser = chromium.launch(playwright, reader, refuse=True)
    context = signed_in(browser, node, microphone_allowed=False)
    practice = PracticePage(context, node)
    practice.open()
    practice.agree(recording=True)
    practice.button("Start the check").click()
    expect(practice.notice("microphone")).to_contain_text("told not to share the microphone")
    expect(practice.notice("microphone")).to_contain_text("address bar")
    browser.close()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("NotReadableError", "in use by another program"),
        ("OverconstrainedError", "not available any more"),
    ],
)
def test_a_microphone_that_cannot_start_says_why(
    node: Node, browser: Browser, error: str, sentence: str
) -> None:
    context = signed_in(browser, node)
    refuse = f"""navigator.mediaDevices.getUserMedia = () =>
      Promise.reject(new DOMException('made up', '{error}'))"""
    practice = PracticePage(context, node, script=refuse)
    practice.open()
    practice.agree(recording=True)
    practice.button("Start the check").click()
    expect(practice.notice("microphone")).to_contain_text(sentence)
    context.close()


def test_an_insecure_address_is_explained(node: Node, browser: Browser) -> None:
    # Nodes listen on loopback only, which browsers trust: the address is made up, the rest is real.
    insecure = "http://forecourt.example"
    context = chromium.context(browser, node.url)
    context.route(
        f"{insecure}/**",
        lambda route: route.fulfill(
            response=context.request.get(route.request.url.replace(insecure, node.url))
        ),
    )
    page = context.new_page()
    for address in ("/", "/sign-in", "/account"):
        page.goto(insecure + address)
        assert page.evaluate("!isSecureContext && navigator.mediaDevices === undefined")
        expect(page.get_by_role("alert")).to_contain_text("https://")
        expect(page.get_by_role("alert")).to_contain_text("http://localhost")
    context.unroute_all(behavior="ignoreErrors")
    context.close()


def test_a_browser_without_webrtc_is_told_what_to_use(node: Node, browser: Browser) -> None:
    context = signed_in(browser, node)
    practice = PracticePage(context, node, script="delete window.RTCPeerConnection")
    practice.open()
    expect(practice.view("blocked")).to_contain_text("current Chrome, Edge or Firefox")
    context.close()


def test_a_server_out_of_reach_is_said_and_can_be_tried_again(practice: PracticePage) -> None:
    practice.open()
    practice.agree(recording=True)
    practice.page.route("**/api/v1/**", lambda route: route.abort())
    practice.start()
    expect(practice.notice("start")).to_contain_text("cannot be reached")
    practice.page.unroute("**/api/v1/**")
    practice.notice("start").get_by_role("button", name="Try again").click()
    practice.expect_connected()
    practice.end()


@pytest.mark.parametrize("status", [403, 409, 503])
def test_a_refusal_of_the_node_is_shown_in_its_own_words(
    practice: PracticePage, status: int
) -> None:
    detail = f"Made up for this test: {status}."

    def refuse(route: Route) -> None:
        problem = {"type": "about:blank", "title": "No", "status": status, "detail": detail}
        route.fulfill(
            status=status, content_type="application/problem+json", body=json.dumps(problem)
        )

    practice.open()
    practice.agree(recording=True)
    practice.page.route("**/whip", refuse)
    practice.start()
    expect(practice.notice("start")).to_contain_text(detail)
    expect(practice.view("ready")).to_be_visible()


def test_a_session_that_does_not_exist_leads_to_the_list(practice: PracticePage) -> None:
    practice.open("/#/sessions/0123456789abcdef01234567")
    expect(practice.notice("session")).to_contain_text("no session at this address")
    expect(practice.view("sessions")).to_be_visible()


# during the call


def test_a_pause_taken_back_at_once_does_not_come_again(practice: PracticePage) -> None:
    practice.call()
    practice.page.evaluate("() => { pause.click(); pause.click(); }")
    practice.expect_states("active", "paused", "active")
    practice.expect_connected()
    assert practice.page.evaluate("spied.tracks.at(-1).enabled")
    practice.end()
    states = [
        event["data"]["state"]
        for event in practice.api(f"/sessions/{practice.session_id}/events")["items"]
        if event["type"] == "session.state"
    ]
    assert states == ["active", "paused", "active", "completed"]


def test_an_unplugged_microphone_is_replaced_and_announced(practice: PracticePage) -> None:
    practice.call()
    practice.page.evaluate(
        "() => { const track = spied.tracks.at(-1); track.stop();"
        " track.dispatchEvent(new Event('ended')); }"
    )
    expect(practice.notice("microphone")).to_contain_text(f"now “{CHECKED_DEVICE}”")
    expect(practice.id("speaking-text")).to_have_text("Speaking")
    announced = practice.sent("device")
    assert [command["label"] for command in announced] == [CHECKED_DEVICE]
    assert announced[0]["settings"]["autoGainControl"] is False
    practice.end()


def test_a_microphone_that_is_gone_is_said_and_taken_up_when_it_returns(
    practice: PracticePage,
) -> None:
    practice.call()
    practice.page.evaluate(
        """() => {
          const devices = navigator.mediaDevices;
          spied.getUserMedia = devices.getUserMedia;
          devices.getUserMedia = () => Promise.reject(new DOMException('gone', 'NotFoundError'));
          const track = spied.tracks.at(-1);
          track.stop();
          track.dispatchEvent(new Event('ended'));
        }"""
    )
    expect(practice.notice("microphone")).to_contain_text("The microphone stopped")
    expect(practice.notice("microphone")).to_contain_text("Plug one in")
    practice.page.evaluate(
        """() => {
          navigator.mediaDevices.getUserMedia = spied.getUserMedia;
          navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
        }"""
    )
    expect(practice.notice("microphone")).to_contain_text(f"now “{CHECKED_DEVICE}”")
    assert len(practice.sent("device")) == 1
    practice.end()


def test_another_microphone_can_be_chosen_in_the_call(practice: PracticePage) -> None:
    practice.call()
    practice.id("call-settings").locator("summary").click()
    practice.id("call-device").select_option(label=OTHER_DEVICE)
    expect(practice.notice("microphone")).to_contain_text(f"now “{OTHER_DEVICE}”")
    assert [command["label"] for command in practice.sent("device")] == [OTHER_DEVICE]
    expect(practice.page.locator("[data-gauge=volume]")).to_contain_text("was not checked")
    practice.end()


def test_a_microphone_muted_by_the_system_is_said_until_it_is_not(practice: PracticePage) -> None:
    practice.call()
    practice.page.evaluate("spied.tracks.at(-1).dispatchEvent(new Event('mute'))")
    expect(practice.notice("muted")).to_contain_text("The system has muted your microphone")
    practice.page.evaluate("spied.tracks.at(-1).dispatchEvent(new Event('unmute'))")
    expect(practice.notice("muted")).to_have_count(0)
    practice.end()


def test_the_screen_stays_on_during_a_call_only(practice: PracticePage) -> None:
    practice.open()
    assert practice.page.evaluate("spied.locks.length") == 0
    practice.call()
    practice.page.wait_for_function("() => spied.locks.length === 1")
    practice.page.evaluate(
        "async () => { await spied.locks[0].release();"  # as the browser does with a hidden tab
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    practice.page.wait_for_function("() => spied.locks.length === 2 && !spied.locks[1].released")
    practice.end()
    practice.page.wait_for_function("() => spied.locks[1].released")


def test_leaving_the_page_during_a_call_asks_first(practice: PracticePage) -> None:
    practice.call()
    asked: list[str] = []
    practice.page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    practice.page.reload()
    assert asked == ["beforeunload"]
    expect(practice.view("consent")).to_be_visible()
    newest = "/sessions?limit=1"
    until(practice.page, lambda: practice.api(newest)["items"][0]["status"] == "completed")


def test_a_call_cannot_be_left_by_the_address_alone(practice: PracticePage) -> None:
    practice.call()
    practice.page.evaluate("location.hash = '#/sessions'")
    practice.page.wait_for_function("() => location.hash === '#/'")
    expect(practice.view("live")).to_be_visible()
    practice.end()


@pytest.mark.parametrize(
    ("leave", "interruptions"),
    [(Node.kill, ["node_restarted"]), (Node.stop, ["node_stopped", "node_restarted"])],
    ids=["killed", "stopped"],
)
def test_a_call_survives_a_node_that_goes_away_and_comes_back(
    browser: Browser, tmp_path: Path, leave: Callable[[Node], object], interruptions: list[str]
) -> None:
    node = Node(tmp_path / "data")
    node.start()
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    try:
        practice.call()
        expect(practice.id("transcript").locator(".utterance:visible").first).to_be_visible()
        practice.page.wait_for_timeout(3_000)
        before = practice.words()
        expect(practice.page.locator("[data-gauge=link]")).to_contain_text("kbit/s")
        leave(node)
        practice.expect_connection("reconnecting")
        expect(practice.notice("connection")).to_contain_text("trying to get it back")
        node.start()
        practice.expect_connected()
        expect(practice.notice("connection")).to_have_count(0)
        expect(practice.id("speaking-text")).to_have_text("Speaking")
        practice.page.wait_for_timeout(3_000)
        practice.end()
        said = set(bare(practice.page.locator("#said p").all_inner_texts()))
        assert len(set(before) & said) >= len(set(before)) / 2
        states = [
            (event["data"]["state"], event["data"]["reason"])
            for event in node.events(practice.session_id)
            if event["type"] == "session.state"
        ]
        assert states == [
            ("active", None),
            *(("interrupted", reason) for reason in interruptions),
            ("active", "resumed"),
            ("completed", "ended"),
        ]
        assert practice.errors == []
    finally:
        context.close()
        node.stop()


def test_a_connection_that_stays_away_ends_with_what_was_heard(practice: PracticePage) -> None:
    practice.call()
    expect(practice.id("transcript").locator(".utterance:visible").first).to_be_visible()
    practice.page.wait_for_timeout(2_000)
    practice.page.route(
        "**/whip",
        lambda route: route.fulfill(
            status=409,
            content_type="application/problem+json",
            body=json.dumps({"title": "Conflict", "status": 409, "detail": "Taken elsewhere."}),
        ),
    )
    practice.page.evaluate("spied.channels.events.dispatchEvent(new Event('close'))")
    expect(practice.view("summary")).to_be_visible()
    expect(practice.notice("ended")).to_contain_text("could not be brought back")
    expect(practice.notice("ended")).to_contain_text("Taken elsewhere.")
    expect(practice.id("said")).to_contain_text("was")
