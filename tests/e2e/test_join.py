"""Two people in one call, and a third who helps: each in a browser page of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.account_client import Account
from tests.e2e import people
from tests.e2e.desk import Desk
from tests.e2e.node import Node
from tests.e2e.practice import PracticePage, expect_connection
from tests.e2e.test_accessibility import MADE_UP_SEQ, Walk
from tests.e2e.test_listen import CONNECTIONS, RECEIVED, RECOGNIZED_WITHIN_MS

pytestmark = pytest.mark.slow

HEARD_WITHIN_MS = 15_000
HEARD = f"async () => (await ({RECEIVED})()).totalAudioEnergy > 0"


@dataclass
class Company:
    """A call with its trainee's page, and the link that leads into it."""

    node: Node
    browser: Browser
    trainee: PracticePage
    link: str
    pages: list[Page] = field(default_factory=list)
    errors: list[list[str]] = field(default_factory=list)

    def page(self, who: Account | None, path: str) -> Page:
        """A page of somebody else, who has just signed in."""
        context: BrowserContext = people.signed_in(self.browser, self.node, who)
        page = context.new_page()
        page.add_init_script(CONNECTIONS)
        self.pages.append(page)
        self.errors.append(people.watched(page))
        page.goto(path if path.startswith("http") else self.node.url + path)
        return page

    @property
    def session_id(self) -> str:
        newest: dict[str, Any] = self.node.get("/sessions").json()["items"][0]
        return str(newest["id"])

    def expect_present(self, *said: str) -> None:
        """What the trainee's page says of who is there."""
        expect(self.trainee.page.locator("#people li")).to_have_text(list(said))


@pytest.fixture
def company(node: Node, browser: Browser, desk: Desk) -> Iterator[Company]:
    ben = desk.person("salesperson", "Ben")
    context = people.signed_in(browser, node, ben)
    trainee = PracticePage(context, node, checked=True)
    trainee.page.add_init_script(CONNECTIONS)
    trainee.call()
    trainee.button("Invite a partner").click()
    link = trainee.page.get_by_label("Link to your call")
    expect(link).to_be_visible()
    company = Company(node, browser, trainee, link.input_value())
    yield company
    for opened in [*company.pages, trainee.page]:
        opened.context.close()
    assert [*trainee.errors, *(error for found in company.errors for error in found)] == []


def join(page: Page) -> None:
    """From the invitation into the call."""
    page.get_by_label("Yes, listen to me").check()
    page.get_by_label("Yes, record me").check()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Join the call").click()
    expect_connection(page, "live")


def expect_heard(page: Page) -> None:
    page.wait_for_function(HEARD, timeout=HEARD_WITHIN_MS)


def expect_words(page: Page, *tracks: str) -> None:
    for track in tracks:
        line = page.locator(f"#transcript .utterance[data-track={track}]:visible").first
        expect(line).to_be_visible(timeout=RECOGNIZED_WITHIN_MS)


def test_a_partner_joins_talks_comes_back_and_leaves(company: Company, desk: Desk) -> None:
    walk = Walk()
    trainee = company.trainee
    page = company.page(desk.person("salesperson", "Cleo"), company.link)
    expect(page.locator("#consent-title")).to_have_text("Ben Marsh invites you to a practice call")
    walk.look(page, "consent")
    join(page)
    company.expect_present("Cleo Marsh is the customer")
    expect(trainee.page.locator(".invite-state")).to_have_text("Cleo Marsh is in the call")
    trainee.page.keyboard.press("Escape")
    expect_heard(page)
    expect_heard(trainee.page)
    expect_words(page, "trainee", "partner")
    expect_words(trainee.page, "trainee", "partner")
    speakers = trainee.page.locator("#transcript[data-many=true] .speaker")
    assert set(speakers.all_inner_texts()) == {"You", "Cleo Marsh"}
    walk.look(page, "live")
    walk.look(trainee.page, "two")

    page.keyboard.press("m")
    expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#own-level-text")).to_have_text("Muted: nobody hears you")
    page.keyboard.press("m")

    page.evaluate("connections.at(-1).close()")
    expect_connection(page, "reconnecting")
    expect_connection(page, "live")
    company.expect_present("Cleo Marsh is the customer")
    expect_heard(page)

    page.get_by_role("button", name="Leave the call").click()
    expect(page.locator("#told-title")).to_have_text("You have left the call")
    walk.look(page, "left")
    company.expect_present("Nobody else is in the call")
    expect(trainee.button("Invite a partner")).to_be_visible()
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert {step: found for step, found in walk.small_targets.items() if found} == {}

    trainee.end()
    part = trainee.page.locator("#took-part li")
    expect(part).to_have_text("Cleo Marsh played the customer")


