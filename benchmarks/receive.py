"""What does one core do with N published calls: how late are their frames, and what do they cost?

The server is one process on one core, the load (`benchmarks.generator`) another process on another
core of the same machine and clock. Delay counts from the stamp right before a packet is encrypted
and sent to the moment its frame is handed over: to an empty sink, to a room's session (`full`), or
by stock aiortc's `recv()` after PyAV's resampler. A packet whose frame has not come `DRAIN_S` after
the window counts as lost. CPU is the server's, user and system, in % of one core.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks import cpu
from benchmarks.child import Child, cores
from benchmarks.generator import FIRST_RTP
from benchmarks.peers import PEERS
from benchmarks.reading import clips
from benchmarks.report import Figure, Report

CALLS = 40
MEDIA_LEVELS = (120, 160, 200, 240, 280)
FULL_LEVELS = (60, 70, 80)
RUNS = 3
WINDOW_S = 10.0
QUICK_WINDOW_S = 5.0
SETTLE_S = 1.5
DRAIN_S = 0.5
HANDSHAKES = 4
"""Handshakes at a time."""

FLOOD_PER_S = 2_000
"""Packets that one peer sends in the last run: forty times what a microphone needs."""
FLOODER = 1 << 20
"""The number of that peer's call."""

CHANNELS = {"full": ("events", "meters"), "fastrtc": ("text",)}
"""Data channels a client opens, by kind of server: a room sends events and meters over them, and
FastRTC reads no audio without one."""

DELAY_LIMIT_MS = 5.0
CPU_LIMIT_PCT = 95.0
LATE_LIMIT_MS = 10.0
"""A generator later than this at p99, half a packet's time, does not make the load it claims.
Below, its lateness only bunches packets, and delays count from when they were really sent."""

Rows = NDArray[np.int64]
Verdict = Literal["passed", "too late", "frames lost", "too much CPU", "generator-limited"]


@dataclass(frozen=True, slots=True)
class Run:
    """One window. Delays are packet sent -> Frame; `late_*` is the generator's own lateness."""

    calls: int
    packets: int
    lost: int
    p50_ms: float
    p99_ms: float
    cpu_pct: float
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float


def delays_ms(sent: Rows, frames: Rows) -> NDArray[np.float64]:
    """How long after each packet its frame came, in the order of `sent`; infinite where none did.

    Rows begin (call, RTP time, monotonic ns). Raises `ValueError` for a frame ahead of its packet.
    """
    # RTP times are small and positive: see generator.FIRST_RTP
    wanted, had = (rows[:, 0] << 40 | rows[:, 1] for rows in (sent, frames))
    order = np.argsort(had, kind="stable")
    had = had[order]
    at = np.searchsorted(had, wanted)
    found = at < len(had)
    found[found] = had[at[found]] == wanted[found]
    delays = np.full(len(sent), np.inf)
    came_ns = frames[order[at[found]], 2]
    delays[found] = (came_ns - sent[found, 2]) / 1e6
    if (delays < 0).any():
        raise ValueError("a frame came before its packet was sent: the stamps do not match")
    return delays


def measured(calls: int, sent: Rows, frames: Rows, cpu_pct: float) -> Run:
    """One window's figures; rows of `sent` are (call, RTP time, sent ns, due ns)."""
    delays = delays_ms(sent, frames)
    late_ms = (sent[:, 2] - sent[:, 3]) / 1e6
    # A lost frame is infinitely late; "higher" does not interpolate with infinity.
    p50_ms, p99_ms = np.percentile(delays, [50, 99], method="higher")
    late_p50_ms, late_p99_ms = np.percentile(late_ms, [50, 99])
    return Run(
        calls,
        len(sent),
        int(np.isinf(delays).sum()),
        float(p50_ms),
        float(p99_ms),
        cpu_pct,
        float(late_p50_ms),
        float(late_p99_ms),
        float(late_ms.max()),
    )


