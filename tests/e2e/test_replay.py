"""The replay page: a call heard and read again, and what people say of it."""

from __future__ import annotations

import asyncio
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, expect

from api.account_client import Account
from api.store.repositories.sessions import SessionFilter
from benchmarks.recorded_call import TWO
from tests.api.recorded import call_of
from tests.api.seeds import Seeds
from tests.e2e.caller import calling
from tests.e2e.desk import Desk
from tests.e2e.test_accessibility import Walk

pytestmark = pytest.mark.slow

SECONDS = 80
DRAWN_WITHIN_MS = 40_000
PLAYS_AT = "document.querySelector('audio').currentTime"
APART = """() => {
  const [one, other] = [...document.querySelectorAll('audio')];
  return [one.currentTime, other.currentTime, one.paused || other.paused, other.preservesPitch];
}"""


@dataclass
class Cast:
    """A salesperson of a team with a recorded call of two, and the team's manager."""

    sales: Account
    boss: Account
    session_id: str
    unkept: str


@pytest.fixture(scope="module")
def cast(desk: Desk, two_cities: Path) -> Cast:
    team = desk.team("Showroom")
    sales, boss = desk.person("salesperson", "Dora", team), desk.person("manager", "Max", team)
    desk.past_calls(sales, [50, 60])

    async def made() -> tuple[str, str]:
        async with Seeds(desk.node.data) as seeds:
            user = await seeds.store.users.by_email(sales.email)
            assert user is not None
            only = SessionFilter(user_ids=[user.id])
            unkept = (await seeds.store.sessions.page(user.dealership_id, only)).items[0].id
        call = await call_of(
            desk.node.data,
            two_cities,
            dealership_id=user.dealership_id,
            user_id=user.id,
            team_id=team,
            seconds=SECONDS,
            tracks=TWO,
        )
        return call, unkept

    with ThreadPoolExecutor(1) as thread:
        session_id, unkept = thread.submit(asyncio.run, made()).result()
    return Cast(sales, boss, session_id, unkept)


def opened(desk: Desk, browser: Browser, who: Account, address: str) -> Page:
    page = desk.opened(browser, who, f"/replay#{address}")
    expect(page.locator("#replay[data-ready=true]")).to_be_visible(timeout=DRAWN_WITHIN_MS)
    return page


def plays_near(page: Page, seconds: float, within: float = 0.6) -> None:
    page.wait_for_function(f"() => Math.abs({PLAYS_AT} - {seconds}) < {within}")


def test_two_voices_are_heard_in_step_while_the_words_follow(
    desk: Desk, cast: Cast, browser: Browser
) -> None:
    page = opened(desk, browser, cast.boss, f"{cast.session_id}?t=30500")
    # The link leads to its moment.
    plays_near(page, 30.5)
    expect(page.locator("#now")).to_have_text("0:30")
    expect(page.locator("#replay-lead")).to_contain_text("Dora Marsh")
    expect(page.locator(".wave")).to_have_count(2)
    # Each has a waveform with ink in it.
    inked = """(wave) => {
        const [{ shadowRoot }] = wave.children;
        const canvas = shadowRoot.querySelector('canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value, index) => index % 4 === 3 && value > 0);
    }"""
    assert page.locator(".wave").evaluate_all(f"(all) => all.map({inked})") == [True, True]

    page.locator("#speed").select_option("2")
    page.locator("#play").click()
    page.wait_for_function(f"() => {PLAYS_AT} > 33")
    one, other, is_paused, keeps_pitch = page.evaluate(APART)
    assert abs(one - other) < 0.15
    assert (is_paused, keeps_pitch) == (False, True)
    expect(page.locator("#reading .line.now .speaker")).to_have_text("Partner")
    expect(page.locator("#reading .word.now")).to_have_count(1)

    # A word leads to its moment, for both.
    page.locator("#play").click()
    line = page.locator("#reading .line[data-line='2']")
    line.scroll_into_view_if_needed()
    line.locator(".word").nth(4).click()
    page.wait_for_function(f"() => {PLAYS_AT} > 9 && {PLAYS_AT} < 14")
    expect(line).to_have_class(re.compile("now"))
    one, other, _, _ = page.evaluate(APART)
    assert abs(one - other) < 0.3
    page.context.close()


