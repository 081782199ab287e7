"""Chromium decodes the recording of a bad network's call to the session's own length."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from signaling import stack
from signaling.publisher import RATE, load_audio
from tests.e2e.node import Node
from tests.faults import scenarios
from tests.faults.scenarios import Outcome

pytestmark = pytest.mark.slow

DECODED_MS = """async ([id, headers]) => {
  const answer = await fetch(`/api/v1/sessions/${id}/recording`, { headers });
  const context = new OfflineAudioContext(1, 48000, 48000);
  return 1000 * (await context.decodeAudioData(await answer.arrayBuffer())).duration;
}"""


@pytest.fixture(scope="module")
def lossy(node: Node, two_cities: Path) -> Outcome:
    """8 % loss, 30 ms of jitter and a pause; over before Playwright takes the event loop."""
    stack.configure()
    stack.use_loopback(True)
    try:
        return asyncio.run(scenarios.lossy(node, load_audio(two_cities)[: 13 * RATE]))
    finally:
        stack.use_loopback(False)


def test_with_loss_and_a_pause_the_recording_is_as_long_as_the_session(
    lossy: Outcome, browser: Browser, node: Node
) -> None:
    assert lossy.seen["lost"] > 0
    page = browser.new_page()
    # Of the same origin, and no page of ours, which would go to the sign-in.
    page.goto(f"{node.url}/healthz")
    decoded_ms = page.evaluate(DECODED_MS, [lossy.view["id"], node.account.headers()])
    page.close()
    assert abs(decoded_ms - lossy.view["durationMs"]) <= 50
