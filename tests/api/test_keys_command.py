"""`forecourt keys`: rotation loses nothing, and forgetting never what is still needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from click.testing import CliRunner, Result

from api.auth import keys
from api.cli import main
from api.ids import new_id
from api.store import open_database
from api.store.crypto import Damaged, DataKey
from api.store.documents import TrainingSession, User
from api.store.rewrapping import BATCH, place, rewrap, wrapped_by
from api.store.store import Store
from tests.api.store.people import Clock, Sample

T = TypeVar("T")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
WORDS = b"it is a fine car"


def run(data: Path, *arguments: str) -> Result:
    words = ["keys", "--data", str(data), *arguments]
    return CliRunner().invoke(main, words, catch_exceptions=False)


def ask(data: Path, question: Callable[[Store], Awaitable[T]]) -> T:
    async def asked() -> T:
        store = Store(open_database(f"sqlite:///{data / 'store.db'}"), Clock())
        await store.open()
        try:
            return await question(store)
        finally:
            await store.close()

    return asyncio.run(asked())


def secrets_of(data: Path) -> keys.Secrets:
    return keys.load(data / keys.FILE_NAME)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """More than one batch of people, and sessions of which one was erased; each with its key."""
    secrets, _ = keys.load_or_create(tmp_path / keys.FILE_NAME, NOW)
    sample = Sample(Clock())

    async def fill(store: Store) -> None:
        for _ in range(BATCH + 3):
            user, key = sample.user(), DataKey.new()
            wrapped = secrets.masters().wrap(key, place=place(user))
            profile = key.seal(WORDS, place=f"{place(user)}:profile")
            fields = {"data_key": wrapped, "profile": profile}
            await store.users.add(user.dealership_id, user.model_copy(update=fields))
        for number in range(3):
            session, key = sample.session(), DataKey.new()
            wrapped = secrets.masters().wrap(key, place=place(session))
            fields = {"data_key": wrapped if number else None}
            await store.sessions.add(
                session.dealership_id,
                session.model_copy(
                    update=fields
                    | {"transcript": key.seal(WORDS, place=f"{place(session)}:transcript")}
                ),
            )

    ask(tmp_path, fill)
    return tmp_path


def everything(data: Path) -> tuple[list[User], list[TrainingSession]]:
    async def read(store: Store) -> tuple[list[User], list[TrainingSession]]:
        return await store.users.every(), await store.sessions.every()

    return ask(data, read)


def assert_all_open_with_the_current_key(data: Path) -> None:
    masters = secrets_of(data).masters()
    people, sessions = everything(data)
    assert len(people) == BATCH + 3
    for user in people:
        assert user.data_key is not None
        assert user.profile is not None
        assert masters.key_of(user.data_key) == masters.current
        key = masters.unwrap(user.data_key, place=place(user))
        assert key.open(user.profile, place=f"{place(user)}:profile") == WORDS
    assert [session.data_key is None for session in sessions].count(True) == 1
    for session in sessions:
        if session.data_key is not None:
            assert masters.key_of(session.data_key) == masters.current
            key = masters.unwrap(session.data_key, place=place(session))
            assert session.transcript is not None
            assert key.open(session.transcript, place=f"{place(session)}:transcript") == WORDS


def test_a_new_master_key_wraps_every_data_key_and_the_old_one_can_go(data: Path) -> None:
    old = secrets_of(data).master_keys[0].id
    rotated = run(data, "rotate", "master")
    assert rotated.exit_code == 0
    assert f"{BATCH + 5} data keys wrapped anew" in rotated.output
    assert secrets_of(data).master_keys[0].id != old
    assert_all_open_with_the_current_key(data)
    assert run(data, "rewrap").output == "0 data keys wrapped anew\n"
    assert run(data, "forget", old).output == f"{old} is forgotten\n"
    assert [key.id for key in secrets_of(data).master_keys] != [old]
    assert_all_open_with_the_current_key(data)


def test_a_master_key_that_is_needed_is_not_forgotten(data: Path) -> None:
    old = secrets_of(data).master_keys[0].id
    assert "is the current master key" in run(data, "forget", old).output
    assert "no master key m-none" in run(data, "forget", "m-none").output
    assert run(data, "rotate", "master", "--only-add").exit_code == 0
    refused = run(data, "forget", old)
    assert refused.exit_code == 1
    assert f"still wraps the data keys of {BATCH + 5}" in refused.output
    assert old in [key.id for key in secrets_of(data).master_keys]
    listed = run(data, "list").output
    assert f"{old}  " in listed
    assert f"older, wraps {BATCH + 5}" in listed
    assert "current, wraps 0" in listed


def test_wrapping_anew_goes_on_where_it_was_ended(data: Path) -> None:
    run(data, "rotate", "master", "--only-add")
    masters = secrets_of(data).masters()

    async def half(store: Store) -> None:
        def end(name: str, count: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await rewrap(store, masters, told=end)
        counts = await wrapped_by(store, masters)
        assert 0 < counts[masters.current] < BATCH + 5

    ask(data, half)
    assert run(data, "rewrap").exit_code == 0
    assert_all_open_with_the_current_key(data)


def test_a_session_that_is_erased_meanwhile_gets_no_key_again(data: Path) -> None:
    run(data, "rotate", "master", "--only-add")
    masters = secrets_of(data).masters()

    async def race(store: Store) -> None:
        victim = next(one for one in await store.sessions.every() if one.data_key is not None)
        every = store.sessions.every

        async def then_erase(after: str = "", limit: int = 500) -> list[TrainingSession]:
            found = await every(after, limit)
            await store.sessions.erase(victim.dealership_id, victim.id)
            return found

        store.sessions.every = then_erase  # type: ignore[method-assign]
        assert (await rewrap(store, masters)).failed == ()
        now = await store.sessions.get(victim.dealership_id, victim.id)
        assert now is not None
        assert now.data_key is None

    ask(data, race)


def test_a_key_that_does_not_open_is_named_and_the_others_are_done(data: Path) -> None:
    people, _ = everything(data)
    thief, victim = people[0], people[1]

    async def move(store: Store) -> None:
        moved = thief.changed(NOW, data_key=victim.data_key)
        await store.users.save(thief.dealership_id, moved)

    ask(data, move)
    with pytest.raises(Damaged):
        secrets_of(data).masters().unwrap(str(victim.data_key), place=place(thief))
    told = run(data, "rotate", "master")
    assert told.exit_code == 1
    assert f"{BATCH + 4} data keys wrapped anew" in told.output
    assert f"{thief.id}: its data key opens with no master key here" in told.output
    old = secrets_of(data).master_keys[1].id
    assert "still wraps the data keys of 1" in run(data, "forget", old).output


def test_a_new_signing_key_keeps_the_one_before_it(data: Path) -> None:
    first = secrets_of(data).signing_keys[0].id
    told = run(data, "rotate", "signing")
    assert told.exit_code == 0
    now = [key.id for key in secrets_of(data).signing_keys]
    assert now[1] == first
    assert f"the signing key is now {now[0]}" in told.output
    run(data, "rotate", "signing")
    assert first not in [key.id for key in secrets_of(data).signing_keys]
    assert (data / keys.FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_no_value_of_a_key_is_ever_printed(data: Path) -> None:
    output = run(data, "rotate", "master").output + run(data, "list").output
    output += run(data, "rotate", "signing").output
    for line in (data / keys.FILE_NAME).read_text().splitlines():
        name, _, value = line.partition(" = ")
        if name in ("key", "pepper"):
            assert value.strip('"') not in output


def test_without_secrets_or_a_store_nothing_is_made(tmp_path: Path) -> None:
    for words in (("rotate", "signing"), ("rotate", "master"), ("rewrap",), ("forget", new_id())):
        told = run(tmp_path / "none", *words)
        assert told.exit_code == 1
        assert "secrets.toml" in told.output or "none" in told.output
    assert not (tmp_path / "none").exists()
