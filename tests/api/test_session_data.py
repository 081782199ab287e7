"""What of calls can be listed, read in parts, withdrawn and deleted, over HTTP."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.account_client import Account
from signaling import stack
from signaling.publisher import RATE, Publisher, load_audio
from tests.api.conftest import CONSENT, Refused
from tests.api.people import joined
from tests.kept import records_of
from tests.node import Node
from tests.recording import length_ms


def created(node: Node, account: Account, kind: str = "pitch") -> str:
    with node.client(account) as http:
        made: dict[str, Any] = http.post("/sessions", json={"sessionType": kind}).json()
        return str(made["id"])


@pytest.fixture(scope="module")
def coach(node: Node) -> Account:
    return joined(node, "coach")


@pytest.fixture(scope="module")
def trainee(node: Node, coach: Account) -> Account:
    """In the coach's team."""
    return joined(node, "salesperson", coach.user["teamIds"])


@pytest.fixture(scope="module")
def stranger(node: Node) -> Account:
    """In another team."""
    return joined(node, "salesperson")


def listed(node: Node, account: Account, **query: object) -> list[str]:
    with node.client(account) as http:
        answer = http.get("/sessions", params={"limit": 200, **query})  # type: ignore[dict-item]
        body = answer.raise_for_status().json()
        assert body["total"] == len(body["items"])
        return [item["id"] for item in body["items"]]


def test_each_lists_as_far_as_their_role_reaches(
    node: Node, coach: Account, trainee: Account, stranger: Account
) -> None:
    first, second = created(node, trainee), created(node, trainee, "closing")
    other = created(node, stranger)
    own = created(node, coach)
    assert listed(node, trainee) == [second, first]
    assert listed(node, stranger) == [other]
    assert set(listed(node, coach)) == {first, second, own}
    assert {first, second, other, own} <= set(listed(node, node.account))
    # What is asked for narrows that and never widens it.
    assert listed(node, trainee, userId=stranger.user["id"]) == []
    assert listed(node, trainee, teamId=stranger.user["teamIds"][0]) == []
    assert listed(node, coach, userId=stranger.user["id"]) == []
    assert listed(node, coach, teamId=stranger.user["teamIds"][0]) == []
    assert listed(node, coach, userId=trainee.user["id"], sort="createdAt") == [first, second]
    assert listed(node, trainee, sessionType="closing", status="created") == [second]
    assert listed(node, trainee, status="completed") == []
    assert listed(node, trainee, startedFrom="2020-01-01T00:00:00Z") == []
    assert listed(node, trainee, feedbackCode="too_fast") == []
    with node.client(trainee) as http:
        (item,) = http.get("/sessions?limit=1&offset=1&sort=-createdAt").json()["items"]
        assert item["id"] == first
        assert (item["userId"], item["teamId"]) == (
            trainee.user["id"],
            trainee.user["teamIds"][0],
        )
        assert item["scores"] == dict.fromkeys(("confidence", "clarity", "pace", "volume"))
        assert item["feedbackCounts"] == {}


@pytest.mark.parametrize(
    "query",
    [
        "sort=nonsense",
        "sort=transcript",
        "limit=201",
        "limit=-1",
        "offset=-1",
        "offset=99999999999",
        "userId=me",
        "status=over",
        "startedFrom=yesterday",
        "startedFrom=2026-01-01T00:00:00",
        "feedbackCode=a.b",
        "feedbackCode=$where",
        "user_id=5f0000000000000000000001",
        "limit=1&limit=2",
    ],
)
def test_a_list_that_cannot_be_asked_for_is_refused(
    node: Node, refused: Refused, query: str
) -> None:
    refused(node.get(f"/sessions?{query}"), 422)


def test_a_session_that_is_deleted_is_gone_and_only_its_own_person_or_an_admin_may(
    node: Node, coach: Account, trainee: Account, stranger: Account, refused: Refused
) -> None:
    session_id = created(node, trainee)
    for account in (coach, stranger):
        with node.client(account) as http:
            refused(http.delete(f"/sessions/{session_id}"), 403)
    with node.client(trainee) as http:
        assert http.delete(f"/sessions/{session_id}").status_code == 204
        refused(http.get(f"/sessions/{session_id}"), 404)
        refused(http.delete(f"/sessions/{session_id}"), 404)
    with node.client() as http:
        by_admin = created(node, stranger)
        assert http.delete(f"/sessions/{by_admin}").status_code == 204
        entries = http.get("/audit", params={"targetId": by_admin}).json()["items"]
        assert [entry["action"] for entry in entries] == ["session.delete"]


