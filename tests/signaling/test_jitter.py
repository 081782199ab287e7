"""How long the receive path waits for a missing packet."""

from __future__ import annotations

import numpy as np
import pytest

from signaling.jitter import HOLD_MIN_S, Jitter

TICKS = 960
LIMIT_S = 0.06


def heard(delays_s: list[float], first_timestamp: int = 0, ticks: int = TICKS) -> Jitter:
    """Packets of `ticks`, each delayed by its own time, in order of arrival."""
    jitter = Jitter(LIMIT_S)
    sent = [(i * ticks / 48_000 + delay, i) for i, delay in enumerate(delays_s)]
    for arrival_s, index in sorted(sent):
        jitter.push((first_timestamp + index * ticks) & 0xFFFFFFFF, arrival_s)
    return jitter


def uniform(most_s: float, count: int = 500) -> list[float]:
    return list(np.random.default_rng(5).uniform(0, most_s, count))


def test_before_enough_is_known_the_wait_is_the_longest_allowed() -> None:
    assert heard([0.0] * 10).hold_s(TICKS) == LIMIT_S


def test_on_a_clean_network_it_waits_the_least() -> None:
    assert heard([0.0] * 200).hold_s(TICKS) == HOLD_MIN_S
    assert heard(uniform(0.01)).hold_s(TICKS) == HOLD_MIN_S


def test_it_waits_as_long_as_a_packet_can_be_late_behind_the_next() -> None:
    hold_s = heard(uniform(0.05)).hold_s(TICKS)
    assert hold_s == pytest.approx(0.05 - 0.02 + HOLD_MIN_S, abs=0.003)


def test_shorter_packets_are_overtaken_by_more_and_wait_longer() -> None:
    short = heard(uniform(0.05, 4_000), ticks=120)
    assert short.hold_s(120) > heard(uniform(0.05)).hold_s(TICKS)


def test_it_never_waits_longer_than_the_setting() -> None:
    assert heard(uniform(0.5)).hold_s(TICKS) == LIMIT_S


def test_when_the_network_calms_down_so_does_the_wait() -> None:
    assert heard(uniform(0.05) + [0.0] * 250).hold_s(TICKS) == HOLD_MIN_S


def test_a_wrap_of_timestamps_changes_nothing() -> None:
    calm = heard([0.0] * 200, first_timestamp=0xFFFFFFFF - 100 * TICKS)
    assert calm.hold_s(TICKS) == HOLD_MIN_S
    assert calm.jitter_s == pytest.approx(0, abs=1e-6)


def test_a_break_in_the_stream_is_not_jitter() -> None:
    jitter = heard([0.0] * 200 + [30.0] * 200)
    assert jitter.jitter_s == pytest.approx(0, abs=1e-6)
    assert jitter.hold_s(TICKS) == HOLD_MIN_S
