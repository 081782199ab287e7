"""Signing in, what links open, and staying signed in, in Chromium."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.account_client import Account
from tests.e2e import chromium
from tests.e2e.node import Node
from tests.e2e.people import (
    invite,
    join,
    mailed_secret,
    mails,
    new_address,
    new_password,
    signed_in,
    watched,
)
from tests.e2e.practice import PracticePage, until
from tests.e2e.test_accessibility import Walk, press_until

pytestmark = pytest.mark.slow

STEP_S = 30
NEARLY_OVER_MS = 9 * 60_000 + 30_000
BEARER = "Bearer "


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that nobody has used."""
    made = Node(tmp_path_factory.mktemp("fresh") / "data", signs_in=False)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def somebody(node: Node) -> Account:
    return join(node)


@pytest.fixture
def context(node: Node, browser: Browser) -> Iterator[BrowserContext]:
    made = chromium.context(browser, node.url)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    made = context.new_page()
    errors = watched(made)
    yield made
    assert errors == []


def fill(page: Page, account: Account) -> None:
    page.get_by_label("E-mail address").fill(account.email)
    page.get_by_label("Password", exact=True).fill(account.password)
    page.get_by_role("button", name="Sign in").click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Account of").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def expect_practice(page: Page) -> None:
    expect(page.get_by_role("heading", name="Practise a call")).to_be_visible()


def code_now(secret: str, steps: int = 0) -> str:
    """What the app shows; `steps` later, since each code works once."""
    return pyotp.TOTP(secret).at(int(time.time()) + steps * STEP_S)


def test_the_first_admin_sets_the_dealership_up(fresh: Node, browser: Browser) -> None:
    context = chromium.context(browser, fresh.url)
    page = context.new_page()
    errors = watched(page)
    page.goto(fresh.first_admin_link)
    expect(page.get_by_role("heading", name="Set up your dealership")).to_be_focused()
    assert page.url == f"{fresh.url}/link"
    assert page.evaluate("history.length") <= 2
    address, password = new_address("ada"), new_password()
    page.get_by_label("Name of the dealership").fill("South Motors")
    page.get_by_label("First name").fill("Ada")
    page.get_by_label("Last name").fill("Field")
    page.get_by_label("E-mail address").fill(address)
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_role("button", name="Create it").click()
    expect_practice(page)
    page.get_by_role("button", name="Dealership").click()
    for place in ("My calls", "Live calls", "People", "Teams", "Audit"):
        expect(page.get_by_role("link", name=place)).to_be_visible()
    page.goto(fresh.first_admin_link)
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    assert Account.sign_in(fresh.url, address, password).user["role"] == "admin"
    assert errors == []
    context.close()


def test_who_is_invited_joins_and_the_old_token_is_refused_after_signing_out(
    node: Node, page: Page
) -> None:
    address = invite(node)
    page.goto(f"{node.url}/link#{mailed_secret(node, address)}")
    expect(page.get_by_label("E-mail address")).to_have_value(address)
    expect(page.get_by_text("North Motors has invited you")).to_contain_text("Salesperson")
    page.get_by_label("First name").fill("Ben")
    page.get_by_label("Last name").fill("Porter")
    page.get_by_label("New password", exact=True).fill(new_password())
    page.get_by_role("button", name="Join").click()
    expect_practice(page)
    expect(page.get_by_role("button", name="Account of Ben Porter")).to_be_visible()
    for place in ("Listen", "People", "Teams", "Audit"):
        expect(page.get_by_role("link", name=place, exact=True)).to_have_count(0)
    with page.expect_request("**/api/v1/sessions?*") as asked:
        page.goto(f"{node.url}/#/sessions")
        page.reload()
    carried = asked.value.all_headers()["authorization"]
    me = f"{node.url}/api/v1/me"
    assert httpx.get(me, headers={"Authorization": carried}).status_code == 200
    sign_out(page)
    refused = httpx.get(me, headers={"Authorization": carried})
    assert refused.status_code == 401
    page.goto(f"{node.url}/account")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.slow
