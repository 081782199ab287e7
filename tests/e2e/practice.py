"""The practice page, as someone who uses it goes through it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.node import Node

SPY = Path(__file__).with_name("spy.js")
CHECKED_DEVICE = "Fake Default Audio Input"
CHECK = {
    "label": CHECKED_DEVICE,
    "speechLevelDbfs": -24.0,
    "noiseFloorDbfs": -62.0,
    "snrDb": 38.0,
    "echoCancellation": True,
    "date": "2026-11-02T09:00:00.000Z",
}
WITHIN_MS = 20_000
POLL_MS = 50
expect.set_options(timeout=WITHIN_MS)


class PracticePage:
    """One tab. `checked`: an earlier microphone check is remembered, so the step is not asked."""

    def __init__(
        self, context: BrowserContext, node: Node, *, checked: bool = False, script: str = ""
    ) -> None:
        self.node = node
        self.url = node.url
        self.page: Page = context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_init_script(path=SPY)
        if script:
            self.page.add_init_script(script)
        if checked:
            self.page.add_init_script(
                "if (!localStorage['forecourt.baselines']) "
                f"localStorage['forecourt.baselines'] = JSON.stringify([{json.dumps(CHECK)}])"
            )

    # finding

    def view(self, name: str) -> Locator:
        return self.page.locator(f"section[data-view={name}]")

    def id(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")

    def notice(self, key: str) -> Locator:
        return self.page.locator(f".notice[data-key={key}]")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    # doing

    def open(self, address: str = "") -> None:
        self.page.goto(self.url + address)
        self.page.wait_for_selector("body[data-view]")

    def agree(self, *, recording: bool) -> None:
        self.page.get_by_label("Yes, listen to this call").check()
        label = "Keep a recording" if recording else "Keep the scores alone"
        self.page.get_by_label(label).check()
        self.button("Continue").click()

    def check_microphone(self) -> None:
        """Make the microphone check and go on."""
        self.button("Start the check").click()
        expect(self.id("verdict")).to_be_visible()
        self.page.locator("#check-continue:visible, #check-skip:visible").first.click()
        expect(self.view("ready")).to_be_visible()

    def start(self, kind: str = "Pitch") -> None:
        self.page.get_by_label(kind).check()
        self.button("Start the call").click()

    def expect_connection(self, state: str) -> None:
        expect_connection(self.page, state)

    def expect_connected(self) -> None:
        self.expect_connection("live")

    def expect_states(self, *states: str) -> None:
        """Wait until the node has told exactly these states of the session."""
        until(self.page, lambda: self.page.evaluate("spied.states") == list(states))

    def call(self, *, recording: bool = True) -> None:
        """From the address to a call, with a remembered check."""
        self.open()
        self.agree(recording=recording)
        expect(self.view("ready")).to_be_visible()
        self.start()
        self.expect_connected()

    def end(self) -> None:
        self.button("End").click()
        expect(self.view("summary")).to_be_visible()

    # reading

    @property
    def session_id(self) -> str:
        """Id of the session whose summary is shown."""
        return self.page.url.rsplit("/", 1)[1]

    def api(self, path: str) -> Any:
        """What the node tells its admin."""
        return self.node.get(path).raise_for_status().json()

    def words(self) -> list[str]:
        """Every word of the live transcript, tentative ones included, bare and in lower case."""
        return bare(self.id("transcript").locator(".utterance:visible p").all_inner_texts())

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Commands of this type that the page sent."""
        commands: list[dict[str, Any]] = self.page.evaluate("spied.sent")
        return [command for command in commands if command["type"] == kind]

    def receive(self, *events: dict[str, Any]) -> None:
        """Let the page's events channel receive these envelopes."""
        self.page.evaluate(
            "events => spied.channels.events.dispatchEvent("
            "new MessageEvent('message', {data: JSON.stringify(events)}))",
            list(events),
        )


def until(page: Page, holds: Callable[[], object]) -> None:
    """Wait, while the page goes on, until `holds()` is true."""
    give_up_s = time.monotonic() + WITHIN_MS / 1000
    while not holds():
        assert time.monotonic() < give_up_s, "it never came true"
        page.wait_for_timeout(POLL_MS)


def expect_connection(page: Page, state: str) -> None:
    """Wait until the page's call is in `state`, be it for a moment: `expect` looks once a second,
    which is too seldom for a connection that is soon back."""
    page.wait_for_function(
        "(state) => document.getElementById('connection')?.dataset.state === state",
        arg=state,
        polling=POLL_MS,
        timeout=WITHIN_MS,
    )


def bare(texts: list[str]) -> list[str]:
    """Words without punctuation, in lower case."""
    kept = "".join(c if c.isalnum() or c in "' " else " " for c in " ".join(texts).lower())
    return kept.split()
