"""axe, both colour schemes, a phone's width, and the keyboard alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import PracticePage

pytestmark = pytest.mark.slow

AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
STEPS = ["consent", "consent-missing", "check", "verdict", "ready", "live", "summary", "sessions"]
SCHEMES = ["light", "dark"]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
SMALLEST_TARGET_PX = 24
MADE_UP_SEQ = itertools.count(100_000)
# Controls stick to the bottom, the player to the top: axe takes what they cover for small.
NOTHING_COVERED = "scrollTo(0, document.body.dataset.view === 'live' ? 1e6 : 0)"
# WCAG 2.5.8 leaves out targets in a line of text: the words of a transcript.
SMALL_TARGETS = """(least) => [...document.querySelectorAll(
    'main a, main button:not(.word), main input, main select, main summary, header a')]
  .filter((target) => target.checkVisibility())
  .map((target) => [(target.closest('label') ?? target).getBoundingClientRect(), target])
  .filter(([box]) => box.width && (box.width < least || box.height < least))
  .map(([box, target]) => `${target.outerHTML.slice(0, 80)} ${box.width}x${box.height}`)"""


@dataclass
class Walk:
    """What axe and a ruler found on each step."""

    violations: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    overflow_px: dict[str, int] = field(default_factory=dict)
    small_targets: dict[str, list[str]] = field(default_factory=dict)

    def look(self, page: Page, step: str) -> None:
        """Measure the step the page shows."""
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            self.violations[step, scheme] = _axe(page)
        page.set_viewport_size(PHONE)
        page.evaluate(NOTHING_COVERED)
        self.violations[step, "dark"] += _axe(page)
        self.overflow_px[step] = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        self.small_targets[step] = page.evaluate(SMALL_TARGETS, SMALLEST_TARGET_PX)
        page.set_viewport_size(DESKTOP)
        page.emulate_media(color_scheme="light")


def _axe(page: Page) -> list[str]:
    if page.evaluate("!window.axe"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate(
        "async (rules) => (await axe.run({runOnly: rules})).violations", RULES
    )
    return [f"{rule['id']}: {[node['html'][:120] for node in rule['nodes']]}" for rule in found]


@pytest.fixture(scope="module")
def walk(node: Node, browser: Browser) -> Iterator[Walk]:
    context = signed_in(browser, node)
    practice = PracticePage(context, node)
    page, walk = practice.page, Walk()

    practice.open()
    walk.look(page, "consent")
    practice.button("Continue").click()
    walk.look(page, "consent-missing")
    practice.agree(recording=True)
    walk.look(page, "check")
    practice.button("Start the check").click()
    expect(practice.id("verdict")).to_be_visible()
    walk.look(page, "verdict")
    practice.button("Continue").click()
    walk.look(page, "ready")
    practice.start()
    practice.expect_connected()
    expect(practice.id("transcript").locator(".utterance:visible").first).to_be_visible()
    for kind, severity in (
        ("praise", "low"),
        ("suggestion", "low"),
        ("correction", "medium"),
        ("correction", "high"),
    ):
        practice.receive(feedback(kind, severity))
    practice.button("Bookmark").click()
    page.locator("#cards summary").first.click()
    practice.id("earlier").locator("summary").first.click()
    walk.look(page, "live")
    practice.end()
    walk.look(page, "summary")
    page.get_by_role("link", name="Past sessions").click()
    expect(practice.view("sessions")).to_be_visible()
    walk.look(page, "sessions")
    yield walk
    context.close()


def feedback(kind: str, severity: str) -> dict[str, Any]:
    """A feedback event that the page has not seen yet."""
    return {
        "v": 1,
        "seq": next(MADE_UP_SEQ),
        "t": 1000,
        "track": "trainee",
        "type": "feedback",
        "data": {
            "kind": kind,
            "severity": severity,
            "code": "made_up",
            "parameters": {"value": 1.5},
            "message": "Six words are shown right here",
            "evidence": "Measured for this test.",
            "spanMs": [0, 1000],
        },
    }


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("step", STEPS)
def test_axe_finds_nothing(walk: Walk, step: str, scheme: str) -> None:
    assert walk.violations[step, scheme] == []


@pytest.mark.parametrize("step", STEPS)
def test_a_phone_needs_no_sideways_scrolling(walk: Walk, step: str) -> None:
    assert walk.overflow_px[step] == 0


@pytest.mark.parametrize("step", STEPS)
def test_targets_are_large_enough_for_a_finger(walk: Walk, step: str) -> None:
    assert walk.small_targets[step] == []


def test_axe_does_find_what_is_wrong(node: Node, browser: Browser) -> None:
    context = signed_in(browser, node)
    practice = PracticePage(context, node)
    practice.open()
    practice.page.evaluate("document.querySelector('#consent-form h1, form').append(new Image())")
    assert any(violation.startswith("image-alt") for violation in _axe(practice.page))
    context.close()


def press_until(page: Page, target: Locator, key: str = "Tab") -> None:
    """Press `key` until the focus is on `target`, once the page shows that."""
    expect(target).to_be_visible()
    for _ in range(60):
        page.keyboard.press(key)
        if target.evaluate("(target) => target === document.activeElement"):
            outline = target.evaluate(
                "(target) => [target, target.closest('label')].some((shown) => shown && "
                "getComputedStyle(shown).outlineStyle !== 'none')"
            )
            assert outline, "the focus is not visible"
            return
    raise AssertionError(f"{key} never reaches {target}")


def test_a_call_needs_nothing_but_a_keyboard(node: Node, browser: Browser) -> None:
    context = signed_in(browser, node)
    practice = PracticePage(context, node)
    page = practice.page
    practice.open()
    press_until(page, page.get_by_label("Yes, listen"))
    page.keyboard.press("Space")
    press_until(page, page.get_by_label("Keep a recording"))
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Keep the scores alone")).to_be_checked()
    press_until(page, practice.button("Continue"))
    page.keyboard.press("Enter")
    press_until(page, practice.button("Start the check"))
    page.keyboard.press("Enter")
    expect(practice.id("verdict")).to_be_focused()
    press_until(page, practice.button("Continue"))
    page.keyboard.press("Enter")
    expect(page.locator("#ready-title")).to_be_focused()
    press_until(page, page.get_by_label("Pitch"))
    page.keyboard.press("ArrowDown")
    press_until(page, practice.button("Start the call"))
    page.keyboard.press("Enter")
    practice.expect_connected()
    expect(practice.id("live-title")).to_have_text("Objection practice")

    page.keyboard.press("p")
    practice.expect_connection("paused")
    page.keyboard.press("p")
    practice.expect_connected()
    page.keyboard.press("b")
    expect(practice.id("announcer")).to_contain_text("Bookmarked at")
    page.keyboard.press("t")
    expect(practice.id("transcript")).to_be_hidden()
    press_until(page, practice.button("End"))
    page.keyboard.press("Shift+E")
    expect(practice.view("summary")).to_be_visible()
    expect(practice.id("summary-title")).to_be_focused()
    assert practice.errors == []
    context.close()


def test_shortcuts_rest_while_someone_types_and_when_turned_off(
    node: Node, browser: Browser
) -> None:
    context = signed_in(browser, node)
    practice = PracticePage(context, node, checked=True)
    page = practice.page
    practice.call()
    practice.id("call-settings").locator("summary").click()
    practice.id("call-device").focus()
    page.keyboard.press("b")
    page.get_by_label("Keyboard shortcuts").uncheck()
    practice.button("Pause").focus()
    page.keyboard.press("b")
    page.get_by_label("Keyboard shortcuts").check()
    page.keyboard.press("b")
    expect(practice.id("announcer")).to_contain_text("Bookmarked at")
    assert len(practice.sent("bookmark")) == 1
    practice.end()
    context.close()
