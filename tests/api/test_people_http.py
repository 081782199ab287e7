"""People, teams and the dealership over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import sqlite3
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest

from signaling import stack
from signaling.publisher import Publisher
from tests.api.conftest import Refused
from tests.api.people import joined
from tests.node import Node

RATE = 48_000


def invitation(**changed: Any) -> dict[str, Any]:
    return {"email": f"{secrets.token_hex(8)}@example.org", "role": "coach"} | changed


def test_an_update_names_the_version_that_it_changes(http: httpx.Client, refused: Refused) -> None:
    made = http.post("/users", json=invitation())
    path = f"/users/{made.json()['id']}/profile"
    body = {"firstName": "Bo", "lastName": "", "phone": "", "dealership": ""}
    assert refused(http.put(path, json=body), 428)["code"] == "no_version"
    for wrong in ('"9"', '"0"', '"9", "0"'):
        assert refused(http.put(path, json=body, headers={"If-Match": wrong}), 412)["code"]
    for none in ("", "1", "W/x", '"one"'):
        assert refused(http.put(path, json=body, headers={"If-Match": none}), 428)
    saved = http.put(path, json=body, headers={"If-Match": made.headers["etag"]})
    assert saved.status_code == 200
    assert saved.headers["etag"] != made.headers["etag"]
    again = http.put(path, json=body, headers={"If-Match": made.headers["etag"]})
    assert refused(again, 412)["code"] == "stale"
    assert http.get(f"/users/{made.json()['id']}").headers["etag"] == saved.headers["etag"]


def test_a_create_that_is_sent_twice_is_done_once(http: httpx.Client, refused: Refused) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    body = invitation()
    first = http.post("/users", json=body, headers=key)
    again = http.post("/users", json=body, headers=key)
    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    for name in ("location", "etag"):
        assert again.headers[name] == first.headers[name]
    other = http.post("/users", json=invitation(), headers=key)
    assert refused(other, 409)["code"] == "key_reused"
    long = {"Idempotency-Key": "k" * 201}
    refused(http.post("/users", json=invitation(), headers=long), 422)


def test_a_create_that_failed_may_be_tried_again_with_its_key(http: httpx.Client) -> None:
    key = {"Idempotency-Key": secrets.token_hex(8)}
    body = invitation(teamIds=["0" * 24])
    for _ in range(2):
        answer = http.post("/users", json=body, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_such_team")


def test_creates_sent_at_once_with_one_key_make_one(node: Node) -> None:
    body, headers = invitation(), {"Idempotency-Key": secrets.token_hex(8)} | node.account.headers()

    async def all_at_once() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=f"{node.url}/api/v1", timeout=30) as http:
            sent = (http.post("/users", json=body, headers=headers) for _ in range(8))
            return await asyncio.gather(*sent)

    answers = asyncio.run(all_at_once())
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"email": "no address"},
        {"email": "a@b\r\nBcc: eve@example.org"},
        {"email": "x" * 300 + "@example.org"},
        {"role": "operator"},
        {"role": None},
        {"teamIds": "abc"},
        {"teamIds": ["../../etc"]},
        {"teamIds": ["0" * 24] * 51},
        {"language": "english"},
        {"dealershipId": "0" * 24},
        {"status": "active"},
    ],
    ids=str,
)
def test_an_invitation_that_is_not_right_is_refused(
    http: httpx.Client, refused: Refused, changed: dict[str, Any]
) -> None:
    body = refused(http.post("/users", json=invitation(**changed)), 422)
    assert body["errors"][0]["field"].split(".")[0] == next(iter(changed))


def test_a_line_of_the_log_says_which_request_of_whom_it_is_about(
    node: Node, http: httpx.Client
) -> None:
    session_id = http.post("/sessions", json={"sessionType": "pitch"}).json()["id"]
    answer = http.get(f"/sessions/{session_id}")
    (line,) = [line for line in node.log.splitlines() if answer.headers["x-request-id"] in line]
    told = json.loads(line)
    assert (told["user"], told["session"]) == (node.account.user["id"], session_id)
    other = httpx.get(f"{node.url}/api/v1/openapi.json")
    (line,) = [line for line in node.log.splitlines() if other.headers["x-request-id"] in line]
    assert "user" not in json.loads(line)


def test_ten_megabytes_of_json_are_not_read(http: httpx.Client, refused: Refused) -> None:
    body = json.dumps({"email": "a" * 10_000_000})
    sent = http.post("/users", content=body, headers={"Content-Type": "application/json"})
    refused(sent, 413)


def test_a_parameter_twice_or_unknown_is_refused(http: httpx.Client, refused: Refused) -> None:
    refused(http.get("/users?limit=1&limit=2"), 422)
    refused(http.get("/users?dealershipId=1"), 422)
    refused(http.get("/users?sort=passwordHash"), 422)
    refused(http.get("/audit?from=yesterday"), 422)


def test_people_are_listed_by_role_status_and_team(http: httpx.Client) -> None:
    team = http.post("/teams", json={"name": secrets.token_hex(8)}).json()["id"]
    for role in ("coach", "salesperson", "salesperson"):
        http.post("/users", json=invitation(role=role, teamIds=[team])).raise_for_status()
    found = http.get("/users", params={"teamId": team, "role": "salesperson", "limit": 1}).json()
    assert (len(found["items"]), found["total"]) == (1, 2)
    found = http.get("/users", params={"teamId": team, "status": "active"}).json()
    assert found["total"] == 0


def test_a_team_with_people_stays_and_its_name_is_its_own(
    http: httpx.Client, refused: Refused
) -> None:
    name = secrets.token_hex(8)
    team = http.post("/teams", json={"name": name})
    assert refused(http.post("/teams", json={"name": name}), 409)["code"] == "name_taken"
    team_id = team.json()["id"]
    user = http.post("/users", json=invitation(teamIds=[team_id]))
    assert refused(http.delete(f"/teams/{team_id}"), 409)["code"] == "not_empty"
    moved = http.put(
        f"/users/{user.json()['id']}/teams",
        json={"teamIds": []},
        headers={"If-Match": user.headers["etag"]},
    )
    assert moved.json()["teamIds"] == []
    assert http.delete(f"/teams/{team_id}").status_code == 204


def test_a_manager_reaches_the_team_as_soon_as_it_is_theirs(node: Node, http: httpx.Client) -> None:
    manager = joined(node, "manager", [])
    seller = joined(node, "salesperson")
    with node.client(manager) as as_manager:
        path = f"/users/{seller.user['id']}"
        assert as_manager.get(path).status_code == 403
        team_id = seller.user["teamIds"][0]
        team = http.get(f"/teams/{team_id}")
        body = {"name": team.json()["name"], "managerIds": [manager.user["id"]]}
        saved = http.put(f"/teams/{team_id}", json=body, headers={"If-Match": team.headers["etag"]})
        assert saved.status_code == 200
        assert as_manager.get(path).status_code == 200


def test_the_inbox_tells_of_what_touches_the_account(node: Node) -> None:
    seller = joined(node, "salesperson")
    with node.client(seller) as http:
        assert http.get("/notifications").json() == {"items": [], "total": 0, "unread": 0}
        new = "a badger by the river bank"
        body = {"current": seller.password, "new": new}
        assert http.put("/me/password", json=body).status_code == 204
        inbox = http.get("/notifications", params={"unread": True}).json()
        (notice,) = inbox["items"]
        assert (notice["kind"], inbox["unread"]) == ("password_changed", 1)
        assert "password" in notice["text"]
        assert http.put(f"/notifications/{notice['id']}/read").status_code == 204
        assert http.get("/notifications").json()["unread"] == 0
        assert http.put("/notifications").status_code == 204
        assert http.delete(f"/notifications/{notice['id']}").status_code == 204
        assert http.delete(f"/notifications/{notice['id']}").status_code == 404
    # Somebody else's inbox has no address at all.
    assert httpx.get(f"{node.url}/api/v1/notifications").status_code == 401


async def test_a_person_takes_their_data_along_and_is_then_erased(node: Node) -> None:
    stack.use_loopback(True)
    seller = await asyncio.to_thread(joined, node, "salesperson")
    rng = np.random.default_rng(5)
    noise = rng.integers(-3000, 3000, 4 * RATE, dtype=np.int16)
    publisher = Publisher(seller, noise)
    await publisher.run()
    user_id, session_id = seller.user["id"], publisher.session_id
    async with httpx.AsyncClient(
        base_url=f"{node.url}/api/v1", auth=node.account, timeout=30
    ) as admin:
        while (await admin.get(f"/sessions/{session_id}")).json()["status"] != "completed":
            await asyncio.sleep(0.05)
        async with httpx.AsyncClient(base_url=f"{node.url}/api/v1", auth=seller) as own:
            taken = await own.get(f"/users/{user_id}/export")
        assert taken.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(taken.content)) as archive:
            assert archive.testzip() is None
            assert json.loads(archive.read("profile.json"))["id"] == user_id
            (consent,) = json.loads(archive.read("consents.json"))
            assert consent["sessionId"] == session_id
            call = f"calls/{session_id}"
            events = json.loads(archive.read(f"{call}/events.json"))
            assert events[-1]["data"]["state"] == "completed"
            assert archive.read(f"{call}/recording.ogg").startswith(b"OggS")
        assert (await admin.delete(f"/users/{user_id}")).status_code == 204
        for path in (f"/users/{user_id}", f"/sessions/{session_id}"):
            assert (await admin.get(path)).status_code == 404
        until = asyncio.get_running_loop().time() + 10
        while left := list(node.data.rglob(f"*{session_id}*")):
            assert asyncio.get_running_loop().time() < until, left
            await asyncio.sleep(0.05)
    with sqlite3.connect(node.data / "store.db") as store:
        rows = [row for row in store.iterdump() if user_id in row or session_id in row]
    assert rows
    assert [row[:80] for row in rows if 'INTO "audit_log"' not in row] == []
    stack.use_loopback(False)
