"""Jobs over HTTP, of a node whose workers are off: what is asked for waits."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.ids import new_id
from api.jobs.desk import MAX_OPEN
from tests.api.conftest import Refused
from tests.api.jobs.yard import PNG
from tests.api.people import joined
from tests.node import Node, running

pytestmark = pytest.mark.slow
WAV = b"RIFF\x24\0\0\0WAVEfmt "


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    data = tmp_path_factory.mktemp("jobs") / "node"
    with running(data, FORECOURT_JOB_WORKERS="0") as node:
        yield node


@pytest.fixture(scope="module")
def http(node: Node) -> Iterator[httpx.Client]:
    with node.client() as http:
        yield http


def uploaded(http: httpx.Client, content: bytes = PNG) -> str:
    headers = {"Content-Type": "application/octet-stream"}
    answer = http.post("/uploads", content=content + os.urandom(64), headers=headers)
    return str(answer.raise_for_status().json()["id"])


def asked(http: httpx.Client, **body: Any) -> httpx.Response:
    known = {"jobType": "image_enhancement", "inputFiles": [uploaded(http)]}
    return http.post("/jobs", json=known | body)


def test_a_job_is_made_listed_and_got(http: httpx.Client) -> None:
    look = {"quality": "high", "format": "png", "options": {"sharpen": False, "maxSide": 900}}
    made = asked(http, settings=look, priority="high")
    assert made.status_code == 201, made.text
    job = made.json()
    assert made.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["status"], job["progress"], job["attempts"]) == ("pending", 0, 0)
    assert (job["priority"], job["error"]) == ("high", None)
    assert job["settings"].items() >= {"quality": "high", "format": "png"}.items()
    assert job["settings"]["options"].items() >= look["options"].items()
    assert http.get(f"/jobs/{job['id']}").json() == job
    assert job in http.get("/jobs", params={"status": "pending"}).json()["items"]
    assert http.get("/jobs", params={"jobType": "call_analysis"}).json()["total"] == 0


def test_the_same_request_twice_makes_one_job(http: httpx.Client) -> None:
    body = {"jobType": "image_enhancement", "inputFiles": [uploaded(http)]}
    key = {"Idempotency-Key": new_id()}
    first, second = (http.post("/jobs", json=body, headers=key) for _ in range(2))
    assert first.json() == second.json()


def test_a_file_that_is_no_photo_of_ones_own_is_named(
    node: Node, http: httpx.Client, refused: Refused
) -> None:
    photo = uploaded(http)
    files = [photo, uploaded(http, WAV), new_id()]
    answer = refused(asked(http, inputFiles=files), 422)
    assert [error["field"] for error in answer["errors"]] == ["inputFiles.1", "inputFiles.2"]
    with node.client(joined(node, "salesperson")) as theirs:
        answer = refused(asked(theirs, inputFiles=[photo]), 422)
        assert [error["field"] for error in answer["errors"]] == ["inputFiles.0"]


@pytest.mark.parametrize(
    "body",
    [
        {"inputFiles": []},
        {"inputFiles": ["https://example.org/car.jpg"]},
        {"inputFiles": ["0" * 24] * 101},
        {"jobType": "call_analysis"},
        {"jobType": "mining"},
        {"jobType": "background_removal", "settings": {"format": "jpeg"}},
        {"settings": {"quality": "best"}},
        {"settings": {"options": {"shadow": True}}},
        {"settings": {"options": {"maxSide": 9}}},
        {"priority": "urgent"},
        {"node": "mine"},
    ],
)
def test_what_is_no_job_is_refused(
    http: httpx.Client, refused: Refused, body: dict[str, Any]
) -> None:
    known = {"jobType": "image_enhancement", "inputFiles": [new_id()]}
    refused(http.post("/jobs", json=known | body), 422)


@pytest.mark.parametrize("settings", [{}, {"settings": {"quality": "best"}}], ids=str)
def test_of_a_wrong_job_type_nothing_is_told_but_that(
    http: httpx.Client, refused: Refused, settings: dict[str, Any]
) -> None:
    body = {"jobType": "polish", "inputFiles": [new_id()]} | settings
    told = refused(http.post("/jobs", json=body), 422)
    assert [each["field"] for each in told["errors"]] == ["jobType"]


def test_who_is_erased_has_taken_their_jobs_along_and_leaves_none(
    node: Node, http: httpx.Client, refused: Refused
) -> None:
    leaving = joined(node, "salesperson")
    with node.client(leaving) as own:
        job = asked(own).json()
        exported = own.get(f"/users/{leaving.user['id']}/export")
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        assert [each["id"] for each in json.loads(archive.read("jobs.json"))] == [job["id"]]
        assert json.loads(archive.read("manifest.json"))["missing"] == []
    assert http.delete(f"/users/{leaving.user['id']}").status_code == 204
    refused(http.get(f"/jobs/{job['id']}"), 404)
    refused(http.get(f"/uploads/{job['inputFiles'][0]}"), 404)
    with sqlite3.connect(node.data / "store.db") as store:
        left = [row for row in store.iterdump() if leaving.user["id"] in row]
    assert [row[:60] for row in left if 'INTO "audit_log"' not in row] == []


def test_a_job_that_waits_is_cancelled_at_once_and_can_be_tried_again(
    http: httpx.Client, refused: Refused
) -> None:
    job = asked(http).json()
    refused(http.post(f"/jobs/{job['id']}/retry"), 409)
    cancelled = http.post(f"/jobs/{job['id']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    assert cancelled["completedAt"] is not None
    assert refused(http.post(f"/jobs/{job['id']}/cancel"), 409)["code"] == "over"
    again = http.post(f"/jobs/{job['id']}/retry").json()
    assert (again["status"], again["completedAt"]) == ("pending", None)
    http.post(f"/jobs/{job['id']}/cancel").raise_for_status()
    http.delete(f"/uploads/{job['inputFiles'][0]}").raise_for_status()
    refused(http.post(f"/jobs/{job['id']}/retry"), 422)


def test_a_person_may_have_so_many_jobs_waiting(node: Node, refused: Refused) -> None:
    with node.client(joined(node, "salesperson")) as http:
        body = {"jobType": "image_enhancement", "inputFiles": [uploaded(http)]}
        for _ in range(MAX_OPEN):
            assert http.post("/jobs", json=body).status_code == 201
        assert refused(http.post("/jobs", json=body), 409)["code"] == "quota"
        assert http.get("/jobs", params={"limit": 0}).json()["total"] == MAX_OPEN


def test_who_follows_a_job_hears_of_it_until_it_is_over(http: httpx.Client) -> None:
    job = asked(http).json()
    cancelling = threading.Timer(1, lambda: http.post(f"/jobs/{job['id']}/cancel"))
    cancelling.start()
    told = events(http, f"/jobs/{job['id']}")
    cancelling.join()
    assert [each["status"] for each in told] == ["pending", "cancelled"]


def test_who_follows_all_jobs_hears_what_changes_in_reach(node: Node, http: httpx.Client) -> None:
    """A salesperson hears of their own, an admin of everybody's."""
    with node.client(joined(node, "salesperson")) as own, node.client() as others:
        before = asked(own).json()

        def later() -> None:
            asked(others).raise_for_status()
            others.post(f"/jobs/{before['id']}/cancel").raise_for_status()

        asking = threading.Timer(2, later)
        asking.start()
        (heard,) = events(own, "/jobs", 1)
        asking.join()
    assert (heard["id"], heard["status"]) == (before["id"], "cancelled")
    with node.client() as others:
        asking = threading.Timer(2, lambda: asked(others))
        asking.start()
        (heard,) = events(http, "/jobs", 1)
        asking.join()
    assert heard["status"] == "pending"


def events(http: httpx.Client, path: str, count: int = 100) -> list[dict[str, Any]]:
    found = []
    with http.stream("GET", path, headers={"Accept": "text/event-stream"}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                found.append(json.loads(line.removeprefix("data:")))
                if len(found) == count:
                    break
    return found
