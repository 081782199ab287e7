"""Signing in, staying signed in, signing out."""

from __future__ import annotations

import asyncio

import pyotp
import pytest

from api.accounts.sign_in import KNOWN_FOR_S, Client, CodeNeeded, EnrolmentNeeded, SignedIn
from api.auth.limits import TooMany
from api.problems import Problem
from tests.api.accounts.conftest import HERE, PASSWORD, House


async def refused(house: House, *given: str) -> Problem:
    with pytest.raises(Problem) as raised:
        await house.sign_in(*given)
    return raised.value


async def second_factor(house: House, signed_in: SignedIn) -> tuple[str, list[str]]:
    """Set up: the secret and the recovery codes."""
    account, identity = house.services.account, await house.identity(signed_in)
    made = await account.set_up_second_factor(identity, PASSWORD, HERE)
    code = pyotp.TOTP(made.secret).at(house.clock())
    return made.secret, await account.confirm_second_factor(identity, code, HERE)


async def test_the_right_password_signs_in(house: House) -> None:
    await house.admin()
    signed_in = await house.sign_in(" Ada@North.example ")
    assert isinstance(signed_in, SignedIn)
    identity = await house.identity(signed_in)
    assert (identity.role, identity.user_id) == ("admin", signed_in.user.id)


async def test_a_wrong_password_and_an_unknown_address_answer_alike(house: House) -> None:
    await house.admin()
    wrong = await refused(house, "ada@north.example", "a horse with eight lives")
    nobody = await refused(house, "eve@north.example", PASSWORD)
    assert wrong.status == nobody.status == 401
    assert wrong.detail == nobody.detail


async def test_who_was_invited_and_has_not_come_cannot_sign_in(house: House) -> None:
    admin = await house.identity(await house.admin())
    await house.services.people.invite(admin, "bo@north.example", "coach", [], "en")
    assert (await refused(house, "bo@north.example", "")).status == 401


async def test_guessing_is_stopped_and_is_told_when_to_come_back(house: House) -> None:
    await house.admin()
    for _ in range(10):
        await refused(house, "ada@north.example", "not the password")
    with pytest.raises(TooMany) as raised:
        await house.sign_in("ada@north.example")
    assert 0 < int(raised.value.headers["Retry-After"]) <= 900
    elsewhere = Client("198.51.100.9")
    sign_ins = house.services.sign_ins
    assert isinstance(
        await sign_ins.with_password("ada@north.example", PASSWORD, "", elsewhere), SignedIn
    )


async def test_a_code_is_asked_for_and_works_once(house: House) -> None:
    secret, _ = await second_factor(house, await house.admin())
    assert isinstance(await house.sign_in("ada@north.example"), CodeNeeded)
    house.clock.pass_by(seconds=30)
    code = pyotp.TOTP(secret).at(house.clock())
    assert isinstance(await house.sign_in("ada@north.example", PASSWORD, code), SignedIn)
    again = await refused(house, "ada@north.example", PASSWORD, code)
    assert (again.status, again.code) == (401, "wrong_code")


async def test_the_code_that_set_it_up_does_not_sign_in(house: House) -> None:
    secret, _ = await second_factor(house, await house.admin())
    code = pyotp.TOTP(secret).at(house.clock())
    assert (await refused(house, "ada@north.example", PASSWORD, code)).code == "wrong_code"


async def test_of_two_who_show_one_code_at_once_one_comes_in(house: House) -> None:
    secret, _ = await second_factor(house, await house.admin())
    house.clock.pass_by(seconds=60)
    code = pyotp.TOTP(secret).at(house.clock())
    both = await asyncio.gather(
        *(house.sign_in("ada@north.example", PASSWORD, code) for _ in range(2)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, SignedIn) for one in both) == 1


async def test_a_recovery_code_works_once(house: House) -> None:
    _, codes = await second_factor(house, await house.admin())
    assert len(codes) == 10
    assert isinstance(await house.sign_in("ada@north.example", PASSWORD, codes[3]), SignedIn)
    assert (await refused(house, "ada@north.example", PASSWORD, codes[3])).code == "wrong_code"
    lower = codes[4].lower().replace("-", " ")
    assert isinstance(await house.sign_in("ada@north.example", PASSWORD, lower), SignedIn)


async def test_a_role_that_must_have_a_second_factor_gets_one_before_it_comes_in(
    house: House,
) -> None:
    await house.admin()
    dealership = (await house.services.store.dealerships.every())[0]
    policy = dealership.policy.model_copy(update={"totp_required": ("admin",)})
    changed = dealership.changed(house.clock(), policy=policy)
    await house.services.store.dealerships.save(dealership.id, changed)
    needed = await house.sign_in("ada@north.example")
    assert isinstance(needed, EnrolmentNeeded)
    entrance = house.services.entrance
    secret = await entrance.enrolment(needed.user)
    made = await entrance.set_up(secret)
    with pytest.raises(Problem) as raised:
        await entrance.confirm(secret, "000000", HERE)
    assert raised.value.status == 422
    code = pyotp.TOTP(made.secret).at(house.clock())
    signed_in, codes = await entrance.confirm(secret, code, HERE)
    assert len(codes) == 10
    assert (await house.identity(signed_in)).role == "admin"
    with pytest.raises(Problem) as raised:
        await entrance.set_up(secret)
    assert raised.value.status == 410


