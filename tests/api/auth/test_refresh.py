"""Refresh tokens: what presenting one leads to, at every edge of time."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth import refresh
from api.auth.refresh import Lifetimes, Outcome, Stored, decide

T0 = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
S = timedelta(seconds=1)
H = timedelta(hours=1)
FRESH = Stored(signed_in_at=T0, expires_at=T0 + 12 * H)
USED = replace(FRESH, used_at=T0 + H)


@pytest.mark.parametrize(
    ("stored", "after", "outcome"),
    [
        (None, 0 * S, "unknown"),
        (FRESH, 0 * S, "rotate"),
        (FRESH, 12 * H - S, "rotate"),
        (FRESH, 12 * H, "expired"),
        (FRESH, 13 * H, "expired"),
        (replace(FRESH, expires_at=T0 + 900 * H), timedelta(days=30) - S, "rotate"),
        (replace(FRESH, expires_at=T0 + 900 * H), timedelta(days=30), "expired"),
        (USED, H, "grace"),
        (USED, H + 10 * S, "grace"),
        (USED, H + 11 * S, "reuse"),
        (USED, H - 5 * S, "grace"),
        (USED, H - 11 * S, "reuse"),
        (USED, 40 * H, "reuse"),
        (replace(FRESH, revoked_at=T0), 0 * S, "revoked"),
        (replace(USED, revoked_at=T0 + H), H + S, "revoked"),
        (replace(USED, revoked_at=T0 + H), 30 * H, "revoked"),
        (replace(FRESH, expires_at=T0, used_at=T0 - S), S, "grace"),
    ],
)
def test_presenting_a_token(stored: Stored | None, after: timedelta, outcome: Outcome) -> None:
    assert decide(stored, T0 + after, Lifetimes()) == outcome


class Table:
    """The sign-ins of one person, kept as a store keeps them: by digest."""

    def __init__(self) -> None:
        self.rows: dict[str, Stored] = {}
        self.key = os.urandom(32)
        self.lifetimes = Lifetimes()

    def sign_in(self, now: datetime) -> str:
        token = refresh.new_token()
        self.rows[refresh.digest_of(token)] = Stored(now, self.lifetimes.expires_at(now, now))
        return token

    def present(self, token: str, now: datetime) -> tuple[Outcome, str | None]:
        digest = refresh.digest_of(token)
        stored = self.rows.get(digest)
        outcome = decide(stored, now, self.lifetimes)
        successor = refresh.successor_of(token, self.key)
        if outcome == "rotate":
            assert stored is not None
            self.rows[digest] = replace(stored, used_at=now)
            expires_at = self.lifetimes.expires_at(stored.signed_in_at, now)
            self.rows[refresh.digest_of(successor)] = Stored(stored.signed_in_at, expires_at)
        if outcome == "reuse":
            self.rows = {key: replace(row, revoked_at=now) for key, row in self.rows.items()}
        return outcome, successor if outcome in ("rotate", "grace") else None


def test_two_tabs_that_race_get_the_same_successor_and_both_go_on() -> None:
    table = Table()
    token = table.sign_in(T0)
    first = table.present(token, T0 + H)
    second = table.present(token, T0 + H + 3 * S)
    assert first[0] == "rotate"
    assert second == ("grace", first[1])
    assert first[1] is not None
    assert table.present(first[1], T0 + 2 * H)[0] == "rotate"


def test_a_stolen_token_ends_the_sign_in_for_the_thief_and_the_owner() -> None:
    table = Table()
    token = table.sign_in(T0)
    _, thiefs = table.present(token, T0 + H)
    assert table.present(token, T0 + 2 * H) == ("reuse", None)
    assert thiefs is not None
    assert table.present(thiefs, T0 + 2 * H) == ("revoked", None)


@given(st.lists(st.integers(1, 11 * 3600), min_size=1, max_size=150))
def test_a_sign_in_in_use_lasts_thirty_days_and_no_longer(gaps_s: list[int]) -> None:
    table, now = Table(), T0
    token = table.sign_in(now)
    for gap_s in gaps_s:
        now += gap_s * S
        outcome, successor = table.present(token, now)
        if now < T0 + timedelta(days=30):
            assert outcome == "rotate"
            assert successor is not None
            token = successor
        else:
            assert outcome == "expired"
            break


def test_successors_differ_by_token_and_by_key_and_look_like_tokens() -> None:
    token, other, key = refresh.new_token(), refresh.new_token(), os.urandom(32)
    made = {
        refresh.successor_of(token, key),
        refresh.successor_of(other, key),
        refresh.successor_of(token, os.urandom(32)),
        token,
        other,
    }
    assert len(made) == 5
    assert all(refresh.is_token(each) for each in made)
    assert refresh.successor_of(token, key) == refresh.successor_of(token, key)


@pytest.mark.parametrize(
    "text", ["", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 43 + "\n", "é" * 43]
)
def test_what_is_not_shaped_like_a_token_is_told(text: str) -> None:
    assert not refresh.is_token(text)


def test_the_digest_tells_nothing_of_the_token() -> None:
    token = refresh.new_token()
    assert len(refresh.digest_of(token)) == 64
    assert token not in refresh.digest_of(token)


@pytest.mark.parametrize(
    ("idle", "absolute"), [(14 / 60, 24), (0, 24), (13, 12), (12, 91 * 24), (-1, -1)]
)
def test_lifetimes_that_make_no_sense_are_refused(idle: float, absolute: float) -> None:
    with pytest.raises(ValueError, match="a sign-in lasts"):
        Lifetimes(idle * H, absolute * H)


def test_the_defaults_are_twelve_hours_and_thirty_days() -> None:
    assert Lifetimes() == Lifetimes(12 * H, 720 * H)


def test_a_family_tells_when_it_began() -> None:
    family = f"{int(T0.timestamp()):08x}" + "ab" * 8
    assert refresh.began_at(family) == T0
