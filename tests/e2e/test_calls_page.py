"""The calls page: the list, the trend, one call with its words and its recording."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from api.account_client import Account
from signaling import stack
from signaling.publisher import RATE, Publisher, load_audio
from tests.e2e.desk import Desk
from tests.e2e.test_accessibility import Walk, press_until

pytestmark = pytest.mark.slow

SPOKEN_S = 6
KEPT_WITHIN_MS = 20_000
UNTIL = """(audio, [event, name, least]) => new Promise((resolve) => {
  const look = () => { if (audio[name] > least) resolve(); };
  audio.addEventListener(event, look);
  look();
})"""


@pytest.fixture(scope="module")
def caller(desk: Desk, two_cities: Path) -> Account:
    """A salesperson with 25 calls of days gone by, and a recorded one of today."""
    made = desk.person("salesperson", "Dora", desk.team("Estates"))
    desk.past_calls(made, list(range(50, 75)))
    stack.use_loopback(True)
    speech = load_audio(two_cities)[: SPOKEN_S * RATE]
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, Publisher(made, speech).run()).result()
    return made


def test_calls_are_listed_paged_and_narrowed(desk: Desk, caller: Account, browser: Browser) -> None:
    page = desk.opened(browser, caller, "/calls")
    expect(page.locator("#pager")).to_contain_text("1 to 20 of 26")
    press_until(page, page.locator("#sort-metrics-confidence"))
    page.keyboard.press("Enter")
    heads = page.get_by_role("columnheader")
    expect(heads.filter(has_text="Confidence").last).to_have_attribute("aria-sort", "descending")
    expect(page.locator("#sort-metrics-confidence")).to_be_focused()
    expect(page.locator("#calls tbody tr").first).to_contain_text("74")
    press_until(page, page.get_by_role("button", name="Next"))
    page.keyboard.press("Enter")
    expect(page.locator("#pager")).to_contain_text("21 to 26 of 26")
    expect(page.get_by_role("button", name="Next")).to_be_focused()
    page.locator("#f-code").select_option("too_fast")
    expect(page.locator("#pager")).to_contain_text(re.compile("1 to 20 of 2[56]"))
    page.locator("#f-type").select_option("closing")
    expect(page.locator("#calls")).to_contain_text("Nothing matches")
    page.reload()
    expect(page.locator("#calls")).to_contain_text("Nothing matches")
    page.context.close()


def test_the_trend_is_drawn_and_told_as_a_table(
    desk: Desk, caller: Account, browser: Browser
) -> None:
    page = desk.opened(browser, caller, "/calls")
    expect(page.locator("#trend canvas")).to_have_count(4)
    clarity = page.locator("[data-score-name=clarity]")
    expect(clarity.get_by_role("img")).to_have_accessible_name(re.compile(r"^Clarity in 2\d calls"))
    expect(page.locator("[data-score-name=volume]")).to_contain_text("Not enough to judge")
    inked = """(canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((value, index) => index % 4 === 3 && value > 0).length;
    }"""
    assert page.locator("#trend canvas").first.evaluate(inked) > 500
    page.get_by_text("The same as a table").click()
    expect(page.locator("#trend-table tbody tr").first).to_be_visible()
    walk = Walk()
    walk.look(page, "list")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert [found for found in walk.small_targets.values() if found] == []
    page.context.close()


def test_without_the_library_the_figures_are_shown(
    desk: Desk, caller: Account, browser: Browser
) -> None:
    page = desk.blank(browser, caller)
    page.route("**/vendor/uplot/*", lambda route: route.abort())
    page.goto(f"{desk.node.url}/calls")
    expect(page.locator("#trend-table tbody tr").first).to_be_visible()
    expect(page.locator("#trend canvas")).to_have_count(0)
    page.context.close()


def test_a_call_is_heard_again_withdrawn_and_deleted(
    desk: Desk, caller: Account, browser: Browser
) -> None:
    page = desk.opened(browser, caller, "/calls")
    page.locator("#calls tbody a").first.click()
    expect(page.locator("#summary-title")).to_be_focused()
    expect(page.locator("#player")).to_be_visible()
    word = page.locator("#said .word").first
    expect(word).to_be_visible(timeout=KEPT_WITHIN_MS)
    audio = page.locator("#audio")
    audio.evaluate(UNTIL, ["loadedmetadata", "readyState", 0])
    word.click()
    audio.evaluate(UNTIL, ["timeupdate", "currentTime", 0.1])
    walk = Walk()
    walk.look(page, "call")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}

    # The same address in another tab; back leads to the list.
    page.reload()
    expect(page.locator("#said .word").first).to_be_visible()
    page.get_by_role("button", name="Withdraw consent").click()
    page.get_by_role("button", name="Withdraw and delete").click()
    expect(page.locator(".notice").first).to_contain_text("consent is withdrawn")
    expect(page.locator("#said .word")).to_have_count(0)
    expect(page.locator("#player")).to_be_hidden()
    expect(page.get_by_role("button", name="Withdraw consent")).to_be_hidden()
    page.get_by_role("button", name="Delete the call").click()
    page.locator("dialog").get_by_role("button", name="Delete the call").click()
    expect(page.locator("#list-title")).to_be_focused()
    expect(page.locator("#pager")).to_contain_text("of 25")
    page.context.close()


def test_an_admin_looks_at_somebodys_calls(desk: Desk, caller: Account, browser: Browser) -> None:
    page = desk.opened(browser, None, f"/calls?whose={caller.user['id']}")
    expect(page.locator("#trend-title")).to_have_text("Scores over time: Dora Marsh")
    expect(page.locator("#pager")).to_contain_text(re.compile("of 2[56]"))
    page.locator("#calls tbody a").first.click()
    expect(page.locator("#summary-lead")).to_contain_text("Dora Marsh")
    expect(page.get_by_role("button", name="Withdraw consent")).to_be_hidden()
    expect(page.get_by_role("button", name="Delete the call")).to_be_visible()
    page.get_by_role("link", name="All calls").click()
    expect(page.locator("#list-title")).to_be_focused()
    page.context.close()
