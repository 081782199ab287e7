"""Chromium behind a network that loses packets, and then changes under it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Route

from benchmarks.impairment import Impairment, Relay
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import PracticePage

pytestmark = pytest.mark.slow

TALK_MS = 14_000


@contextmanager
def relay(impairment: Impairment, seed: int = 1) -> Iterator[Relay]:
    """A relay on a loop of its own: Playwright's does not run between its calls."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="relay")
    thread.start()
    made = Relay(impairment, seed)
    asyncio.run_coroutine_threadsafe(made.open(), loop).result(10)
    try:
        yield made
    finally:
        asyncio.run_coroutine_threadsafe(closed(made), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def closed(relay: Relay) -> None:
    relay.close()
    await asyncio.sleep(0)  # the sockets close in the loop's next turn


def through(relay: Relay) -> object:
    """A route handler that leads the page's WHIP publication through `relay`."""

    def publish(route: Route) -> None:
        request = route.request
        if request.method != "POST":
            route.continue_()
            return
        answer = route.fetch(post_data=relay.rewrite_offer(request.post_data or ""))
        route.fulfill(response=answer, body=relay.rewrite_answer(answer.text()))

    return publish


def test_chromium_sends_copies_of_lost_packets_and_they_are_heard(
    node: Node, browser: Browser
) -> None:
    """It does so only when our receiver reports tell it of the loss."""
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    with relay(Impairment(loss=0.12, jitter_s=0.03)) as network:
        practice.page.route("**/whip", through(network))
        practice.call(recording=True)
        practice.page.wait_for_timeout(TALK_MS)
        practice.end()
        assert network.lost > 40
    assert practice.errors == []
    journal = node.journal(practice.session_id)
    runs = [record for record in journal if record["k"] == "play"]
    heard: Counter[str] = Counter()
    for run, after in pairwise(runs):
        heard[run["source"]] += (after["at"] - run["at"]) // 320
    # The first reports take a second or two to reach the sender.
    assert heard["fec"] > 15
    assert heard["fec"] > heard["plc"] / 2
    assert heard["received"] > 500
    features = [record for record in journal if record["k"] == "features"]
    assert max((record["link"] or {}).get("recovered_pct", 0) for record in features) > 3
    context.close()


def test_a_call_survives_a_change_of_network(node: Node, browser: Browser) -> None:
    """The old path goes silent; the page publishes anew over another one, within the minute."""
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    with relay(Impairment()) as old, relay(Impairment(), seed=2) as new:
        practice.page.route("**/whip", through(old))
        practice.call(recording=True)
        practice.page.wait_for_timeout(5_000)
        practice.page.unroute("**/whip")
        practice.page.route("**/whip", through(new))
        cut_s = time.monotonic()
        old.impairment.cut = True
        practice.expect_connection("reconnecting")
        practice.expect_connected()
        away_s = time.monotonic() - cut_s
        practice.page.wait_for_timeout(6_000)
        practice.end()
    assert new.media > 200
    assert away_s < 60
    events = node.events(practice.session_id)
    states = [event["data"]["state"] for event in events if event["type"] == "session.state"]
    assert states == ["active", "interrupted", "active", "completed"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    session = practice.api(f"/sessions/{practice.session_id}")
    assert session["durationMs"] > 11_000
    assert practice.errors == []
    context.close()
