"""Three browsers in one call: what each was sent, and what was kept, by correlation with voices.

Each browser's microphone plays a voice of its own. What a page is sent of the others is taped
there, each track apart; the recordings come from the node.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page, Playwright, expect

from benchmarks.reading import clips
from tests.e2e import chromium, people, practice
from tests.e2e.desk import Desk
from tests.e2e.heard import RATE, Voice, decoded, repeated, source, who
from tests.e2e.node import Node
from tests.e2e.practice import PracticePage
from tests.e2e.test_join import join

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

TAPE = Path(__file__).with_name("tape.js")
SECONDS = 150.0
LISTEN_MS = 4_600
TRIES = 3
WITHIN_MS = 60_000
"""Three browsers and three people who never stop talking fill a machine of two cores."""
SETTLE_MS = 2_000
"""A page's jitter buffer has found its length by then."""
NAMES = ("trainee", "partner", "manager")


@dataclass
class Voices:
    """What each microphone plays."""

    files: dict[str, Path]
    voices: dict[str, Voice]


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Voices:
    folder = tmp_path_factory.mktemp("voices")
    shipped = clips()
    reader, rate = soundfile.read(shipped["two_cities"])
    halves = {"trainee": reader[: 20 * rate], "manager": reader[24 * rate : 42 * rate]}
    pieces: dict[str, list[Path]] = {}
    for name, samples in halves.items():
        pieces[name] = [folder / f"{name}-once.wav"]
        soundfile.write(pieces[name][0], samples, rate, subtype="PCM_16")
    pieces["partner"] = [path for name, path in shipped.items() if name != "two_cities"]
    files = {name: repeated(pieces[name], SECONDS, folder / f"{name}.wav") for name in NAMES}
    # Two rounds, so that no piece lies across the end of what it is compared with.
    whole = {name: source(file)[: 50 * RATE] for name, file in files.items()}
    return Voices(files, whole)


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    expect.set_options(timeout=WITHIN_MS)
    yield
    expect.set_options(timeout=practice.WITHIN_MS)


@pytest.fixture
def browsers(playwright: Playwright, voices: Voices) -> Iterator[dict[str, Browser]]:
    opened = {name: chromium.launch(playwright, voices.files[name]) for name in NAMES}
    yield opened
    for browser in opened.values():
        browser.close()


def expect_heard(pages: dict[str, Page], voices: Voices, **expected: set[str]) -> None:
    """Each page is sent whom it should be, and at no time anybody else.

    A browser that gets too little of the processor makes no sound of its microphone for a while:
    who is missing is listened for again.
    """
    for _ in range(TRIES):
        heard = taped({name: pages[name] for name in expected}, voices)
        assert all(heard[name] <= expected[name] for name in expected), heard
        if heard == expected:
            return
    raise AssertionError(f"{heard}, not {expected}")


def speak(manager: Page, way: str, agree: str | None = None) -> None:
    """Choose `way`; the page shows it once the node has done it."""
    chosen = manager.get_by_role("radio", name=way)
    chosen.click()
    if agree is not None:
        manager.get_by_role("button", name=agree).click()
    expect(manager.locator(".notice")).to_have_count(0)
    expect(chosen).to_be_checked()


def taped(pages: dict[str, Page], voices: Voices) -> dict[str, set[str]]:
    """Whom each page is sent for the next seconds; no track carries two voices."""
    first = next(iter(pages.values()))
    first.wait_for_timeout(SETTLE_MS)
    for page in pages.values():
        page.evaluate("startTapes()")
    first.wait_for_timeout(LISTEN_MS)
    tapes = {name: page.evaluate("stopTapes()") for name, page in pages.items()}
    found: dict[str, set[str]] = {}
    for name in pages:
        tracks = [who(decoded(base64.b64decode(tape)), voices.voices) for tape in tapes[name]]
        assert all(len(one) <= 1 for one in tracks), (name, tracks)
        found[name] = set().union(*tracks)
    return found


