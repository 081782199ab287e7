"""People of a dealership: what may be done with them, and what must not."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from api.accounts.profile import Profile
from api.accounts.sign_in import SignedIn
from api.identity import Identity
from api.problems import Problem
from api.store.base import Stale
from api.store.documents import Team, User
from tests.api.accounts.conftest import House


async def team(house: House, by: Identity, name: str, *managers: str) -> str:
    made = Team.new(by.dealership_id, house.clock(), name=name, manager_ids=managers)
    await house.services.store.teams.add(by.dealership_id, made)
    for manager in managers:
        house.services.sign_ins.forget(manager)
    return made.id


async def no_calls(dealership_id: str, user_id: str) -> None:
    """Nobody here has spoken."""


async def refused(work: object) -> Problem:
    with pytest.raises(Problem) as raised:
        await work  # type: ignore[misc]
    return raised.value


async def test_a_manager_invites_salespeople_into_own_teams_alone(house: House) -> None:
    admin = await house.admin()
    manager = await house.identity(await house.joined(admin, "mo@north.example", "manager"))
    by_admin = await house.identity(admin)
    own = await team(house, by_admin, "Own", manager.user_id)
    other = await team(house, by_admin, "Other")
    manager = (
        await house.services.sign_ins.standing(
            manager.dealership_id, manager.user_id, manager.family
        )
    ) or manager
    invite = house.services.people.invite
    assert (await refused(invite(manager, "a@x.example", "coach", [own], "en"))).status == 403
    assert (await refused(invite(manager, "a@x.example", "salesperson", [], "en"))).status == 403
    both = [own, other]
    assert (await refused(invite(manager, "a@x.example", "salesperson", both, "en"))).status == 403
    user = await invite(manager, "a@x.example", "salesperson", [own], "en")
    assert user.team_ids == (own,)


async def test_nobody_is_put_into_a_team_that_is_not_there(house: House) -> None:
    admin = await house.identity(await house.admin())
    invite = house.services.people.invite
    assert (await refused(invite(admin, "a@x.example", "coach", ["0" * 24], "en"))).status == 409


async def test_an_address_is_invited_once(house: House) -> None:
    admin = await house.identity(await house.admin())
    invite = house.services.people.invite
    await invite(admin, "a@x.example", "coach", [], "en")
    assert (await refused(invite(admin, "A@X.example", "coach", [], "en"))).code == "email_taken"


async def test_who_is_shut_out_is_out_at_once(house: House) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example", "coach")
    ended: list[tuple[str, str | None]] = []
    house.services.sign_ins.on_ended = lambda user, family: ended.append((user, family))
    by, people = await house.identity(admin), house.services.people
    await people.set_status(by, await house.person(bo), "disabled")
    with pytest.raises(Problem):
        await house.identity(bo)
    assert (bo.user.id, None) in ended
    with pytest.raises(Problem):
        await house.sign_in("bo@north.example")
    await people.set_status(by, await house.person(bo), "active")
    assert isinstance(await house.sign_in("bo@north.example"), SignedIn)


async def test_two_admins_who_shut_each_other_out_leave_one(house: House) -> None:
    ada = await house.admin()
    bo = await house.joined(ada, "bo@north.example", "admin")
    people = house.services.people
    by_ada, by_bo = await house.identity(ada), await house.identity(bo)
    both = await asyncio.gather(
        people.set_status(by_ada, await house.person(bo), "disabled"),
        people.change_role(by_bo, await house.person(ada), "coach"),
        return_exceptions=True,
    )
    assert sum(isinstance(one, User) for one in both) == 1
    count = house.services.store.users.count_active
    assert await count(by_ada.dealership_id, "admin") == 1


async def test_a_change_of_what_was_changed_meanwhile_is_refused(house: House) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example", "coach")
    by, people = await house.identity(admin), house.services.people
    read = await house.person(bo)
    await people.set_profile(by, read, Profile(first_name="Bodil"))
    with pytest.raises(Stale):
        await people.set_profile(by, read, Profile(first_name="Bob"))
    assert house.services.profiles.of(await house.person(bo)).first_name == "Bodil"


async def test_nothing_of_who_is_erased_stays_but_an_id_in_the_audit_log(house: House) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example", "manager")
    by = await house.identity(admin)
    team_id = await team(house, by, "Own", bo.user.id)
    await house.services.post.warn(bo.user, "password_changed")
    await house.services.people.erase(by, await house.person(bo), no_calls)
    store = house.services.store
    found = await store.teams.get(by.dealership_id, team_id)
    assert found is not None
    assert found.manager_ids == ()
    dump = "\n".join(sqlite3.connect(house.data / "store.db").iterdump())
    rows = [line for line in dump.splitlines() if bo.user.id in line]
    assert rows
    assert all('INSERT INTO "audit_log"' in row for row in rows)
    assert "bo@north.example" not in dump


async def test_every_change_is_written_down_with_who_did_it(house: House) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example", "coach")
    by = await house.identity(admin)
    people = house.services.people
    await people.change_role(by, await house.person(bo), "salesperson")
    await people.end_sign_ins(by, await house.person(bo))
    page = await house.services.store.audit.page(by.dealership_id, target_id=bo.user.id)
    entries = sorted(page.items, key=lambda entry: entry.seq)
    told = [(entry.action, entry.actor_id == by.user_id) for entry in entries]
    assert told == [
        ("user.invite", True),
        ("user.join", False),
        ("auth.sign_in", False),
        ("user.change_role", True),
        ("user.end_sign_ins", True),
    ]
