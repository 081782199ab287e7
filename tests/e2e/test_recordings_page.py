"""The page of recorded calls: one sent, followed, and gone on to its replay."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from api.account_client import Account
from tests.e2e.desk import Desk
from tests.e2e.test_accessibility import Walk, press_until

ANALYSED_WITHIN_MS = 180_000
SPOKEN_S = 20
SEND = "Upload and analyse"


@pytest.fixture(scope="module")
def recording(two_cities: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of somebody's reading."""
    made = tmp_path_factory.mktemp("recordings") / "call.wav"
    with wave.open(str(two_cities)) as source, wave.open(str(made), "wb") as cut:
        cut.setparams(source.getparams())
        cut.writeframes(source.readframes(SPOKEN_S * source.getframerate()))
    return made


@pytest.fixture(scope="module")
def seller(desk: Desk) -> Account:
    return desk.person("salesperson", "Nora")


def opened(desk: Desk, seller: Account, browser: Browser) -> Page:
    page = desk.opened(browser, seller, "/recordings")
    expect(page.locator("#jobs")).not_to_be_empty()
    return page


def test_what_is_missing_is_said_and_nothing_is_sent(
    desk: Desk, seller: Account, browser: Browser, tmp_path: Path
) -> None:
    page = opened(desk, seller, browser)
    page.get_by_role("button", name=SEND).click()
    expect(page.locator("#file-error")).to_have_text("Choose a recording first.")
    expect(page.get_by_role("button", name="Choose a recording")).to_be_focused()
    consent = page.get_by_label(re.compile("^Everybody in the recording"))
    expect(consent).to_have_accessible_description(re.compile("Confirm that everybody"))
    notes = tmp_path / "notes.pdf"
    notes.write_bytes(b"%PDF-1.7")
    page.locator("#file-input").set_input_files(notes)
    expect(page.locator("#file-error")).to_contain_text("Export it as WAV, MP3, M4A or Ogg")
    page.get_by_label("When it was held").fill("2126-03-03T09:30")
    page.get_by_role("button", name=SEND).click()
    expect(page.locator("#file-error")).to_contain_text("Export it as WAV, MP3, M4A or Ogg")
    held = page.get_by_label("When it was held")
    expect(held).to_have_accessible_description(re.compile("held in the past"))
    with desk.node.client(seller) as api:
        assert api.get("/uploads").json()["total"] == 0
    page.context.close()


@pytest.mark.slow
def test_a_recording_becomes_a_call_that_can_be_replayed(
    desk: Desk, seller: Account, browser: Browser, recording: Path
) -> None:
    page = opened(desk, seller, browser)
    press_until(page, page.locator("#file-choose"))
    with page.expect_file_chooser() as chooser:
        page.locator("#file-choose").press("Enter")
    chooser.value.set_files(recording)
    expect(page.locator("#file-chosen")).to_contain_text("call.wav")
    page.get_by_label("Kind of call").select_option("closing")
    page.get_by_label("When it was held").fill("2026-03-03T09:30")
    page.get_by_label("Who is heard").select_option("1")
    expect(page.get_by_label("Who is coached")).to_be_hidden()
    press_until(page, page.locator("#consent"))
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator(".notice")).to_contain_text("You may leave this page")
    call = page.locator("#jobs tbody tr").first
    expect(call).to_contain_text("Closing")
    replay = call.get_by_role("link", name="Open the replay")
    expect(replay).to_be_visible(timeout=ANALYSED_WITHIN_MS)
    replay.click()
    expect(page.locator("main")).to_contain_text("best of times")
    page.goto(f"{desk.node.url}/calls")
    listed = page.locator("tbody tr").filter(has_text="Uploaded")
    expect(listed).to_contain_text("3 Mar 2026, 09:30")
    page.context.close()


@pytest.mark.slow
def test_axe_a_phone_and_fingers_are_content(desk: Desk, seller: Account, browser: Browser) -> None:
    page = opened(desk, seller, browser)
    walk = Walk()
    walk.look(page, "form")
    page.get_by_role("button", name=SEND).click()
    walk.look(page, "missing")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert [found for found in walk.small_targets.values() if found] == []
    page.context.close()
