"""A node and a browser for the page's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.e2e import chromium
from tests.e2e.desk import Desk
from tests.e2e.node import Node
from tests.e2e.speech import lowered

QUIET_FROM_S = 16.9
QUIET_TO_S = 29.0
LOUDER_DB = 12.0


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that every test may use; its data folder begins empty."""
    made = Node(tmp_path_factory.mktemp("node") / "data")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def reader(two_cities: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One reader at a normal level, 12 dB quieter from 16.9 to 29 s of the text's audio."""
    passages = [(0.0, QUIET_FROM_S, LOUDER_DB), (QUIET_TO_S, 60.0, LOUDER_DB)]
    return lowered(two_cities, tmp_path_factory.mktemp("speech") / "reader.wav", passages)


# Not for the whole session: while Playwright runs, no test of another folder may use asyncio.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright, reader: Path) -> Iterator[Browser]:
    """Chromium whose microphone hears `reader`."""
    launched = chromium.launch(playwright, reader)
    yield launched
    launched.close()


@pytest.fixture(scope="module")
def desk(node: Node) -> Iterator[Desk]:
    """People for a page's tests, whose scripts may not fail."""
    made = Desk(node)
    yield made
    assert made.errors == []
