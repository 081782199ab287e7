"""The audit log and the inbox: what was done, in words."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.desk import Desk
from tests.e2e.test_accessibility import Walk, press_until

pytestmark = pytest.mark.slow


def test_what_was_done_is_told_in_words_and_as_a_file(desk: Desk, browser: Browser) -> None:
    joined = desk.person("salesperson", "Abel")
    page = desk.opened(browser, None, "/audit")
    first = page.locator("#audit tbody tr").first
    expect(first).to_be_visible()
    page.get_by_label("What", exact=True).select_option("user.join")
    expect(first).to_contain_text("Invitation accepted")
    expect(first).to_contain_text("Abel Marsh")
    page.get_by_label("Who").select_option(joined.user["id"])
    expect(page.locator("#audit tbody tr")).to_have_count(1)
    page.reload()
    expect(page.locator("#audit tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        [entry] = csv.DictReader(file)
    assert entry["action"] == "user.join"
    assert (entry["actorId"], entry["actor"]) == (joined.user["id"], "Abel Marsh")

    page.get_by_label("What", exact=True).select_option("user.erase")
    expect(page.locator("#audit")).to_contain_text("Nothing matches")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("#audit tbody tr").nth(1)).to_be_visible()
    walk = Walk()
    walk.look(page, "audit")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert [found for found in walk.small_targets.values() if found] == []
    page.context.close()


def test_who_is_no_admin_is_told_so(desk: Desk, browser: Browser) -> None:
    page = desk.opened(browser, desk.person("salesperson", "Beth"), "/audit")
    expect(page.get_by_role("alert")).to_contain_text("Your role does not allow this")
    expect(page.locator("#audit tbody tr")).to_have_count(0)
    page.context.close()


def test_the_inbox_is_read_and_cleared_by_keyboard(desk: Desk, browser: Browser) -> None:
    reader = desk.person("salesperson", "Cleo")
    for _ in range(3):
        desk.notice(reader, "password_changed")
    page = desk.opened(browser, reader, "/inbox")
    notices = page.locator("#notices-list li")
    expect(notices).to_have_count(3)
    expect(page.locator("#inbox-lead")).to_have_text("3 unread notices.")
    walk = Walk()
    walk.look(page, "inbox")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}

    press_until(page, notices.first.get_by_role("button").first)
    page.keyboard.press("Enter")
    expect(page.locator("#inbox-lead")).to_have_text("2 unread notices.")
    expect(notices.first.get_by_role("button")).to_be_focused()
    page.keyboard.press("Enter")
    expect(notices).to_have_count(2)
    expect(notices.first.get_by_role("button").last).to_be_focused()
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.locator("#inbox-lead")).to_have_text("You have read everything.")
    page.get_by_label("Unread only").check()
    expect(page.locator("#inbox-empty")).to_be_visible()
    page.context.close()
