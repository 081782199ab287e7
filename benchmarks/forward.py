"""How many people can listen to a call on one core?

The node is one process on one core: a room with its session and a published call of real Opus
packets. Its publisher and all listeners are another process on another core of the same machine and
clock; real ICE, DTLS and SRTP lie between. Delay counts from the stamp right before the publisher
encrypts and sends a packet to the moment a listener has decrypted it. Every listener's every packet
is counted; one that has not come `crowd.DRAIN_S` after the window is lost. CPU is the node's, user
and system, in % of one core. aiortc's own way, `MediaRelay` and an encoder for each listener, is
measured in the same run.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, fields
from itertools import takewhile
from statistics import median
from typing import Literal

from benchmarks import cpu
from benchmarks.child import Child, cores
from benchmarks.reading import clips
from benchmarks.report import Figure, Report

FIRST = 150
LEVELS = (FIRST, 200, 300, 400)
QUICK_LEVELS = (FIRST, 200)
RELAYED = 20
RUNS = 3
WINDOW_S = 10.0
QUICK_WINDOW_S = 5.0
SETTLE_S = 1.0
LEVEL_WITHIN_S = 120.0
"""To connect the listeners of a level and to measure it; a child that hangs is an error."""
HANDSHAKES = 4
"""Handshakes at a time."""

DELAY_LIMIT_MS = 20.0
CPU_LIMIT_PCT = 90.0
LATE_LIMIT_MS = 20.0
"""A publisher that is a whole packet late at p99 shares its core with too much else. Delay counts
from when a packet really left, so that bunched packets make the figures worse, never better."""
CLIENT_LIMIT_PCT = 95.0

Kind = Literal["ours", "relay"]
Verdict = Literal["passed", "too late", "packets lost", "too much CPU", "client-limited"]


@dataclass(frozen=True, slots=True)
class Run:
    """One window. `expected` packets are all listeners' together; `messages` over data channels."""

    listeners: int
    expected: int
    lost: int
    packets: int
    messages: int
    p50_ms: float
    p99_ms: float
    cpu_pct: float
    client_cpu_pct: float
    late_p99_ms: float


def verdict(run: Run) -> Verdict:
    """Whether a core does what is asked of it at this number of listeners."""
    if run.late_p99_ms > LATE_LIMIT_MS or run.client_cpu_pct >= CLIENT_LIMIT_PCT:
        return "client-limited"
    if run.lost:
        return "packets lost"
    if run.p99_ms > DELAY_LIMIT_MS:
        return "too late"
    return "too much CPU" if run.cpu_pct >= CPU_LIMIT_PCT else "passed"


def most_listeners(levels: list[Run]) -> int:
    """The highest of ascending `levels` up to which all passed; 0 where the first did not."""
    passed = takewhile(lambda run: verdict(run) == "passed", levels)
    return max((run.listeners for run in passed), default=0)


def middle(runs: list[Run]) -> Run:
    """The median of each figure; what was sent, expected and lost is summed."""
    counts = ("expected", "lost", "packets", "messages")
    names = [field.name for field in fields(Run)]
    values = {name: median(getattr(run, name) for run in runs) for name in names}
    values |= {name: sum(getattr(run, name) for run in runs) for name in counts}
    return Run(**values)


class Rig:
    """A node with one call, and a crowd on the other core that grows."""

    def __init__(self, node: Child, crowd: Child) -> None:
        self._node = node
        self._crowd = crowd
        self._listeners = 0

    async def publish(self) -> None:
        offer = await self._crowd.ask("offer")
        answer = await self._node.ask("publish", **offer)
        await self._crowd.ask("accept", **answer)
        # The node's end is connected a flight of DTLS later than ours.
        await asyncio.sleep(0.2)
        await self._crowd.ask("begin")

    async def grow(self, listeners: int, channels: bool = False) -> None:
        """Connect until there are `listeners`."""
        turns = asyncio.Semaphore(HANDSHAKES)

        async def connect(listener: int) -> None:
            async with turns:
                offer = await self._crowd.ask("join", listener=listener, channels=channels)
                answer = await self._node.ask("listen", **offer)
                await self._crowd.ask("joined", listener=listener, **answer)

        await asyncio.gather(*(connect(one) for one in range(self._listeners, listeners)))
        self._listeners = listeners
        await asyncio.sleep(SETTLE_S)

    async def run(self, window_s: float) -> Run:
        """Measure for `window_s`."""
        node, crowd = self._node, self._crowd
        await node.ask("settle")
        await crowd.ask("open")
        begun_s = time.monotonic()
        used_s = [cpu.used_s(child.pid) for child in (node, crowd)]
        await asyncio.sleep(window_s)
        elapsed_s = time.monotonic() - begun_s
        used_s = [
            cpu.used_s(child.pid) - before
            for child, before in zip((node, crowd), used_s, strict=True)
        ]
        seen = await crowd.ask("close")
        expected = seen["sent"] * self._listeners
        return Run(
            self._listeners,
            expected,
            expected - seen["heard"],
            seen["packets"],
            seen["messages"],
            seen["p50_ms"],
            seen["p99_ms"],
            100 * used_s[0] / elapsed_s,
            100 * used_s[1] / elapsed_s,
            seen["late_p99_ms"],
        )


