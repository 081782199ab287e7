"""The people page: who is there, who may do what about whom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.desk import Desk
from tests.e2e.people import mailed_secret
from tests.e2e.test_accessibility import Walk, press_until

pytestmark = pytest.mark.slow

NEWEST_FIRST = "/people?sort=-createdAt"
"""The node knows more people than one page of the list shows."""


def row(page: Page, words: str) -> Locator:
    return page.locator("#people tbody tr").filter(has_text=words)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def said(page: Page) -> Locator:
    """What the dialog says was done."""
    return page.locator("dialog > [role=status]").first


def test_somebody_is_invited_by_keyboard_alone(desk: Desk, browser: Browser) -> None:
    desk.team("Electric")
    page = desk.opened(browser, None, NEWEST_FIRST)
    press_until(page, page.locator("#invite"))
    page.keyboard.press("Enter")
    address = page.get_by_label("E-mail address")
    expect(address).to_be_focused()
    page.keyboard.type("not an address")
    page.keyboard.press("Enter")
    expect(address).to_have_attribute("aria-invalid", "true")
    expect(address).to_be_focused()
    expect(address).to_have_accessible_description(re.compile("Enter a whole e-mail address"))
    page.keyboard.press("Control+A")
    page.keyboard.type("kim@north-motors.example")
    press_until(page, page.get_by_label("Electric", exact=True))
    page.keyboard.press("Space")
    press_until(page, button(page, "Send the invitation"))
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("kim@north-motors.example has been invited")
    expect(page.locator("#invite")).to_be_focused()
    expect(row(page, "kim@")).to_contain_text("Electric")
    expect(row(page, "kim@")).to_contain_text("Invited")

    row(page, "kim@").get_by_role("button").click()
    button(page, "Send the invitation again").click()
    expect(said(page)).to_contain_text("a new link")
    assert mailed_secret(desk.node, "kim@north-motors.example", after=1)
    page.keyboard.press("Escape")
    expect(row(page, "kim@").get_by_role("button")).to_be_focused()
    button(page, "Invite somebody").click()
    page.get_by_label("E-mail address").fill("kim@north-motors.example")
    button(page, "Send the invitation").click()
    expect(page.get_by_label("E-mail address")).to_have_attribute("aria-invalid", "true")
    page.context.close()


def test_an_admin_changes_shuts_out_and_erases_somebody(desk: Desk, browser: Browser) -> None:
    lee = desk.person("salesperson", "Lee", desk.team("Vans"))
    page = desk.opened(browser, None, NEWEST_FIRST)
    row(page, lee.email).get_by_role("button").click()
    path = f"/users/{lee.user['id']}"

    # Somebody else is first: nothing of theirs is lost, and what they did is shown.
    with desk.node.client() as api:
        version = {"If-Match": api.get(path).headers["etag"]}
        api.put(f"{path}/role", json={"role": "coach"}, headers=version).raise_for_status()
    role = page.locator("#person-role")
    role.select_option("manager")
    button(page, "Save role and teams").click()
    expect(page.locator("dialog > [role=alert]")).to_contain_text("Somebody changed this meanwhile")
    expect(role).to_have_value("coach")
    role.select_option("manager")
    page.locator("dialog").get_by_label("Vans").uncheck()
    button(page, "Save role and teams").click()
    expect(said(page)).to_contain_text("Saved: Lee Marsh")
    changed = desk.node.get(path).json()
    assert (changed["role"], changed["teamIds"]) == ("manager", [])

    page.get_by_label("First name").fill("Leah")
    button(page, "Save name and phone").click()
    expect(page.locator("dialog h2")).to_have_text("Leah Marsh")
    expect(row(page, lee.email)).to_contain_text("Leah Marsh")

    button(page, "Disable the account").click()
    page.locator("dialog").last.get_by_role("button", name="Disable the account").click()
    expect(said(page)).to_contain_text("is disabled")
    expect(row(page, lee.email)).to_contain_text("Disabled")
    with page.expect_download() as download:
        button(page, "Export everything (ZIP)").click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")

    button(page, "Erase this person").click()
    typed = page.get_by_label(re.compile("To go on, type"))
    typed.fill("lee")
    button(page, "Erase for good").click()
    expect(typed).to_have_attribute("aria-invalid", "true")
    typed.fill(lee.email)
    button(page, "Erase for good").click()
    expect(row(page, lee.email)).to_have_count(0)
    expect(page.locator("dialog")).to_have_count(0)
    assert desk.node.get(path).status_code == 404
    page.context.close()


def test_a_manager_sees_own_teams_and_invites_salespeople_alone(
    desk: Desk, browser: Browser
) -> None:
    own, other = desk.team("Trucks"), desk.team("Bikes")
    boss = desk.person("manager", "Mia", own)
    desk.person("salesperson", "Sam", own)
    desk.person("salesperson", "Una", other)
    page = desk.opened(browser, boss, "/people")
    expect(page.locator("#people tbody tr")).to_have_count(2)
    row(page, "Sam").get_by_role("button").click()
    expect(page.locator("dialog")).to_contain_text("Trucks")
    expect(page.locator("dialog button")).to_have_count(1)
    page.keyboard.press("Escape")
    button(page, "Invite somebody").click()
    assert page.locator("#invite-role option").all_inner_texts() == ["Salesperson"]
    assert page.locator("dialog .boxes label").all_inner_texts() == ["Trucks"]
    page.context.close()


def test_axe_a_phone_and_fingers_are_content(desk: Desk, browser: Browser) -> None:
    page = desk.opened(browser, None, "/people")
    walk = Walk()
    expect(row(page, "Ada Field")).to_be_visible()
    walk.look(page, "list")
    row(page, "Ada Field").get_by_role("button").click()
    walk.look(page, "dialog")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert [found for found in walk.small_targets.values() if found] == []
    page.context.close()
