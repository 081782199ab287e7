"""What is said of moments of calls: threads, mentions, what is refused, what goes with its call."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.coaching.annotations import Annotating, AnnotationBody
from api.identity import Identity
from api.keep import Keep
from api.store.documents import User
from engine.events import Event
from tests.api.coaching.staff import Staff, serving
from tests.api.conftest import Refused
from tests.api.keeping import OWNER, begun, calling
from tests.api.seeds import Person, Seeds
from tests.api.store.people import Clock
from tests.node import Node

DURATION_MS = 300_000


@dataclass
class World:
    """A coach, a salesperson and a colleague of their team, and somebody of another one."""

    seeds: Seeds
    http: httpx.AsyncClient
    dealership: str
    team: str
    coach: Person
    seller: Person
    mate: Person
    stranger: Person

    async def call(self, **fields: Any) -> str:
        return await self.seeds.session(self.seller, self.team, **fields)

    async def say(self, by: Person, session_id: str, **body: Any) -> httpx.Response:
        said = {"kind": "comment", "atMs": 4_000, "text": "Well asked."} | body
        path = f"/sessions/{session_id}/annotations"
        return await self.http.post(path, json=said, headers=by.headers)

    async def said(self, by: Person, session_id: str) -> list[dict[str, Any]]:
        path = f"/sessions/{session_id}/annotations"
        answer = await self.http.get(path, headers=by.headers)
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        assert answer.json()["total"] == len(items)
        return items


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
        mate = await seeds.person(here, "salesperson", team)
        stranger = await seeds.person(here, "coach", other)
        yield World(seeds, http, here, team, coach, seller, mate, stranger)


async def test_a_thread_stands_at_its_moment_and_has_one_depth(world: World) -> None:
    call = await world.call()
    later = (await world.say(world.coach, call, atMs=90_000, endMs=95_000)).json()
    first = (await world.say(world.seller, call, text="Was this too early?")).json()
    answer = {"parentId": first["id"], "atMs": 0, "text": "No."}
    second = (await world.say(world.coach, call, **answer)).json()
    deeper = (await world.say(world.seller, call, **answer | {"parentId": second["id"]})).json()
    assert (second["parentId"], deeper["parentId"]) == (first["id"], first["id"])
    assert (second["atMs"], deeper["atMs"]) == (4_000, 4_000)
    items = await world.said(world.coach, call)
    assert [item["id"] for item in items] == [each["id"] for each in (first, second, deeper, later)]
    assert [item["mine"] for item in items] == [False, True, False, True]
    assert items[0]["text"] == "Was this too early?"
    assert items[0]["authorName"]
    assert (items[3]["endMs"], items[3]["kind"], items[3]["version"]) == (95_000, "comment", 1)


async def test_its_author_alone_writes_it_anew_and_names_the_version(
    world: World, refused: Refused
) -> None:
    call = await world.call()
    made = await world.say(world.coach, call)
    path = f"/annotations/{made.json()['id']}"
    assert made.headers["location"] == f"/api/v1{path}"
    body = {"text": "Well asked, and early."}

    async def put(by: Person, tag: str | None) -> httpx.Response:
        headers = by.headers | ({} if tag is None else {"If-Match": tag})
        return await world.http.put(path, json=body, headers=headers)

    refused(await put(world.seller, made.headers["etag"]), 403)
    refused(await put(world.coach, None), 428)
    saved = await put(world.coach, made.headers["etag"])
    assert saved.json()["text"] == body["text"]
    refused(await put(world.coach, made.headers["etag"]), 412)
    body["text"] = " \n"
    refused(await put(world.coach, saved.headers["etag"]), 422)


async def test_a_removed_comment_keeps_its_place_for_its_answers(
    world: World, refused: Refused
) -> None:
    call = await world.call()
    first = (await world.say(world.coach, call)).json()["id"]
    answer = (await world.say(world.seller, call, parentId=first)).json()["id"]
    path = f"/annotations/{first}"
    refused(await world.http.delete(path, headers=world.seller.headers), 403)
    assert (await world.http.delete(path, headers=world.coach.headers)).status_code == 204
    items = await world.said(world.seller, call)
    assert [(item["id"], item["text"]) for item in items] == [
        (first, None),
        (answer, "Well asked."),
    ]
    late = await world.say(world.coach, call, parentId=answer)
    assert refused(late, 409)["code"] == "removed"
    path = f"/annotations/{answer}"
    assert (await world.http.delete(path, headers=world.seller.headers)).status_code == 204
    assert await world.said(world.seller, call) == []


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("atMs", {"atMs": DURATION_MS + 60_000}),
        ("atMs", {"atMs": -1}),
        ("endMs", {"endMs": DURATION_MS + 60_000}),
        ("endMs", {"endMs": 3_999}),
        ("text", {"text": "x" * 50_000}),
        ("text", {"text": " \n\t"}),
        ("text", {"kind": "bookmark", "text": "x" * 201}),
        ("stamp", {"kind": "stamp"}),
        ("stamp", {"stamp": "great"}),
        ("stamp", {"kind": "stamp", "stamp": "terrible"}),
        ("parentId", {"parentId": "0" * 24}),
        ("kind", {"kind": "note", "parentId": "0" * 24}),
        ("mentions", {"mentions": ["0" * 24]}),
        ("mentions", {"mentions": ["0" * 24] * 11}),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_field(
    world: World, refused: Refused, field: str, body: dict[str, Any]
) -> None:
    call = await world.call()
    told = refused(await world.say(world.coach, call, **body), 422)
    assert told["errors"][0]["field"].startswith(field)
    assert await world.said(world.coach, call) == []


async def test_nothing_is_said_of_calls_of_which_nothing_is_kept(
    world: World, refused: Refused
) -> None:
    for fields, code in (
        ({"recording_consent": False}, "unrecorded"),
        ({"data_key": None}, "erased"),
        ({"status": "created"}, "not_begun"),
    ):
        call = await world.call(**fields)
        assert refused(await world.say(world.coach, call), 409)["code"] == code
        assert await world.said(world.coach, call) == []
    other = await world.call()
    parent = (await world.say(world.coach, other)).json()["id"]
    refused(await world.say(world.coach, await world.call(), parentId=parent), 422)


async def test_who_is_mentioned_is_told_and_must_be_able_to_read_it(
    world: World, refused: Refused, node: Node
) -> None:
    call = await world.call()
    path = f"/sessions/{call}/readers"
    answer = await world.http.get(path, headers=world.seller.headers)
    readers = {each["id"]: each["role"] for each in answer.json()["items"]}
    assert readers == {world.seller.id: "salesperson", world.coach.id: "coach"}
    for nobody in (world.stranger, world.mate):
        refused(await world.say(world.coach, call, mentions=[nobody.id]), 422)
    key = {"Idempotency-Key": secrets.token_hex(8)}
    body = {"kind": "note", "atMs": 61_000, "text": "Look.", "mentions": [world.seller.id] * 2}
    path = f"/sessions/{call}/annotations"
    for _ in range(2):
        headers = world.coach.headers | key
        made = await world.http.post(path, json=body, headers=headers)
        assert made.status_code == 201, made.text
    assert made.json()["mentions"] == [world.seller.id]
    change = {"text": "Look here.", "mentions": [world.seller.id, world.coach.id]}
    headers = world.coach.headers | {"If-Match": made.headers["etag"]}
    path = f"/annotations/{made.json()['id']}"
    assert (await world.http.put(path, json=change, headers=headers)).status_code == 200
    for who, count in ((world.seller, 1), (world.coach, 0)):
        inbox = (await world.http.get("/notifications", headers=who.headers)).json()
        assert inbox["total"] == count  # once, and never oneself
    inbox = (await world.http.get("/notifications", headers=world.seller.headers)).json()
    (told,) = inbox["items"]
    assert (told["kind"], told["parameters"]) == (
        "mentioned",
        {"sessionId": call, "atMs": 61_000},
    )
    link = f"/replay#{call}?t=61000"
    async with asyncio.timeout(10):
        while not any(link in mail.read_text() for mail in (node.data / "mail").glob("*.eml")):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("how", ["removed", "withdrawn"])
async def test_what_was_said_goes_with_its_call(world: World, node: Node, how: str) -> None:
    call = await world.call()
    await world.say(world.coach, call, text="Featherstonehaugh")
    card = {"criteria": [{"code": "opening", "score": 3, "reason": "Featherstonehaugh"}]}
    path = f"/sessions/{call}/scorecard"
    done = await world.http.put(path, json=card, headers=world.coach.headers)
    assert done.json()["criteria"][0]["reason"] == "Featherstonehaugh"
    for file in node.data.glob("store.db*"):
        assert b"featherstonehaugh" not in file.read_bytes().lower()
    if how == "removed":
        path = f"/sessions/{call}"
    else:
        await world.seeds.consent(world.seller, call)
        path = f"/sessions/{call}/consent"
    gone = await world.http.delete(path, headers=world.seller.headers)
    assert gone.status_code == 204, gone.text
    with sqlite3.connect(node.data / "store.db") as store:
        for table in ("annotations", "scorecards"):
            assert [
                row for row in store.execute(f"SELECT * FROM {table}") if call in str(row)
            ] == []


async def test_a_call_that_goes_on_is_told_what_is_said_of_it(tmp_path: Path) -> None:
    clock = Clock()
    async with serving(tmp_path, clock) as services:
        staff = await Staff.new(services)
        team = await staff.team("One")
        seller, coach = [
            await staff.person(name, team, role=role)  # type: ignore[arg-type]
            for name, role in (("Bo Lund", "salesperson"), ("Cy Field", "coach"))
        ]
        keep = Keep(services.store, services.blobs, services.vault, services.node)
        async with calling(tmp_path, keep) as calls:
            owner = replace(OWNER, dealership_id=staff.id, user_id=seller.id, team_id=team)
            session_id = await begun(calls, owner=owner)
            heard: list[Event] = []
            followed = calls.follow(staff.id, session_id)
            assert followed is not None
            said = Annotating(services, calls)
            for body in (
                {"kind": "note", "text": "Ask now.", "at_ms": 0},
                {"kind": "stamp", "stamp": "great", "at_ms": 0},
                {"kind": "bookmark", "text": "Here", "at_ms": 0},
            ):
                await said.create(of(coach), session_id, AnnotationBody.model_validate(body))
                clock.pass_by(seconds=1)
                async with asyncio.timeout(5):
                    while (event := await followed.next()).type not in ("note", "bookmark"):
                        pass
                heard.append(event)
            followed.close()
            note, stamp, bookmark = (event.data for event in heard)
            assert (note["text"], note["author"], note["kind"]) == ("Ask now.", "Cy Field", "note")
            assert (stamp["kind"], stamp["stamp"], stamp["authorId"]) == (
                "stamp",
                "great",
                coach.id,
            )
            assert (bookmark["label"], bookmark["author"]) == ("Here", "Cy Field")
            page = await said.page(of(seller), session_id, 0, 10)
            assert [item.text for item in page.items] == ["Ask now.", None, "Here"]


def of(user: User) -> Identity:
    return Identity(
        user.id,
        user.dealership_id,
        user.role,
        frozenset(user.team_ids),
        OWNER.family,
        OWNER.signed_in_at,
    )
