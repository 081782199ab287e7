"""Assignments: who gets them and may change them, what counts as an attempt, crashes in between."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import completion, leftovers
from api.coaching import attempts
from api.folders import Folder, Folders
from api.ids import new_id
from api.keep import Keep
from api.payloads import sealed_event
from api.store.coaching import Assignment
from api.store.documents import SessionMetrics
from api.told import Told
from engine.events import Event, Objection, Playbook
from tests.api.conftest import CONSENT, Refused
from tests.api.keeping import CONSENT as RECORDED
from tests.api.keeping import DEALER, METRICS, USER, keeping, stored_call
from tests.api.keeping import REFUSED as UNRECORDED
from tests.api.seeds import Person, Seeds
from tests.node import Node

PRICE = "price_too_high"


def due(days: float = 7) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@dataclass
class World:
    seeds: Seeds
    http: httpx.AsyncClient
    dealership: str
    team: str
    other_team: str
    coach: Person
    seller: Person
    stranger: Person

    async def give(self, by: Person, **body: Any) -> httpx.Response:
        own = {
            "userIds": [self.seller.id],
            "title": "Too expensive",
            "objection": PRICE,
            "sessionType": "objection",
            "dueAt": due(),
            "passMark": 70,
        }
        body = {name: value for name, value in (own | body).items() if value is not None}
        return await self.http.post("/assignments", json=body, headers=by.headers)

    async def listed(self, by: Person, **query: Any) -> list[str]:
        answer = await self.http.get("/assignments", params=query, headers=by.headers)
        items = answer.raise_for_status().json()["items"]
        assert answer.json()["total"] == len(items)
        return [item["id"] for item in items]


@pytest.fixture
async def world(node: Node) -> AsyncIterator[World]:
    async with (
        Seeds(node.data) as seeds,
        httpx.AsyncClient(base_url=f"{node.url}/api/v1", timeout=30) as http,
    ):
        here = await seeds.dealership("Here")
        team, other = await seeds.team(here, "One"), await seeds.team(here, "Two")
        coach = await seeds.person(here, "coach", team)
        seller = await seeds.person(here, "salesperson", team)
        stranger = await seeds.person(here, "salesperson", other)
        yield World(seeds, http, here, team, other, coach, seller, stranger)


async def test_each_of_a_team_gets_one_and_is_told(world: World, refused: Refused) -> None:
    mate = await world.seeds.person(world.dealership, "salesperson", world.team)
    made = await world.give(world.coach, userIds=None, teamId=world.team, attemptsAllowed=3)
    assert made.status_code == 201, made.text
    items = {item["userId"]: item for item in made.json()["items"]}
    assert items.keys() == {world.seller.id, mate.id}
    mine = items[world.seller.id]
    assert len({item["batchId"] for item in items.values()}) == 1
    assert (mine["status"], mine["attempts"], mine["attemptsAllowed"]) == ("open", 0, 3)
    assert (mine["isOverdue"], mine["best"], mine["sessions"]) == (False, None, [])
    assert (mine["name"], mine["authorId"]) != ("", world.seller.id)
    inbox = (await world.http.get("/notifications", headers=world.seller.headers)).json()
    (told,) = inbox["items"]
    assert (told["kind"], told["parameters"]["assignmentId"]) == ("assigned", mine["id"])
    # Who sees which.
    other = (await world.give(world.coach, sessionType="pitch", dueAt=due(1))).json()["items"][0]
    admin = await world.seeds.person(world.dealership, "admin")
    assert await world.listed(world.seller) == [other["id"], mine["id"]]
    assert await world.listed(world.seller, userId=mate.id) == []
    assert await world.listed(world.stranger) == []
    assert len(await world.listed(world.coach)) == len(await world.listed(admin)) == 3
    assert await world.listed(world.coach, teamId=world.other_team) == []
    assert await world.listed(admin, userId=mate.id, status="open") == [items[mate.id]["id"]]
    assert await world.listed(admin, status="passed") == []
    path = f"/assignments/{mine['id']}"
    refused(await world.http.get(path, headers=mate.headers), 403)
    assert (await world.http.get(path, headers=world.seller.headers)).json() == mine


async def test_nobody_gives_one_to_people_out_of_reach(world: World, refused: Refused) -> None:
    refused(await world.give(world.seller), 403)
    refused(await world.give(world.coach, userIds=[world.seller.id, world.stranger.id]), 403)
    refused(await world.give(world.coach, userIds=None, teamId=world.other_team), 403)
    for wrong in (
        {"userIds": [new_id()]},
        {"userIds": []},
        {"teamId": world.team},
        {"dueAt": due(-1)},
        {"dueAt": due(800)},
        {"dueAt": "9999-12-31T23:59:59-12:00"},
        {"dueAt": "0001-01-01T00:00:00+12:00"},
        {"passMark": 101},
        {"attemptsAllowed": 51},
        {"title": " "},
        {"sessionType": "dance"},
    ):
        refused(await world.give(world.coach, **wrong), 422)
    assert await world.listed(world.coach) == []
    admin = await world.seeds.person(world.dealership, "admin")
    empty = await world.seeds.team(world.dealership, "Empty")
    refused(await world.give(admin, userIds=None, teamId=empty), 422)


async def test_it_is_changed_at_its_version_and_closed_for_good(
    world: World, refused: Refused
) -> None:
    made = (await world.give(world.coach)).json()["items"][0]
    path = f"/assignments/{made['id']}"
    body = {"dueAt": made["dueAt"], "attemptsAllowed": 2, "passMark": 60}

    async def put(by: Person, tag: str, **more: Any) -> httpx.Response:
        headers = by.headers | {"If-Match": tag}
        return await world.http.put(path, json=body | more, headers=headers)

    refused(await put(world.seller, '"1"'), 403)
    refused(await world.http.put(path, json=body, headers=world.coach.headers), 428)
    changed = await put(world.coach, '"1"')
    assert (changed.json()["attemptsAllowed"], changed.json()["passMark"]) == (2, 60)
    refused(await put(world.coach, '"1"'), 412)
    refused(await put(world.coach, "*", dueAt=due(-1)), 422)
    closed = await put(world.coach, "*", status="cancelled")
    assert closed.json()["status"] == "cancelled"
    assert refused(await put(world.coach, "*"), 409)["code"] == "closed"
    late = await world.seeds.assignment(
        world.seller, world.team, due_at=datetime.now(UTC) - timedelta(days=1)
    )
    answer = await world.http.get(f"/assignments/{late}", headers=world.seller.headers)
    assert (answer.json()["isOverdue"], answer.json()["status"]) == (True, "open")


async def test_a_call_is_begun_for_ones_own_open_assignment(world: World, refused: Refused) -> None:
    own = await world.seeds.assignment(world.seller, world.team)
    closed = await world.seeds.assignment(world.seller, world.team, status="passed")
    others = await world.seeds.assignment(world.stranger, world.other_team)

    async def create(assignment_id: str, kind: str = "objection") -> httpx.Response:
        body = {"sessionType": kind, "assignmentId": assignment_id}
        return await world.http.post("/sessions", json=body, headers=world.seller.headers)

    for wrong in (closed, others, new_id(), "x"):
        told = refused(await create(wrong), 422)
        assert told["errors"][0]["field"] == "assignmentId"
    refused(await create(own, "pitch"), 422)
    made = await create(own)
    assert (made.status_code, made.json()["assignmentId"]) == (201, own)
    path = f"/sessions/{made.json()['id']}"
    (await world.http.put(f"{path}/consent", json=CONSENT, headers=world.seller.headers))
    answer = await world.http.get(path, headers=world.coach.headers)
    assert answer.json()["assignmentId"] == own


async def test_of_a_person_coaching_keeps_what_they_can_take_along_until_they_are_erased(
    world: World, node: Node
) -> None:
    admin = await world.seeds.person(world.dealership, "admin")
    call = await world.seeds.session(world.seller, world.team)
    other = await world.seeds.session(world.coach, world.team)
    boss = await world.seeds.person(world.dealership, "manager", world.team)
    await world.give(world.coach)
    mine: dict[str, Any] = {"kind": "comment", "atMs": 1, "text": "Mine."}
    for by, about, body in (
        (world.seller, call, mine),
        (world.coach, call, {**mine, "text": "Theirs.", "mentions": [world.seller.id]}),
        (boss, other, {**mine, "text": "Of another's call."}),
    ):
        path = f"/sessions/{about}/annotations"
        made = await world.http.post(path, json=body, headers=by.headers)
        assert made.status_code == 201, made.text
    path = f"/sessions/{call}/scorecard"
    card = {"criteria": [{"code": "close", "score": 5, "reason": "Asked."}]}
    await world.http.put(path, json=card, headers=world.coach.headers)
    await world.http.post(f"{path}/publish", headers=world.coach.headers)

    async def taken(who: Person) -> zipfile.ZipFile:
        path = f"/users/{who.id}/export"
        answer = await world.http.get(path, headers=who.headers)
        return zipfile.ZipFile(io.BytesIO(answer.content))

    with await taken(world.seller) as archive:
        (comment,) = json.loads(archive.read("comments.json"))
        assert comment["text"] == "Mine."
        (given,) = json.loads(archive.read("assignments.json"))
        assert given["title"] == "Too expensive"
        about = json.loads(archive.read(f"calls/{call}/coaching.json"))
        assert [each["text"] for each in about["annotations"]] == ["Mine.", "Theirs."]
        assert about["scorecard"]["criteria"][-1]["reason"] == "Asked."
    with await taken(boss) as archive:
        (comment,) = json.loads(archive.read("comments.json"))
        assert comment["text"] == "Of another's call."
    for who in (boss, world.coach, world.seller):
        gone = await world.http.delete(f"/users/{who.id}", headers=admin.headers)
        assert gone.status_code == 204, gone.text
        with sqlite3.connect(node.data / "store.db") as store:
            left = [row for row in store.iterdump() if who.id in row]
        assert [row[:60] for row in left if 'INTO "audit_log"' not in row] == []


# attempts


async def given(keep: Keep, **fields: Any) -> Assignment:
    own: dict[str, Any] = {
        "user_id": USER,
        "author_id": None,
        "batch_id": new_id(),
        "title": "x",
        "session_type": "pitch",
        "due_at": datetime.now(UTC) + timedelta(days=1),
        "pass_mark": 70,
    }
    made = Assignment.new(DEALER, datetime.now(UTC), **own | fields)
    await keep.store.assignments.add(DEALER, made)
    return made


async def attempted(
    keep: Keep,
    assignment: Assignment,
    score: int | None = 50,
    *,
    seconds: float = 40,
    heard: str | None = None,
) -> str:
    """A completed call; returns its id."""
    metrics = SessionMetrics(clarity=score, pace=score)
    session, key = await stored_call(
        keep,
        assignment_id=assignment.id,
        status="completed",
        start_time=datetime.now(UTC),
        duration_ms=round(seconds * 1_000),
        metrics=metrics,
    )
    if heard is not None:
        said = Playbook(objections=[Objection(code=heard, margin=0.2)], span_ms=(0, 9))
        event = Event.of(1, 9, "trainee", said).model_dump()
        sealed = sealed_event(key, DEALER, session.id, event, datetime.now(UTC))
        await keep.store.events.append(DEALER, session.id, [sealed])
    await attempts.on_completed(keep, session)
    return session.id


async def as_is(keep: Keep, assignment: Assignment) -> tuple[str, int, int | None]:
    found = await keep.store.assignments.get(DEALER, assignment.id)
    assert found is not None
    return found.status, found.attempts, found.best


async def test_attempts_are_counted_until_it_is_passed_or_failed(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep:
        one = await given(keep, attempts_allowed=3)
        await attempted(keep, one, seconds=29.9)
        assert await as_is(keep, one) == ("open", 0, None)
        await attempted(keep, one, None)
        await attempted(keep, one, 69)
        assert await as_is(keep, one) == ("open", 2, 69)
        last = await attempted(keep, one, 40)
        assert await as_is(keep, one) == ("failed", 3, 69)
        # Once more, as after a crash, nothing changes.
        session = await keep.store.sessions.get(DEALER, last)
        assert session is not None
        await attempts.on_completed(keep, session)
        assert await as_is(keep, one) == ("failed", 3, 69)
        two = await given(keep, attempts_allowed=1)
        await attempted(keep, two, 70)
        assert await as_is(keep, two) == ("passed", 1, 70)
        await attempted(keep, two, 10)
        assert await as_is(keep, two) == ("passed", 2, 70)


async def test_an_objection_must_have_come_up(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep:
        one = await given(keep, objection=PRICE)
        await attempted(keep, one, 90)
        await attempted(keep, one, 90, heard="just_looking")
        await attempted(keep, one, 60, heard=PRICE)
        assert await as_is(keep, one) == ("open", 3, 90)
        await attempted(keep, one, 70, heard=PRICE)
        assert await as_is(keep, one) == ("passed", 4, 90)


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_a_call_that_is_put_away_is_an_attempt(tmp_path: Path, is_recorded: bool) -> None:
    async with keeping(tmp_path) as keep:
        one = await given(keep)
        consent = RECORDED if is_recorded else UNRECORDED
        session, key = await stored_call(keep, consent, assignment_id=one.id, status="active")
        told = Told()
        told.start_time, told.duration_ms, told.metrics = datetime.now(UTC), 31_000, METRICS
        folder = Folder(tmp_path / "sessions", DEALER, session.id)
        await completion.complete(keep, folder, key, told, is_recorded=is_recorded)
        assert await as_is(keep, one) == ("passed", 1, 80)
        lost, _ = await stored_call(keep, assignment_id=one.id, duration_ms=50_000)
        await completion.complete_lost(keep, lost)
        assert await as_is(keep, one) == ("passed", 2, 80)


async def test_calls_that_end_at_once_are_all_counted(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep:
        one = await given(keep)
        await asyncio.gather(*(attempted(keep, one, 10 * n) for n in range(1, 6)))
        assert await as_is(keep, one) == ("open", 5, 50)


async def test_what_a_crash_left_uncounted_the_next_start_counts(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep:
        one = await given(keep)
        session, _ = await stored_call(
            keep,
            assignment_id=one.id,
            status="completed",
            duration_ms=60_000,
            metrics=SessionMetrics(clarity=75),
        )
        folders = Folders(tmp_path / "sessions")
        folders.prepare()
        folders.of(DEALER, session.id).make()
        for _ in range(2):
            assert await leftovers.clear(keep, folders) == []
            assert await as_is(keep, one) == ("passed", 1, 75)
        assert folders.all() == []