def test_the_keyboard_does_it_all_and_is_left_to_whoever_types(
    desk: Desk, cast: Cast, browser: Browser
) -> None:
    page = opened(desk, browser, cast.sales, cast.session_id)
    page.locator("#replay-title").focus()
    page.keyboard.press("]")
    plays_near(page, 6)
    page.keyboard.press("]")
    plays_near(page, 9)
    page.keyboard.press("[")
    plays_near(page, 6)
    page.keyboard.press("l")
    plays_near(page, 16)
    page.keyboard.press("ArrowLeft")
    plays_near(page, 11)
    page.keyboard.press("k")
    expect(page.locator("#play")).to_have_accessible_name("Pause")
    page.keyboard.press("k")
    expect(page.locator("#play")).to_have_accessible_name("Play")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Previous or next moment")
    page.keyboard.press("Escape")

    # Words: one tab stop, arrows from word to word, Enter plays from there.
    page.locator("#reading .word[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.locator(":focus")).to_have_class(re.compile("word"))
    start_ms = int(page.locator(":focus").get_attribute("data-at") or 0)
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => {PLAYS_AT} >= {start_ms / 1000 - 0.1}")
    page.locator("#play").click()

    page.keyboard.press("c")
    field = page.get_by_label("Comment", exact=True)
    expect(field).to_be_focused()
    before = page.evaluate(PLAYS_AT)
    field.press_sequentially("look [k] j l ?")
    expect(field).to_have_value("look [k] j l ?")
    assert page.evaluate(PLAYS_AT) == before
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.context.close()


def test_a_thread_on_a_moment_names_people_and_tells_of_a_conflict(
    desk: Desk, cast: Cast, browser: Browser
) -> None:
    page = opened(desk, browser, cast.boss, f"{cast.session_id}?t=21000")
    page.locator("#tab-comments").click()
    field = page.get_by_label("Comment", exact=True)
    field.click()
    field.press_sequentially("Well answered, @Do")
    expect(page.get_by_role("option")).to_contain_text(["Dora Marsh"])
    page.keyboard.press("Enter")
    expect(field).to_have_value("Well answered, @Dora Marsh ")
    page.locator(".composer").get_by_role("button", name="Comment", exact=True).click()
    thread = page.locator(".thread")
    expect(thread).to_contain_text("Well answered, @Dora Marsh")
    expect(thread.locator(".at")).to_contain_text("0:21")
    marker = page.locator("[data-row=people] .marker").last
    expect(marker).to_have_accessible_name(re.compile("0:21, Max Marsh: Well answered"))

    # The trainee was told, answers, and is answered.
    dora = opened(desk, browser, cast.sales, cast.session_id)
    told = httpx.get(f"{desk.node.url}/api/v1/notifications", auth=cast.sales).json()["items"]
    assert "mentioned" in [notice["kind"] for notice in told]
    dora.locator("#tab-comments").click()
    dora.get_by_role("button", name="Reply").click()
    dora.get_by_label("Reply to Max Marsh").fill("Thank you!")
    dora.locator(".thread").get_by_role("button", name="Reply").click()
    expect(dora.locator(".replies")).to_contain_text("Thank you!")
    expect(dora.get_by_role("button", name="Edit")).to_have_count(1)
    dora.context.close()

    # Changed in another window meanwhile: told, and what was typed is kept.
    page.get_by_role("button", name="Edit").click()
    own = page.get_by_label("Your comment")
    own.fill("Answered very well")
    _changed_elsewhere(desk, cast, "Answered quickly")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".notice")).to_contain_text("Somebody changed this")
    expect(page.locator(".thread")).to_contain_text("It now says: Answered quickly")
    expect(own).to_have_value("Answered very well")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".thread .comment").first).to_contain_text("Answered very well")

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".thread")).to_contain_text("This comment was deleted.")
    expect(page.locator(".replies")).to_contain_text("Thank you!")
    # Nobody is asked to answer what is not there any more.
    expect(page.get_by_role("button", name="Reply")).to_have_count(0)
    page.context.close()


def _changed_elsewhere(desk: Desk, cast: Cast, text: str) -> None:
    base = f"{desk.node.url}/api/v1"
    items: list[dict[str, Any]] = httpx.get(
        f"{base}/sessions/{cast.session_id}/annotations", auth=cast.boss
    ).json()["items"]
    (mine,) = [each for each in items if each["mine"] and each["kind"] == "comment"]
    body = {"text": text, "mentions": []}
    tag = {"If-Match": f'"{mine["version"]}"'}
    path = f"{base}/annotations/{mine['id']}"
    httpx.put(path, json=body, headers=tag, auth=cast.boss).raise_for_status()


