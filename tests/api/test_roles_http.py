"""The role table, cell by cell, as a running node enforces it.

Each endpoint is asked by each role about what is one's own, a colleague's of one's team, another
team's, and another dealership's. The body is left out: who may not is told so before a body is
read; who may hears of the missing body, or gets the answer.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from api.app import ENDPOINTS
from api.auth.roles import ROLES, TABLE, Actor, Owner, Role, allows, reach
from api.endpoint import NOWHERE, OPEN, Endpoint
from api.ids import new_id
from engine import playbook
from tests.api.seeds import Person, Seeds
from tests.node import Node

GUARDED = [each for each in ENDPOINTS if each.action != OPEN]
THINGS = (
    r"/(users|sessions|teams|annotations|assignments|uploads|batches|jobs|subscribers|webhooks|"
    r"vehicles|content)/\{id\}"
)
ABOUT = [each for each in GUARDED if re.match(THINGS, each.path)]
OWN = [each for each in GUARDED if each.owner is not None and each not in ABOUT]
LISTS = [each for each in GUARDED if each.owner is None]
RELATIONS = ("own", "team", "dealership", "elsewhere")


def test_every_endpoint_is_open_or_in_the_table_and_can_say_whose_it_is() -> None:
    assert {each.action for each in GUARDED} <= TABLE.keys()
    assert sorted([*ABOUT, *OWN, *LISTS], key=id) == sorted(GUARDED, key=id)
    nameless = [each.path for each in GUARDED if "{" in each.path and each.owner is None]
    assert nameless == []


def test_what_is_open_to_all_is_known_by_name() -> None:
    opened = {each.path for each in ENDPOINTS if each.action == OPEN}
    assert opened == {
        "/auth/sign-in",
        "/auth/refresh",
        "/auth/sign-out",
        "/auth/reset-requests",
        "/auth/links/inspect",
        "/auth/links/accept",
        "/auth/enrolment",
        "/auth/enrolment/confirm",
        "/catalogues/{language}",
        "/openapi.json",
        "/sessions/{id}/socket",
    }


@dataclass
class World:
    seeds: Seeds
    http: httpx.AsyncClient
    here: str
    elsewhere: str
    team: str
    other_team: str
    foreign_team: str

    async def person(self, role: Role) -> Person:
        return await self.seeds.person(self.here, role, self.team)

    async def other(self, relation: str) -> Person:
        if relation == "elsewhere":
            return await self.seeds.person(self.elsewhere, "salesperson", self.foreign_team)
        team = self.team if relation == "team" else self.other_team
        return await self.seeds.person(self.here, "salesperson", team)

    def team_of(self, relation: str) -> str:
        return {
            "own": self.team,
            "team": self.team,
            "dealership": self.other_team,
            "elsewhere": self.foreign_team,
        }[relation]


@pytest.fixture
async def world(node: Node) -> AsyncIterator[World]:
    async with (
        Seeds(node.data) as seeds,
        httpx.AsyncClient(base_url=f"{node.url}/api/v1", timeout=30) as http,
    ):
        here, elsewhere = await seeds.dealership("Here"), await seeds.dealership("Elsewhere")
        team, other = await seeds.team(here, "One"), await seeds.team(here, "Two")
        foreign = await seeds.team(elsewhere, "Three")
        # The last admin could not be erased or lowered.
        await seeds.person(here, "admin")
        yield World(seeds, http, here, elsewhere, team, other, foreign)


async def target(world: World, each: Endpoint, actor: Person, relation: str) -> tuple[str, Owner]:
    """The id in the path, and whose that is."""
    owner = actor if relation == "own" else await world.other(relation)
    teams = frozenset({world.team_of(relation)})
    if each.path.startswith("/users"):
        return owner.id, Owner(owner.dealership_id, owner.id, teams)
    if each.path.startswith("/teams"):
        team_id = world.team_of(relation)
        if each.method == "DELETE":
            # One that can go without being missed; nobody is in it.
            team_id = await world.seeds.team(owner.dealership_id, new_id())
            return team_id, Owner(owner.dealership_id, None, frozenset({team_id}))
        return team_id, Owner(owner.dealership_id, None, frozenset({team_id}))
    if each.path.startswith("/assignments"):
        assignment_id = await world.seeds.assignment(owner, world.team_of(relation))
        return assignment_id, Owner(owner.dealership_id, owner.id, teams)
    if each.path.startswith("/uploads"):
        upload_id = await world.seeds.upload(owner, world.team_of(relation))
        return upload_id, Owner(owner.dealership_id, owner.id, teams)
    if each.path.startswith("/jobs"):
        job_id = await world.seeds.job(owner, world.team_of(relation))
        return job_id, Owner(owner.dealership_id, owner.id, teams)
    if each.path.startswith("/vehicles"):
        return await world.seeds.vehicle(owner), Owner(owner.dealership_id)
    if each.path.startswith("/content"):
        project_id = await world.seeds.project(owner, world.team_of(relation))
        return project_id, Owner(owner.dealership_id, owner.id, teams)
    if each.path.startswith("/subscribers"):
        return await world.seeds.subscriber(owner), Owner(owner.dealership_id)
    if each.path.startswith("/webhooks"):
        return await world.seeds.webhook(owner), Owner(owner.dealership_id)
    if each.path.startswith("/batches"):
        batch_id = await world.seeds.batch(owner, world.team_of(relation))
        return batch_id, Owner(owner.dealership_id, owner.id, teams)
    session_id = await world.seeds.session(owner, world.team_of(relation))
    if each.path.startswith("/annotations"):
        annotation_id = await world.seeds.annotation(owner, session_id)
        return annotation_id, Owner(owner.dealership_id, owner.id)
    return session_id, Owner(owner.dealership_id, owner.id, teams)


def judged(answer: httpx.Response) -> str:
    """What the guard made of it: allowed, forbidden or absent."""
    if answer.status_code == 403 and answer.json().get("code") == "forbidden":
        return "forbidden"
    if answer.status_code == 404 and answer.json()["detail"] == NOWHERE.detail:
        return "absent"
    assert answer.status_code not in (401, 500, 503), answer.text
    return "allowed"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("each", ABOUT, ids=lambda each: f"{each.method} {each.path}")
async def test_a_cell_says_whose_things_are_reached(
    world: World, each: Endpoint, role: Role
) -> None:
    for relation in RELATIONS:
        actor = await world.person(role)
        thing, owner = await target(world, each, actor, relation)
        path = each.path.replace("{id}", thing).replace("{resource}", "0" * 16)
        path = path.replace("{family}", new_id()).replace("{comment}", new_id())
        path = path.replace("{number}", "1")
        answer = await world.http.request(each.method, path, headers=actor.headers)
        acting = Actor(actor.id, actor.dealership_id, frozenset({world.team}))
        if reach(role, each.action) == "-":
            expected = "forbidden"
        elif relation == "elsewhere":
            expected = "absent"
        else:
            allowed = allows(role, each.action, actor=acting, owner=owner)
            expected = "allowed" if allowed else "forbidden"
        assert judged(answer) == expected, (relation, answer.text[:300])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("each", [*OWN, *LISTS], ids=lambda each: f"{each.method} {each.path}")
async def test_a_cell_says_who_may_ask_at_all(world: World, each: Endpoint, role: Role) -> None:
    actor = await world.person(role)
    await world.seeds.playbook(world.here)
    path = each.path.replace("{id}", new_id()).replace("{digest}", playbook.shipped().digest)
    path = path.replace("{language}", "en").replace("{number}", "1")
    answer = await world.http.request(each.method, path, headers=actor.headers)
    own = Owner(world.here, None if each.path in ("/audit", "/dealership") else actor.id)
    acting = Actor(actor.id, actor.dealership_id)
    allowed = reach(role, each.action) != "-"
    if each.owner is not None:
        allowed = allows(role, each.action, actor=acting, owner=own)
    assert judged(answer) == ("allowed" if allowed else "forbidden"), answer.text[:300]


@pytest.mark.parametrize("each", GUARDED, ids=lambda each: f"{each.method} {each.path}")
async def test_nobody_gets_in_without_a_token(world: World, each: Endpoint) -> None:
    path = re.sub(r"\{(id|family|comment)\}", new_id(), each.path)
    path = path.replace("{digest}", "0" * 16).replace("{resource}", "0" * 16)
    path = path.replace("{language}", "en").replace("{number}", "1")
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer x.y.z"}):
        answer = await world.http.request(each.method, path, headers=headers)
        assert answer.status_code == 401, answer.text
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_lists_show_what_a_role_reaches_and_no_more(world: World) -> None:
    mate, stranger, foreign = [await world.other(each) for each in RELATIONS[1:]]
    people = {"mate": mate, "stranger": stranger, "foreign": foreign}
    for each in people.values():
        await world.seeds.session(each, world.team if each is mate else world.other_team)
    for role, names in (
        ("admin", {"mate", "stranger"}),
        ("manager", {"mate"}),
        ("coach", {"mate"}),
        ("salesperson", set()),
    ):
        actor = await world.person(role)  # type: ignore[arg-type]
        own = await world.seeds.session(actor, world.team)
        answer = await world.http.get("/sessions", params={"limit": 200}, headers=actor.headers)
        items = answer.json()["items"]
        seen = {item["userId"] for item in items}
        assert {name for name, who in people.items() if who.id in seen} == names, role
        assert own in {item["id"] for item in items}
        if role != "salesperson":
            answer = await world.http.get("/users", params={"limit": 200}, headers=actor.headers)
            seen = {item["id"] for item in answer.json()["items"]}
            assert {name for name, who in people.items() if who.id in seen} == names, role