def test_a_listener_whispers_barges_in_and_is_seen(company: Company) -> None:
    walk = Walk()
    trainee = company.trainee
    trainee.page.keyboard.press("Escape")
    page = company.page(None, f"/listen#{company.session_id}")
    expect_connection(page, "live")
    company.expect_present("Ada Field listens")
    assert page.evaluate("connections.at(-1).getSenders()[0].track") is None

    hold = page.get_by_role("button", name="Hold to whisper")
    page.locator("#live-title").focus()
    page.keyboard.down("Space")
    company.expect_present("Ada Field speaks to you alone")
    expect(hold.or_(page.get_by_role("button", name="Speak now"))).to_have_attribute(
        "aria-pressed", "true"
    )
    expect_heard(trainee.page)
    page.keyboard.up("Space")
    company.expect_present("Ada Field listens")

    monitor = page.get_by_role("radio", name="Monitor")
    monitor.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Barge in")).to_be_focused()
    expect(monitor).to_have_attribute("aria-checked", "true")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="You will be recorded")
    dialog.get_by_role("button", name="Cancel").click()
    expect(monitor).to_have_attribute("aria-checked", "true")
    company.expect_present("Ada Field listens")
    page.keyboard.press("a")
    dialog.get_by_role("button", name="I agree, barge in").click()
    company.expect_present("Ada Field speaks to all")
    expect_words(page, "trainee", "coach_1")
    expect(page.get_by_label("Whose gauges")).to_be_visible()
    walk.look(page, "barge")
    walk.look(trainee.page, "company")

    page.evaluate("connections.at(-1).close()")
    expect(page.locator(".notice[data-key=mode]")).to_contain_text("You are a monitor again")
    expect(monitor).to_have_attribute("aria-checked", "true")
    company.expect_present("Ada Field listens")
    page.get_by_role("button", name="Stop listening").click()
    company.expect_present("Nobody else is in the call")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert {step: found for step, found in walk.small_targets.items() if found} == {}


def test_who_will_not_be_recorded_is_told_so_and_an_old_link_too(
    company: Company, desk: Desk
) -> None:
    page = company.page(desk.person("salesperson", "Dan"), company.link)
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#coaching-error")).to_be_visible()
    expect(page.locator("#recording-error")).to_be_visible()
    page.get_by_label("Yes, listen to me").check()
    page.get_by_label("No", exact=False).last.check()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#refused")).to_be_focused()
    expect(page.locator("#refused")).to_contain_text("This call is recorded.")
    page.goto(company.link[:-4])
    page.reload()
    expect(page.locator("#told-title")).to_have_text("This invitation holds no longer")


def test_an_echo_asks_for_headphones_until_it_is_gone(company: Company) -> None:
    trainee = company.trainee
    trainee.page.keyboard.press("Escape")
    echo = {"what": "echo", "why": "The microphone hears the loudspeaker", "untilMs": None}
    trainee.receive(event("degraded", echo))
    expect(trainee.notice("echo")).to_contain_text("Please use headphones")
    trainee.receive(event("degraded", echo | {"why": "gone", "untilMs": 5_000}))
    expect(trainee.notice("echo")).to_have_count(0)


def event(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """An event that no page has seen."""
    seq = next(MADE_UP_SEQ)
    return {"v": 1, "seq": seq, "t": 1_000, "track": "trainee", "type": kind, "data": data}
