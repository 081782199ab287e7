"""What links open, and what they do not."""

from __future__ import annotations

import asyncio
import sqlite3

import pyotp
import pytest

from api.accounts.entrance import Newcomer
from api.accounts.sign_in import CodeNeeded, SignedIn
from api.problems import Problem
from tests.api.accounts.conftest import HERE, PASSWORD, House

NEW = "an otter under the bridge"


async def refused(house: House, secret: str, newcomer: Newcomer | None = None) -> Problem:
    with pytest.raises(Problem) as raised:
        await house.services.entrance.accept(secret, newcomer or Newcomer(PASSWORD), HERE)
    return raised.value


async def test_the_first_admins_link_works_once_and_never_beside_an_admin(house: House) -> None:
    links, entrance = house.services.links, house.services.entrance
    older = await links.first_admin()
    newer = await links.first_admin()
    assert older is not None
    assert newer is not None
    ada = Newcomer(PASSWORD, "ada@north.example", "North Motors", "Ada", "Field")
    assert (await refused(house, older, ada)).status == 410
    assert isinstance(await entrance.accept(newer, ada, HERE), SignedIn)
    assert (await refused(house, newer, ada)).status == 410
    assert await links.first_admin() is None


async def test_of_two_who_use_the_first_admins_link_at_once_one_is_it(house: House) -> None:
    secret = await house.services.links.first_admin()
    assert secret is not None
    entrance = house.services.entrance
    both = await asyncio.gather(
        *(
            entrance.accept(secret, Newcomer(PASSWORD, f"{name}@x.example", "North"), HERE)
            for name in ("ada", "eve")
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, SignedIn) for one in both) == 1
    assert len(await house.services.store.dealerships.every()) == 1


@pytest.mark.parametrize("secret", ["", "x", "a" * 43, "\0", "é" * 40, "a" * 5000, "\ud800"])
async def test_what_is_no_secret_opens_nothing(house: House, secret: str) -> None:
    await house.admin()
    assert (await refused(house, secret)).status == 410


async def test_who_is_invited_joins_with_a_name_and_a_password(house: House) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example", "salesperson")
    person = await house.person(bo)
    assert (person.status, person.email_verified) == ("active", True)
    assert house.services.profiles.name(person) == "Bo Lund"
    assert isinstance(await house.sign_in("bo@north.example"), SignedIn)


async def test_an_invitation_ends_by_itself_and_by_the_next_one(house: House) -> None:
    admin = await house.identity(await house.admin())
    people = house.services.people
    bo = await people.invite(admin, "bo@north.example", "coach", [], "en")
    first = await house.mailed_to("bo@north.example")
    await people.invite_again(admin, bo)
    assert (await refused(house, first)).status == 410
    second = await house.mailed_to("bo@north.example")
    house.clock.pass_by(hours=72)
    assert (await refused(house, second)).status == 410


async def test_a_weak_password_does_not_use_the_link_up(house: House) -> None:
    admin = await house.identity(await house.admin())
    await house.services.people.invite(admin, "bo@north.example", "coach", [], "en")
    secret = await house.mailed_to("bo@north.example")
    weak = await refused(house, secret, Newcomer("password1234"))
    assert (weak.status, weak.code) == (422, "weak_password")
    assert isinstance(
        await house.services.entrance.accept(secret, Newcomer(PASSWORD), HERE), SignedIn
    )


async def test_a_new_password_ends_every_sign_in_and_is_told_by_mail(house: House) -> None:
    admin = await house.admin()
    await house.services.entrance.ask_for_reset("ada@north.example")
    secret = await house.mailed_to("ada@north.example")
    assert isinstance(await house.services.entrance.accept(secret, Newcomer(NEW), HERE), SignedIn)
    with pytest.raises(Problem):
        await house.identity(admin)
    with pytest.raises(Problem):
        await house.sign_in("ada@north.example", PASSWORD)
    assert isinstance(await house.sign_in("ada@north.example", NEW), SignedIn)
    assert "was changed" in (await house.mails())[-1][1]
    assert (await refused(house, secret, Newcomer(NEW))).status == 410


async def test_a_new_password_does_not_go_round_the_second_factor(house: House) -> None:
    signed_in = await house.admin()
    account, identity = house.services.account, await house.identity(signed_in)
    made = await account.set_up_second_factor(identity, PASSWORD, HERE)
    code = pyotp.TOTP(made.secret).at(house.clock())
    await account.confirm_second_factor(identity, code, HERE)
    await house.services.entrance.ask_for_reset("ada@north.example")
    secret = await house.mailed_to("ada@north.example")
    accepted = await house.services.entrance.accept(secret, Newcomer(NEW), HERE)
    assert isinstance(accepted, CodeNeeded)


async def test_a_reset_for_nobody_mails_nothing(house: House) -> None:
    await house.admin()
    await house.services.entrance.ask_for_reset("eve@north.example")
    assert await house.mails() == []


async def test_a_new_address_counts_once_its_link_is_followed(house: House) -> None:
    signed_in = await house.admin()
    identity = await house.identity(signed_in)
    account = house.services.account
    await account.change_email(identity, "ada@south.example", PASSWORD, HERE)
    assert (await house.person(signed_in)).email == "ada@north.example"
    secret = await house.mailed_to("ada@south.example")
    assert await house.services.entrance.accept(secret, Newcomer(), HERE) is None
    person = await house.person(signed_in)
    assert (person.email, person.email_verified) == ("ada@south.example", True)


async def test_nobody_takes_an_address_that_another_has(house: House) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example", "coach")
    with pytest.raises(Problem) as raised:
        await house.services.account.change_email(
            await house.identity(bo), "ada@north.example", PASSWORD, HERE
        )
    assert raised.value.code == "email_taken"


async def test_no_secret_password_or_name_stands_in_the_store_as_it_is(house: House) -> None:
    admin = await house.admin()
    await house.joined(admin, "bo@north.example", "salesperson")
    await house.services.entrance.ask_for_reset("bo@north.example")
    secret = await house.mailed_to("bo@north.example")
    dump = "\n".join(sqlite3.connect(house.data / "store.db").iterdump())
    for hidden in (secret, PASSWORD, "Lund", "Field", admin.refresh_token, admin.access.token):
        assert hidden not in dump
