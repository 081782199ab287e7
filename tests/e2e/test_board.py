"""The live board in Chromium with fifty calls on a real node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.crowd import Crowd, crowd_on
from tests.e2e.desk import Desk
from tests.e2e.node import Node
from tests.e2e.test_accessibility import Walk

pytestmark = pytest.mark.slow

CALLS = 50
NAMES = ["Ana", "Bea", "Zoë"]
SETTLED_MS = 500
"""The page sorts its cards 300 ms after the newest event at the latest."""
# What the node tells, and what a test has it tell: an alert takes minutes of a real call.
FEED = """
window.feed = { said: [], tell: () => {}, cut: () => {}, isCut: false, isHeld: false };
const original = window.fetch;
window.fetch = async (url, options) => {
  if (!String(url).endsWith("/board") || !options?.headers?.Accept) return original(url, options);
  if (feed.isCut) throw new TypeError("The test cut the line.");
  const answer = await original(url, options);
  const reader = answer.body.getReader();
  const body = new ReadableStream({ start(controller) {
    feed.tell = (event, data) => controller.enqueue(
      new TextEncoder().encode(`event: ${event}\\ndata: ${JSON.stringify(data)}\\n\\n`));
    feed.cut = () => {
      feed.isCut = true;
      void reader.cancel();
      controller.error(new Error("The test cut the line."));
    };
    const pump = () => reader.read().then(({ done, value }) => {
      if (feed.isCut) return;
      if (done) { controller.close(); return; }
      if (!feed.isHeld) controller.enqueue(value);
      return pump();
    });
    void pump();
  } });
  return new Response(body, { status: answer.status, headers: answer.headers });
};
addEventListener("DOMContentLoaded", () => {
  new MutationObserver(() => {
    const said = document.getElementById("announcer").textContent;
    if (said) feed.said.push(said);
  }).observe(document.getElementById("announcer"), { childList: true });
});
"""


class BoardPage:
    """One tab, whose scripts may not fail."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.cards = page.locator("#board .call")
        page.add_init_script(FEED)
        page.goto(f"{url}/board")

    def tell(self, event: str, data: Any) -> None:
        self.page.evaluate("([event, data]) => feed.tell(event, data)", [event, data])

    def card(self, session_id: str) -> Locator:
        return self.page.locator(f"#board .call[data-id='{session_id}']")

    def order(self) -> list[str]:
        ids: list[str] = self.cards.evaluate_all("cards => cards.map((card) => card.dataset.id)")
        return ids

    def hold(self) -> list[str]:
        """Keep what the node tells from the page; the order of the cards, which is at rest then."""
        self.page.evaluate("feed.isHeld = true")
        self.page.wait_for_timeout(SETTLED_MS)
        return self.order()

    def said(self) -> list[str]:
        """All that a screen reader was given to say."""
        said: list[str] = self.page.evaluate("feed.said")
        return said

    def count(self, name: str) -> int:
        return int(self.page.locator(f"[data-count={name}] dd").inner_text())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that has no other calls."""
    made = Node(tmp_path_factory.mktemp("board") / "data", FORECOURT_MAX_CALLS="60")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def teams(desk: Desk) -> list[str]:
    return [desk.team("North"), desk.team("South"), desk.team("West")]


@pytest.fixture(scope="module")
def crowd(node: Node, desk: Desk, teams: list[str]) -> Iterator[Crowd]:
    """Fifty calls, a third of each person's."""
    people = [
        desk.person("salesperson", name, team) for name, team in zip(NAMES, teams, strict=True)
    ]
    with crowd_on(node) as crowd:
        for index in range(CALLS):
            crowd.call(people[index % len(people)], ["pitch", "objection"][index % 2])
        yield crowd


@pytest.fixture
def board(browser: Browser, desk: Desk, node: Node) -> Iterator[BoardPage]:
    page = desk.blank(browser)
    yield BoardPage(page, node.url)
    page.context.close()


def snapshot(node: Node) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = node.get("/board").raise_for_status().json()["calls"]
    return calls


