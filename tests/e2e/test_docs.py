"""The API's description as people see it."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.e2e.test_accessibility import _axe
from tests.node import Node


def test_every_endpoint_is_shown_and_can_be_read_by_all(browser: Browser, node: Node) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{node.url}/docs")
    document = context.request.get(f"{node.url}/api/v1/openapi.json").json()
    operations = page.locator("details.operation")
    expect(operations).to_have_count(sum(len(each) for each in document["paths"].values()))
    first = page.locator("#sessions_create")
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(first).to_contain_text("sessionType")
    expect(first).to_contain_text("pitch | objection | closing")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert _axe(page) == []
    assert errors == []
    context.close()
