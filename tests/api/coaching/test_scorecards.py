"""Scorecards: what is proposed and why, drafts, publishing, and two coaches at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.coaching.proposal import MEASURES, Facts, suggest
from api.coaching.rubric import SHIPPED, rubric_of, total_of
from api.store.documents import Dealership, PlaybookRef, SessionMetrics
from engine import playbook
from engine.catalogue import LANGUAGES, catalogue
from engine.events import Playbook as Heard
from tests.api.conftest import Refused
from tests.api.keeping import QUANTITIES
from tests.api.seeds import Person, Seeds
from tests.node import Node

BOOK = playbook.shipped()
SPOKEN = {**QUANTITIES.model_dump(by_alias=True), "speechS": 120.0, "words": 300, "questions": 2}
SCORES = SessionMetrics(confidence=70, clarity=80, pace=90, volume=None)
FACTS = Facts("objection", 300_000, SCORES, SPOKEN, {}, BOOK, ())


def heard(at_ms: int = 0, **data: Any) -> dict[str, Any]:
    return Heard(span_ms=(at_ms, at_ms + 1_000), **data).model_dump(by_alias=True)


STAGES = [heard(20_000 * n, stage=s.code) for n, s in enumerate(BOOK.stages.objection)]
PRICE = heard(objections=[{"code": "price_too_high", "margin": 0.2}])
MUST = [m.code for m in BOOK.must_say if "objection" in m.sessions]
NEVER = heard(never_say="best_price")


@pytest.mark.parametrize(
    ("code", "changes", "mark", "why"),
    [
        ("opening", {"events": (STAGES[0],)}, 5, "opening.reached"),
        ("opening", {"events": (heard(90_000, stage="listen"),)}, 3, "opening.reached"),
        ("opening", {}, 0, "opening.missing"),
        ("opening", {"playbook": None}, None, "no_playbook"),
        ("discovery", {}, 5, "discovery.alone"),
        ("discovery", {"quantities": {**SPOKEN, "questions": 1}}, 2, "discovery.alone"),
        ("discovery", {"quantities": {**SPOKEN, "talkSharePct": 80.0}}, 2, "discovery.together"),
        ("objections", {"events": (PRICE, *STAGES[:3])}, 3, "objections.steps"),
        ("objections", {"session_type": "pitch", "events": (PRICE,)}, None, "objections.heard"),
        ("objections", {"session_type": "pitch"}, None, "objections.none"),
        ("delivery", {}, 4, "delivery.scores"),
        ("delivery", {"feedback_counts": {"too_fast": 5}}, 3, "delivery.many_cues"),
        ("delivery", {"feedback_counts": {"followed": 9}}, 4, "delivery.scores"),
        ("delivery", {"scores": SessionMetrics()}, None, "too_little"),
        ("compliance", {"events": tuple(heard(must_say=m) for m in MUST)}, 5, "compliance.said"),
        (
            "compliance",
            {"events": (*(heard(must_say=m) for m in MUST), NEVER, NEVER)},
            3,
            "compliance.said",
        ),
        ("compliance", {"events": (NEVER,)}, 0, "compliance.said"),
        ("close", {"events": tuple(STAGES)}, 5, "close.reached"),
        ("close", {"events": tuple(STAGES[:-1])}, 2, "close.missing"),
        ("close", {}, 0, "close.missing"),
        ("eye_contact", {}, None, "unmeasured"),
    ],
)
def test_what_is_measured_suggests_a_mark_and_says_why(
    code: str, changes: dict[str, Any], mark: int | None, why: str
) -> None:
    found = suggest(code, replace(FACTS, **changes))
    assert (found.mark, found.why) == (mark, why)
    for language in LANGUAGES:
        told = catalogue(language).text(f"proposal.{why}", **found.parameters)
        assert "{" not in told


@pytest.mark.parametrize("quantities", [None, {**SPOKEN, "speechS": 4.9}])
def test_of_a_call_in_which_little_was_said_nothing_is_proposed(
    quantities: dict[str, float | None] | None,
) -> None:
    for code in MEASURES:
        found = suggest(code, replace(FACTS, quantities=quantities))
        assert (found.mark, found.why) == (None, "too_little")


@given(st.lists(st.tuples(st.integers(1, 100), st.none() | st.integers(0, 5)), max_size=20))
def test_a_total_lies_between_the_worst_and_the_best_mark(
    marks: list[tuple[int, int | None]],
) -> None:
    given_ = [mark for _, mark in marks if mark is not None]
    total = total_of(marks)
    if not given_:
        assert total is None
        return
    assert total is not None
    assert 20 * min(given_) <= total <= 20 * max(given_)
    assert total_of([(100, 5), (100, None)]) == 100
    assert total_of([(30, 5), (10, 1)]) == 80


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_rubric_is_measured_and_has_titles(language: str) -> None:
    now = "2026-11-23T09:30:00Z"
    own = "0" * 24
    made = Dealership.model_validate(
        {"id": own, "dealership_id": own, "name": "x", "language": language}
        | {"created_at": now, "updated_at": now}
    )
    assert {code for code, _ in SHIPPED} == MEASURES.keys()
    assert sum(weight for _, weight in SHIPPED) == 100
    assert all(each.title for each in rubric_of(made))


@dataclass
class World:
    seeds: Seeds
    http: httpx.AsyncClient
    dealership: str
    team: str
    coach: Person
    seller: Person

    async def call(self, **fields: Any) -> str:
        return await self.seeds.session(self.seller, self.team, **fields)

    async def get(self, call: str, by: Person, what: str = "") -> httpx.Response:
        return await self.http.get(f"/sessions/{call}/scorecard{what}", headers=by.headers)

    async def put(
        self, call: str, marks: dict[str, int | None], tag: str | None = None
    ) -> httpx.Response:
        criteria = [{"code": code, "score": score} for code, score in marks.items()]
        headers = self.coach.headers | ({} if tag is None else {"If-Match": tag})
        body = {"criteria": criteria, "comment": "Good."}
        return await self.http.put(f"/sessions/{call}/scorecard", json=body, headers=headers)

    async def publish(self, call: str, **headers: str) -> httpx.Response:
        path = f"/sessions/{call}/scorecard/publish"
        return await self.http.post(path, headers=self.coach.headers | headers)


@pytest.fixture
async def world(node: Node) -> AsyncIterator[World]:
    async with (
        Seeds(node.data) as seeds,
        httpx.AsyncClient(base_url=f"{node.url}/api/v1", timeout=30) as http,
    ):
        here = await seeds.dealership("Here")
        team = await seeds.team(here, "One")
        coach = await seeds.person(here, "coach", team)
        seller = await seeds.person(here, "salesperson", team)
        yield World(seeds, http, here, team, coach, seller)


async def test_a_draft_is_the_coachs_until_it_is_published(world: World, refused: Refused) -> None:
    call = await world.call()
    refused(await world.get(call, world.coach), 404)
    refused(await world.publish(call), 404)
    draft = await world.put(call, {"opening": 4, "close": 2})
    assert (draft.status_code, draft.json()["status"], draft.json()["total"]) == (200, "draft", 60)
    assert [each["score"] for each in draft.json()["criteria"]] == [4, None, None, None, None, 2]
    refused(await world.get(call, world.seller), 404)
    refused(await world.publish(call, **{"If-Match": '"9"'}), 412)
    published = await world.publish(call, **{"If-Match": draft.headers["etag"]})
    assert published.json()["status"] == "published"
    again = await world.publish(call)
    assert (again.status_code, again.json()) == (200, published.json())
    seen = (await world.get(call, world.seller)).json()
    assert (seen["total"], seen["comment"]) == (60, "Good.")
    inbox = (await world.http.get("/notifications", headers=world.seller.headers)).json()
    (told,) = inbox["items"]
    assert (told["kind"], told["parameters"]["total"]) == ("scorecard_published", 60)
    anew = await world.put(call, {"opening": 5}, again.headers["etag"])
    assert (anew.json()["status"], anew.json()["total"]) == ("draft", 100)
    refused(await world.get(call, world.seller), 404)


async def test_of_two_coaches_at_once_one_is_told_to_read_again(
    world: World, refused: Refused
) -> None:
    call = await world.call()
    refused(await world.put(call, {"opening": 4}, '"1"'), 412)
    begun = await asyncio.gather(*(world.put(call, {"opening": mark}) for mark in range(4)))
    (first,) = [answer for answer in begun if answer.status_code == 200]
    # Later ones see that there is one by now, and name no version.
    assert {answer.status_code for answer in begun} <= {200, 412, 428}
    refused(await world.put(call, {"opening": 1}), 428)
    tag = first.headers["etag"]
    changed = await asyncio.gather(*(world.put(call, {"close": mark}, tag) for mark in range(4)))
    assert sorted(answer.status_code for answer in changed) == [200, 412, 412, 412]


async def test_what_cannot_be_judged_is_refused(world: World, refused: Refused) -> None:
    call = await world.call()
    marks = [{"opening": 6}, {"opening": -1}, {"dancing": 3}]
    for wrong in marks:
        refused(await world.put(call, wrong), 422)
    path = f"/sessions/{call}/scorecard"
    twice = {"criteria": [{"code": "close", "score": 1}] * 2}
    refused(await world.http.put(path, json=twice, headers=world.coach.headers), 422)
    assert (await world.put(call, {"opening": None})).json()["total"] is None
    assert refused(await world.publish(call), 409)["code"] == "nothing_judged"
    for fields, code in (
        ({"recording_consent": False}, "unrecorded"),
        ({"data_key": None}, "erased"),
        ({"status": "active"}, "live"),
    ):
        other = await world.call(**fields)
        assert refused(await world.put(other, {"opening": 3}), 409)["code"] == code
        assert refused(await world.get(other, world.coach, "/proposal"), 409)["code"] == code


async def test_a_proposal_tells_what_the_call_was_like(world: World) -> None:
    book = PlaybookRef(id=BOOK.id, version=BOOK.version, digest=BOOK.digest)
    call = await world.call(
        session_type="objection", metrics=SCORES, quantities=SPOKEN, playbook=book
    )
    await world.seeds.playbook_event(world.seller, call, 1, stage="listen", span_ms=(0, 900))
    found = {
        c["code"]: c for c in (await world.get(call, world.coach, "/proposal")).json()["criteria"]
    }
    assert {code: each["proposed"] for code, each in found.items()} == {
        "opening": 5,
        "discovery": 5,
        "objections": 1,
        "delivery": 4,
        "compliance": 0,
        "close": 1,
    }
    assert found["opening"]["why"] == "The stage “Listen” was reached after 0 s."
    silent = await world.call()
    body = (await world.get(silent, world.coach, "/proposal")).json()
    assert {each["proposed"] for each in body["criteria"]} == {None}
    card = (await world.put(call, {"opening": 3})).json()
    assert [each["proposed"] for each in card["criteria"]] == [5, 5, 1, 4, 0, 1]


async def test_a_new_rubric_leaves_scorecards_as_they_were_begun(
    world: World, refused: Refused
) -> None:
    manager = await world.seeds.person(world.dealership, "manager")
    old = await world.call()
    first = await world.put(old, {"opening": 4})
    await world.publish(old)
    now = await world.http.get("/rubric", headers=world.seller.headers)
    assert [each["code"] for each in now.json()["criteria"]] == [code for code, _ in SHIPPED]
    own = {"criteria": [{"code": "smile", "title": "A smile", "weight": 3}]}
    tag = {"If-Match": now.headers["etag"]}
    refused(await world.http.put("/rubric", json=own, headers=manager.headers), 428)
    coach = await world.http.put("/rubric", json=own, headers=world.coach.headers | tag)
    refused(coach, 403)
    twice = {"criteria": own["criteria"] * 2}
    refused(await world.http.put("/rubric", json=twice, headers=manager.headers | tag), 422)
    blank = {"criteria": [{**own["criteria"][0], "title": "\x1c "}]}
    refused(await world.http.put("/rubric", json=blank, headers=manager.headers | tag), 422)
    done = await world.http.put("/rubric", json=own, headers=manager.headers | tag)
    assert done.json() == own
    refused(await world.http.put("/rubric", json=own, headers=manager.headers | tag), 412)
    kept = (await world.get(old, world.coach)).json()
    assert kept["criteria"] == first.json()["criteria"]
    call = await world.call()
    body = (await world.get(call, world.coach, "/proposal")).json()
    assert [each["code"] for each in body["criteria"]] == ["smile"]
    assert "does not measure" in body["criteria"][0]["why"]
    made = (await world.put(call, {"smile": 5})).json()
    assert [(each["sessionId"], each["total"]) for each in made["previous"]] == [(old, 80)]