def test_three_browsers_hear_whom_they_should_and_the_recordings_agree(
    node: Node, browsers: dict[str, Browser], voices: Voices, desk: Desk
) -> None:
    ben, cleo = desk.person("salesperson", "Ben"), desk.person("salesperson", "Cleo")
    trainee = PracticePage(people.signed_in(browsers["trainee"], node, ben), node, checked=True)
    trainee.page.add_init_script(path=TAPE)
    trainee.call()
    trainee.button("Invite a partner").click()
    link = trainee.page.get_by_label("Link to your call").input_value()
    trainee.page.keyboard.press("Escape")

    def opened(name: str, address: str) -> Page:
        account = cleo if name == "partner" else None
        page = people.signed_in(browsers[name], node, account).new_page()
        page.add_init_script(path=TAPE)
        page.goto(address)
        return page

    pages = {"trainee": trainee.page, "partner": opened("partner", link)}
    join(pages["partner"])
    session_id = node.get("/sessions").json()["items"][0]["id"]
    manager = pages["manager"] = opened("manager", f"{node.url}/listen#{session_id}")
    expect(manager.locator("#connection")).to_have_attribute("data-state", "live")
    present = trainee.page.locator("#people li", has_text="Ada")

    expect(present).to_have_text("Ada Field listens")
    expect_heard(
        pages,
        voices,
        trainee={"partner"},
        partner={"trainee"},
        manager={"trainee", "partner"},
    )

    speak(manager, "Whisper")
    expect(present).to_have_text("Ada Field speaks to you alone")
    expect_heard(
        pages,
        voices,
        trainee={"partner", "manager"},
        partner={"trainee"},
        manager={"trainee", "partner"},
    )

    asked_s = time.monotonic()
    speak(manager, "Barge in", agree="I agree, barge in")
    expect(present).to_have_text("Ada Field speaks to all")
    told_s = time.monotonic()
    expect_heard(
        pages,
        voices,
        trainee={"partner", "manager"},
        partner={"trainee", "manager"},
        manager={"trainee", "partner"},
    )
    least_s = time.monotonic() - told_s

    speak(manager, "Monitor")
    expect(present).to_have_text("Ada Field listens")
    most_s = time.monotonic() - asked_s
    expect_heard(pages, voices, trainee={"partner"})
    manager.get_by_role("button", name="Stop listening").click()
    expect(present).to_have_count(0)
    trainee.end()

    _expect_recordings(node, session_id, voices, least_s, most_s)
    _expect_audited(node, session_id)
    assert trainee.errors == []


def _expect_recordings(
    node: Node, session_id: str, voices: Voices, least_s: float, most_s: float
) -> None:
    """`least_s`, `most_s`: how long the manager was recorded, which pages tell with some delay."""
    until_s = time.monotonic() + 20
    while len(node.get(f"/sessions/{session_id}").json()["tracks"]) < 3:
        assert time.monotonic() < until_s
        time.sleep(0.2)
    kept = {
        track: decoded(node.get(f"/sessions/{session_id}/recording?track={track}").content)
        for track in ("trainee", "partner", "coach_1")
    }
    assert {track: who(sound, voices.voices) for track, sound in kept.items()} == {
        "trainee": {"trainee"},
        "partner": {"partner"},
        "coach_1": {"manager"},
    }
    lengths_s = [len(sound) / RATE for sound in kept.values()]
    assert max(lengths_s) - min(lengths_s) < 60
    # What was whispered is not there: the manager's track sounds as long as the barge lasted.
    coach = kept["coach_1"]
    steps = coach[: len(coach) // RATE * RATE].reshape(-1, RATE)
    sounding_s = int(np.sum(np.sqrt(np.mean(steps**2, axis=1)) > 0.002))
    assert least_s - 4 < sounding_s < most_s + 4


def _expect_audited(node: Node, session_id: str) -> None:
    expected = ["invite", "join", "listen", "whisper", "barge", "monitor", "leave"]
    until_s = time.monotonic() + 10
    while True:
        entries = node.get("/audit", params={"limit": 100}).json()["items"]
        done = [each["action"] for each in entries if each["targetId"] == session_id][::-1]
        if done == [f"session.{action}" for action in expected]:
            return
        assert time.monotonic() < until_s, done
        time.sleep(0.2)