def test_from_an_invitation_to_a_call_and_out_again(node: Node, browser: Browser) -> None:
    context = chromium.context(browser, node.url)
    practice = PracticePage(context, node)
    page = practice.page
    address, password = invite(node), new_password()
    page.goto(f"{node.url}/link#{mailed_secret(node, address)}")
    page.get_by_label("First name").fill("Ben")
    page.get_by_label("Last name").fill("Porter")
    page.get_by_label("New password", exact=True).fill(password)
    page.get_by_role("button", name="Join").click()
    expect_practice(page)
    page.goto(f"{node.url}/account")
    page.get_by_role("button", name="Turn on").click()
    page.locator("#factor").get_by_label("Your password").fill(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = (page.locator(".secret-text").text_content() or "").replace(" ", "")
    page.get_by_label("Code", exact=True).fill(code_now(secret))
    page.keyboard.press("Enter")
    page.get_by_label("I have kept these codes").check()
    page.get_by_role("button", name="Done").click()
    sign_out(page)
    page.goto(f"{node.url}/sign-in")
    fill(page, Account(node.url, address, password))
    page.get_by_label("Code", exact=True).fill(code_now(secret, 1))
    page.keyboard.press("Enter")
    expect_practice(page)
    practice.agree(recording=True)
    practice.check_microphone()
    with page.expect_request(re.compile("/api/v1/sessions$")) as created:
        practice.start()
    practice.expect_connected()
    expect(page.get_by_role("button", name="Account of")).to_be_hidden()
    expect(practice.id("transcript").locator(".utterance:visible").first).to_be_visible()
    practice.end()
    expect(practice.id("player")).to_be_visible()
    until(page, lambda: page.evaluate("audio.readyState") >= 1)
    assert page.evaluate("audio.duration") > 0.5
    carried = {"Authorization": created.value.all_headers()["authorization"]}
    session = f"{node.url}/api/v1/sessions/{practice.session_id}"
    assert httpx.get(session, headers=carried).status_code == 200
    sign_out(page)
    assert httpx.get(session, headers=carried).status_code == 401
    assert httpx.get(f"{session}/recording", headers=carried).status_code == 401
    assert practice.errors == []
    context.close()


def test_what_is_wrong_is_said_at_the_field_and_has_the_focus(node: Node, page: Page) -> None:
    page.goto(f"{node.url}/sign-in")
    address, password = page.get_by_label("E-mail address"), page.get_by_label("Password").first
    page.get_by_role("button", name="Sign in").click()
    expect(address).to_be_focused()
    expect(address).to_have_accessible_description("Please fill this in.")
    expect(address).to_have_attribute("aria-invalid", "true")
    address.fill("nobody")
    password.fill("x")
    page.keyboard.press("Enter")
    expect(address).to_have_accessible_description(re.compile("This is not an e-mail address"))
    expect(password).not_to_have_attribute("aria-invalid", "true")


def test_a_wrong_password_is_refused_in_words(node: Node, page: Page, somebody: Account) -> None:
    page.goto(f"{node.url}/sign-in")
    fill(page, Account(node.url, somebody.email, "not the password"))
    alert = page.get_by_role("alert").filter(has_text="The e-mail address or the password is wrong")
    expect(alert).to_be_visible()
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.get_by_label("Password", exact=True).fill(somebody.password)
    page.keyboard.press("Enter")
    expect_practice(page)


def test_too_many_tries_are_told_with_when_to_try_again(node: Node, page: Page) -> None:
    address = new_address("nobody")
    url = f"{node.url}/api/v1/auth/sign-in"
    for _ in range(20):
        said = {"email": address, "password": "not the password"}
        if httpx.post(url, json=said).status_code == 429:
            break
    page.goto(f"{node.url}/sign-in")
    fill(page, Account(node.url, address, "not the password"))
    alert = page.get_by_role("alert").filter(has_text="Too many attempts to sign in")
    expect(alert).to_contain_text("ry again in 15 minutes")


def test_the_token_is_in_no_storage_no_address_and_no_cookie_of_the_page(
    node: Node, context: BrowserContext, page: Page, somebody: Account
) -> None:
    page.goto(f"{node.url}/sign-in")
    with page.expect_request("**/api/v1/notifications?*") as asked:
        fill(page, somebody)
    expect_practice(page)
    token = asked.value.all_headers()["authorization"].removeprefix(BEARER)
    assert token.count(".") == 2
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, location.href])")
    assert token not in kept
    assert somebody.password not in kept
    assert page.evaluate("document.cookie") == ""
    (cookie,) = [one for one in context.cookies() if one["name"] == "forecourt-refresh"]
    attributes = {name: cookie[name] for name in ("httpOnly", "secure", "sameSite", "path")}
    assert attributes == {
        "httpOnly": True,
        "secure": True,
        "sameSite": "Strict",
        "path": "/api/v1/auth",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("following", "path"),
    [
        ("/account", "/account"),
        ("/%23/sessions", "/#/sessions"),
        ("//evil.example/account", "/"),
        ("https://evil.example/", "/"),
        ("/%5Cevil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/sign-in", "/"),
    ],
)
def test_after_signing_in_one_goes_on_inside_this_node_alone(
    node: Node, page: Page, somebody: Account, following: str, path: str
) -> None:
    page.goto(f"{node.url}/sign-in?next={following}")
    fill(page, somebody)
    page.wait_for_url(lambda url: "/sign-in" not in url)
    assert page.url == f"{node.url}{path}"


