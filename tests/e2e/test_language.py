"""The pages in Spanish: every text, axe, a phone's width, and what the call is held in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from engine.catalogue import catalogue
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import PracticePage, until
from tests.e2e.test_accessibility import Walk

pytestmark = pytest.mark.slow

STEPS = ["consent", "consent-missing", "check", "verdict", "ready", "live", "summary", "sessions"]
LISTEN = "listen"
TOUCH_TARGET_PX = 44
# Words that were said, and tips on them, are in the language of the call.
VISIBLE = """() => {
  const said = "#transcript, #said, #announcer, select, "
    + ".card h3, .card details > p, .points p, .moment[data-kind]:not([data-kind=bookmark])";
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (parent.checkVisibility() && !parent.closest(said)) texts.push(walker.currentNode.data);
  }
  for (const labelled of document.querySelectorAll("[aria-label], [aria-valuetext]")) {
    if (!labelled.checkVisibility()) continue;
    texts.push(labelled.ariaLabel ?? "", labelled.ariaValueText ?? "");
  }
  return [document.title, ...texts].map((text) => text.trim()).filter(Boolean);
}"""


def english() -> re.Pattern[str]:
    """What matches any text of the pages that is another one in Spanish."""
    spanish = catalogue("es").texts
    patterns = [
        re.sub(r"\\\{.*?\\\}", ".+", re.escape(text))
        for key, text in catalogue("en").texts.items()
        if key.startswith("page.") and text != spanish[key]
    ]
    return re.compile("|".join(patterns))


ENGLISH = english()


@dataclass
class Reading(Walk):
    """What is still English on each step, beside what axe and a ruler find."""

    left: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def look(self, page: Page, step: str) -> None:
        super().look(page, step)
        self.texts[step] = page.evaluate(VISIBLE)
        self.left[step] = [text for text in self.texts[step] if ENGLISH.fullmatch(text)]


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that recognizes English speech only."""
    made = Node(tmp_path_factory.mktemp("deaf") / "data", FORECOURT_ASR_LANGUAGES="{}")
    made.start()
    yield made
    made.stop()


def choose(page: Page, language: str) -> Locator:
    """Choose the page's language; the place where it is chosen."""
    select = page.locator("#language")
    select.select_option(language)
    expect(page.locator("html")).to_have_attribute("lang", language)
    return select


@pytest.fixture(scope="module")
def reading(deaf: Node, browser: Browser) -> Iterator[Reading]:
    context = signed_in(browser, deaf)
    practice = PracticePage(context, deaf)
    page, reading = practice.page, Reading()
    practice.open()
    choose(page, "es")
    expect(page.get_by_label("Sí, que escuche")).to_be_visible()
    reading.look(page, "consent")
    practice.button("Continuar").click()
    reading.look(page, "consent-missing")
    page.get_by_label("Sí, que escuche").check()
    page.get_by_label("Guardar la grabación").check()
    practice.button("Continuar").click()
    reading.look(page, "check")
    practice.button("Empezar la prueba").click()
    expect(practice.id("verdict")).to_be_visible()
    reading.look(page, "verdict")
    page.locator("#check-continue:visible, #check-skip:visible").first.click()
    expect(practice.view("ready")).to_be_visible()
    reading.look(page, "ready")
    with page.expect_request(re.compile("/api/v1/sessions$")) as created:
        practice.button("Empezar la llamada").click()
    reading.texts["request"] = [json.loads(created.value.post_data or "")["language"]]
    practice.expect_connected()
    expect(practice.id("transcript").locator(".utterance:visible").first).to_be_visible()
    practice.button("Marcar").click()
    reading.look(page, "live")
    practice.button("Terminar").click()
    expect(practice.view("summary")).to_be_visible()
    reading.look(page, "summary")
    page.get_by_role("link", name="Sesiones anteriores").click()
    expect(practice.view("sessions")).to_be_visible()
    reading.look(page, "sessions")
    page.goto(f"{deaf.url}/listen")
    page.wait_for_selector("body[data-view]")
    reading.look(page, LISTEN)
    assert practice.errors == []
    yield reading
    context.close()


@pytest.mark.parametrize("step", [*STEPS, LISTEN])
def test_no_english_is_left(reading: Reading, step: str) -> None:
    assert len(reading.texts[step]) > 5
    assert reading.left[step] == []


@pytest.mark.parametrize("step", [*STEPS, LISTEN])
def test_axe_finds_nothing(reading: Reading, step: str) -> None:
    assert reading.violations[step, "light"] == []
    assert reading.violations[step, "dark"] == []


@pytest.mark.parametrize("step", [*STEPS, LISTEN])
def test_a_phone_shows_it_whole(reading: Reading, step: str) -> None:
    assert reading.overflow_px[step] == 0
    assert reading.small_targets[step] == []


def test_a_node_that_hears_no_spanish_says_so_and_holds_the_call_in_english(
    reading: Reading,
) -> None:
    assert any("haz la llamada en inglés, por favor" in text for text in reading.texts["ready"])
    assert reading.texts["request"] == ["en"]


def test_numbers_and_dates_are_written_as_in_spanish(reading: Reading) -> None:
    shown = " ".join(reading.texts["summary"])
    assert re.search(r"\b\d+ de \w+ de \d{4}, \d\d:\d\d", shown)
    assert re.search(r"\b\d+,\d\b", shown)
    assert not re.search(r"\d\.\d", shown)


