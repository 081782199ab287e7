"""Delays are joined by packet, a level must keep all limits, and a real rig loses nothing."""

from __future__ import annotations

from dataclasses import replace

import click.testing
import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.child import Child, ChildError, cores
from benchmarks.generator import PERIOD_NS, offset_ns
from benchmarks.receive import Run, climb, delays_ms, measured, middle, most_calls, verdict

pytestmark = pytest.mark.slow

GOOD = Run(40, 24_000, 0, 0.1, 3.5, 24.0, 0.0, 0.1, 2.0)
MS = 1_000_000


def rows(*of: tuple[int, ...]) -> np.ndarray:
    return np.array(of, np.int64)


def test_a_frame_is_joined_with_the_packet_of_its_call_and_rtp_time():
    sent = rows((0, 960, 10 * MS), (1, 960, 12 * MS), (0, 1920, 30 * MS))
    frames = rows((1, 960, 15 * MS), (0, 1920, 31 * MS), (0, 960, 12 * MS), (7, 960, 1 * MS))
    assert delays_ms(sent, frames).tolist() == [2.0, 3.0, 1.0]


def test_a_packet_without_a_frame_is_infinitely_late():
    sent = rows((0, 960, 10 * MS), (0, 1920, 30 * MS), (3, 960, 30 * MS))
    assert delays_ms(sent, rows((0, 960, 11 * MS))).tolist() == [1.0, np.inf, np.inf]
    assert np.isinf(delays_ms(sent, np.empty((0, 3), np.int64))).all()


def test_the_first_of_two_frames_with_one_rtp_time_counts():
    sent = rows((0, 960, 10 * MS))
    assert delays_ms(sent, rows((0, 960, 12 * MS), (0, 960, 19 * MS))).tolist() == [2.0]


def test_a_frame_ahead_of_its_packet_is_refused():
    with pytest.raises(ValueError, match="before its packet"):
        delays_ms(rows((0, 960, 10 * MS)), rows((0, 960, 9 * MS)))


def test_a_window_counts_lost_frames_into_its_percentiles():
    sent = np.array([(0, 960 * i, 20 * MS * i + 2 * MS, 20 * MS * i) for i in range(1, 101)])
    frames = sent[:97, :3] + [0, 0, 1 * MS]
    run = measured(1, sent, frames, 12.0)
    assert (run.packets, run.lost, run.p50_ms, run.p99_ms) == (100, 3, 1.0, np.inf)
    assert (run.late_p50_ms, run.late_p99_ms, run.late_max_ms) == (2.0, 2.0, 2.0)


def test_several_runs_give_medians_but_no_lost_frame_is_forgotten():
    runs = [replace(GOOD, p99_ms=p99, lost=lost) for p99, lost in ((9.0, 0), (1.0, 1), (2.0, 0))]
    assert middle(runs) == replace(GOOD, p99_ms=2.0, lost=1, packets=72_000)


@pytest.mark.parametrize(
    ("change", "judged"),
    [
        ({}, "passed"),
        ({"p99_ms": 5.01}, "too late"),
        ({"lost": 1}, "frames lost"),
        ({"cpu_pct": 95.0}, "too much CPU"),
        ({"late_p99_ms": 10.01}, "generator-limited"),
        ({"late_p99_ms": 10.01, "lost": 5}, "generator-limited"),
    ],
)
def test_a_level_passes_within_every_limit(change, judged):
    assert verdict(replace(GOOD, **change)) == judged


def test_the_most_calls_are_those_below_the_first_level_that_fails():
    levels = [replace(GOOD, calls=calls) for calls in (40, 120, 160, 200)]
    assert most_calls(levels) == 200
    levels[2] = replace(levels[2], p99_ms=7.0)
    assert most_calls(levels) == 120
    assert most_calls([replace(GOOD, lost=1)]) == 0


@pytest.mark.parametrize("calls", [3, 40, 240])
def test_calls_send_spread_over_the_period(calls):
    at = sorted(offset_ns(call) for call in range(calls))
    gaps = np.diff([*at, at[0] + PERIOD_NS])
    assert gaps.min() > 0
    assert gaps.max() < 3 * PERIOD_NS / calls


@pytest.mark.parametrize("kind", ["media", "full", "stock"])
async def test_every_packet_of_three_calls_becomes_a_frame(kind):
    (run,) = await climb(kind, (3,), 1, 2.0, drain_s=2.0)
    assert run.calls == 3
    assert run.packets >= 290
    assert run.lost == 0
    assert 0 < run.p50_ms <= run.p99_ms
    assert run.cpu_pct > 0


async def test_a_child_that_does_not_start_or_fails_is_reported():
    core = cores()[0]
    with pytest.raises(ChildError, match="ended while starting"):
        async with Child.module("benchmarks.nothing", core):
            pass
    async with Child.module("benchmarks.server", core, "media", "") as server:
        with pytest.raises(ChildError, match="answer: BadOffer"):
            await server.ask("answer", call=0, offer="v=0", first_rtp=0)
        with pytest.raises(ChildError, match="whistle"):
            await server.ask("whistle")


def test_peers_are_refused_where_there_are_none():
    result = click.testing.CliRunner().invoke(main, ["call", "--quick", "--peers"])
    assert result.exit_code == 2
    assert "--peers goes with receive" in result.output
