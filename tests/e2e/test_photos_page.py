"""The photos page: a vehicle's photos from the VIN to the archive."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from engine import models
from tests.api.test_batches import new_vin
from tests.api.test_uploads import photo
from tests.e2e.desk import Desk
from tests.e2e.node import Node
from tests.e2e.people import signed_in, watched
from tests.e2e.screenshot import PICTURES
from tests.e2e.test_accessibility import Walk, press_until
from tests.e2e.test_language import Reading
from tests.e2e.test_language import choose as speak

DONE_WITHIN_MS = 60_000
LOOK = {"jobType": "image_enhancement", "quality": "low", "format": "webp", "options": {}}
SEEN = "(image) => image.complete && image.naturalWidth > 0"


def file(name: str, content: bytes, kind: str = "image/jpeg") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": content}


def begun(node: Node, **look: Any) -> dict[str, Any]:
    """A vehicle whose photos are to be enhanced."""
    with node.client() as api:
        made = api.post("/batches", json={"vin": new_vin(), "look": LOOK | look})
        batch: dict[str, Any] = made.raise_for_status().json()
    return batch


def opened(desk: Desk, browser: Browser, batch: dict[str, Any]) -> Page:
    page = desk.opened(browser, None, f"/photos#{batch['id']}")
    expect(page.locator("#batch-title")).to_have_text(batch["vin"])
    return page


def flat() -> bytes:
    """A photo of nothing."""
    content = io.BytesIO()
    Image.new("RGB", (320, 240), "#808890").save(content, "JPEG")
    return content.getvalue()


def choose(page: Page, *files: FilePayload) -> None:
    page.locator("#photos-input").set_input_files(list(files))


def shot(page: Page, number: int) -> Locator:
    return page.locator(f"#shot-{number}")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def expect_states(page: Page, *states: str) -> None:
    for number, state in enumerate(states, start=1):
        expect(shot(page, number)).to_have_attribute("data-state", state, timeout=DONE_WITHIN_MS)


def test_a_vehicles_photos_are_made_ready_and_compared(desk: Desk, browser: Browser) -> None:
    page = desk.opened(browser, None, "/photos")
    vin = new_vin()
    page.get_by_label("Vehicle identification number").fill(vin.lower())
    button(page, "Begin").click()
    expect(page.locator("#batch-title")).to_have_text(vin)
    page.get_by_label("What is done").select_option("image_enhancement")
    choose(page, file("IMG_10.jpg", photo(300, 200)), file("IMG_9.jpg", photo(200, 300)))
    expect_states(page, "ready", "ready")
    button(page, "Start").click()
    expect_states(page, "done", "done")
    expect(page.locator("#batch-count")).to_contain_text("2 of 2 done")
    button(page, "Compare photo 1 before and after").click()
    for seen in page.locator(".stage img").all():
        assert seen.evaluate(f"(image) => image.decode().then(() => ({SEEN})(image))")
    # The camera's ninth comes first.
    assert page.locator(".stage .after").evaluate("(image) => image.naturalHeight") == 300
    slider = page.get_by_role("slider")
    expect(slider).to_be_focused()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "0 % before, 100 % after")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "1 % before, 99 % after")
    page.keyboard.press("Escape")
    expect(page.locator("#shot-1-compare")).to_be_focused()
    page.context.close()


@pytest.mark.slow
def test_a_vehicle_is_cut_out_once_the_file_can_be_transparent(
    desk: Desk, browser: Browser
) -> None:
    pictures = models.Catalogue.load(PICTURES).ensure("hatchback", repair=True)
    look = {"jobType": "background_removal", "format": "png", "options": {"background": "studio"}}
    page = opened(desk, browser, begun(desk.node, **look))
    page.get_by_label("Background", exact=True).select_option("transparent")
    page.get_by_text("More settings").click()
    page.get_by_label("File type").select_option("jpeg")
    page.locator("#photos-input").set_input_files(pictures / "hatchback.png")
    expect_states(page, "ready")
    button(page, "Start").click()
    file_type = page.get_by_label("File type")
    expect(file_type).to_be_focused()
    expect(file_type).to_have_accessible_description(re.compile("JPEG cannot be transparent"))
    file_type.select_option("webp")
    button(page, "Start").click()
    expect_states(page, "done")
    corner = page.locator("#shot-1 .thumbnail").evaluate(
        """async (image) => {
          await image.decode();
          const canvas = new OffscreenCanvas(1, 1).getContext("2d");
          canvas.drawImage(image, 0, 0);
          return canvas.getImageData(0, 0, 1, 1).data[3];
        }"""
    )
    assert corner == 0
    page.context.close()


@pytest.mark.slow
def test_a_photo_that_was_left_whole_says_why_and_is_cut_out_all_the_same(
    desk: Desk, browser: Browser
) -> None:
    look = {"jobType": "background_removal", "quality": "low", "format": "png"}
    page = opened(desk, browser, begun(desk.node, **look))
    choose(page, file("wall.jpg", flat()))
    expect_states(page, "ready")
    button(page, "Start").click()
    expect_states(page, "done")
    expect(shot(page, 1)).to_contain_text("No vehicle was found in it")
    walk = Walk()
    walk.look(page, "left whole")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    button(page, "Cut it out: photo 1").click()
    whole = button(page, "Leave it whole: photo 1")
    expect(whole).to_be_visible(timeout=DONE_WITHIN_MS)
    expect(shot(page, 1)).not_to_contain_text("No vehicle was found")
    whole.click()
    expect(button(page, "Cut it out: photo 1")).to_be_visible(timeout=DONE_WITHIN_MS)
    page.context.close()


@pytest.mark.slow
def test_a_mistyped_vin_is_said_while_it_is_typed(desk: Desk, browser: Browser) -> None:
    page = desk.opened(browser, None, "/photos")
    vin = page.get_by_label("Vehicle identification number")
    expect(vin).to_be_visible()
    vin.press_sequentially("1G4AH59H55G11834")
    expect(page.locator("#vin-error")).to_be_hidden()
    vin.press_sequentially("2")
    expect(vin).to_have_attribute("aria-invalid", "true")
    expect(vin).to_have_accessible_description(re.compile("check digit does not fit"))
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    expect(vin).to_be_focused()
    expect(page.locator("#vin-error")).to_contain_text("this one has 16")
    vin.fill("1G4AH59H55G11834O")
    expect(page.locator("#vin-error")).to_contain_text("without I, O and Q")
    page.context.close()


@pytest.mark.slow
def test_a_vehicle_begun_before_is_gone_on_with(desk: Desk, browser: Browser) -> None:
    batch = begun(desk.node)
    page = desk.opened(browser, None, "/photos")
    expect(page.get_by_role("link", name=batch["vin"])).to_be_visible()
    page.get_by_label("Vehicle identification number").fill(batch["vin"])
    page.keyboard.press("Enter")
    expect(page.locator("#batch-title")).to_have_text(batch["vin"])
    expect(page.locator("#batch-title")).to_be_focused()
    page.get_by_role("link", name="All vehicles").click()
    expect(page.locator("#photos-title")).to_be_focused()
    page.context.close()


@pytest.mark.slow
def test_each_file_that_cannot_be_used_says_why(
    desk: Desk, browser: Browser, tmp_path: Path
) -> None:
    page = opened(desk, browser, begun(desk.node))
    files = {
        "good.jpg": photo(300, 200),
        "phone.HEIC": b"x" * 100,
        "notes.txt": b"hello",
        "nothing.png": b"",
        "poster.jpg": photo() + bytes(25 * 2**20),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    page.locator("#photos-input").set_input_files([tmp_path / name for name in files])
    refused = page.get_by_role("alert").filter(has_text="Not added")
    for name, why in (
        ("phone.HEIC", "Export it as JPEG"),
        ("notes.txt", "no photo"),
        ("nothing.png", "empty"),
        ("poster.jpg", "at most 25"),
    ):
        expect(refused.get_by_role("listitem").filter(has_text=name)).to_contain_text(why)
    expect_states(page, "ready")
    # What only its first bytes give away is said at the photo, which can be sent again or removed.
    choose(page, file("fake.jpg", b"<svg onload='alert(1)'/>"))
    expect_states(page, "ready", "refused")
    expect(shot(page, 2)).to_contain_text("no file that can be used")
    button(page, "Remove photo 2").click()
    expect(page.locator(".shot")).to_have_count(1)
    page.context.close()


@pytest.mark.slow
def test_a_broken_photo_fails_alone_and_is_replaced(desk: Desk, browser: Browser) -> None:
    page = opened(desk, browser, begun(desk.node))
    choose(page, file("1.jpg", photo(300, 200)), file("2.jpg", photo()[:2_000]))
    expect_states(page, "ready", "ready")
    button(page, "Start").click()
    expect_states(page, "done", "failed")
    expect(shot(page, 2)).to_contain_text("damaged or cut short")
    button(page, "Try again with photo 2").click()
    expect_states(page, "done", "failed")
    with page.expect_file_chooser() as chooser:
        button(page, "Replace photo 2").click()
    chooser.value.set_files(file("again.jpg", photo(200, 200)))
    expect_states(page, "done", "ready")
    button(page, "Start").click()
    expect_states(page, "done", "done")
    page.context.close()


@pytest.mark.slow
def test_another_look_makes_all_again(desk: Desk, browser: Browser) -> None:
    batch = begun(desk.node)
    page = opened(desk, browser, batch)
    choose(page, file("1.jpg", photo(300, 200)))
    expect_states(page, "ready")
    button(page, "Start").click()
    expect_states(page, "done")
    page.get_by_text("More settings").click()
    page.get_by_label("File type").select_option("png")
    button(page, "Make all again").click()
    made = page.locator("#shot-1 .thumbnail")
    before = made.get_attribute("src")
    expect(made).not_to_have_attribute("src", before or "", timeout=DONE_WITHIN_MS)
    expect_states(page, "done")
    with page.expect_download() as download:
        button(page, "Download all (ZIP)").click()
    assert download.value.suggested_filename == f"{batch['vin']}.zip"
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert archive.namelist() == [f"{batch['vin']}-01.png"]
    page.reload()
    expect_states(page, "done")
    expect(page.locator("#look-format")).to_have_value("png")
    page.context.close()


@pytest.mark.slow
def test_photos_and_the_vehicle_are_removed(desk: Desk, browser: Browser) -> None:
    batch = begun(desk.node)
    page = opened(desk, browser, batch)
    choose(page, file("1.jpg", photo(300, 200)), file("2.jpg", photo(300, 200)))
    expect_states(page, "ready", "ready")
    button(page, "Remove photo 1").click()
    page.locator("dialog").get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator(".shot")).to_have_count(1)
    assert len(desk.node.get(f"/batches/{batch['id']}").json()["shots"]) == 1
    button(page, "Remove the vehicle").click()
    page.locator("#typed").fill(batch["vin"][-4:])
    page.locator("dialog").get_by_role("button", name="Remove the vehicle").click()
    expect(page.locator("#photos-title")).to_be_visible()
    assert desk.node.get(f"/batches/{batch['id']}").status_code == 404
    page.context.close()


@pytest.mark.slow
def test_photos_are_dropped_on_the_page(desk: Desk, browser: Browser) -> None:
    page = opened(desk, browser, begun(desk.node))
    page.locator("#photos").evaluate(
        """(root, bytes) => {
          const dataTransfer = new DataTransfer();
          const photo = new File([new Uint8Array(bytes)], "a.jpg", { type: "image/jpeg" });
          dataTransfer.items.add(photo);
          for (const name of ["dragover", "drop"]) {
            root.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true }));
          }
        }""",
        list(photo(60, 40)),
    )
    expect_states(page, "ready")
    page.context.close()


@pytest.mark.slow
def test_it_needs_nothing_but_a_keyboard(desk: Desk, browser: Browser) -> None:
    page = opened(desk, browser, begun(desk.node))
    press_until(page, page.locator("#photos-choose"))
    with page.expect_file_chooser() as chooser:
        page.locator("#photos-choose").press("Enter")
    chooser.value.set_files(file("1.jpg", photo(300, 200)))
    expect_states(page, "ready")
    press_until(page, page.locator("#batch-start"))
    page.keyboard.press("Enter")
    expect_states(page, "done")
    press_until(page, page.locator("#shot-1-compare"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("slider")).to_be_focused()
    page.context.close()


@pytest.mark.slow
def test_a_colleagues_photos_are_seen_and_left_alone(desk: Desk, browser: Browser) -> None:
    team = desk.team("Photographers")
    taker, boss = desk.person("salesperson", "Pia", team), desk.person("manager", "Max", team)
    with desk.node.client(taker) as api:
        batch = api.post("/batches", json={"vin": new_vin(), "look": LOOK}).json()
        api.post(
            "/uploads",
            params={"batchId": batch["id"], "shot": 1},
            content=photo(300, 200),
            headers={"Content-Type": "application/octet-stream"},
        ).raise_for_status()
    page = desk.opened(browser, boss, f"/photos#{batch['id']}")
    expect_states(page, "ready")
    expect(page.locator("#batch-look")).to_be_hidden()
    expect(page.locator("#photos")).to_have_count(0)
    expect(page.locator(".shot button")).to_have_count(0)
    page.context.close()
    other = desk.opened(browser, desk.person("salesperson", "Pat"), f"/photos#{batch['id']}")
    expect(other.locator(".notice")).to_contain_text("not yours to see")
    other.context.close()


@pytest.mark.slow
def test_axe_a_phone_and_fingers_are_content(desk: Desk, browser: Browser) -> None:
    page = desk.opened(browser, None, "/photos")
    walk = Walk()
    expect(page.locator("#begin")).to_be_visible()
    page.locator("#vin").fill("1G4AH59H55G118342")
    walk.look(page, "list")
    page.goto(f"{desk.node.url}/photos#{begun(desk.node)['id']}")
    expect(page.locator("#shots-none")).to_be_visible()
    choose(
        page, file("1.jpg", photo(300, 200)), file("2.jpg", photo()[:2_000]), file("3.heic", b"x")
    )
    expect_states(page, "ready", "ready")
    button(page, "Start").click()
    expect_states(page, "done", "failed")
    page.get_by_text("More settings").click()
    walk.look(page, "batch")
    page.get_by_label("What is done").select_option("background_removal")
    page.get_by_label("Background", exact=True).select_option("gradient")
    walk.look(page, "look")
    page.locator("#shot-1-compare").click()
    expect(page.get_by_role("slider")).to_be_focused()
    walk.look(page, "compare")
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert set(walk.overflow_px.values()) == {0}
    assert [found for found in walk.small_targets.values() if found] == []
    page.context.close()


@pytest.mark.slow
def test_it_speaks_spanish(desk: Desk, browser: Browser) -> None:
    page = opened(desk, browser, begun(desk.node))
    reading = Reading()
    # Half done, and then in the other language.
    choose(page, file("1.jpg", photo(300, 200)), file("2.jpg", photo()[:2_000]))
    expect_states(page, "ready", "ready")
    button(page, "Start").click()
    expect_states(page, "done", "failed")
    speak(page, "es")
    expect(button(page, "Rehacer todas")).to_be_visible()
    expect(shot(page, 2)).to_contain_text("La imagen está dañada o incompleta")
    page.get_by_text("Más opciones").click()
    page.get_by_label("Qué se hace").select_option("background_removal")
    reading.look(page, "batch")
    page.get_by_role("link", name="Todos los vehículos").click()
    expect(page.locator("#batches table")).to_be_visible()
    reading.look(page, "list")
    assert reading.left == {"batch": [], "list": []}
    assert set(reading.overflow_px.values()) == {0}
    speak(page, "en")
    page.context.close()


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Node]:
    """A node whose workers are off: what is asked for waits."""
    made = Node(tmp_path / "data", FORECOURT_JOB_WORKERS="0")
    made.start()
    yield made
    made.stop()


@pytest.mark.slow
def test_what_waits_is_cancelled_and_tried_again(idle: Node, browser: Browser) -> None:
    page = signed_in(browser, idle).new_page()
    errors = watched(page)
    page.goto(f"{idle.url}/photos#{begun(idle)['id']}")
    choose(page, file("1.jpg", photo(300, 200)), file("2.jpg", photo(300, 200)))
    expect_states(page, "ready", "ready")
    button(page, "Start").click()
    expect_states(page, "waiting", "waiting")
    button(page, "Cancel photo 2").click()
    expect_states(page, "waiting", "cancelled")
    button(page, "Cancel all").click()
    expect_states(page, "cancelled", "cancelled")
    button(page, "Try again what failed").click()
    expect_states(page, "waiting", "waiting")
    assert errors == []
    page.context.close()
