"""Take the README's pictures: `python -m tests.e2e.screenshot FOLDER [--dark] [--phone]`.

A real node and real calls on real speech: the practice page when a tip is on the screen, the live
board with a few calls more, the replay of a stored call with its rubric, and a vehicle's photos
with one of them before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from api.account_client import Account
from engine import models
from tests.api.recorded import call_of
from tests.api.test_batches import new_vin
from tests.e2e import chromium
from tests.e2e.conftest import LOUDER_DB, QUIET_FROM_S, QUIET_TO_S
from tests.e2e.crowd import crowd_on
from tests.e2e.desk import Desk
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import PracticePage
from tests.e2e.speech import lowered
from tests.e2e.studio import OFFER, entered, written

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SPEECH = BENCHMARKS / "speech.toml"
PICTURES = BENCHMARKS / "pictures.toml"
VEHICLES = ("hatchback", "saloon")
PHOTOS_WITHIN_MS = 120_000
RECORDING_WITHIN_MS = 180_000
CALL_WITHIN_MS = 45_000
SETTLED_MS = 2_500
LIVELY = """() => {
  const tentative = document.querySelector('#transcript .utterance:last-child .tentative');
  return tentative?.textContent.length > 6 && speaking.dataset.speaking === 'true';
}"""


KINDS = {"Cleo": "objection", "Dana": "pitch", "Emil": "closing", "Fay": "objection"}


@dataclass(frozen=True, slots=True)
class Studio:
    """Photographs pages of a node into a folder."""

    browser: Browser
    node: Node
    folder: Path
    dark: bool
    phone: bool

    def practice(self, desk: Desk) -> None:
        """A call, and beside it the board that shows it."""
        context = self._signed_in(desk.person("salesperson", "Ben"))
        practice = PracticePage(context, self.node)
        practice.page.emulate_media(color_scheme="dark" if self.dark else "light")
        practice.open()
        practice.agree(recording=True)
        practice.check_microphone()
        practice.start()
        practice.expect_connected()
        with crowd_on(self.node) as crowd:
            for name, kind in KINDS.items():
                crowd.call(desk.person("salesperson", name), kind)
            card = practice.page.locator("#cards .card")
            expect(card.first).to_be_visible(timeout=CALL_WITHIN_MS)
            practice.page.wait_for_timeout(SETTLED_MS)
            practice.page.wait_for_function(LIVELY)
            self._shoot(practice.page, "practice")
            board = self._opened("/board")
            expect(board.get_by_role("link", name="Listen to Ben Marsh")).to_be_visible()
            board.wait_for_timeout(SETTLED_MS)
            self._shoot(board, "board")
        practice.end()
        context.close()

    def replay(self, desk: Desk, speech: Path) -> None:
        """A stored call of two, and its rubric."""
        trainee = desk.person("salesperson", "Gail")
        stored = call_of(
            self.node.data,
            speech,
            dealership_id=self.node.get("/dealership").json()["id"],
            user_id=trainee.user["id"],
            seconds=120,
            tracks=("trainee", "partner"),
        )
        # Playwright's own loop runs in this thread.
        with ThreadPoolExecutor(1) as pool:
            session_id = pool.submit(asyncio.run, stored).result()
        page = self._opened(f"/replay#{session_id}?t=21500")
        page.wait_for_timeout(2 * SETTLED_MS)
        self._shoot(page, "replay")
        page.get_by_role("tab", name="Rubric").click()
        page.wait_for_timeout(SETTLED_MS)
        page.get_by_role("tab", name="Rubric").scroll_into_view_if_needed()
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        self._shoot(page, "rubric")
        page.context.close()

    def photos(self) -> None:
        """A vehicle's photos, when they are done."""
        catalogue = models.Catalogue.load(PICTURES)
        folders = [catalogue.ensure(name, repair=True) for name in VEHICLES]
        page = self._opened("/photos")
        page.locator("#vin").fill(new_vin())
        page.get_by_role("button", name="Begin").click()
        files = [file for folder in folders for file in folder.iterdir() if file.stem in VEHICLES]
        page.locator("#photos-input").set_input_files(files)
        expect(page.locator(".shot[data-state=ready]")).to_have_count(len(files))
        page.get_by_role("button", name="Start", exact=True).click()
        done = page.locator(".shot[data-state=done]")
        expect(done).to_have_count(len(files), timeout=PHOTOS_WITHIN_MS)
        page.wait_for_timeout(SETTLED_MS)
        self._shoot(page, "photos")
        page.get_by_role("button", name="Compare photo 1").click()
        page.wait_for_timeout(SETTLED_MS)
        self._shoot(page, "before-after")
        page.context.close()

    def recordings(self, speech: Path) -> None:
        """A recorded call that was analysed, and one that is."""
        page = self._opened("/recordings")
        for analysed in (1, 2):
            page.locator("#file-input").set_input_files(speech)
            page.get_by_label("Who is heard").select_option("1")
            page.locator("#consent").check()
            page.get_by_role("button", name="Upload and analyse").click()
            expect(page.locator("#jobs tbody tr")).to_have_count(analysed)
            if analysed == 1:
                ready = page.get_by_role("link", name="Open the replay")
                expect(ready).to_be_visible(timeout=RECORDING_WITHIN_MS)
        expect(page.locator("#jobs progress")).to_be_visible(timeout=RECORDING_WITHIN_MS)
        page.wait_for_timeout(SETTLED_MS)
        self._shoot(page, "recordings")
        page.context.close()

    def content(self) -> None:
        """A vehicle told on four channels."""
        vehicle = entered(self.node, stockNumber="P4471", exterior="Rallye Red", finance=OFFER)
        page = written(self._opened("/studio"), vehicle)
        page.wait_for_timeout(SETTLED_MS)
        self._shoot(page, "studio")
        page.context.close()

    def _signed_in(self, who: Account | None) -> BrowserContext:
        width, height = (390, 844) if self.phone else (1280, 860)
        return signed_in(self.browser, self.node, who, width=width, height=height)

    def _opened(self, address: str) -> Page:
        page = self._signed_in(None).new_page()
        page.emulate_media(color_scheme="dark" if self.dark else "light")
        page.goto(self.node.url + address)
        return page

    def _shoot(self, page: Page, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=self.folder / f"{name}.png")


def main() -> None:
    """Parse the command line, run a node and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--dark", action="store_true", help="in the dark colour scheme")
    parser.add_argument("--phone", action="store_true", help="on a phone's screen")
    given = parser.parse_args()
    source = models.Catalogue.load(SPEECH).ensure("two-cities", repair=True) / "two_cities.wav"
    with tempfile.TemporaryDirectory() as folder:
        passages = [(0.0, QUIET_FROM_S, LOUDER_DB), (QUIET_TO_S, 60.0, LOUDER_DB)]
        speech = lowered(source, Path(folder) / "reader.wav", passages)
        node = Node(Path(folder) / "data")
        node.start()
        try:
            with sync_playwright() as playwright:
                browser = chromium.launch(playwright, speech)
                studio = Studio(browser, node, given.folder, given.dark, given.phone)
                desk = Desk(node)
                studio.practice(desk)
                studio.replay(desk, source)
                studio.photos()
                studio.recordings(source)
                studio.content()
                browser.close()
        finally:
            node.stop()
    print(given.folder)


if __name__ == "__main__":
    main()
