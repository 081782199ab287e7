"""Content projects over HTTP: written, edited, reviewed, rendered, and who may do what."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.api.people import joined
from tests.api.test_batches import begun, kept, new_vin
from tests.api.test_uploads import photo, sent
from tests.node import Node

Refused = Callable[[httpx.Response, int], dict[str, Any]]
Json = dict[str, Any]
CONTACT = {
    "phone": "(216) 555-0199",
    "address": "1 Main St, Cleveland, OH 44113",
    "website": "https://cars.example.com",
}
SHOWN = ["Apple CarPlay", "Heated front seats", "Sunroof", "Backup camera"]


@pytest.fixture(scope="module", autouse=True)
def reachable(node: Node) -> None:
    """The dealership has an address, as its mails need one."""
    with node.client() as http:
        known = http.get("/dealership")
        wanted = {key: known.json()[key] for key in ("name", "language", "policy")}
        tag = {"If-Match": known.headers["etag"]}
        http.put("/dealership", json=wanted | {"contact": CONTACT}, headers=tag).raise_for_status()


def vehicle(http: httpx.Client, **fields: Any) -> Json:
    facts = {
        "vin": new_vin(),
        "year": 2022,
        "make": "Honda",
        "model": "Civic",
        "trim": "EX",
        "mileage": 36_120,
        "priceCents": 2_199_500,
        "features": SHOWN,
    }
    made: Json = http.post("/vehicles", json={"facts": facts | fields}).raise_for_status().json()
    return made


def written(
    http: httpx.Client, type_: str = "social", platform: str = "facebook", **fields: Any
) -> Json:
    body = {
        "vehicleId": vehicle(http, **fields)["id"],
        "type": type_,
        "settings": {"platform": platform},
    }
    made = http.post("/content", json=body)
    assert made.status_code == 201, made.text
    shown: Json = made.json()
    return shown


def path(project: Json, rest: str = "") -> str:
    return f"/content/{project['id']}{rest}"


def edited(http: httpx.Client, project: Json, text: str, role: str = "body") -> Json:
    passages = list(project["content"]["text"])
    at = next(n for n, each in enumerate(passages) if each["role"] == role)
    passages[at] = passages[at] | {"text": text}
    body = {
        "title": project["title"],
        "text": passages,
        "images": project["content"]["images"],
    }
    tag = {"If-Match": f'"{project["version"]}"'}
    put: Json = http.put(path(project), json=body, headers=tag).raise_for_status().json()
    return put


def rules(project: Json) -> list[str]:
    return [each["rule"] for each in project["findings"] if each["severity"] == "blocking"]


@pytest.fixture
def seller(node: Node) -> Iterator[httpx.Client]:
    with node.client(joined(node, "salesperson")) as http:
        yield http


@pytest.mark.parametrize(
    ("type_", "platform"),
    [
        ("social", "instagram"),
        ("social", "x"),
        ("email", "newsletter"),
        ("print", "flyer"),
        ("video", "reel"),
    ],
)
def test_copy_is_written_from_the_facts_alone(
    http: httpx.Client, type_: str, platform: str
) -> None:
    made = written(http, type_, platform)
    assert (made["status"], made["origin"], made["revision"]) == ("draft", "template", 1)
    assert made["findings"] == []
    assert made["factsChanged"] is False
    said = " ".join(each["text"] for each in made["content"]["text"])
    assert "Civic" in said
    assert all(each["used"] <= each["most"] for each in made["limits"])
    assert http.get(path(made)).json() == made


def test_a_platform_belongs_to_its_type(http: httpx.Client, refused: Refused) -> None:
    body = {
        "vehicleId": vehicle(http)["id"],
        "type": "email",
        "settings": {"platform": "x"},
    }
    assert refused(http.post("/content", json=body), 422)["errors"][0]["field"] == (
        "settings.platform"
    )
    body |= {"vehicleId": "0" * 24, "settings": {"platform": "newsletter"}}
    refused(http.post("/content", json=body), 422)


def test_an_edit_is_a_version_and_what_it_claims_is_found(http: httpx.Client) -> None:
    made = written(http)
    changed = edited(http, made, "The best Civic ever, with leather seats, for $19,995!")
    assert (changed["origin"], changed["revision"]) == ("edit", 2)
    assert set(rules(changed)) == {"claim.superlative", "claim.feature", "claim.price"}
    for each in changed["findings"]:
        assert each["message"]
        assert each["source"]
    versions = http.get(path(made, "/versions")).json()
    assert [each["number"] for each in versions["items"]] == [2, 1]
    first = http.get(path(made, "/versions/1")).json()
    assert first["content"]["text"] == made["content"]["text"]
    restored = http.post(path(made, "/versions/1/restore")).json()
    assert (restored["revision"], restored["findings"]) == (3, [])
    assert restored["content"]["text"] == made["content"]["text"]


def test_somebody_elses_edit_is_not_written_over(http: httpx.Client, refused: Refused) -> None:
    made = written(http)
    edited(http, made, "Come and see the Civic.")
    body = {"title": "x", "text": made["content"]["text"], "images": []}
    refused(http.put(path(made), json=body, headers={"If-Match": '"1"'}), 412)
    refused(http.put(path(made), json=body), 428)


def test_other_words_come_from_the_facts_as_they_are_now(http: httpx.Client) -> None:
    made = written(http)
    body = {"facts": made["facts"] | {"priceCents": 2_099_500}}
    vehicle_path = f"/vehicles/{made['vehicleId']}"
    http.put(vehicle_path, json=body, headers={"If-Match": "*"}).raise_for_status()
    assert http.get(path(made)).json()["factsChanged"] is True
    settings = {"platform": "facebook", "language": "es", "tone": "lively"}
    again = http.post(path(made, "/generate"), json={"settings": settings}).json()
    said = " ".join(each["text"] for each in again["content"]["text"])
    assert again["factsChanged"] is False
    assert "$20,995" in said
    assert again["content"]["text"] != made["content"]["text"]


def test_without_an_endpoint_a_rewrite_says_so(http: httpx.Client) -> None:
    made = written(http)
    told = http.post(path(made, "/rewrite")).json()
    assert told["fallback"] == "rewrite_off"
    assert told["content"] == made["content"]


def test_a_draft_is_reviewed_sent_back_approved_and_taken_back(
    node: Node, http: httpx.Client, seller: httpx.Client, refused: Refused
) -> None:
    made = written(seller)
    refused(http.post(path(made, "/approve")), 409)
    waiting = seller.post(path(made, "/submit")).json()
    assert waiting["status"] == "review"
    refused(seller.post(path(made, "/approve")), 403)
    body = {"title": "x", "text": made["content"]["text"], "images": []}
    refused(seller.put(path(made), json=body, headers={"If-Match": "*"}), 409)

    reason = "Please name the sunroof, too."
    returned = http.post(path(made, "/return"), json={"reason": reason}).json()
    assert returned["status"] == "draft"
    (remark,) = seller.get(path(made, "/comments")).json()["items"]
    assert remark["text"] == reason
    notices = seller.get("/notifications").json()["items"]
    assert "content_returned" in [each["kind"] for each in notices]
    resolved = seller.put(path(made, f"/comments/{remark['id']}"), json={"resolved": True})
    assert resolved.json()["resolvedAt"] is not None
    refused(seller.delete(path(made, f"/comments/{remark['id']}")), 403)

    seller.post(path(made, "/submit")).raise_for_status()
    approved = http.post(path(made, "/approve")).json()
    assert approved["status"] == "published"
    assert approved["publishedAt"] is not None
    refused(seller.post(path(made, "/generate"), json={}), 409)
    back = seller.post(path(made, "/revise")).json()
    assert (back["status"], back["publishedAt"]) == ("draft", None)


def test_a_finding_blocks_until_it_is_overridden_with_a_reason(
    http: httpx.Client, refused: Refused
) -> None:
    made = edited(http, written(http), "The best Civic ever.")
    http.post(path(made, "/submit")).raise_for_status()
    told = refused(http.post(path(made, "/approve")), 409)
    assert told["code"] == "findings"
    assert told["errors"][0]["field"] == "claim.superlative"
    (found,) = made["findings"]
    override = {"finding": found["id"], "reason": "A quotation from a magazine, on file."}
    refused(http.post(path(made, "/overrides"), json=override | {"reason": "no"}), 422)
    refused(http.post(path(made, "/overrides"), json=override | {"finding": "0" * 32}), 409)
    accepted = http.post(path(made, "/overrides"), json=override).json()
    assert accepted["canApprove"] is True
    assert [each["overridden"] for each in accepted["findings"]] == [True]
    actions = [each["action"] for each in http.get("/audit").json()["items"]]
    assert "content.override" in actions
    published = http.post(path(made, "/approve")).json()
    assert published["status"] == "published"
    # Another text is another finding.
    http.post(path(made, "/revise")).raise_for_status()
    again = edited(http, http.get(path(made)).json(), "The best Civic of all.")
    assert [each["overridden"] for each in again["findings"]] == [False]


def test_a_project_is_for_its_own(node: Node, http: httpx.Client, seller: httpx.Client) -> None:
    made = written(seller)
    with node.client(joined(node, "salesperson")) as other:
        assert other.get(path(made)).status_code == 403
        assert other.get("/content").json()["total"] == 0
    assert made["id"] in [each["id"] for each in http.get("/content").json()["items"]]
    mine = seller.get("/content", params={"type": "social", "status": "draft"}).json()
    assert [each["id"] for each in mine["items"]] == [made["id"]]
    assert seller.delete(path(made)).status_code == 204
    assert seller.get(path(made)).status_code == 404


def test_what_was_approved_goes_nowhere_once_a_finding_blocks_it(
    http: httpx.Client, refused: Refused
) -> None:
    made = written(http, "email", "newsletter")
    http.post(path(made, "/submit")).raise_for_status()
    http.post(path(made, "/approve")).raise_for_status()
    known = http.get("/dealership")
    wanted = {key: known.json()[key] for key in ("name", "language", "policy")}
    without = wanted | {"contact": CONTACT | {"address": ""}}
    tag = {"If-Match": known.headers["etag"]}
    http.put("/dealership", json=without, headers=tag).raise_for_status()
    body = {"outlet": "email", "list": "Spring"}
    told = refused(http.post(path(made, "/deliveries"), json=body), 409)
    assert (told["code"], told["errors"][0]["field"]) == ("findings", "mail.address")
    again = wanted | {"contact": CONTACT}
    http.put("/dealership", json=again, headers={"If-Match": "*"}).raise_for_status()


HOSTILE = "{{ 7*7 }}{% raw %}<script>alert(1)</script><img src=https://evil.example/x.png>"


def test_what_is_hostile_in_facts_is_only_shown(http: httpx.Client) -> None:
    for type_, platform in (("social", "facebook"), ("email", "newsletter"), ("video", "reel")):
        made = written(http, type_, platform, trim=HOSTILE[:80], model="سيارة 🚗")
        said = " ".join(each["text"] for each in made["content"]["text"])
        assert "49" not in said.replace(made["facts"]["vin"], "")
        shown = http.get(path(made, "/preview"))
        assert shown.headers["content-security-policy"].startswith("default-src 'none'")
        assert "<script" not in shown.text
        assert "<img src=https" not in shown.text


def test_previews_and_files_open_with_their_cookie_alone(node: Node, http: httpx.Client) -> None:
    made = written(http, "email", "newsletter")
    cookie = http.post(path(made, "/media")).headers["set-cookie"]
    url = f"{node.url}/api/v1{path(made, '/preview')}"
    assert httpx.get(url).status_code == 401
    shown = httpx.get(url, headers={"Cookie": cookie.split(";")[0]})
    assert shown.status_code == 200
    assert CONTACT["address"] in shown.text
    other = written(http)
    beyond = f"{node.url}/api/v1{path(other, '/preview')}"
    assert httpx.get(beyond, headers={"Cookie": cookie.split(";")[0]}).status_code == 401


@pytest.mark.parametrize(
    ("type_", "platform", "names"),
    [
        ("social", "facebook", {"post.txt"}),
        ("email", "newsletter", {"mail.html", "mail.txt", "subject.txt"}),
        ("print", "flyer", {"sheet.pdf"}),
        ("print", "window", {"sheet.pdf"}),
        ("video", "walkaround", {"shots.txt", "captions.vtt"}),
    ],
)
def test_a_download_has_all_that_is_needed(
    http: httpx.Client, type_: str, platform: str, names: set[str]
) -> None:
    made = written(http, type_, platform)
    got = http.get(path(made, "/download")).raise_for_status()
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        assert set(archive.namelist()) == names
        if "sheet.pdf" in names:
            assert archive.read("sheet.pdf").startswith(b"%PDF-")
            assert http.get(path(made, "/sheet")).content == archive.read("sheet.pdf")
        if "captions.vtt" in names:
            assert archive.read("captions.vtt").startswith(b"WEBVTT\n\n00:00:00.000 --> ")


def test_what_no_font_has_is_told_and_not_printed_as_boxes(
    http: httpx.Client, refused: Refused
) -> None:
    made = written(http, "print", "flyer", trim="سيارة")
    told = refused(http.get(path(made, "/sheet")), 422)
    assert told["code"] == "no_glyphs"
    refused(http.get(path(written(http), "/sheet")), 409)


def test_pictures_come_from_the_vehicles_photos_and_are_fitted(
    node: Node, http: httpx.Client, refused: Refused
) -> None:
    vin = new_vin()
    batch = begun(http, vin=vin)
    shots = [sent(http, photo(90, 60), batchId=batch["id"], shot=n).json() for n in (1, 2)]
    made_of = ((1_600, 1_200), (300, 200))
    for shot, size in zip(shots, made_of, strict=True):
        asyncio.run(kept(node, shot["id"], photo(*size), "image/jpeg"))
    assert len(vehicle(http, vin=vin)["images"]) == 2
    (known,) = http.get("/vehicles", params={"q": vin}).json()["items"]
    body = {
        "vehicleId": known["id"],
        "type": "social",
        "settings": {"platform": "instagram"},
    }
    made = http.post("/content", json=body).raise_for_status().json()
    assert len(made["content"]["images"]) == 2
    # The second is narrower than the platform takes.
    assert rules(made) == ["limit.image_width"]
    shown = http.get(path(made, "/preview")).text
    assert shown.count('src="data:image/jpeg;base64,') == 2
    with zipfile.ZipFile(io.BytesIO(http.get(path(made, "/download")).content)) as archive:
        with Image.open(archive.open("picture-01.jpg")) as picture:
            assert picture.size == (960, 1_200)
        with Image.open(archive.open("picture-02.jpg")) as picture:
            assert picture.size == (160, 200)
    wrong = {"title": "x", "text": made["content"]["text"], "images": [shots[0]["id"]]}
    told = refused(http.put(path(made), json=wrong, headers={"If-Match": "*"}), 422)
    assert told["code"] == "no_image"
    flyer = body | {"type": "print", "settings": {"platform": "flyer"}}
    printed = http.post("/content", json=flyer).raise_for_status().json()
    assert len(http.get(path(printed, "/sheet")).content) > 20_000
