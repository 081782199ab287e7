"""A photo through a whole node: uploaded, worked on by its worker process, fetched again."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.node import Node, running

pytestmark = pytest.mark.slow
DONE_WITHIN_S = 60


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("photos") / "node") as node:
        yield node


@pytest.fixture(scope="module")
def http(node: Node) -> Iterator[httpx.Client]:
    with node.client() as http:
        yield http


def dim_photo() -> bytes:
    """A flat, dark picture that lies on its side, and says so; it also says where it was taken."""
    pixels = np.random.default_rng(3).integers(30, 90, (60, 90, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


def uploaded(http: httpx.Client, content: bytes) -> str:
    headers = {"Content-Type": "application/octet-stream"}
    made = http.post("/uploads", content=content, headers=headers).raise_for_status()
    return str(made.json()["id"])


def over(http: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    until_s = time.monotonic() + DONE_WITHIN_S
    while job["status"] in ("pending", "processing"):
        assert time.monotonic() < until_s, job
        time.sleep(0.2)
        job = http.get(f"/jobs/{job['id']}").raise_for_status().json()
    return job


def test_a_photo_comes_out_upright_brighter_and_without_its_place(http: httpx.Client) -> None:
    body = {
        "jobType": "image_enhancement",
        "inputFiles": [uploaded(http, dim_photo())],
        "settings": {"format": "png", "options": {"maxSide": 64}},
    }
    job = over(http, http.post("/jobs", json=body).raise_for_status().json())
    assert (job["status"], job["progress"], job["error"]) == ("completed", 100, None)
    (made,) = job["outputFiles"]
    answer = http.get(f"/uploads/{made}/file").raise_for_status()
    assert http.get(f"/uploads/{made}").json()["mediaType"] == "image/png"
    picture = Image.open(io.BytesIO(answer.content))
    assert picture.size[1] == 64
    assert picture.size[0] < picture.size[1]
    assert not picture.getexif()
    before = np.asarray(Image.open(io.BytesIO(dim_photo()))).mean()
    assert np.asarray(picture.convert("RGB")).mean() > before


def test_a_photo_that_cannot_be_read_fails_with_a_sentence_at_once(http: httpx.Client) -> None:
    cut = uploaded(http, dim_photo()[:400])
    body = {"jobType": "image_enhancement", "inputFiles": [cut]}
    job = over(http, http.post("/jobs", json=body).raise_for_status().json())
    assert (job["status"], job["attempts"]) == ("failed", 1)
    assert job["error"]["code"] == "damaged_picture"
    assert job["error"]["message"].endswith(".")
