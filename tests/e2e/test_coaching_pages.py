"""Assignments, progress, the Monday page, and the playbooks that managers write."""

from __future__ import annotations

import asyncio
import csv
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from api.account_client import Account
from api.payloads import sealed_field
from api.services import utc_now
from tests.api.recorded import call_of
from tests.api.seeds import Seeds
from tests.e2e.desk import Desk
from tests.e2e.people import signed_in, watched
from tests.e2e.practice import PracticePage
from tests.e2e.test_accessibility import Walk, press_until
from tests.e2e.test_calls_page import UNTIL

pytestmark = pytest.mark.slow

PRAISED_AT_MS = 9_000
BEFORE_S = 5
LENGTH_S = 15
CHECKED_WITHIN_MS = 20_000


@dataclass(frozen=True)
class Team:
    id: str
    manager: Account
    ann: Account
    """Calls of weeks, better and better."""
    bob: Account
    """No calls yet."""


@pytest.fixture(scope="module")
def team(desk: Desk) -> Team:
    made = desk.team("Roadsters")
    ann = desk.person("salesperson", "Ann", made)
    desk.past_calls(ann, list(range(50, 85)))
    bob = desk.person("salesperson", "Bob", made)
    return Team(made, desk.person("manager", "Mona", made), ann, bob)


def clean(page: Page, step: str) -> None:
    """Nothing for axe, in both schemes and on a phone."""
    walk = Walk()
    walk.look(page, step)
    assert {at: found for at, found in walk.violations.items() if found} == {}
    assert walk.overflow_px == {step: 0}
    assert walk.small_targets[step] == []


def test_an_assignment_is_given_seen_and_begun(desk: Desk, team: Team, browser: Browser) -> None:
    page = desk.opened(browser, team.manager, "/assignments")
    expect(page.locator("#assignments")).to_contain_text("No assignments yet")
    press_until(page, page.locator("#new-assignment"))
    page.keyboard.press("Enter")
    give = page.get_by_role("button", name="Give the assignment")
    give.click()
    expect(page.locator("#assign-people-error")).to_have_text("Choose somebody.")
    page.get_by_label("Bob Marsh").check()
    page.locator("#assign-objection").select_option(label="The price is too high")
    expect(page.locator("#assign-title")).to_have_value("Answer “The price is too high”")
    page.locator("#assign-attempts").fill("51")
    give.click()
    expect(page.locator("#assign-attempts")).to_have_accessible_description(
        re.compile("whole number from 1 to 50")
    )
    page.locator("#assign-attempts").fill("3")
    clean(page, "dialog")
    give.click()
    row = page.locator("#assignments tbody tr")
    expect(row).to_have_count(1)
    for told in ("Bob Marsh", "Open", "0 of 3", "none yet, to pass 70"):
        expect(row).to_contain_text(told)
    clean(page, "list")
    page.context.close()

    context = signed_in(browser, desk.node, team.bob)
    practice = PracticePage(context, desk.node, checked=True)
    errors = watched(practice.page)
    practice.page.goto(f"{desk.node.url}/assignments")
    task = practice.page.locator("#to-do > li")
    expect(task).to_contain_text("The price is too high")
    expect(task).to_contain_text("3 attempts left")
    clean(practice.page, "own")
    task.get_by_role("link", name="Practise now").click()
    practice.agree(recording=False)
    expect(practice.id("assigned-call")).to_contain_text("Answer “The price is too high”")
    expect(practice.page.get_by_label("Objection")).to_be_checked()
    expect(practice.page.get_by_label("Pitch")).to_be_disabled()
    practice.button("Start the call").click()
    practice.expect_connected()
    practice.end()
    [given] = desk.node.get("/assignments", params={"userId": team.bob.user["id"]}).json()["items"]
    call = practice.api(f"/sessions/{practice.session_id}")
    assert call["assignmentId"] == given["id"]
    assert call["sessionType"] == "objection"
    assert errors == []
    context.close()


