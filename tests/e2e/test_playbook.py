"""The playbook beside a call and after it: stages, what must be said, and objection cards."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from playwright.sync_api import Browser, Locator, Playwright, Route, expect

import benchmarks
from engine import playbook
from signaling.publisher import load_audio
from tests.e2e import chromium
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import PracticePage, until
from tests.e2e.test_accessibility import DESKTOP, PHONE, Walk, press_until

pytestmark = pytest.mark.slow

SALES_CALL = Path(benchmarks.__file__).parent / "scenarios" / "smooth.opus"
"""Its opening: "Good morning [...] My name is Laura [...] Tell me what you drive [...]"."""

CAR_SALES = playbook.shipped()
PRICE, PAYMENT, TRADE_IN = "price_too_high", "payment_too_high", "trade_in_too_low"
SHOWN_MS = 45_000
SEQ = itertools.count(100_000)
STATES = ["list", "guess", "card", "card-and-guess", "summary"]


def envelope(kind: str, /, **data: Any) -> dict[str, Any]:
    """An event that the page has not seen yet."""
    return {"v": 1, "seq": next(SEQ), "t": 1000, "track": "trainee", "type": kind, "data": data}


def heard(end_ms: int = 1000, **found: Any) -> dict[str, Any]:
    """A playbook event as the node sends it, of words that ended at `end_ms`."""
    nothing = {"stage": None, "mustSay": None, "neverSay": None, "objections": [], "card": None}
    return envelope("playbook", **(nothing | {"spanMs": [end_ms - 1000, end_ms]} | found))


def asserted(code: str, end_ms: int = 1000) -> dict[str, Any]:
    return heard(end_ms, objections=[{"code": code, "margin": 0.2}], card=code)


def guessed(*codes: str, end_ms: int = 1000) -> dict[str, Any]:
    return heard(end_ms, objections=[{"code": code, "margin": 0.01} for code in codes])


def never_said() -> dict[str, Any]:
    """The cue for "you are guaranteed approval", with the node's own words."""
    never = next(each for each in CAR_SALES.never_say if each.code == "approval_promise")
    return envelope(
        "feedback",
        kind="correction",
        severity="high",
        code="never_say",
        parameters={"phrase": never.code, **never.model_dump(include={"title", "reason"})},
        message=never.title,
        evidence=f"{never.reason} Better: {never.instead}",
        spanMs=[0, 1000],
    )


@pytest.fixture
def practice(node: Node, browser: Browser) -> Iterator[PracticePage]:
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    yield practice
    assert practice.errors == []
    practice.page.unroute_all(behavior="ignoreErrors")
    context.close()


@pytest.fixture
def call(practice: PracticePage) -> PracticePage:
    """A call whose playbook is shown."""
    practice.call()
    expect(practice.id("stages").locator("li")).to_have_count(len(CAR_SALES.stages.pitch))
    return practice


def card(practice: PracticePage) -> Locator:
    return practice.id("slot").locator(".objection")


def card_of(code: str) -> playbook.Card:
    return CAR_SALES.cards[code]


def session_ms(practice: PracticePage) -> int:
    """The call's time by its clock, rounded down to a second."""
    minutes, seconds = practice.id("timer").inner_text().split(":")
    return (60 * int(minutes) + int(seconds)) * 1000


def boxes(practice: PracticePage, *names: str) -> list[dict[str, float] | None]:
    return [practice.page.locator(name).bounding_box() for name in names]


# what a call of this kind should have in it


@pytest.mark.parametrize("kind", ["Pitch", "Objection", "Closing"])
def test_a_call_shows_the_stages_and_must_says_of_its_kind(
    practice: PracticePage, kind: str
) -> None:
    practice.open()
    practice.agree(recording=False)
    practice.start(kind)
    practice.expect_connected()
    session_type: Any = kind.lower()
    titles = [stage.title for stage in CAR_SALES.stages.of(session_type)]
    wanted = [each for each in CAR_SALES.must_say if session_type in each.sessions]
    expect(practice.id("stages").locator("li")).to_have_text([re.compile(one) for one in titles])
    rows = practice.id("must-says").locator("summary")
    expect(rows).to_have_text([re.compile(re.escape(each.title)) for each in wanted])
    assert practice.page.locator("#live [data-done]").count() == 0
    practice.end()