def test_a_page_that_needs_signing_in_comes_back_to_itself(
    node: Node, page: Page, somebody: Account
) -> None:
    page.goto(f"{node.url}/account")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    fill(page, somebody)
    expect(page.get_by_role("heading", name="My account")).to_be_visible()


def test_a_forgotten_password_is_replaced_by_a_mail(node: Node, page: Page) -> None:
    person = join(node)
    before = len(mails(node, person.email))
    page.goto(f"{node.url}/sign-in")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_focused()
    secret = mailed_secret(node, person.email, after=before)
    page.goto(f"{node.url}/link#{secret}")
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    assert secret not in page.url
    field = page.get_by_label("New password", exact=True)
    expect(field).to_have_accessible_description(re.compile("At least 12 characters"))
    expect(field).to_have_attribute("autocomplete", "new-password")
    field.fill("too short")
    page.keyboard.press("Enter")
    expect(field).to_have_accessible_description(re.compile("That is too short"))
    field.fill("passwordpassword")
    page.keyboard.press("Enter")
    expect(field).to_have_accessible_description(re.compile("lists of stolen passwords"))
    expect(field).to_be_focused()
    password = new_password()
    field.fill(password)
    page.get_by_role("button", name="Show password").click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide password").click()
    expect(field).to_have_attribute("type", "password")
    page.get_by_role("button", name="Change the password").click()
    expect_practice(page)
    assert Account.sign_in(node.url, person.email, password).user["email"] == person.email
    page.goto(f"{node.url}/link#{secret}")
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()


@pytest.mark.parametrize("secret", ["", "x" * 43, "%E0%A4%A", "a b"])
def test_a_link_that_is_none_says_so(node: Node, page: Page, secret: str) -> None:
    page.goto(f"{node.url}/link#{secret}")
    expect(page.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_a_code_is_asked_for_and_a_recovery_code_will_do(node: Node, page: Page) -> None:
    person = join(node)
    with node.client(person) as client:
        made = client.post("/me/second-factor", json={"password": person.password}).json()
        secret = made["secretText"]
        confirmed = client.put("/me/second-factor", json={"code": code_now(secret)})
        recovery = confirmed.raise_for_status().json()["recoveryCodes"]
    page.goto(f"{node.url}/sign-in?next=/account")
    fill(page, person)
    field = page.get_by_label("Code", exact=True)
    expect(field).to_be_focused()
    expect(field).to_have_attribute("autocomplete", "one-time-code")
    field.fill("000000")
    page.keyboard.press("Enter")
    expect(field).to_have_accessible_description(re.compile("This code is wrong, or was used"))
    field.fill(code_now(secret, 1))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="My account")).to_be_visible()
    sign_out(page)
    fill(page, person)
    page.get_by_role("button", name="Use a recovery code").click()
    page.get_by_label("Recovery code").fill(recovery[0].lower())
    page.keyboard.press("Enter")
    expect_practice(page)