async def climb(
    kind: Kind, levels: tuple[int, ...], runs: int, window_s: float, channels: bool = False
) -> list[Run]:
    """Measure ascending numbers of listeners, up to the first that does not pass."""
    node_core, crowd_core = cores()
    reached: list[Run] = []
    async with AsyncExitStack() as exits:
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="forecourt-bench-"))
        node = Child.module("benchmarks.forwarder", node_core, kind, folder)
        crowd = Child.module("benchmarks.crowd", crowd_core, str(clips()["two_cities"]))
        await asyncio.gather(*(exits.enter_async_context(one) for one in (node, crowd)))
        rig = Rig(node, crowd)
        async with asyncio.timeout(LEVEL_WITHIN_S):
            await rig.publish()
        for listeners in levels:
            async with asyncio.timeout(LEVEL_WITHIN_S):
                await rig.grow(listeners, channels)
                reached.append(middle([await rig.run(window_s) for _ in range(runs)]))
            if verdict(reached[-1]) != "passed":
                break
    return reached


def run(quick: bool) -> Report:
    """Ours up to the first level that fails, the first with events and meters, aiortc's relay."""
    load = os.getloadavg()[0]
    runs, window_s = (1, QUICK_WINDOW_S) if quick else (RUNS, WINDOW_S)
    ours = asyncio.run(climb("ours", QUICK_LEVELS if quick else LEVELS, runs, window_s))
    (followed,) = asyncio.run(climb("ours", (FIRST,), runs, window_s, channels=True))
    (relay,) = asyncio.run(climb("relay", (RELAYED,), runs, window_s))
    figures: dict[str, Figure] = {
        "listeners_one_core": most_listeners(ours),
        "forward_p50_ms": round(ours[0].p50_ms, 2),
        "forward_p99_ms": round(ours[0].p99_ms, 2),
        "cpu_pct_at_150": round(ours[0].cpu_pct, 1),
        "relay_cpu_pct_at_20": round(relay.cpu_pct, 1),
        "events_cpu_pct_at_150": round(followed.cpu_pct, 1),
        "lost_packets": sum(one.lost for one in ours),
        "events_p99_ms": round(followed.p99_ms, 2),
        "client_cpu_pct": round(max(one.client_cpu_pct for one in ours), 1),
        "client_late_p99_ms": round(max(one.late_p99_ms for one in ours), 2),
    }
    rows = [_row("Forwarded", one) for one in ours]
    rows.append(_row("Forwarded, events and meters too", followed))
    rows.append(
        (
            f"aiortc's MediaRelay, {RELAYED} listeners",
            f"{relay.cpu_pct:.0f} % CPU",
            f"{relay.packets} packets came in {runs * window_s:.0f} s, each encoded again",
        )
    )
    rows.append(("Machine before", f"load {load:.1f}", "other work makes delays longer"))
    return Report("Listeners of one call on one core", figures, rows)


def _row(name: str, run: Run) -> tuple[str, str, str]:
    client = f"client {run.client_cpu_pct:.0f} % CPU, late p99 {run.late_p99_ms:.2f} ms"
    return (
        f"{name}, {run.listeners} listeners",
        f"p50 {run.p50_ms:.2f} ms, p99 {run.p99_ms:.2f} ms, {run.cpu_pct:.0f} % CPU",
        f"{run.lost} of {run.expected} packets lost; {client}: {verdict(run)}",
    )