def middle(runs: list[Run]) -> Run:
    """Medians of several runs; packets and lost frames are summed, the greatest lateness stays."""
    names = ("p50_ms", "p99_ms", "cpu_pct", "late_p50_ms", "late_p99_ms")
    return Run(
        calls=runs[0].calls,
        packets=sum(run.packets for run in runs),
        lost=sum(run.lost for run in runs),
        late_max_ms=max(run.late_max_ms for run in runs),
        **{name: median(getattr(run, name) for run in runs) for name in names},
    )


def verdict(run: Run) -> Verdict:
    """Whether a core does what is asked of it at this number of calls."""
    if run.late_p99_ms > LATE_LIMIT_MS:
        return "generator-limited"
    if run.lost:
        return "frames lost"
    if run.p99_ms > DELAY_LIMIT_MS:
        return "too late"
    return "too much CPU" if run.cpu_pct >= CPU_LIMIT_PCT else "passed"


def most_calls(levels: list[Run]) -> int:
    """The highest of ascending `levels` up to which all passed; 0 where the first did not."""
    passed = takewhile(lambda run: verdict(run) == "passed", levels)
    return max((run.calls for run in passed), default=0)


class Rig:
    """A server and a generator on a core each, with calls between them that go on speaking."""

    def __init__(
        self, server: Child, generator: Child, channels: tuple[str, ...], folder: Path
    ) -> None:
        self._server = server
        self._generator = generator
        self._channels = channels
        self._folder = folder
        self._calls = 0

    async def grow(self, calls: int) -> None:
        """Connect until there are `calls`."""
        turns = asyncio.Semaphore(HANDSHAKES)

        async def connect(call: int) -> None:
            async with turns:
                await self._connect(call)

        await asyncio.gather(*(connect(call) for call in range(self._calls, calls)))
        self._calls = calls
        # The servers' ends are connected a flight of DTLS later than ours.
        await asyncio.sleep(0.2)
        await self._generator.ask("begin")
        await asyncio.sleep(SETTLE_S)

    async def flood(self, packets_per_s: int) -> None:
        """One more call, which is not measured, sends valid packets without measure."""
        await self._connect(FLOODER)
        await asyncio.sleep(0.2)
        await self._generator.ask("flood", packets_per_s=packets_per_s)
        await asyncio.sleep(SETTLE_S)

    async def _connect(self, call: int) -> None:
        offer = await self._generator.ask("offer", call=call, channels=self._channels)
        answer = await self._server.ask("answer", call=call, **offer, first_rtp=FIRST_RTP)
        await self._generator.ask("accept", call=call, answer=answer["answer"])

    async def run(self, window_s: float, drain_s: float) -> Run:
        """Measure for `window_s`; what comes later than `drain_s` after that is lost."""
        sent, frames = self._folder / "sent", self._folder / "frames"
        await self._generator.ask("clear")
        await self._server.ask("clear")
        await asyncio.sleep(0.1)
        begun_ns, used_s = time.monotonic_ns(), cpu.used_s(self._server.pid)
        await asyncio.sleep(window_s)
        used_s = cpu.used_s(self._server.pid) - used_s
        ended_ns = time.monotonic_ns()
        await asyncio.sleep(drain_s)
        await self._server.ask("save", path=str(frames))
        await self._generator.ask("save", path=str(sent))
        packets = np.fromfile(sent, np.int64).reshape(-1, 4)
        inside = (packets[:, 2] >= begun_ns) & (packets[:, 2] < ended_ns)
        return measured(
            self._calls,
            packets[inside],
            np.fromfile(frames, np.int64).reshape(-1, 3),
            100 * used_s * 1e9 / (ended_ns - begun_ns),
        )


async def climb(
    kind: str,
    levels: tuple[int, ...],
    runs: int,
    window_s: float,
    server: Child | None = None,
    drain_s: float = DRAIN_S,
    flooded: bool = False,
) -> list[Run]:
    """Measure ascending numbers of calls, up to the first above `CALLS` that does not pass.

    With `flooded` the first level is measured beside a peer that floods.
    """
    server_core, load_core = cores()
    reached: list[Run] = []
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="forecourt-bench-")))
        if server is None:
            server = Child.module("benchmarks.server", server_core, kind, str(folder))
        wav = str(clips()["two_cities"])
        generator = Child.module("benchmarks.generator", load_core, wav)
        await asyncio.gather(*(exits.enter_async_context(one) for one in (server, generator)))
        rig = Rig(server, generator, CHANNELS.get(kind, ()), folder)
        for calls in levels:
            await rig.grow(calls)
            if flooded:
                await rig.flood(FLOOD_PER_S)
            reached.append(middle([await rig.run(window_s, drain_s) for _ in range(runs)]))
            if calls > CALLS and verdict(reached[-1]) != "passed":
                break
    return reached


