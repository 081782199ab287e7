"""The content studio in a browser: from a file of vehicles to a mail and a webhook."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.api.test_batches import new_vin
from tests.api.test_mail import Box, served
from tests.e2e.desk import Desk
from tests.e2e.node import Node
from tests.e2e.studio import button, entered, written
from tests.e2e.test_accessibility import Walk

pytestmark = pytest.mark.slow
SENT_WITHIN_MS = 30_000
CONTACT = {
    "phone": "(216) 555-0199",
    "address": "1 Main St, Cleveland, OH 44113",
    "website": "https://cars.example.com",
}


@pytest.fixture(scope="module")
def box() -> Box:
    """What a mail server got."""
    return Box()


@pytest.fixture(scope="module")
def hook() -> Iterator[tuple[list[dict[str, Any]], str]]:
    """What a webhook got, and its address."""
    taken: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append({"headers": dict(self.headers), "body": body})
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing is said of requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield taken, f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, box: Box) -> Iterator[Node]:
    """A node with a mail server, that may call webhooks on this machine."""
    server = served(box)
    made = Node(
        tmp_path_factory.mktemp("studio") / "data",
        FORECOURT_SMTP_HOST="127.0.0.1",
        FORECOURT_SMTP_PORT=str(server.port),
        FORECOURT_SMTP_TLS="none",
        FORECOURT_HOOKS_TO_PRIVATE='["127.0.0.0/8"]',
    )
    made.start()
    with made.client() as api:
        known = api.get("/dealership")
        wanted = {key: known.json()[key] for key in ("name", "language", "policy")}
        tag = {"If-Match": known.headers["etag"]}
        api.put("/dealership", json=wanted | {"contact": CONTACT}, headers=tag).raise_for_status()
    yield made
    made.stop()
    server.stop()


@pytest.fixture(scope="module")
def desk(node: Node) -> Iterator[Desk]:
    made = Desk(node)
    yield made
    assert made.errors == []


def channel(page: Page, name: str) -> Locator:
    return page.locator(".channel", has=page.get_by_role("heading", name=re.compile(name)))


def test_from_a_file_to_a_mail_and_a_webhook(
    desk: Desk,
    browser: Browser,
    tmp_path: Path,
    box: Box,
    hook: tuple[list[dict[str, Any]], str],
) -> None:
    vin, (taken, address) = new_vin(), hook
    file = tmp_path / "cars.csv"
    file.write_text(
        "VIN,Stock #,Year,Make,Model,Trim,Miles,Internet Price,Options\n"
        f'{vin},S-9,2021,Toyota,RAV4,XLE,"28,400","$27,450",Sunroof|Bluetooth|Backup camera\n'
        "1G4AH59H55G118342,S-10,2020,Ford,Escape,SE,1,2,\n"
    )
    page = desk.opened(browser, None, "/vehicles")
    page.locator("#inventory-input").set_input_files(file)
    expect(page.locator("#import-found")).to_contain_text("would add 1")
    expect(page.locator("#import-found")).to_contain_text("Line 3, VIN")
    button(page, "Take 1 vehicles").click()
    expect(page.locator("#import-found")).to_contain_text("Added 1")
    expect(page.get_by_role("cell", name=vin)).to_be_visible()

    page.goto(f"{desk.node.url}/outlets")
    page.get_by_label("E-mail address").fill("ana@example.com")
    page.get_by_label("Name", exact=True).fill("Ana")
    page.get_by_label("List", exact=True).fill("Spring")
    page.get_by_label("How they agreed").fill("Form at the counter")
    button(page, "Add to the list").click()
    expect(page.locator("#subscribers")).to_contain_text("ana@example.com")
    page.get_by_label("Webhook name").fill("Website")
    page.get_by_label("Address", exact=True).fill(address)
    button(page, "Add the webhook").click()
    expect(page.locator("#webhook-secret")).to_contain_text("whsec_")

    page.goto(f"{desk.node.url}/studio")
    page.get_by_label("Search vehicles").fill("rav4")
    select = page.get_by_label("Vehicle", exact=True)
    expect(select.locator("option")).to_have_count(1)
    button(page, "Write for four channels").click()
    expect(page.locator(".channel")).to_have_count(4)
    mail = channel(page, "E-mail")
    expect(mail.locator(".finding")).to_have_count(0)
    subject = mail.get_by_label("Subject")
    subject.fill("The best RAV4 with leather seats")
    button(mail, "Save").click()
    expect(mail.locator("[data-rule='claim.superlative']")).to_be_visible()
    expect(mail.locator("[data-rule='claim.feature']")).to_be_visible()
    subject.fill("Come and see the RAV4")
    button(mail, "Send to review").click()
    expect(mail.locator(".badge").first).to_have_text("In review")
    expect(mail.locator(".finding")).to_have_count(0)
    button(mail, "Approve").click()
    expect(mail.locator(".badge").first).to_have_text("Published")
    for outlet in ("List Spring, 1 people", "Webhook Website"):
        button(mail, "Send out").click()
        dialog = page.locator("dialog")
        dialog.get_by_label("Where to").select_option(label=outlet)
        button(dialog, "Send").click()
        expect(dialog).to_have_count(0)
    delivered = mail.locator(".delivery[data-status='delivered']")
    expect(delivered).to_have_count(2, timeout=SENT_WITHIN_MS)

    (sent,) = [
        each for each in box.messages if each["To"].addresses[0].addr_spec == "ana@example.com"
    ]
    assert sent["Subject"] == "Come and see the RAV4"
    assert sent["Date"].datetime is not None
    assert sent["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    html = sent.get_body(("html",))
    plain = sent.get_body(("plain",))
    assert html is not None
    assert plain is not None
    for part in (html.get_content(), plain.get_content()):
        assert "RAV4" in part
        assert CONTACT["address"] in part
    assert [each["headers"].keys() >= {"webhook-id", "webhook-signature"} for each in taken] == [
        True
    ]
    assert vin.encode() in taken[0]["body"]

    # As its reader sees it, on a telephone and on a desk.
    for width in (360, 1024):
        reader = page.context.new_page()
        reader.set_viewport_size({"width": width, "height": 800})
        reader.set_content(html.get_content())
        expect(reader.get_by_role("heading", level=1)).to_be_visible()
        assert reader.evaluate("document.documentElement.scrollWidth") <= width
        reader.screenshot(path=tmp_path / f"mail-{width}.png", full_page=True)
        reader.close()

    # Who has enough of it ends it with one click.
    link = re.search(r"https?://\S+/unsubscribe\?\S+", plain.get_content())
    assert link is not None
    page.goto(link[0])
    page.get_by_role("button", name="Unsubscribe").click()
    page.goto(f"{desk.node.url}/outlets")
    expect(page.locator("#subscribers")).to_contain_text("Unsubscribed")
    page.context.close()


def test_a_finding_is_accepted_with_a_reason_and_versions_are_compared(
    desk: Desk, browser: Browser
) -> None:
    vehicle = entered(desk.node)
    page = written(desk.opened(browser, None, "/studio"), vehicle)
    post = channel(page, "Social post")
    post.get_by_label("Text", exact=True).fill("The finest Civic.")
    button(post, "Save").click()
    button(post, "Send to review").click()
    button(post, "Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("must be put right")
    button(post, "Accept with a reason").click()
    dialog = page.locator("dialog")
    dialog.get_by_label("Why this may stay").fill("short")
    button(dialog, "Accept with a reason").click()
    expect(dialog).to_contain_text("at least ten letters")
    dialog.get_by_label("Why this may stay").fill("Quoted from a magazine, on file.")
    button(dialog, "Accept with a reason").click()
    expect(post.locator(".finding")).to_contain_text("Accepted with a reason")
    button(post, "Approve").click()
    expect(post.locator(".badge").first).to_have_text("Published")
    button(post, "Back to a draft").click()
    post.get_by_text("Versions").click()
    expect(post.locator(".diff [data-kind='added']")).to_contain_text("The finest Civic.")
    button(post, "Restore this version").click()
    button(page.locator("dialog"), "Restore this version").click()
    expect(post.locator(".finding")).to_have_count(0)
    post.get_by_text("Comments").click()
    post.get_by_label("Comment", exact=True).fill("Good as it is.")
    button(post, "Add").click()
    expect(post.locator(".remark")).to_contain_text("Good as it is.")
    button(post, "Other words").click()
    expect(post).to_contain_text("No language model is set up")
    page.context.close()


def test_a_preview_is_framed_and_a_teleprompter_goes_by_keys(desk: Desk, browser: Browser) -> None:
    vehicle = entered(desk.node)
    page = written(desk.opened(browser, None, "/studio"), vehicle)
    mail = channel(page, "E-mail")
    mail.get_by_text("Preview", exact=True).click()
    frame = mail.frame_locator("iframe")
    expect(frame.get_by_role("heading", level=1)).to_contain_text("Civic")
    video = channel(page, "Video")
    button(video, "Teleprompter").click()
    prompter = page.locator(".teleprompter")
    expect(prompter.get_by_role("status")).to_contain_text("Shot 1 of")
    page.keyboard.press("ArrowDown")
    expect(prompter.get_by_role("status")).to_contain_text("Shot 2 of")
    expect(prompter.locator("[aria-current='true']")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(prompter).to_have_count(0)
    page.context.close()


@pytest.mark.parametrize("path", ["/studio", "/vehicles", "/outlets"])
def test_the_pages_are_accessible_and_fit_a_telephone(
    desk: Desk, browser: Browser, path: str
) -> None:
    vehicle = entered(desk.node)
    page = desk.opened(browser, None, path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    if path == "/studio":
        written(page, vehicle)
    if path == "/vehicles":
        button(page, "New vehicle").click()
        expect(page.locator("dialog").get_by_label("VIN")).to_be_visible()
    walk = Walk()
    walk.look(page, path)
    assert {step: found for step, found in walk.violations.items() if found} == {}
    assert walk.overflow_px == {path: 0}
    assert walk.small_targets == {path: []}
    page.context.close()


def test_a_vehicle_is_entered_by_hand(desk: Desk, browser: Browser) -> None:
    page = desk.opened(browser, None, "/vehicles")
    button(page, "New vehicle").click()
    dialog, vin = page.locator("dialog"), new_vin()
    button(dialog, "Save").click()
    expect(dialog.get_by_label("VIN")).to_be_focused()
    for label, value in (("VIN", vin), ("Year", "2020"), ("Make", "Kia"), ("Model", "Soul")):
        dialog.get_by_label(label, exact=True).fill(value)
    dialog.get_by_label("Price ($)").fill("about 9000")
    button(dialog, "Save").click()
    expect(dialog.get_by_label("Price ($)")).to_have_accessible_description(re.compile("number"))
    dialog.get_by_label("Price ($)").fill("$18,995")
    dialog.get_by_label("Features").fill("Sunroof\nBluetooth")
    button(dialog, "Save").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("cell", name=vin)).to_be_visible()
    found = desk.node.get(f"/vehicles?q={vin}").json()["items"][0]["facts"]
    assert (found["priceCents"], found["features"]) == (1_899_500, ["Sunroof", "Bluetooth"])
    page.context.close()