def test_what_was_reached_and_said_is_ticked_in_any_order(call: PracticePage) -> None:
    call.receive(heard(stage="test_drive"), heard(mustSay="offer_drive"))
    ticked = call.page.locator("#live [data-done]")
    expect(ticked).to_have_text([re.compile("done *Test drive"), re.compile("Offer a test drive")])
    call.receive(heard(stage="greeting"), heard(stage="test_drive"))
    expect(ticked).to_have_count(3)
    expect(call.id("stages").locator("li").first).to_have_attribute("data-done", "true")
    expect(call.id("announcer")).not_to_contain_text("Test drive")


def test_why_something_must_be_said_is_a_key_or_a_touch_away(call: PracticePage) -> None:
    row = call.id("must-says").locator("li").first
    why = next(each for each in CAR_SALES.must_say if "pitch" in each.sessions).why
    expect(row.get_by_text(why)).to_be_hidden()
    press_until(call.page, row.locator("summary"))
    call.page.keyboard.press("Enter")
    expect(row.get_by_text(why)).to_be_visible()
    row.locator("summary").click()
    expect(row.get_by_text(why)).to_be_hidden()


# objections


def test_an_objection_shows_its_card_and_says_it_once(call: PracticePage) -> None:
    call.receive(asserted(PRICE, session_ms(call)))
    price = card_of(PRICE)
    expect(card(call).get_by_role("heading")).to_have_text(price.title)
    expect(card(call).locator("dt")).to_have_text(["Say", "Ask", "Avoid", "Next"])
    expect(card(call).locator("dd")).to_have_text([price.say, price.ask, price.avoid, price.next])
    expect(call.id("announcer")).to_have_text(f"Objection: {price.title}. Say: {price.say}")
    call.receive(guessed(PRICE, PAYMENT, end_ms=session_ms(call)))
    call.page.wait_for_timeout(300)
    assert len([text for text in call.page.evaluate("spied.said") if price.say in text]) == 1


def test_a_newer_card_takes_the_place_of_the_one_before(call: PracticePage) -> None:
    call.receive(asserted(PRICE, session_ms(call)), asserted(PAYMENT, session_ms(call)))
    expect(card(call)).to_have_count(1)
    expect(card(call).get_by_role("heading")).to_have_text(card_of(PAYMENT).title)


def test_a_card_is_closed_by_its_button_or_a_key_and_stays_closed(call: PracticePage) -> None:
    call.receive(asserted(PRICE, session_ms(call)))
    call.button("Close this card").click()
    expect(card(call)).to_have_count(0)
    expect(call.id("slot")).to_be_focused()
    # The node sends no card again within a minute.
    call.receive(guessed(PRICE, PAYMENT, end_ms=session_ms(call)))
    expect(call.id("perhaps")).to_be_hidden()
    expect(card(call)).to_have_count(0)
    call.receive(asserted(PAYMENT, session_ms(call)))
    expect(card(call)).to_be_visible()
    call.page.keyboard.press("x")
    expect(card(call)).to_have_count(0)


@pytest.mark.slow
def test_a_card_goes_45_s_after_the_objection_was_last_mentioned(call: PracticePage) -> None:
    left_ms = 3000
    call.receive(asserted(PRICE, session_ms(call) - SHOWN_MS + left_ms))
    expect(card(call)).to_be_visible()
    expect(card(call)).to_have_count(0)
    call.receive(asserted(PAYMENT, session_ms(call) - SHOWN_MS + left_ms))
    expect(card(call)).to_be_visible()
    call.receive(guessed(PAYMENT, end_ms=session_ms(call)))
    call.page.wait_for_timeout(left_ms + 1000)
    expect(card(call)).to_be_visible()
    call.receive(asserted(TRADE_IN, session_ms(call) - SHOWN_MS - 1000))
    call.page.wait_for_timeout(300)
    expect(card(call).get_by_role("heading")).to_have_text(card_of(PAYMENT).title)


def test_a_guess_is_offered_and_not_asserted(call: PracticePage) -> None:
    call.receive(guessed(PRICE, PAYMENT, end_ms=session_ms(call)))
    titles = [card_of(PRICE).title, card_of(PAYMENT).title]
    expect(call.id("perhaps")).to_have_text(f"Perhaps:{titles[0]}or{titles[1]}")
    expect(call.id("announcer")).to_have_text(f"Perhaps: {titles[0]} or {titles[1]}?")
    expect(card(call)).to_have_count(0)
    call.button(titles[1]).click()
    expect(card(call).get_by_role("heading")).to_have_text(titles[1])
    expect(card(call)).to_be_focused()
    expect(call.id("perhaps")).to_be_hidden()