def test_the_search_does_find_english(deaf: Node, browser: Browser) -> None:
    context = signed_in(browser, deaf)
    practice = PracticePage(context, deaf)
    practice.open()
    texts = practice.page.evaluate(VISIBLE)
    assert len([text for text in texts if ENGLISH.fullmatch(text)]) > 15
    context.close()


def test_a_choice_is_kept_and_can_be_taken_back(node: Node, browser: Browser) -> None:
    context = signed_in(browser, node)
    practice = PracticePage(context, node)
    practice.open()
    select = choose(practice.page, "es")
    expect(select).to_be_focused()
    expect(practice.id("consent-title")).to_contain_text("Practica una llamada")
    practice.page.reload()
    expect(select).to_have_value("es")
    expect(practice.id("consent-title")).to_contain_text("Practica una llamada")
    expect(practice.page).to_have_title("Permiso · Forecourt")
    choose(practice.page, "en")
    expect(practice.id("consent-title")).to_contain_text("Practise a call")
    expect(practice.page).to_have_title("Consent · Forecourt")
    assert practice.errors == []
    context.close()


def test_the_choice_has_a_name_and_is_large_enough_for_a_finger(
    node: Node, browser: Browser
) -> None:
    context = signed_in(browser, node, width=360, height=740)
    practice = PracticePage(context, node)
    practice.open()
    box = practice.page.get_by_label("Language").bounding_box()
    assert box is not None
    assert min(box["height"], box["width"]) >= TOUCH_TARGET_PX
    context.close()


@pytest.mark.parametrize(
    ("locale", "language"), [("es-MX", "es"), ("en-US", "en"), ("fr-FR", "en")]
)
def test_the_first_language_is_the_browsers(
    node: Node, browser: Browser, locale: str, language: str
) -> None:
    context = browser.new_context(locale=locale)
    page = context.new_page()
    page.goto(f"{node.url}/sign-in")
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.locator("#language")).to_have_value(language)
    context.close()


def test_whoever_is_signed_in_reads_what_they_prefer(node: Node, browser: Browser) -> None:
    context = signed_in(browser, node, locale="es-ES")
    practice = PracticePage(context, node)
    practice.open()
    expect(practice.page.locator("html")).to_have_attribute("lang", "en")
    expect(practice.page.locator("#language")).to_have_value("en")
    context.close()


def test_a_call_is_held_in_the_pages_language_where_the_node_hears_it(
    node: Node, browser: Browser
) -> None:
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    page = practice.page
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "")["language"])
        route.abort()

    page.route(re.compile("/api/v1/sessions$"), refuse)
    practice.open()
    choose(page, "es")
    page.get_by_label("Sí, que escuche").check()
    page.get_by_label("Guardar solo las puntuaciones").check()
    practice.button("Continuar").click()
    practice.button("Empezar la llamada").click()
    expect(practice.notice("start")).to_contain_text("No se puede contactar con el servidor")
    heard = practice.api("/catalogues/es")["speech"]
    assert asked == ["es" if heard else "en"]
    context.close()


def test_english_texts_are_not_shown_while_spanish_ones_come(node: Node, browser: Browser) -> None:
    context = browser.new_context(locale="es-ES")
    page = context.new_page()
    held: list[Route] = []
    page.route("**/catalogues/es", lambda route: held.append(route))
    page.goto(f"{node.url}/sign-in", wait_until="commit")
    page.wait_for_selector("html[data-texts=awaited]", state="attached")
    hiding = "getComputedStyle(document.body).animationName"
    page.wait_for_function(f"{hiding} === 'awaited'")
    until(page, lambda: held)
    held[0].continue_()
    expect(page.get_by_role("heading", name="Iniciar sesión")).to_be_visible()
    assert page.evaluate(hiding) == "none"
    context.close()


def test_without_its_texts_the_page_says_what_to_do(node: Node, browser: Browser) -> None:
    context = browser.new_context(locale="es-ES")
    page = context.new_page()
    page.route("**/catalogues/*", lambda route: route.abort())
    page.goto(f"{node.url}/sign-in")
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    context.close()


@pytest.mark.parametrize("address", ["/", "/listen", "/sign-in", "/link", "/account"])
def test_without_javascript_a_page_says_that_it_needs_it_in_english(
    node: Node, browser: Browser, address: str
) -> None:
    context = browser.new_context(locale="es-ES", java_script_enabled=False)
    page = context.new_page()
    page.goto(node.url + address)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    # What is in a <noscript>, a locator by text does not find.
    assert "JavaScript" in page.locator("main").inner_text()
    context.close()


def test_the_languages_offered_are_those_there_are_texts_in() -> None:
    js = Path(__file__).parents[2] / "api" / "web" / "static" / "js"
    script = (js / "language.js").read_text(encoding="utf-8")
    assert 'const LANGUAGES = ["en", "es"];' in script
    shell = (js / "shell.js").read_text(encoding="utf-8")
    offered = re.search(r"^const LANGUAGES = (.+);", shell, re.MULTILINE)
    assert offered is not None
    assert [code for code, _ in json.loads(offered[1])] == ["en", "es"]
