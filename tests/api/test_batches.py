"""Photos of one vehicle: over HTTP, with results as a job would keep them."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.accounts.vault import Vault
from api.auth import keys
from api.ids import new_id
from api.services import utc_now
from api.store.blobs import open_blobs
from api.uploads import Uploading
from processing.vin import check_digit
from tests.api.people import joined
from tests.api.seeds import Seeds
from tests.api.test_uploads import JPEG, PNG, WAV, chunks, photo, picture, sent
from tests.node import Node

DONE_WITHIN_S = 60
Refused = Callable[[httpx.Response, int], dict[str, Any]]


def new_vin() -> str:
    """A number that a maker in the USA could give."""
    serial = f"{int(new_id(), 16) % 10**7:07}"
    vin = f"1G4AH59H05{serial}"
    return f"{vin[:8]}{check_digit(vin)}{vin[9:]}"


def begun(http: httpx.Client, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = (
        http.post("/batches", json={"vin": new_vin()} | fields).raise_for_status().json()
    )
    return body


def test_a_vehicle_gets_one_batch_with_one_look(http: httpx.Client, refused: Refused) -> None:
    vin = new_vin()
    look = {
        "jobType": "image_enhancement",
        "quality": "high",
        "format": "png",
        "options": {"denoise": True},
    }
    made = begun(http, vin=f" {vin[:9]}-{vin[9:].lower()} ", look=look)
    assert (made["vin"], made["look"]) == (vin, look)
    taken = refused(http.post("/batches", json={"vin": vin}), 409)
    assert taken["code"] == "vin_taken"
    assert made["id"] in taken["detail"]
    assert http.get("/batches", params={"vin": vin}).json()["items"] == [made]


@pytest.mark.parametrize("vin", ["", "1G4AH59H55G118341", "1G4AH59H45G11834O", "short"])
def test_what_is_no_vin_is_refused(http: httpx.Client, refused: Refused, vin: str) -> None:
    wrong = refused(http.post("/batches", json={"vin": vin}), 422)
    assert wrong["errors"][0]["field"] == "vin"


def test_the_look_is_changed_by_whoever_has_read_it(http: httpx.Client, refused: Refused) -> None:
    path = f"/batches/{begun(http)['id']}"
    tag = http.get(path).headers["etag"]
    wanted = {
        "jobType": "image_enhancement",
        "quality": "low",
        "format": "jpeg",
        "options": {},
    }
    changed = http.put(path, json={"look": wanted}, headers={"If-Match": tag})
    assert changed.json()["look"] == wanted
    refused(http.put(path, json={"look": wanted}, headers={"If-Match": tag}), 412)
    for bad in ({"format": "exe"}, {"options": {"maxSide": 9}}, {"options": {"sharpness": 3}}):
        refused(http.put(path, json={"look": bad}, headers={"If-Match": "*"}), 422)


def test_shots_are_numbered_and_one_taken_again_replaces_the_first(http: httpx.Client) -> None:
    batch = begun(http)
    first = [sent(http, picture(2_000), batchId=batch["id"], shot=n).json() for n in (2, 1, 3)]
    again = sent(http, picture(2_000), batchId=batch["id"], shot=2).json()
    shots = http.get(f"/batches/{batch['id']}").json()["shots"]
    assert [each["id"] for each in shots] == [first[1]["id"], again["id"], first[2]["id"]]
    assert {each["expiresAt"] for each in shots} == {batch["expiresAt"]}
    assert http.get(f"/uploads/{first[0]['id']}").status_code == 404


def test_only_ones_own_photos_go_into_ones_own_batch(
    node: Node, http: httpx.Client, refused: Refused
) -> None:
    batch = begun(http)["id"]
    refused(sent(http, picture(2_000), batchId=batch), 422)
    refused(sent(http, picture(2_000), shot=1), 422)
    refused(sent(http, picture(2_000), batchId=batch, shot=100), 422)
    refused(sent(http, picture(2_000), batchId=new_id(), shot=1), 422)
    refused(sent(http, WAV + bytes(2_000), batchId=batch, shot=1), 422)
    with node.client(joined(node, "salesperson")) as other:
        refused(sent(other, picture(2_000), batchId=batch, shot=1), 422)
        refused(other.get(f"/batches/{batch}"), 403)


def test_each_photo_becomes_a_job_with_the_look_of_the_batch(
    http: httpx.Client, refused: Refused
) -> None:
    look = {"quality": "low", "format": "png", "options": {"sharpen": False, "maxSide": 64}}
    batch = begun(http, look=look)
    path = f"/batches/{batch['id']}"
    refused(http.post(f"{path}/jobs", json={}), 409)
    shots = [sent(http, photo(90, 60), batchId=batch["id"], shot=n).json() for n in (1, 2)]
    refused(http.post(f"{path}/jobs", json={"shots": [1, 3]}), 422)
    (first,) = http.post(f"{path}/jobs", json={"shots": [1]}).raise_for_status().json()["items"]
    assert first["inputFiles"] == [shots[0]["id"]]
    assert first["batchId"] == batch["id"]
    assert first["settings"]["options"].items() >= look["options"].items()
    settled(http, batch, 1)
    (second,) = http.post(f"{path}/jobs", json={}).raise_for_status().json()["items"]
    assert second["inputFiles"] == [shots[1]["id"]]
    jobs = settled(http, batch, 2)
    assert {each["status"] for each in jobs} == {"completed"}
    told = http.get(path).json()["shots"]
    assert [(each["shot"], each["kind"]) for each in told] == [
        (1, "picture"), (1, "result"), (2, "picture"), (2, "result")
    ]  # fmt: skip
    assert refused(http.post(f"{path}/jobs", json={}), 409)["code"] == "nothing_due"
    assert len(http.post(f"{path}/jobs", json={"shots": [1, 2]}).json()["items"]) == 2
    settled(http, batch, 4)


def test_what_a_photo_shows_is_told_where_it_was_not_recognized(http: httpx.Client) -> None:
    look = {"jobType": "background_removal", "format": "png"}
    batch = begun(http, look=look)
    sent(http, photo(90, 60), batchId=batch["id"], shot=1).raise_for_status()
    asked = {"shots": [1], "takenFor": "interior"}
    (job,) = (
        http.post(f"/batches/{batch['id']}/jobs", json=asked).raise_for_status().json()["items"]
    )
    assert job["settings"]["options"]["shot"] == "interior"
    (job,) = settled(http, batch, 1)
    assert (job["status"], job["notes"]) == ("completed", [])


def test_a_colleague_asks_for_no_jobs_on_ones_batch(
    node: Node, http: httpx.Client, refused: Refused
) -> None:
    batch = begun(http)
    sent(http, photo(90, 60), batchId=batch["id"], shot=1).raise_for_status()
    with node.client(joined(node, "manager")) as other:
        refused(other.post(f"/batches/{batch['id']}/jobs", json={}), 403)


def settled(http: httpx.Client, batch: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The batch's jobs once all of them are over."""
    until_s = time.monotonic() + DONE_WITHIN_S
    while time.monotonic() < until_s:
        found: list[dict[str, Any]] = http.get("/jobs", params={"batchId": batch["id"]}).json()[
            "items"
        ]
        if all(each["completedAt"] for each in found):
            assert len(found) == count
            return found
        time.sleep(0.1)
    raise AssertionError(found)