@pytest.mark.slow
def test_a_role_that_must_have_a_second_factor_sets_it_up_at_sign_in(
    browser: Browser, tmp_path: Path
) -> None:
    node = Node(tmp_path / "data")
    node.start()
    person = join(node)
    with node.client() as client:
        dealership = client.get("/dealership")
        body = {name: dealership.json()[name] for name in ("name", "language", "policy")}
        body["policy"]["totpRequired"] = ["salesperson"]
        tag = {"If-Match": dealership.headers["etag"]}
        client.put("/dealership", json=body, headers=tag).raise_for_status()
    context = chromium.context(browser, node.url)
    page = context.new_page()
    errors = watched(page)
    page.goto(f"{node.url}/sign-in")
    fill(page, person)
    expect(page.get_by_role("heading", name="Set up a second factor")).to_be_focused()
    picture = page.get_by_role("img", name="QR code")
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }")
    page.get_by_text("Cannot scan it?").click()
    secret = page.locator(".secret-text").inner_text().replace(" ", "")
    page.get_by_label("Code", exact=True).fill(code_now(secret))
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("heading", name="Keep your recovery codes")).to_be_focused()
    assert len(set(page.locator(".codes li").all_inner_texts())) == 10
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("I have kept these codes")).to_be_focused()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a file").click()
    kept = saved.value.path().read_text(encoding="utf-8")
    assert all(code in kept for code in page.locator(".codes li").all_inner_texts())
    page.get_by_label("I have kept these codes").check()
    page.get_by_role("button", name="Continue").click()
    expect_practice(page)
    assert errors == []
    context.close()
    node.stop()


def test_two_tabs_stay_signed_in_across_a_renewal(
    node: Node, browser: Browser, somebody: Account
) -> None:
    context = signed_in(browser, node, somebody)
    tabs = [context.new_page(), context.new_page()]
    refreshes: list[int] = []
    carried: list[set[str]] = [set(), set()]
    context.on(
        "response",
        lambda answer: (
            refreshes.append(answer.status) if answer.url.endswith("/auth/refresh") else None
        ),
    )
    for number, tab in enumerate(tabs):
        tab.clock.install()
        tab.on("request", lambda request, number=number: _note(carried[number], request))
        tab.goto(f"{node.url}/#/sessions")
        expect(tab.locator("section[data-view=sessions]")).to_be_visible()
    before = len(refreshes)
    firsts = [set(each) for each in carried]
    for tab in tabs:
        tab.clock.fast_forward(NEARLY_OVER_MS)
    for tab in tabs:
        tab.evaluate("location.hash = '#/'; setTimeout(() => { location.hash = '#/sessions'; });")
    for tab in tabs:
        tab.clock.run_for(1_000)
        expect(tab.locator("section[data-view=sessions]")).to_be_visible()
        assert "/sign-in" not in tab.url
    for tab, first, seen in zip(tabs, firsts, carried, strict=True):
        until(tab, lambda first=first, seen=seen: bool(seen - first))
    assert len(refreshes) > before
    assert set(refreshes) == {200}
    context.close()


def _note(carried: set[str], request: object) -> None:
    token = request.headers.get("authorization", "")  # type: ignore[attr-defined]
    if token.startswith(BEARER):
        carried.add(token)