def test_fifty_calls_are_counted_narrowed_and_sorted(
    crowd: Crowd, board: BoardPage, teams: list[str]
) -> None:
    page = board.page
    expect(board.cards).to_have_count(CALLS)
    assert board.count("live") == CALLS
    assert set(board.order()) == set(crowd.ids)
    page.get_by_label("Name", exact=True).press_sequentially("zoe")
    expect(board.cards).to_have_count(16)
    expect(page.locator("#board-count")).to_have_text("16 of 50 calls")
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Team").select_option(teams[1])
    expect(board.cards).to_have_count(17)
    page.reload()
    expect(board.cards).to_have_count(17)
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Sort by").select_option("newest")
    assert board.order() == crowd.ids[::-1]
    page.get_by_label("Calls", exact=True).select_option("1")
    expect(board.cards).to_have_count(0)
    expect(page.locator("#board-empty")).to_contain_text("Nothing matches")


def test_an_alert_is_told_once_and_moves_nothing_that_is_in_hand(
    crowd: Crowd, board: BoardPage, node: Node
) -> None:
    page = board.page
    expect(board.cards).to_have_count(CALLS)
    before = board.hold()
    *_, last = sorted(snapshot(node), key=lambda card: before.index(card["id"]))
    alert = {"code": "objection_unanswered", "sinceMs": 1_000, "parameters": {}}
    alerted = last | {"alerts": [alert], "durationMs": 26_000}
    link = board.cards.nth(3).get_by_role("link")
    link.focus()
    board.tell("call", alerted)
    expect(board.card(last["id"]).locator(".alert")).to_be_visible()
    told = f"{last['name']}: Objection unanswered."
    expect(page.locator("#announcer")).to_have_text(told)
    board.tell("call", alerted | {"durationMs": 27_000})
    page.wait_for_timeout(1_500)
    assert board.said().count(told) == 1
    assert board.order() == before
    expect(link).to_be_focused()
    assert board.count("alerts") == 1
    page.get_by_role("button", name="Sort again").click()
    assert board.order() == [last["id"], *before[:-1]]


def test_a_lost_board_says_so_and_comes_back_with_what_is_true(
    crowd: Crowd, board: BoardPage
) -> None:
    page = board.page
    expect(board.cards).to_have_count(CALLS)
    page.evaluate("feed.cut()")
    notice = page.locator(".notice[data-key=stream]")
    expect(notice).to_contain_text("lost its connection")
    expect(page.locator("#board")).to_have_attribute("data-stale", "true")
    ended = crowd.ids[0]
    crowd.end(ended)
    page.evaluate("feed.isCut = false")
    expect(notice).to_have_count(0)
    expect(board.cards).to_have_count(CALLS - 1)
    assert ended not in board.order()
    page.wait_for_function("feed.said.at(-1) === 'The board is live again.'")


def test_the_board_is_accessible_full_and_empty(crowd: Crowd, board: BoardPage) -> None:
    walk = Walk()
    expect(board.cards.first).to_be_visible()
    board.hold()
    board.tell("call", {**card_with_everything(), "id": "f" * 24})
    expect(board.page.locator("#board .alert").first).to_be_visible()
    walk.look(board.page, "full")
    board.tell("snapshot", {"calls": []})
    expect(board.page.locator("#board-empty")).to_contain_text("Nobody is on a call")
    walk.look(board.page, "empty")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert {step: found for step, found in walk.small_targets.items() if found} == {}


def test_one_click_listens(crowd: Crowd, board: BoardPage) -> None:
    page = board.page
    expect(board.cards.first).to_be_visible()
    first = board.order()[0]
    board.card(first).get_by_role("link", name="Listen").click()
    page.wait_for_url(f"**/listen#{first}")
    expect(page.locator("#live")).to_be_visible()
    expect(page.locator("#people")).to_contain_text("You listen")
    page.get_by_role("button", name="Stop listening").click()
    page.wait_for_url("**/board")


def card_with_everything() -> dict[str, Any]:
    person = {"personId": "a" * 24, "name": "Cy Coach", "role": "listener", "track": None}
    return {
        "userId": "b" * 24,
        "name": "A name that is longer than any card is wide, by far",
        "teamId": None,
        "sessionType": "closing",
        "language": "en",
        "status": "paused",
        "startTime": "2026-11-23T09:00:00Z",
        "durationMs": 200_000,
        "scores": {"confidence": 71, "clarity": 80, "pace": None, "volume": 64},
        "lastFeedback": None,
        "lastWords": {"track": "partner", "text": "I would have to ask my wife about it " * 4},
        "alerts": [
            {"code": "objection_unanswered", "sinceMs": 170_000, "parameters": {}},
            {"code": "monologue", "sinceMs": 100_000, "parameters": {}},
        ],
        "people": [person | {"mode": "whisper"}],
    }