@pytest.mark.parametrize("size", [DESKTOP, PHONE, {"width": 768, "height": 1024}])
def test_a_card_covers_nothing_and_moves_nothing(call: PracticePage, size: Any) -> None:
    call.page.set_viewport_size(size)
    call.receive(never_said())
    around = ("#cards", "#transcript-panel", "#gauges-panel", ".dock", "#stages")
    before = boxes(call, *around)
    call.receive(guessed(PRICE, PAYMENT, end_ms=session_ms(call)))
    expect(call.id("perhaps")).to_be_visible()
    assert boxes(call, *around) == before
    call.receive(asserted(TRADE_IN, session_ms(call)))
    expect(card(call)).to_be_visible()
    call.page.wait_for_timeout(400)  # it has come to rest
    assert boxes(call, *around) == before
    (shown,) = boxes(call, ".objection")
    assert shown is not None
    assert shown["width"] <= size["width"]
    for other in before[:3]:
        assert other is not None
        assert (
            shown["x"] + shown["width"] <= other["x"]
            or other["x"] + other["width"] <= shown["x"]
            or shown["y"] + shown["height"] <= other["y"]
            or other["y"] + other["height"] <= shown["y"]
        ), (shown, other)


@pytest.mark.parametrize("code", [each.code for each in CAR_SALES.objections])
def test_every_card_fits_a_phone(shared: PracticePage, code: str) -> None:
    shared.receive(asserted(code, session_ms(shared)))
    expect(card(shared)).to_have_attribute("data-code", code)
    hidden_px = card(shared).evaluate("(card) => card.scrollHeight - card.clientHeight")
    assert hidden_px <= 0


@pytest.fixture(scope="module")
def shared(node: Node, browser: Browser) -> Iterator[PracticePage]:
    """A call on a phone that shows one card after the other."""
    context = signed_in(browser, node, **PHONE)
    practice = PracticePage(context, node, checked=True)
    practice.call()
    expect(practice.id("stages").locator("li").first).to_be_visible()
    yield practice
    context.close()


def test_what_must_never_be_said_is_told_at_once_with_what_to_say_instead(
    call: PracticePage,
) -> None:
    call.receive(heard(neverSay="approval_promise"), never_said())
    shown = call.id("cards").locator(".card")
    expect(shown).to_contain_text("Change this now")
    expect(shown.get_by_role("heading")).to_have_text("Do not promise approval")
    shown.locator("summary").click()
    expect(shown).to_contain_text("Better: Let's apply")
    expect(shown).not_to_contain_text("approval_promise")


def test_a_hidden_playbook_says_nothing_and_comes_back_with_its_card(call: PracticePage) -> None:
    call.page.keyboard.press("l")
    expect(call.id("playbook-body")).to_be_hidden()
    expect(call.id("stages")).to_be_hidden()
    call.receive(asserted(PRICE, session_ms(call)))
    call.page.wait_for_timeout(300)
    expect(call.id("announcer")).not_to_contain_text("Objection")
    call.page.keyboard.press("l")
    expect(card(call)).to_be_visible()


# what is not known


def test_codes_of_another_playbook_change_nothing(call: PracticePage) -> None:
    call.receive(
        heard(stage="to_come"),
        heard(mustSay="to_come"),
        heard(neverSay="to_come"),
        asserted("to_come", session_ms(call)),
        guessed("to_come", "as_well", end_ms=session_ms(call)),
        envelope("playbook", stage="greeting"),
        heard(spanMs=None),
    )
    expect(call.page.locator("#live [data-done]")).to_have_count(1)
    expect(card(call)).to_have_count(0)
    expect(call.id("perhaps")).to_be_hidden()
    call.end()
    expect(call.id("covered").locator("[data-part=objections]")).to_contain_text("None was heard")


def test_a_playbook_that_cannot_be_had_is_left_out_and_the_call_goes_on(
    practice: PracticePage,
) -> None:
    told: list[str] = []
    practice.page.on("console", lambda message: told.append(message.text))
    practice.page.route("**/playbooks/*", lambda route: route.abort())
    practice.call()
    practice.receive(heard(stage="greeting"), asserted(PRICE, session_ms(practice)))
    expect(practice.id("playbook-panel")).to_be_hidden()
    expect(practice.id("stages")).to_be_hidden()
    assert [text for text in told if "playbook is not shown" in text]
    practice.end()
    expect(practice.id("covered")).to_be_hidden()