def run(quick: bool, peers: bool = False) -> Report:
    """Ours, stock aiortc and ours with sessions at 40 calls; the full run then adds calls.

    With `peers`, other projects at 40 calls too; installing them takes minutes, once.
    """
    load = os.getloadavg()[0]
    runs, window_s = (1, QUICK_WINDOW_S) if quick else (RUNS, WINDOW_S)
    ours = asyncio.run(climb("media", (CALLS, *(() if quick else MEDIA_LEVELS)), runs, window_s))
    stock = asyncio.run(climb("stock", (CALLS,), runs, window_s))
    full = asyncio.run(climb("full", (CALLS, *(() if quick else FULL_LEVELS)), runs, window_s))
    (flooded,) = asyncio.run(climb("media", (CALLS,), runs, window_s, flooded=True))
    everything = [*ours, *stock, *full, flooded]
    figures: dict[str, Figure] = {
        "ours_p50_ms": _rounded(ours[0].p50_ms),
        "ours_p99_ms": _rounded(ours[0].p99_ms),
        "stock_p50_ms": _rounded(stock[0].p50_ms),
        "stock_p99_ms": _rounded(stock[0].p99_ms),
        "ours_cpu_pct_at_40": _rounded(ours[0].cpu_pct),
        "stock_cpu_pct_at_40": _rounded(stock[0].cpu_pct),
        "full_p99_ms": _rounded(full[0].p99_ms),
        "full_cpu_pct_at_40": _rounded(full[0].cpu_pct),
        "flooded_p99_ms": _rounded(flooded.p99_ms),
        "lost_frames_at_40": ours[0].lost + full[0].lost,
        "generator_late_p50_ms": _rounded(max(run.late_p50_ms for run in everything)),
        "generator_late_p99_ms": _rounded(max(run.late_p99_ms for run in everything)),
        "generator_late_max_ms": _rounded(max(run.late_max_ms for run in everything)),
    }
    if not quick:
        figures["max_calls_one_core"] = most_calls(ours)
        figures["full_calls_one_core"] = most_calls(full)
    rows = [_row("Ours, empty sink", run) for run in ours]
    rows += [_row("Stock aiortc", run) for run in stock]
    rows += [_row("Ours, sessions attached", run) for run in full]
    rows.append(_row(f"Ours, beside a peer that sends {FLOOD_PER_S} packets/s", flooded))
    if peers:
        for peer in PEERS:
            server = peer.server(cores()[0])
            (measured_peer,) = asyncio.run(climb(peer.name, (CALLS,), runs, window_s, server))
            figures[f"{peer.name}_p50_ms"] = _rounded(measured_peer.p50_ms)
            figures[f"{peer.name}_p99_ms"] = _rounded(measured_peer.p99_ms)
            figures[f"{peer.name}_cpu_pct_at_40"] = _rounded(measured_peer.cpu_pct)
            rows.append(_row(peer.name, measured_peer))
    rows.append(("Machine before", f"load {load:.1f}", "other work makes delays longer"))
    return Report("Calls received on one core", figures, rows)


def _row(name: str, run: Run) -> tuple[str, str, str]:
    generator = f"generator late p99 {run.late_p99_ms:.2f}, max {run.late_max_ms:.1f} ms"
    return (
        f"{name}, {run.calls} calls",
        f"p50 {run.p50_ms:.2f} ms, p99 {run.p99_ms:.2f} ms, {run.cpu_pct:.0f} % CPU",
        f"{run.lost} of {run.packets} frames lost; {generator}: {verdict(run)}",
    )


def _rounded(value: float) -> float | None:
    return round(value, 2) if np.isfinite(value) else None