async def test_a_refresh_token_is_used_up_by_its_use(house: House) -> None:
    first = await house.admin()
    second = await house.services.sign_ins.renew(first.refresh_token, HERE)
    assert second.refresh_token != first.refresh_token
    third = await house.services.sign_ins.renew(second.refresh_token, HERE)
    assert (await house.identity(third)).family == (await house.identity(first)).family


async def test_two_tabs_that_renew_at_once_get_the_same_successor(house: House) -> None:
    first = await house.admin()
    renew = house.services.sign_ins.renew
    tabs = await asyncio.gather(*(renew(first.refresh_token, HERE) for _ in range(5)))
    assert len({tab.refresh_token for tab in tabs}) == 1
    house.clock.pass_by(seconds=9)
    late = await renew(first.refresh_token, HERE)
    assert late.refresh_token == tabs[0].refresh_token


async def test_a_refresh_token_that_is_used_again_ends_the_sign_in(house: House) -> None:
    first = await house.admin()
    second = await house.services.sign_ins.renew(first.refresh_token, HERE)
    house.clock.pass_by(seconds=11)
    for token in (first.refresh_token, second.refresh_token):
        with pytest.raises(Problem) as raised:
            await house.services.sign_ins.renew(token, HERE)
        assert raised.value.status == 401
    with pytest.raises(Problem):
        await house.identity(second)
    audit = await house.services.store.audit.page(first.user.dealership_id, action="auth.reuse")
    assert audit.total == 1


async def test_a_sign_in_ends_unused_and_after_its_time(house: House) -> None:
    signed_in = await house.admin()
    house.clock.pass_by(hours=12, seconds=1)
    with pytest.raises(Problem):
        await house.services.sign_ins.renew(signed_in.refresh_token, HERE)
    again = await house.sign_in("ada@north.example")
    assert isinstance(again, SignedIn)
    token = again.refresh_token
    for _ in range(65):
        house.clock.pass_by(hours=11)
        token = (await house.services.sign_ins.renew(token, HERE)).refresh_token
    house.clock.pass_by(hours=11)
    with pytest.raises(Problem):
        await house.services.sign_ins.renew(token, HERE)


async def test_signing_out_ends_one_sign_in_at_once(house: House) -> None:
    here = await house.admin()
    there = await house.sign_in("ada@north.example")
    assert isinstance(there, SignedIn)
    await house.services.sign_ins.sign_out(here.refresh_token)
    with pytest.raises(Problem) as raised:
        await house.identity(here)
    assert raised.value.status == 401
    with pytest.raises(Problem):
        await house.services.sign_ins.renew(here.refresh_token, HERE)
    await house.identity(there)


async def test_signing_out_everywhere_ends_all_and_a_new_sign_in_works(house: House) -> None:
    here = await house.admin()
    there = await house.sign_in("ada@north.example")
    assert isinstance(there, SignedIn)
    identity = await house.identity(here)
    await house.services.people.end_sign_ins(identity, await house.person(here))
    for each in (here, there):
        with pytest.raises(Problem):
            await house.identity(each)
        with pytest.raises(Problem):
            await house.services.sign_ins.renew(each.refresh_token, HERE)
    fresh = await house.sign_in("ada@north.example")
    assert isinstance(fresh, SignedIn)
    await house.identity(fresh)


async def test_a_changed_role_holds_at_once_whatever_the_token_says(house: House) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example", "coach")
    assert (await house.identity(bo)).role == "coach"
    by = await house.identity(admin)
    await house.services.people.change_role(by, await house.person(bo), "salesperson")
    assert (await house.identity(bo)).role == "salesperson"


async def test_what_another_node_ended_is_noticed_within_two_seconds(house: House) -> None:
    signed_in = await house.admin()
    await house.identity(signed_in)
    tokens = house.services.store.tokens
    await tokens.revoke_of_user(signed_in.user.dealership_id, signed_in.user.id)
    assert KNOWN_FOR_S < 2
    await asyncio.sleep(KNOWN_FOR_S + 0.1)
    with pytest.raises(Problem):
        await house.identity(signed_in)


async def test_a_sign_in_that_is_ended_while_it_renews_stays_ended(house: House) -> None:
    for _ in range(10):
        signed_in = await house.sign_in("ada@north.example") if _ else await house.admin()
        assert isinstance(signed_in, SignedIn)
        sign_ins = house.services.sign_ins
        renewed, _ended = await asyncio.gather(
            sign_ins.renew(signed_in.refresh_token, HERE),
            sign_ins.sign_out(signed_in.refresh_token),
            return_exceptions=True,
        )
        user = signed_in.user
        family = (signed_in.access.claims).family
        assert not await house.services.store.tokens.is_live(user.dealership_id, user.id, family)
        if isinstance(renewed, SignedIn):
            with pytest.raises(Problem):
                await house.identity(renewed)
