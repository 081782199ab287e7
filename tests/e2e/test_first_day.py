"""A salesperson's first day, in Chromium, from the invitation to signing out."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e import chromium
from tests.e2e.node import Node
from tests.e2e.people import invite, mailed_secret, new_password
from tests.e2e.practice import PracticePage
from tests.e2e.test_sign_in import code_now, expect_practice, sign_out

pytestmark = pytest.mark.slow


def test_from_the_invitation_to_signing_out(node: Node, browser: Browser) -> None:
    context = chromium.context(browser, node.url)
    practice = PracticePage(context, node, checked=True)
    page = practice.page
    address, password = invite(node), new_password()

    # invitation
    page.goto(f"{node.url}/link#{mailed_secret(node, address)}")
    page.get_by_label("First name").fill("Ben")
    page.get_by_label("Last name").fill("Porter")
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_role("button", name="Join").click()
    expect_practice(page)

    # a second factor, then signing in with it
    page.goto(f"{node.url}/account")
    panel = page.locator("#factor")
    panel.get_by_role("button", name="Turn on").click()
    panel.get_by_label("Your password").fill(password)
    page.keyboard.press("Enter")
    panel.get_by_text("Cannot scan it?").click()
    secret = panel.locator(".secret-text").inner_text().replace(" ", "")
    panel.get_by_label("Code", exact=True).fill(code_now(secret))
    page.keyboard.press("Enter")
    panel.get_by_label("I have kept").check()
    panel.get_by_role("button", name="Done").click()
    expect(panel).to_contain_text("On")
    sign_out(page)
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Code", exact=True).fill(code_now(secret, 1))
    with page.expect_request("**/api/v1/notifications?*") as asked:
        page.keyboard.press("Enter")
        expect_practice(page)
    carried = {"Authorization": asked.value.all_headers()["authorization"]}
    me = f"{node.url}/api/v1/me"
    assert httpx.get(me, headers=carried).json()["secondFactor"] is True

    # another tab is signed in too, and stays so
    other = context.new_page()
    other.goto(f"{node.url}/account")
    expect(other.get_by_role("heading", name="My account")).to_be_visible()

    # a practice call, and its summary
    practice.call()
    expect(page.locator("#transcript .utterance:visible p").first).to_contain_text("times")
    practice.end()
    session_id = practice.session_id
    session = httpx.get(f"{node.url}/api/v1/sessions/{session_id}", headers=carried).json()
    assert session["userId"] == httpx.get(me, headers=carried).json()["id"]
    other.goto(f"{node.url}/calls#{session_id}")
    expect(other.get_by_text(re.compile(r"wisdom|times", re.IGNORECASE)).first).to_be_visible()

    # signing out, and the old token refused
    sign_out(page)
    for path in ("/me", f"/sessions/{session_id}", f"/sessions/{session_id}/events"):
        assert httpx.get(f"{node.url}/api/v1{path}", headers=carried).status_code == 401
    other.reload()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    assert practice.errors == []
    context.close()