def test_consent_is_withdrawn_by_whom_it_is_of_alone(
    node: Node, coach: Account, trainee: Account, refused: Refused
) -> None:
    session_id = created(node, trainee)
    path = f"/sessions/{session_id}/consent"
    with node.client(trainee) as http, node.client(coach) as theirs, node.client() as admins:
        refused(http.delete(path), 404)  # there is none yet
        http.put(path, json=CONSENT).raise_for_status()
        for others in (theirs, admins):
            refused(others.delete(path), 403)
        assert http.delete(path).status_code == 204
        refused(http.get(path), 404)
        refused(
            http.post(
                f"/sessions/{session_id}/whip",
                content="v=0",
                headers={"Content-Type": "application/sdp"},
            ),
            403,
        )


@pytest.fixture(scope="module")
def held(node: Node, trainee: Account, two_cities: Path) -> str:
    """A call of some seconds that is over and in the store."""
    stack.configure()
    stack.use_loopback(True)
    publisher = Publisher(trainee, load_audio(two_cities)[: 4 * RATE])
    try:
        asyncio.run(publisher.run())
    finally:
        stack.use_loopback(False)
    path = f"/sessions/{publisher.session_id}"
    until_s = time.monotonic() + 20
    with node.client(trainee) as http:
        while list(node.sessions.glob(f"*/{publisher.session_id}")):
            assert time.monotonic() < until_s, "it was never put away"
            time.sleep(0.05)
        assert http.get(path).json()["status"] == "completed"
    return publisher.session_id


@pytest.mark.slow
def test_a_call_that_is_over_is_told_and_heard_from_the_store(
    node: Node, trainee: Account, stranger: Account, held: str, refused: Refused
) -> None:
    path = f"/sessions/{held}"
    with node.client(trainee) as http:
        view = http.get(path).json()
        assert view["hasRecording"] is True
        assert view["durationMs"] >= 4_000
        assert view["metrics"]["quantities"]["speechS"] > 1
        assert view["scores"] == view["metrics"]["scores"]
        assert sum(view["feedbackCounts"].values()) == view["feedbackCount"]
        events = http.get(f"{path}/events").json()["items"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert any(event["type"] == "transcript.final" for event in events)
        journalled = [one["e"] for one in records_of(node.data, held) if one["k"] == "event"]
        assert journalled == events
        whole = http.get(f"{path}/recording")
        assert whole.status_code == 200
        assert length_ms(whole.content) == pytest.approx(view["durationMs"], abs=100)
        part = http.get(f"{path}/recording", headers={"Range": "bytes=100-2099"})
        assert part.status_code == 206
        assert part.content == whole.content[100:2_100]
        assert part.headers["content-range"] == f"bytes 100-2099/{len(whole.content)}"
        head = http.head(f"{path}/recording")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))
        beyond = http.get(f"{path}/recording", headers={"Range": f"bytes={len(whole.content)}-"})
        refused(beyond, 416)
    with node.client(stranger) as http:
        for of in ("", "/recording", "/events", "/consent"):
            refused(http.get(path + of), 403)
    answer = httpx.get(f"{node.url}/api/v1{path}/recording")
    refused(answer, 401)


@pytest.mark.slow
def test_withdrawing_after_the_call_leaves_its_numbers_alone(
    node: Node, trainee: Account, held: str, refused: Refused
) -> None:
    """Runs behind the test above, whose call it is."""
    path = f"/sessions/{held}"
    with node.client(trainee) as http:
        before = http.get(path).json()
        assert http.delete(f"{path}/consent").status_code == 204
        after = http.get(path).json()
        assert after["metrics"] == before["metrics"]
        assert after["hasRecording"] is False
        assert after["feedbackCounts"] == {}
        assert http.get(f"{path}/events").json()["items"] == []
        refused(http.get(f"{path}/recording"), 404)
        assert http.delete(path).status_code == 204
    assert list(node.data.glob(f"blobs/*/{held}/*")) == []
