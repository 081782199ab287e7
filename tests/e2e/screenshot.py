"""Take the README's picture: `python -m tests.e2e.screenshot OUT.png [--dark] [--phone]`.

A real node, a real call on real speech; the picture is taken when a tip is on the screen.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from engine import models
from tests.e2e import chromium
from tests.e2e.conftest import LOUDER_DB, QUIET_FROM_S, QUIET_TO_S
from tests.e2e.node import Node
from tests.e2e.people import signed_in
from tests.e2e.practice import PracticePage
from tests.e2e.speech import lowered

SPEECH = Path(__file__).parents[2] / "benchmarks" / "speech.toml"
CALL_WITHIN_MS = 45_000
SETTLED_MS = 2_500
LIVELY = """() => {
  const tentative = document.querySelector('#transcript .utterance:last-child .tentative');
  return tentative?.textContent.length > 6 && speaking.dataset.speaking === 'true';
}"""


def take(browser: Browser, node: Node, target: Path, *, dark: bool, phone: bool) -> None:
    """Hold a call and photograph it."""
    width, height = (390, 844) if phone else (1280, 800)
    context = signed_in(browser, node, width=width, height=height)
    practice = PracticePage(context, node)
    practice.page.emulate_media(color_scheme="dark" if dark else "light")
    practice.open()
    practice.agree(recording=True)
    practice.check_microphone()
    practice.start()
    practice.expect_connected()
    card = practice.page.locator("#cards .card")
    expect(card.first).to_be_visible(timeout=CALL_WITHIN_MS)
    practice.page.wait_for_timeout(SETTLED_MS)
    practice.page.wait_for_function(LIVELY)
    target.parent.mkdir(parents=True, exist_ok=True)
    practice.page.screenshot(path=target)
    practice.end()
    context.close()


def main() -> None:
    """Parse the command line, run a node and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, metavar="OUT.png")
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
                take(browser, node, given.target, dark=given.dark, phone=given.phone)
                browser.close()
        finally:
            node.stop()
    print(given.target)


if __name__ == "__main__":
    main()