def test_signing_out_in_one_tab_ends_the_other(
    node: Node, browser: Browser, somebody: Account
) -> None:
    context = signed_in(browser, node, somebody)
    one, other = context.new_page(), context.new_page()
    for tab in (one, other):
        tab.goto(f"{node.url}/account")
        expect(tab.get_by_role("heading", name="My account")).to_be_visible()
    sign_out(one)
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    other.goto(f"{node.url}/account")
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


def test_a_sign_in_that_was_ended_elsewhere_leads_to_the_sign_in_page(
    node: Node, browser: Browser
) -> None:
    person = join(node)
    context = signed_in(browser, node, person)
    page = context.new_page()
    page.goto(f"{node.url}/account")
    expect(page.get_by_role("heading", name="My account")).to_be_visible()
    with node.client(person) as client:
        client.delete(f"/users/{person.user['id']}/sign-ins").raise_for_status()
    page.wait_for_timeout(2_000)
    page.get_by_label("Phone").fill("+44 20 7946 0000")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.url == f"{node.url}/sign-in?next=%2Faccount"
    context.close()


@pytest.mark.slow
def test_everything_is_accessible(node: Node, page: Page) -> None:
    walk = Walk()
    person = join(node)
    page.goto(f"{node.url}/sign-in")
    expect(page.get_by_label("E-mail address")).to_be_visible()
    walk.look(page, "password")
    page.get_by_role("button", name="Sign in").click()
    walk.look(page, "missing")
    page.get_by_role("link", name="Forgot your password?").click()
    expect(page.get_by_role("heading", name="Choose a new password")).to_be_visible()
    walk.look(page, "forgot")
    with node.client(person) as client:
        made = client.post("/me/second-factor", json={"password": person.password}).json()
        given = {"code": code_now(made["secretText"])}
        client.put("/me/second-factor", json=given).raise_for_status()
    page.goto(f"{node.url}/sign-in")
    fill(page, person)
    expect(page.get_by_label("Code", exact=True)).to_be_visible()
    walk.look(page, "code")
    page.goto(f"{node.url}/link#{mailed_secret(node, invite(node))}")
    expect(page.get_by_label("First name")).to_be_visible()
    walk.look(page, "invite")
    page.goto("about:blank")
    page.goto(f"{node.url}/link#gone")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    walk.look(page, "gone")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert {step: found for step, found in walk.small_targets.items() if found} == {}


def test_signing_in_needs_nothing_but_a_keyboard(node: Node, page: Page, somebody: Account) -> None:
    page.goto(f"{node.url}/sign-in")
    expect(page.get_by_label("E-mail address")).to_be_focused()
    page.keyboard.type(somebody.email)
    press_until(page, page.get_by_label("Password", exact=True))
    page.keyboard.type(somebody.password)
    press_until(page, page.get_by_role("button", name="Show password"))
    press_until(page, page.get_by_role("button", name="Sign in"))
    page.keyboard.press("Enter")
    expect_practice(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    press_until(page, page.get_by_role("button", name="Account of"), "Shift+Tab")
    page.keyboard.press("Enter")
    press_until(page, page.get_by_role("button", name="Sign out", exact=True))
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Account of")).to_be_focused()
    expect(page.get_by_role("button", name="Sign out", exact=True)).to_be_hidden()
    page.keyboard.press("Enter")
    press_until(page, page.get_by_role("button", name="Sign out", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_menu_of_a_phone_opens_and_closes_by_keyboard(
    node: Node, browser: Browser, somebody: Account
) -> None:
    context = signed_in(browser, node, somebody, width=360, height=740)
    page = context.new_page()
    page.goto(node.url)
    expect_practice(page)
    menu = page.get_by_role("button", name="Menu")
    calls = page.get_by_role("link", name="My calls")
    expect(calls).to_be_hidden()
    expect(menu).to_have_attribute("aria-expanded", "false")
    press_until(page, menu)
    page.keyboard.press("Enter")
    expect(calls).to_be_visible()
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("link", name="Practice", exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    press_until(page, calls)
    page.keyboard.press("Escape")
    expect(calls).to_be_hidden()
    expect(menu).to_be_focused()
    context.close()
