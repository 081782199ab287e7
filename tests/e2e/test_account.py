"""The account page in Chromium: who one is, how one signs in, and what one prefers."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from api.account_client import Account, NotSignedIn
from tests.e2e.node import Node
from tests.e2e.people import (
    join,
    mailed_secret,
    mails,
    new_address,
    new_password,
    signed_in,
    watched,
)
from tests.e2e.practice import until
from tests.e2e.test_accessibility import Walk, press_until
from tests.e2e.test_sign_in import code_now

pytestmark = pytest.mark.slow

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def person(node: Node) -> Account:
    return join(node)


@pytest.fixture
def page(node: Node, browser: Browser, person: Account) -> Iterator[Page]:
    context = signed_in(browser, node, person)
    made = context.new_page()
    errors = watched(made)
    made.goto(f"{node.url}/account")
    expect(made.get_by_role("heading", name="My account")).to_be_visible()
    yield made
    assert errors == []
    context.close()


def expect_done(page: Page, words: str) -> None:
    expect(page.locator(".notice[data-key=account]")).to_contain_text(words)


def test_a_name_and_a_phone_are_kept(node: Node, page: Page, person: Account) -> None:
    expect(page.get_by_label("First name")).to_have_value("Ben")
    page.get_by_label("First name").fill("Benjamin")
    page.get_by_label("Phone").fill("call me")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Phone")).to_be_focused()
    expect(page.get_by_label("Phone")).to_have_accessible_description(re.compile("Digits, spaces"))
    page.get_by_label("Phone").fill("+44 (0)20 7946-0000")
    page.get_by_role("button", name="Save").click()
    expect_done(page, "Saved.")
    with node.client(person) as client:
        profile = client.get("/me").json()["profile"]
    assert profile["firstName"] == "Benjamin"
    assert profile["phone"] == "+44 (0)20 7946-0000"
    page.reload()
    expect(page.get_by_role("button", name="Account of Benjamin Porter")).to_be_visible()


def test_what_one_prefers_holds_on_every_device(
    node: Node, browser: Browser, page: Page, person: Account
) -> None:
    page.locator("#preferences").get_by_label("Dark").check()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect_done(page, "Saved.")
    page.get_by_label("Tell me by e-mail").uncheck()
    page.locator("#preferences").get_by_label("Language").select_option("es")
    expect(page.get_by_role("heading", name="Mi cuenta")).to_be_visible()
    with node.client(person) as client:
        until(
            page,
            lambda: (
                client.get("/me").json()["preferences"]
                == {
                    "language": "es",
                    "theme": "dark",
                    "notifications": {"email": False, "muted": []},
                }
            ),
        )
    context = signed_in(browser, node, person)
    elsewhere = context.new_page()
    elsewhere.goto(node.url)
    expect(elsewhere.locator("html")).to_have_attribute("data-theme", "dark")
    expect(elsewhere.get_by_role("heading", name="Practica una llamada")).to_be_visible()
    context.close()


def test_a_theme_is_there_before_anything_is_painted(node: Node, page: Page) -> None:
    page.get_by_role("button", name="Account of").click()
    page.locator("#shell-theme").get_by_label("Dark").check()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () => "
        "{ window.firstTheme = document.documentElement.dataset.theme; })"
    )
    page.reload()
    assert page.evaluate("firstTheme") == "dark"


def test_as_the_device_follows_the_device(page: Page) -> None:
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator("html")).to_have_attribute("data-theme", scheme)


def test_a_new_address_counts_once_its_mail_was_followed(
    node: Node, page: Page, person: Account
) -> None:
    address = new_address("new")
    page.get_by_text("Change the address").first.click()
    form = page.locator("#email-form")
    form.get_by_label("New e-mail address").fill(address)
    form.get_by_label("Your password").fill("not the password")
    form.get_by_role("button", name="Change the address").click()
    expect(form.get_by_label("Your password")).to_be_focused()
    expect(form.get_by_label("Your password")).to_have_accessible_description(
        "This is not your password."
    )
    form.get_by_label("Your password").fill(person.password)
    form.get_by_role("button", name="Change the address").click()
    expect_done(page, address)
    secret = mailed_secret(node, address)
    with pytest.raises(NotSignedIn):
        Account.sign_in(node.url, address, person.password)
    page.goto(f"{node.url}/link#{secret}")
    page.get_by_role("button", name="Yes, confirm it").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_focused()
    assert Account.sign_in(node.url, address, person.password).user["emailVerified"]


def test_a_new_password_ends_every_other_sign_in(
    node: Node, browser: Browser, page: Page, person: Account
) -> None:
    context = signed_in(browser, node, person)
    other = context.new_page()
    other.goto(f"{node.url}/account")
    expect(other.get_by_role("heading", name="My account")).to_be_visible()
    password = new_password()
    page.get_by_text("Change the password").first.click()
    form = page.locator("#password-form")
    form.get_by_label("Your password").fill(person.password)
    field = form.get_by_label("New password", exact=True)
    expect(field).to_have_accessible_description(re.compile("At least 12 characters"))
    field.fill(f"{person.email} x")
    form.get_by_role("button", name="Change the password").click()
    expect(field).to_have_accessible_description(re.compile("mostly a name, an address"))
    field.fill(password)
    form.get_by_role("button", name="Change the password").click()
    expect_done(page, "Your password is changed")
    expect(page.locator(".devices li")).to_have_count(1)
    other.reload()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
    assert any("password" in str(mail["Subject"]) for mail in mails(node, person.email))
    assert Account.sign_in(node.url, person.email, password)


def test_a_second_factor_is_turned_on_its_codes_renewed_and_off_again(
    node: Node, page: Page, person: Account
) -> None:
    panel = page.locator("#factor")
    expect(panel).to_contain_text("Off")
    panel.get_by_role("button", name="Turn on").click()
    expect(panel.get_by_label("Your password")).to_be_focused()
    panel.get_by_label("Your password").fill(person.password)
    page.keyboard.press("Enter")
    picture = panel.get_by_role("img", name="QR code")
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }")
    panel.get_by_text("Cannot scan it?").click()
    secret = panel.locator(".secret-text").inner_text().replace(" ", "")
    address = panel.get_by_role("link", name="Open it in an app").get_attribute("href") or ""
    assert pyotp.parse_uri(address).secret == secret
    panel.get_by_label("Code", exact=True).fill("12345")
    page.keyboard.press("Enter")
    expect(panel.get_by_label("Code", exact=True)).to_have_accessible_description(
        re.compile("This code is wrong")
    )
    panel.get_by_label("Code", exact=True).fill(code_now(secret))
    page.keyboard.press("Enter")
    expect(panel.locator(".codes li")).to_have_count(10)
    first = panel.locator(".codes li").all_inner_texts()
    panel.get_by_label("I have kept").check()
    panel.get_by_role("button", name="Done").click()
    expect(panel).to_contain_text("On")
    with pytest.raises(NotSignedIn, match="second_factor"):
        Account.sign_in(node.url, person.email, person.password)
    panel.get_by_role("button", name="New recovery codes").click()
    panel.get_by_label("Your password").fill(person.password)
    page.keyboard.press("Enter")
    expect(panel.locator(".codes li")).to_have_count(10)
    assert not set(first) & set(panel.locator(".codes li").all_inner_texts())
    panel.get_by_label("I have kept").check()
    panel.get_by_role("button", name="Done").click()
    panel.get_by_role("button", name="Turn off").click()
    panel.get_by_label("Your password").fill(person.password)
    panel.get_by_role("button", name="Turn off").click()
    expect(panel.get_by_role("button", name="Turn on")).to_be_visible()
    expect(page.get_by_role("heading", name="Second factor")).to_be_focused()
    assert Account.sign_in(node.url, person.email, person.password)


def test_a_sign_in_elsewhere_is_seen_and_ended(
    node: Node, browser: Browser, page: Page, person: Account
) -> None:
    context = browser.new_context(user_agent=IPHONE)
    phone = context.new_page()
    phone.goto(f"{node.url}/sign-in?next=/account")
    phone.get_by_label("E-mail address").fill(person.email)
    phone.get_by_label("Password", exact=True).fill(person.password)
    phone.get_by_role("button", name="Sign in").click()
    expect(phone.get_by_role("heading", name="My account")).to_be_visible()
    page.reload()
    row = page.locator(".devices li", has_text="Safari, iPhone")
    expect(row).to_have_count(1)
    expect(page.locator(".devices li", has_text="This device")).to_have_count(1)
    row.get_by_role("button", name="End the sign-in on Safari, iPhone").click()
    expect(row).to_have_count(0)
    phone.reload()
    expect(phone.get_by_role("heading", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="My account")).to_be_visible()
    context.close()


def test_signing_out_everywhere_ends_this_one_too(
    node: Node, browser: Browser, page: Page, person: Account
) -> None:
    context = signed_in(browser, node, person)
    other = context.new_page()
    other.goto(f"{node.url}/account")
    expect(other.get_by_role("heading", name="My account")).to_be_visible()
    page.get_by_role("button", name="Sign out everywhere").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    other.reload()
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


def test_ones_data_is_one_file(page: Page, person: Account) -> None:
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download my data").click()
    assert saved.value.suggested_filename == "forecourt-my-data.zip"
    with zipfile.ZipFile(saved.value.path()) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    told = [json.loads(body) for name, body in held.items() if name.endswith(".json")]
    assert person.email in json.dumps(told)


def test_what_was_changed_elsewhere_is_not_overwritten(
    node: Node, page: Page, person: Account
) -> None:
    with node.client(person) as client:
        me = client.get("/me")
        body = me.json()["profile"] | {"firstName": "Benedict"}
        path = f"/users/{person.user['id']}/profile"
        tag = {"If-Match": me.headers["etag"]}
        client.put(path, json=body, headers=tag).raise_for_status()
        page.get_by_label("First name").fill("Bernard")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#profile").get_by_role("alert")).not_to_be_empty()
        assert client.get("/me").json()["profile"]["firstName"] == "Benedict"


def test_everything_is_accessible(page: Page, person: Account) -> None:
    walk = Walk()
    expect(page.locator(".devices li").first).to_be_visible()
    walk.look(page, "account")
    page.get_by_text("Change the address").first.click()
    page.get_by_text("Change the password").first.click()
    page.get_by_role("button", name="Save").click()
    expect_done(page, "Saved.")
    page.locator("#email-form").get_by_role("button", name="Change the address").click()
    walk.look(page, "forms")
    page.locator("#factor").get_by_role("button", name="Turn on").click()
    page.locator("#factor").get_by_label("Your password").fill(person.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    walk.look(page, "set-up")
    secret = page.locator(".secret-text").text_content() or ""
    page.get_by_label("Code", exact=True).fill(code_now(secret.replace(" ", "")))
    page.keyboard.press("Enter")
    expect(page.locator(".codes li")).to_have_count(10)
    walk.look(page, "codes")
    page.get_by_role("button", name="Account of").click()
    walk.look(page, "menu")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert {step: found for step, found in walk.small_targets.items() if found} == {}


def test_the_account_needs_nothing_but_a_keyboard(page: Page) -> None:
    press_until(page, page.get_by_label("Phone"))
    page.keyboard.type("020 7946 0000")
    press_until(page, page.get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect_done(page, "Saved.")
    press_until(page, page.locator("#preferences").get_by_label("As device"))
    page.keyboard.press("ArrowUp")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    press_until(page, page.locator("#factor").get_by_role("button", name="Turn on"))
    page.keyboard.press("Enter")
    expect(page.locator("#factor").get_by_label("Your password")).to_be_focused()
    press_until(page, page.locator("#factor").get_by_role("button", name="Cancel"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Second factor")).to_be_focused()