async def kept(node: Node, upload_id: str, content: bytes, kind: str) -> None:
    """A result as a job would have made it."""
    masters = keys.load(node.data / keys.FILE_NAME).masters()
    blobs = open_blobs((node.data / "blobs").as_uri())
    async with Seeds(node.data) as seeds:
        uploading = Uploading(seeds.store, blobs, Vault(masters), None, utc_now)
        (found,) = [each for each in await seeds.store.uploads.every() if each.id == upload_id]
        await uploading.keep_result(found, new_id(), "x", kind, chunks(content))


def test_results_come_as_an_archive_named_by_vin_and_number(
    node: Node, http: httpx.Client, refused: Refused
) -> None:
    batch = begun(http)
    path = f"/batches/{batch['id']}"
    shots = [sent(http, picture(2_000), batchId=batch["id"], shot=n).json() for n in (1, 12)]
    refused(http.get(f"{path}/archive"), 409)
    made = [PNG + bytes(200_000), JPEG + bytes(100)]
    for shot, content, kind in zip(shots, made, ("image/png", "image/jpeg"), strict=True):
        asyncio.run(kept(node, shot["id"], content, kind))
    answer = http.get(f"{path}/archive")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        vin = batch["vin"]
        assert archive.namelist() == [f"{vin}-01.png", f"{vin}-12.jpg"]
        assert [archive.read(name) for name in archive.namelist()] == made
    assert http.delete(path).status_code == 204
    assert http.get("/uploads", params={"batchId": batch["id"]}).json()["total"] == 0
    assert not [each for shot in shots for each in (node.data / "blobs").rglob(shot["id"])]