def test_progress_is_downloaded_as_it_is_shown(desk: Desk, team: Team, browser: Browser) -> None:
    page = desk.opened(browser, team.manager, "/progress")
    rows = page.locator("#progress tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("Everybody together")
    expect(rows.nth(1).locator(".spark")).to_have_accessible_name(re.compile("27 calls"))
    page.locator("#f-period").select_option("7")
    expect(rows.nth(1)).to_contain_text(re.compile("up by [67]"))
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download as CSV").click()
    with Path(downloading.value.path()).open(encoding="utf-8-sig", newline="") as file:
        sheet = list(csv.DictReader(file))
    heads = [
        head.split("\n")[0] for head in page.locator("#progress th[scope=col]").all_inner_texts()
    ]
    for row, told in zip(rows.all()[1:], sheet, strict=True):
        cells = row.locator("th, td").all_inner_texts()
        shown = dict(zip((head.rstrip(" ↑↓") for head in heads), cells, strict=True))
        assert shown["Name"].split("\n")[0] == told["Name"]
        assert shown["Calls"] == told["Calls"]
        assert float(shown["Minutes"]) == float(told["Minutes"])
        for name in ("Overall", "Confidence", "Clarity", "Pace"):
            if told[name]:
                number = re.match(r"\d+", shown[name])
                assert number
                assert abs(int(number[0]) - float(told[name])) <= 0.5
            else:
                assert shown[name].startswith("–")
    page.locator("#sort-calls").click()
    expect(rows.nth(1)).to_contain_text("Ann Marsh")
    expect(rows.first).to_contain_text("Everybody together")
    clean(page, "progress")
    page.get_by_role("link", name="Ann Marsh").click()
    expect(page.locator("#trend-title")).to_have_text("Scores over time: Ann Marsh")
    page.context.close()


def test_the_monday_page_plays_a_moment(
    desk: Desk, team: Team, browser: Browser, two_cities: Path
) -> None:
    with ThreadPoolExecutor(1) as thread:
        call_id = thread.submit(asyncio.run, _praised(desk, team.ann, two_cities)).result()
    page = desk.opened(browser, team.manager, "/monday")
    card = page.locator(".one-to-one").filter(has_text="Ann Marsh")
    expect(card).to_contain_text("7 calls")
    page.get_by_role("button", name="The week after").click()
    expect(card).to_contain_text("Good steady delivery")
    expect(card.get_by_role("link", name="Open the replay")).to_have_attribute(
        "href", f"/replay#{call_id}?t={PRAISED_AT_MS}"
    )
    expect(page.locator("#idle")).to_contain_text("Bob Marsh")
    clean(page, "monday")
    card.get_by_role("button", name="Play 15 seconds of Ann Marsh").click()
    pause = card.get_by_role("button", name="Pause")
    expect(pause).to_be_visible()
    audio = card.locator("audio")
    begun_s = PRAISED_AT_MS / 1000 - BEFORE_S
    audio.evaluate(UNTIL, ["timeupdate", "currentTime", begun_s + 0.1])
    assert audio.evaluate("audio => audio.currentTime") < begun_s + LENGTH_S
    audio.evaluate("(audio, to) => { audio.currentTime = to; }", begun_s + LENGTH_S - 0.5)
    expect(pause).to_be_hidden()
    assert audio.evaluate("audio => audio.paused && audio.currentTime") >= begun_s + LENGTH_S
    page.context.close()


async def _praised(desk: Desk, who: Account, speech: Path) -> str:
    """A recorded call of now, in which something went well."""
    async with Seeds(desk.node.data) as seeds:
        user = await seeds.store.users.by_email(who.email)
        assert user is not None
        session_id = await call_of(
            desk.node.data,
            speech,
            dealership_id=user.dealership_id,
            user_id=user.id,
            team_id=user.team_ids[0],
        )
        call = await seeds.store.sessions.get(user.dealership_id, session_id)
        assert call is not None
        key = seeds.vault.key_of(call)
        assert key is not None
        cue = {
            "type": "praise",
            "message": "Good steady delivery",
            "spanMs": [PRAISED_AT_MS, 12_000],
        }
        changed = call.changed(
            utc_now(),
            feedback=sealed_field(key, call, "feedback", [cue]),
            feedback_counts={"steady_delivery": 1},
        )
        await seeds.store.sessions.save(user.dealership_id, changed)
    return session_id


def test_a_playbook_is_written_tried_and_published(
    desk: Desk, team: Team, browser: Browser
) -> None:
    try:
        _write(desk, team, browser)
    finally:
        # Other tests' calls are held with what is shipped.
        with desk.node.client() as api:
            shipped = api.get("/playbooks/shipped/en").raise_for_status().json()["source"]
            made = api.post("/playbooks/drafts", json={"language": "en", "source": shipped})
            path = made.raise_for_status().headers["location"].removeprefix("/api/v1")
            api.post(f"{path}/publish").raise_for_status()


def _write(desk: Desk, team: Team, browser: Browser) -> None:
    page = desk.opened(browser, team.manager, "/playbooks")
    page.get_by_role("button", name="New draft").click()
    page.get_by_role("button", name="Make the draft").click()
    verdict = page.locator("#source-verdict")
    expect(verdict).to_have_text("No faults.", timeout=CHECKED_WITHIN_MS)
    source = page.locator("#source")
    written = source.input_value()
    ours = written.replace("title: Car sales", "title: The Roadster way").replace(
        "        - welcome to\n", "        - welcome to\n        - step into the roadster lounge\n"
    )
    source.fill(ours.replace("\nlanguage: en", "\nlanguag: en"))
    expect(verdict).to_contain_text("fault", timeout=CHECKED_WITHIN_MS)
    page.locator(".fault").filter(has_text="languag").first.click()
    expect(source).to_be_focused()
    picked = source.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)")
    assert picked.startswith(("languag: en", "id:"))
    clean(page, "faults")

    source.fill(ours)
    page.locator("#words").fill("Roadstar\nMX-5 = m x five")
    expect(verdict).to_have_text("No faults.", timeout=CHECKED_WITHIN_MS)
    expect(page.locator("#preview")).to_contain_text("Needs discovery")
    page.get_by_role("tab", name="Try a sentence").click()
    page.locator("#sentence").fill("Please step into the roadster lounge")
    page.locator("#speaker").select_option("salesperson")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator(".hits")).to_contain_text("Greeting")
    page.get_by_role("tab", name="Try a sentence").press("ArrowRight")
    expect(page.locator("#changes [data-kind=added]").first).to_contain_text("added")
    expect(page.locator("#changes")).to_contain_text("step into the roadster lounge")
    clean(page, "changes")

    # Somebody else saves the draft meanwhile.
    number = page.url.rsplit("/", 1)[1]
    path = f"/playbooks/versions/en/{number}"
    with desk.node.client() as api:
        known = api.get(path)
        theirs = {"source": written, "remark": "mine first", "domainWords": []}
        api.put(path, json=theirs, headers={"If-Match": known.headers["etag"]}).raise_for_status()
    page.get_by_role("button", name="Save the draft").click()
    expect(page.locator(".notice[data-key=conflict]")).to_contain_text("saved this draft")
    page.get_by_role("button", name="Save mine over it").click()
    expect(page.locator("#editor-state")).to_have_text("Saved")
    page.get_by_role("button", name="Publish…").click()
    page.get_by_role("button", name="Publish it").click()
    expect(page.locator(".notice[data-key=done]")).to_contain_text("Published")
    expect(page.locator("#editor-facts")).to_contain_text("In use")
    assert source.evaluate("area => area.readOnly")
    page.get_by_role("link", name="All playbooks").click()
    expect(page.locator("#in-use")).to_contain_text("The Roadster way")
    clean(page, "versions")
    page.context.close()

    with desk.node.client(team.ann) as api:
        call = api.post("/sessions", json={"sessionType": "pitch"}).raise_for_status().json()
        held = api.get(f"/playbooks/{call['playbook']['digest']}").raise_for_status().json()
    assert held["title"] == "The Roadster way"
