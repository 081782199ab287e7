"""Which levels count as passed, and one small real run of both ways to forward."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.forward import Run, climb, middle, most_listeners, verdict

pytestmark = pytest.mark.slow

GOOD = Run(
    listeners=150,
    expected=75_000,
    lost=0,
    packets=75_000,
    messages=0,
    p50_ms=2.0,
    p99_ms=8.0,
    cpu_pct=25.0,
    client_cpu_pct=20.0,
    late_p99_ms=0.1,
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "passed"),
        ({"lost": 1}, "packets lost"),
        ({"p99_ms": 20.1}, "too late"),
        ({"p99_ms": float("inf"), "lost": 75_000}, "packets lost"),
        ({"cpu_pct": 90.0}, "too much CPU"),
        ({"client_cpu_pct": 95.0}, "client-limited"),
        ({"late_p99_ms": 20.1, "lost": 1}, "client-limited"),
    ],
)
def test_a_level_passes_only_when_all_holds(changed: dict[str, float], expected: str) -> None:
    assert verdict(replace(GOOD, **changed)) == expected  # type: ignore[arg-type]


def test_the_highest_level_counts_up_to_which_all_passed() -> None:
    levels = [replace(GOOD, listeners=number) for number in (150, 200, 300)]
    assert most_listeners(levels) == 300
    levels[1] = replace(levels[1], lost=1)
    assert most_listeners(levels) == 150
    assert most_listeners(levels[1:]) == 0
    assert most_listeners([]) == 0


def test_of_several_runs_the_median_counts_and_every_lost_packet() -> None:
    runs = [replace(GOOD, p99_ms=p99, lost=lost) for p99, lost in ((5.0, 0), (9.0, 2), (6.0, 1))]
    both = middle(runs)
    assert (both.p99_ms, both.lost, both.expected) == (6.0, 3, 225_000)
    assert verdict(both) == "packets lost"


async def test_real_listeners_hear_every_packet_and_the_events() -> None:
    (run,) = await climb("ours", (3,), 1, 1.0, channels=True)
    assert run.expected >= 40 * 3
    assert run.lost == 0
    assert run.messages > 0
    assert 0 < run.p50_ms <= run.p99_ms


async def test_the_relay_forwards_too() -> None:
    (run,) = await climb("relay", (2,), 1, 1.0)
    assert run.packets > 40