def test_what_comes_before_the_playbook_is_shown_when_it_is_there(practice: PracticePage) -> None:
    held: list[Route] = []
    practice.page.route("**/playbooks/*", lambda route: held.append(route))
    practice.call()
    before = boxes(practice, "#cards-empty", "#transcript-panel")
    practice.receive(heard(stage="greeting"), asserted(PRICE, session_ms(practice)))
    until(practice.page, lambda: held)
    held[0].continue_()
    expect(card(practice)).to_be_visible()
    expect(practice.id("stages").locator("[data-done]")).to_have_count(1)
    assert boxes(practice, "#cards-empty", "#transcript-panel") == before


def test_a_language_without_a_playbook_shows_none(practice: PracticePage) -> None:
    def in_spanish(route: Route) -> None:
        body = route.request.post_data_json
        route.continue_(post_data=body | {"language": "es"})

    practice.page.route(re.compile("/api/v1/sessions$"), in_spanish)
    practice.call(recording=False)
    expect(practice.id("playbook-panel")).to_be_hidden()
    expect(practice.id("stages")).to_be_hidden()
    practice.end()
    expect(practice.id("covered")).to_be_hidden()


# afterwards


@pytest.mark.slow
def test_a_sales_call_is_followed_and_its_summary_plays_the_moments(
    node: Node, playwright: Playwright, tmp_path: Path
) -> None:
    speech = tmp_path / "call.wav"
    soundfile.write(speech, load_audio(SALES_CALL), 48_000, subtype="PCM_16")
    browser = chromium.launch(playwright, speech)
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    practice.call()
    said = practice.id("must-says").locator("[data-done]")
    expect(said.filter(has_text="Give your name")).to_be_visible()
    expect(practice.id("stages").locator("[data-done]").first).to_contain_text("Greeting")
    practice.end()
    practice.page.reload()
    told = practice.id("covered").locator("li[data-done]").filter(has_text="Give your name")
    moment_s = 0.0
    for event in node.events(practice.session_id):
        if event["type"] == "playbook" and event["data"]["mustSay"] == "own_name":
            moment_s = event["data"]["spanMs"][0] / 1000
    assert moment_s > 0
    told.get_by_role("button").click()
    practice.page.wait_for_function(
        f"Math.abs(audio.currentTime - {moment_s}) < 3 && audio.currentTime > 0"
    )
    missed = practice.id("covered").locator("li:not([data-done])")
    expect(missed.filter(has_text="Offer a test drive")).to_contain_text("Who has driven the car")
    assert practice.errors == []
    browser.close()


def test_objections_are_listed_afterwards_with_their_cards(call: PracticePage) -> None:
    call.receive(
        asserted(PRICE, 20_000), guessed(TRADE_IN, PAYMENT, end_ms=30_000), guessed(PRICE, PAYMENT)
    )
    call.end()
    listed = call.id("covered").locator("[data-part=objections] li")
    expect(listed).to_have_count(2)
    expect(listed.locator(".at")).to_have_count(3)
    expect(listed.nth(0)).not_to_contain_text("Perhaps")
    expect(listed.nth(1)).to_contain_text("Perhaps")
    expect(listed.nth(0).get_by_text(card_of(PRICE).say)).to_be_hidden()
    listed.nth(0).locator("summary").focus()
    call.page.keyboard.press("Enter")
    expect(listed.nth(0).get_by_text(card_of(PRICE).say)).to_be_visible()


# for everybody


@pytest.fixture(scope="module")
def walk(node: Node, browser: Browser) -> Iterator[Walk]:
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    page, walk = practice.page, Walk()
    practice.call()
    practice.receive(heard(stage="greeting"), heard(mustSay="own_name"))
    expect(page.locator("#live [data-done]")).to_have_count(2)
    practice.id("must-says").locator("summary").first.click()
    walk.look(page, "list")
    practice.receive(guessed(PRICE, PAYMENT, end_ms=session_ms(practice)))
    walk.look(page, "guess")
    practice.receive(asserted(PRICE, session_ms(practice)))
    page.wait_for_timeout(400)  # it has come to rest
    walk.look(page, "card")
    practice.receive(guessed(TRADE_IN, PAYMENT, end_ms=session_ms(practice)))
    walk.look(page, "card-and-guess")
    practice.end()
    expect(practice.id("covered")).to_be_visible()
    practice.id("covered").locator("summary").first.click()
    walk.look(page, "summary")
    yield walk
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(walk: Walk, state: str, scheme: str) -> None:
    assert walk.violations[state, scheme] == []


@pytest.mark.parametrize("state", STATES)
def test_a_phone_needs_no_sideways_scrolling_and_a_finger_finds_its_target(
    walk: Walk, state: str
) -> None:
    assert walk.overflow_px[state] == 0
    assert walk.small_targets[state] == []