def test_a_scorecard_is_drafted_published_and_read_by_the_trainee(
    desk: Desk, cast: Cast, browser: Browser
) -> None:
    dora = opened(desk, browser, cast.sales, cast.session_id)
    dora.locator("#tab-rubric").click()
    expect(dora.locator("#rubric")).to_contain_text("No scorecard has been published")

    page = opened(desk, browser, cast.boss, cast.session_id)
    page.locator("#tab-rubric").click()
    criteria = page.locator("#rubric .criterion")
    expect(criteria).not_to_have_count(0)
    for index in range(criteria.count()):
        criteria.nth(index).get_by_role("radio", name="4", exact=True).check(force=True)
    expect(page.locator(".total-value")).to_have_text("80")
    criteria.first.get_by_role("textbox").fill("Warm and short.")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator(".rubric-state")).to_contain_text("Draft")
    dora.reload()
    dora.locator("#tab-rubric").click()
    expect(dora.locator("#rubric")).to_contain_text("No scorecard has been published")

    page.get_by_role("button", name="Publish").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(page.locator(".rubric-state")).to_contain_text("Published")
    page.locator("#tab-compare").click()
    expect(page.locator(".compare-table tbody tr").first).to_contain_text("Confidence")
    expect(page.locator(".compare-calls li")).to_have_count(2)
    page.context.close()

    dora.reload()
    dora.locator("#tab-rubric").click()
    expect(dora.locator(".total-value")).to_have_text("80")
    expect(dora.locator("#rubric")).to_contain_text("Warm and short.")
    expect(dora.locator("#rubric").get_by_role("radio")).to_have_count(0)
    dora.context.close()


def test_axe_finds_nothing_and_a_phone_needs_no_sideways_scrolling(
    desk: Desk, cast: Cast, browser: Browser
) -> None:
    page = opened(desk, browser, cast.boss, cast.session_id)
    page.locator("#zoom-in").click()
    page.locator("#lanes-table-box summary").click()
    expect(page.locator("#lanes-table tbody tr")).to_have_count(2)
    walk = Walk()
    for tab in ("comments", "rubric", "compare", "moments"):
        page.locator(f"#tab-{tab}").click()
        expect(page.locator(f"#panel-{tab} > div > *").last).to_be_visible()
        walk.look(page, tab)
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert [found for found in walk.small_targets.values() if found] == []
    page.context.close()


@dataclass
class Place:
    """A node as `person` sees it."""

    url: str
    auth: Account


def test_a_call_without_a_word_and_with_a_pause_is_replayed(
    desk: Desk, cast: Cast, browser: Browser, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing.wav"
    soundfile.write(nothing, np.zeros(48_000 * 10, np.int16), 48_000)
    with calling(Place(desk.node.url, cast.sales), nothing) as caller:
        caller.connect()
        time.sleep(2)
        caller.pause(True)
        time.sleep(2)
        caller.pause(False)
        time.sleep(2)
    # It is being put away meanwhile, which the page waits for.
    page = opened(desk, browser, cast.sales, caller.session_id)
    expect(page.locator("#reading")).to_contain_text("No words")
    expect(page.locator(".wave")).to_have_count(1)
    page.locator("#speed").select_option("2")
    page.locator("#play").click()
    # Through the hole that the pause has left, to the end.
    page.wait_for_function(f"() => {PLAYS_AT} > 5")
    page.context.close()


def test_a_call_that_cannot_be_replayed_says_why(desk: Desk, cast: Cast, browser: Browser) -> None:
    page = desk.opened(browser, cast.sales, f"/replay#{cast.unkept}")
    expect(page.locator("#state-title")).to_have_text("This call was erased")
    page.goto(f"{desk.node.url}/replay#{'0' * 24}")
    expect(page.locator("#state-title")).to_have_text("This call is not here")
    made = httpx.post(
        f"{desk.node.url}/api/v1/sessions", json={"sessionType": "pitch"}, auth=cast.sales
    ).json()
    page.goto(f"{desk.node.url}/replay#{made['id']}")
    expect(page.locator("#state-title")).to_have_text("This call is still going on")
    page.goto(f"{desk.node.url}/replay")
    expect(page.locator("#state-title")).to_have_text("Which call?")
    page.context.close()
