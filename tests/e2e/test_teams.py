"""The teams page, and the dealership's settings on it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.desk import Desk
from tests.e2e.test_accessibility import Walk, press_until

pytestmark = pytest.mark.slow


def row(page: Page, words: str) -> Locator:
    return page.locator("#teams tbody tr").filter(has_text=words)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def test_a_team_is_made_changed_and_deleted_by_keyboard(desk: Desk, browser: Browser) -> None:
    boss = desk.person("manager", "Tess")
    page = desk.opened(browser, None, "/teams")
    press_until(page, page.locator("#new-team"))
    page.keyboard.press("Enter")
    name = page.locator("#team-name")
    expect(name).to_be_focused()
    page.keyboard.press("Enter")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_accessible_description("Give the team a name.")
    page.keyboard.type("Convertibles")
    press_until(page, page.get_by_label("Tess Marsh"))
    page.keyboard.press("Space")
    press_until(page, button(page, "Make the team"))
    page.keyboard.press("Enter")
    expect(row(page, "Convertibles")).to_contain_text("Tess Marsh")
    expect(page.locator("#new-team")).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.type("Convertibles")
    page.keyboard.press("Enter")
    expect(name).to_have_accessible_description(re.compile("a team of this name already"))
    name.fill("Coupes")
    button(page, "Make the team").click()
    row(page, "Coupes").get_by_role("button", name="Edit").click()
    name.fill("Sports cars")
    button(page, "Save").click()
    expect(row(page, "Sports cars").get_by_role("button", name="Edit")).to_be_focused()
    expect(row(page, "Coupes")).to_have_count(0)

    [team] = [
        one for one in desk.node.get("/teams").json()["items"] if one["name"] == "Sports cars"
    ]
    desk.person("salesperson", "Gus", team["id"])
    row(page, "Sports cars").get_by_role("button", name="Delete").click()
    button(page, "Delete").click()
    expect(page.locator("dialog > [role=alert]")).to_contain_text("still people in this team")
    page.keyboard.press("Escape")
    row(page, "Convertibles").get_by_role("button", name="Delete").click()
    button(page, "Delete").click()
    expect(row(page, "Convertibles")).to_have_count(0)
    assert desk.node.get(f"/users/{boss.user['id']}").is_success
    page.context.close()


def test_an_admin_sets_the_dealerships_rules(desk: Desk, browser: Browser) -> None:
    page = desk.opened(browser, None, "/teams")
    before = desk.node.get("/dealership").json()
    days = page.get_by_label("Keep calls for (days)")
    days.fill("0.5")
    button(page, "Save the settings").click()
    expect(days).to_have_accessible_description(re.compile("whole number of days from 1 to 3,650"))
    expect(days).to_be_focused()
    days.fill("300")
    page.get_by_label("Coach").check()
    website = page.get_by_label("Website")
    website.fill("example.com")
    button(page, "Save the settings").click()
    expect(website).to_have_accessible_description(re.compile("begins with https://"))
    website.fill("https://cars.example.com")
    page.get_by_label("Phone").fill("(216) 555-0199")
    page.get_by_label("Postal address").fill("1 Main St, Cleveland, OH 44113")
    button(page, "Save the settings").click()
    # Less than before, so that calls would be deleted: asked for again.
    page.locator("dialog").get_by_role("button", name="Save the settings").click()
    expect(page.locator(".notice")).to_contain_text("settings are saved")
    saved = desk.node.get("/dealership").json()
    assert saved["policy"] == {"totpRequired": ["coach"], "retentionDays": 300}
    contact = {
        "phone": "(216) 555-0199",
        "address": "1 Main St, Cleveland, OH 44113",
        "website": "https://cars.example.com",
    }
    assert saved["contact"] == contact

    # Somebody else was first.
    with desk.node.client() as api:
        known = api.get("/dealership")
        wanted = {key: before[key] for key in ("name", "language", "policy")}
        version = {"If-Match": known.headers["etag"]}
        put = api.put("/dealership", json=wanted, headers=version).raise_for_status()
        assert put.json()["contact"] == contact
    button(page, "Save the settings").click()
    expect(page.locator(".notice")).to_contain_text("Somebody changed this meanwhile")
    expect(days).to_have_value(str(before["policy"]["retentionDays"]))
    page.context.close()


def test_a_manager_renames_own_teams_and_sees_no_settings(desk: Desk, browser: Browser) -> None:
    own = desk.team("Hybrids")
    desk.team("Diesels")
    page = desk.opened(browser, desk.person("manager", "Nora", own), "/teams")
    expect(row(page, "Diesels")).to_be_visible()
    expect(row(page, "Diesels").get_by_role("button")).to_have_count(0)
    expect(page.get_by_label("Keep calls for (days)")).to_have_count(0)
    row(page, "Hybrids").get_by_role("button", name="Edit").click()
    page.locator("#team-name").fill("Hybrids and electric")
    button(page, "Save").click()
    expect(row(page, "Hybrids and electric")).to_be_visible()
    page.context.close()


def test_a_page_that_cannot_begin_says_so_and_can_be_tried_again(
    desk: Desk, browser: Browser
) -> None:
    desk.team("Scooters")
    page = desk.blank(browser)
    page.route("**/api/v1/teams?*", lambda route: route.abort())
    page.goto(f"{desk.node.url}/teams")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute("**/api/v1/teams?*")
    button(page, "Try again").click()
    expect(row(page, "Scooters")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.context.close()


def test_axe_a_phone_and_fingers_are_content(desk: Desk, browser: Browser) -> None:
    desk.team("Minis")
    page = desk.opened(browser, None, "/teams")
    walk = Walk()
    expect(button(page, "Save the settings")).to_be_visible()
    walk.look(page, "list")
    button(page, "New team").click()
    walk.look(page, "dialog")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert [found for found in walk.small_targets.values() if found] == []
    page.context.close()
