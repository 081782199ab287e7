"""The token bucket."""

from __future__ import annotations

import pytest

from signaling.bucket import Bucket


def test_a_burst_is_taken_at_once_and_then_no_more_than_the_rate() -> None:
    bucket = Bucket(rate_per_s=10, burst=5)
    assert [bucket.take(0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert sum(bucket.take(index / 100) for index in range(1, 1_001)) == pytest.approx(100, abs=1)


def test_it_never_holds_more_than_its_burst() -> None:
    bucket = Bucket(rate_per_s=10, burst=5)
    bucket.take(0.0)
    assert sum(bucket.take(1_000.0) for _ in range(50)) == 5


def test_time_that_runs_backwards_gives_nothing() -> None:
    bucket = Bucket(rate_per_s=1, burst=1)
    assert bucket.take(10.0)
    assert not bucket.take(0.0)
    assert not bucket.take(10.5)


def test_a_cost_is_taken_whole_or_not_at_all() -> None:
    bucket = Bucket(rate_per_s=1, burst=1)
    assert not bucket.take(0.0, 1.5)
    assert bucket.take(0.0, 0.75)
    assert not bucket.take(0.0, 0.5)
    assert bucket.take(0.5, 0.75)
