"""Does a node stay as it was: memory, tasks, threads, descriptors under calls that come and go.

A real node, recognizer included; 20 callers, each making one call after another of a seeded random
length. Most end by `end`, some by DELETE, some are killed without a word (their line is cut first),
some lose their line, come back with the resume token and then end. One call in ten reads aloud; the
others send the noise of a quiet room: two cores cannot recognise 20 people who speak at once, and
what is not voiced goes the same way up to the recognizer.

Like is compared with like: medians over a minute of the same churn; and the node without any call,
before the first one and after the last, when every task and descriptor of a call must be gone.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

from api.account_client import Account
from api.child import NodeProcess
from benchmarks import admin, cpu, vitals
from benchmarks.caller import Caller, CallError
from benchmarks.fec import encode
from benchmarks.impairment import Impairment, relay
from benchmarks.reading import clips
from benchmarks.report import Figure, Report
from benchmarks.vitals import Vitals
from signaling import stack
from signaling.publisher import RATE, PublishError, load_audio

BASELINE_S = (240.0, 300.0)
MINUTE_S = 60.0
SPEAKING = 0.1
"""Share of the calls that are speech."""
ENDS = {"end": 0.5, "delete": 0.2, "killed": 0.15, "resumed": 0.15}
"""How calls go, and how often."""
AWAY_S = 2.0
"""From losing the line to coming back."""
ROOM_DBFS = -60.0
IDLE_WITHIN_S = 30.0
SEED = 2026


@dataclass(frozen=True, slots=True)
class Load:
    """`callers` calls at a time for `seconds`; each lives between `shortest_s` and `longest_s`.
    The node is looked at every `sample_s`."""

    seconds: float
    callers: int
    shortest_s: float
    longest_s: float
    sample_s: float


FULL = Load(600.0, 20, 20.0, 60.0, 5.0)
QUICK = Load(18.0, 6, 3.0, 8.0, 1.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """One call of the churn."""

    lives_s: float
    way: str
    speaks: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """The node at one time; `tasks` and `live` as /healthz tells them."""

    at_s: float
    node: Vitals
    recognizer: Vitals
    tasks: int
    live: int

    @property
    def rss_mb(self) -> float:
        return self.node.rss_mb + self.recognizer.rss_mb


@dataclass(slots=True)
class Tally:
    """What became of the calls."""

    calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    lost: list[Caller] = field(default_factory=list)


def plans(seed: int, load: Load) -> Iterator[Plan]:
    """The calls of one caller, without end."""
    source = random.Random(seed)

    def plan(_: int) -> Plan:
        (way,) = source.choices(list(ENDS), list(ENDS.values()))
        lives_s = source.uniform(load.shortest_s, load.longest_s)
        return Plan(lives_s, way, source.random() < SPEAKING)

    return map(plan, itertools.count())


def run(quick: bool) -> Report:
    """10 minutes of 20 calls, or half a minute of 6 when quick."""
    stack.use_loopback(True)
    load = QUICK if quick else FULL
    noise = np.random.default_rng(SEED).normal(0, 32768 * 10 ** (ROOM_DBFS / 20), 20 * RATE)
    sounds = {
        True: encode(load_audio(clips()["two_cities"])),
        False: encode(noise.astype(np.int16)),
    }
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as data:
        # What is asked is whether anything is left behind, not how many are let in.
        node = NodeProcess(Path(data), environment={"FORECOURT_ASR_ADMISSION": "off"})
        node.start()
        try:
            return _report(*asyncio.run(_soak(node, admin.of(node), load, sounds)), load)
        finally:
            node.stop()


async def _soak(
    node: NodeProcess, account: Account, load: Load, sounds: dict[bool, list[bytes]]
) -> tuple[list[Sample], Sample, Sample, Tally, dict[str, float]]:
    """(samples of the churn, idle before, idle after, what became of the calls, CPU shares)."""
    # What a node loads with its first calls is no growth: one of each way first.
    warm = [Plan(2.0, way, way == "end") for way in ENDS]
    tally = Tally()
    began_s = time.monotonic()
    # The watcher has a connection of its own: the callers' are closed when the node is looked at.
    async with httpx.AsyncClient(base_url=node.url, timeout=15) as watch:
        async with httpx.AsyncClient(base_url=node.url, auth=account, timeout=15) as http:
            await asyncio.gather(*(_one(account, http, p, sounds[p.speaks], tally) for p in warm))
            await asyncio.gather(*(_settle(caller, tally) for caller in tally.lost))
        tally.lost.clear()
        before = await _idle(node, watch, began_s)
        pids = {"node": [node.pid], "recognizer": cpu.recognizers_of(node.pid)}
        used_s = {name: sum(map(cpu.used_s, some)) for name, some in pids.items()}
        began_s = time.monotonic()
        async with httpx.AsyncClient(base_url=node.url, auth=account, timeout=15) as http:
            callers = (
                _caller(account, http, number, load, began_s + load.seconds, sounds, tally)
                for number in range(load.callers)
            )
            watching = asyncio.create_task(_watch(node, watch, load, began_s))
            await asyncio.gather(watching, *callers)
            wall_s = time.monotonic() - began_s
            shares = {
                name: (sum(map(cpu.used_s, some)) - used_s[name]) / wall_s
                for name, some in pids.items()
            }
            await asyncio.gather(*(_settle(caller, tally) for caller in tally.lost))
        after = await _idle(node, watch, began_s)
    return watching.result(), before, after, tally, shares


async def _watch(
    node: NodeProcess, http: httpx.AsyncClient, load: Load, began_s: float
) -> list[Sample]:
    samples: list[Sample] = []
    while time.monotonic() < began_s + load.seconds:
        await asyncio.sleep(load.sample_s)
        samples.append(await _sample(node, http, began_s))
    return samples


async def _caller(
    account: Account,
    http: httpx.AsyncClient,
    number: int,
    load: Load,
    until_s: float,
    sounds: dict[bool, list[bytes]],
    tally: Tally,
) -> None:
    """One call after another until the time is over; the last one is cut short."""
    await asyncio.sleep(number * min(0.3, load.shortest_s / load.callers))
    for plan in plans(SEED + number, load):
        left_s = until_s - time.monotonic()
        if left_s < load.shortest_s / 2:
            return
        short = Plan(min(plan.lives_s, left_s), plan.way, plan.speaks)
        await _one(account, http, short, sounds[plan.speaks], tally)


async def _one(
    account: Account,
    http: httpx.AsyncClient,
    plan: Plan,
    payloads: Sequence[bytes],
    tally: Tally,
) -> None:
    tally.calls += 1
    tally.ways[plan.way] += 1
    caller = Caller(account, http)
    try:
        await _live(caller, plan, payloads, tally)
    except (CallError, PublishError, httpx.HTTPError, TimeoutError, ConnectionError) as error:
        # A failed call is what is counted here; its kind is told, and the churn goes on.
        tally.failures[f"{plan.way}: {error!r:.120}"] += 1
        await caller.leave()


async def _live(caller: Caller, plan: Plan, payloads: Sequence[bytes], tally: Tally) -> None:
    async with AsyncExitStack() as lines:
        line = None
        if plan.way in ("killed", "resumed"):
            line = await lines.enter_async_context(relay(Impairment()))
        await caller.create()
        await caller.connect(payloads, line)
        await caller.told("active")
        if line is None:
            await asyncio.sleep(plan.lives_s)
        else:
            await asyncio.sleep(plan.lives_s / 2)
            line.impairment.cut = True
        if plan.way == "killed":
            await caller.leave()
            tally.lost.append(caller)
            return
        if plan.way == "resumed":
            await asyncio.sleep(AWAY_S)
            await caller.connect(payloads)
            await asyncio.sleep(plan.lives_s / 2)
        await (caller.delete() if plan.way == "delete" else caller.end())
    view = await caller.view()
    expected_ms = 1000 * plan.lives_s
    if view["status"] != "completed" or not view["hasRecording"]:
        raise CallError(f"{view['status']}, hasRecording {view['hasRecording']}")
    if abs(view["durationMs"] - expected_ms) > 0.2 * expected_ms + 1000 * AWAY_S + 1000:
        raise CallError(f"{view['durationMs']} ms of a call of {expected_ms:.0f} ms")


async def _settle(caller: Caller, tally: Tally) -> None:
    """A killed caller's session must have been noticed; end what is still kept for its return."""
    status = (await caller.view())["status"]
    if status == "active":
        # Killed within the last seconds; it is not yet missed.
        await asyncio.sleep(5)
        status = (await caller.view())["status"]
    if status not in ("interrupted", "completed"):
        tally.failures[f"killed: still {status}"] += 1
    await caller.forget()


async def _sample(node: NodeProcess, http: httpx.AsyncClient, began_s: float) -> Sample:
    health = (await http.get("/healthz")).raise_for_status().json()
    return Sample(
        time.monotonic() - began_s,
        vitals.of(node.pid),
        vitals.of(*cpu.recognizers_of(node.pid)),
        health["process"]["tasks"],
        health["liveCalls"],
    )


async def _idle(node: NodeProcess, http: httpx.AsyncClient, began_s: float) -> Sample:
    """The node once no call is live and what calls leave behind has been put away."""
    until_s = time.monotonic() + IDLE_WITHIN_S
    sample = await _sample(node, http, began_s)
    steady = 0
    while steady < 3:
        if time.monotonic() > until_s:
            break
        await asyncio.sleep(1)
        newer = await _sample(node, http, began_s)
        same = newer.live == 0 and newer.tasks == sample.tasks
        steady = steady + 1 if same and newer.node.descriptors == sample.node.descriptors else 0
        sample = newer
    return sample


@dataclass(frozen=True, slots=True)
class Window:
    """Medians over the samples between two times."""

    rss_mb: float
    node_rss_mb: float
    tasks: float
    threads: float
    descriptors: float
    live: float

    @classmethod
    def of(cls, samples: Sequence[Sample], begin_s: float, end_s: float) -> Window:
        """Raises `ValueError` when there is no sample."""
        chosen = [sample for sample in samples if begin_s <= sample.at_s < end_s]
        if not chosen:
            raise ValueError(f"no sample from {begin_s:.0f} to {end_s:.0f} s")
        return cls(
            statistics.median(sample.rss_mb for sample in chosen),
            statistics.median(sample.node.rss_mb for sample in chosen),
            statistics.median(sample.tasks for sample in chosen),
            statistics.median(sample.node.threads for sample in chosen),
            statistics.median(sample.node.descriptors for sample in chosen),
            statistics.median(sample.live for sample in chosen),
        )


def windows(samples: Sequence[Sample], seconds: float) -> tuple[Window, Window]:
    """What is compared: minute 4 to 5 with the last minute; thirds where the run is too short."""
    if seconds >= BASELINE_S[1] + MINUTE_S:
        first, last = BASELINE_S, (seconds - MINUTE_S, float("inf"))
    else:
        first, last = (seconds / 3, 2 * seconds / 3), (2 * seconds / 3, float("inf"))
    return Window.of(samples, *first), Window.of(samples, *last)


def _report(
    samples: list[Sample],
    before: Sample,
    after: Sample,
    tally: Tally,
    shares: dict[str, float],
    load: Load,
) -> Report:
    first, last = windows(samples, load.seconds)
    growth = round(last.rss_mb - first.rss_mb, 1)
    is_full = load.seconds >= BASELINE_S[1] + MINUTE_S
    figures: dict[str, Figure] = {
        "rss_growth_mb_after_minute_4": growth if is_full else None,
        "rss_growth_mb": growth,
        "node_rss_growth_mb": round(last.node_rss_mb - first.node_rss_mb, 1),
        "rss_first_mb": round(first.rss_mb, 1),
        "tasks_first": first.tasks,
        "tasks_last": last.tasks,
        "threads_first": first.threads,
        "threads_last": last.threads,
        "descriptors_first": first.descriptors,
        "descriptors_last": last.descriptors,
        "tasks_idle_before": before.tasks,
        "tasks_idle_after": after.tasks,
        "threads_idle_before": before.node.threads,
        "threads_idle_after": after.node.threads,
        "descriptors_idle_before": before.node.descriptors,
        "descriptors_idle_after": after.node.descriptors,
        "calls": tally.calls,
        "failed_calls": sum(tally.failures.values()),
        "node_cores": round(shares["node"], 2),
        "recognizer_cores": round(shares["recognizer"], 2),
    }
    if is_full:
        compared = "minute 4 to 5, then the last minute (medians)"
    else:
        compared = "second third, then the last (medians); the full run judges"
    rows = [
        ("Memory", f"{first.rss_mb:.1f} MB, then {last.rss_mb:.1f} MB", compared),
        (
            "of which the node",
            f"{first.node_rss_mb:.1f} MB, then {last.node_rss_mb:.1f} MB",
            "the rest is the recognizer",
        ),
        *(
            (
                name.capitalize(),
                f"{figures[f'{name}_first']:g}, then {figures[f'{name}_last']:g}",
                f"without calls: {figures[f'{name}_idle_before']} before, "
                f"{figures[f'{name}_idle_after']} after",
            )
            for name in ("tasks", "threads", "descriptors")
        ),
        (
            "Calls",
            f"{tally.calls}, {figures['failed_calls']} failed",
            ", ".join(f"{way} {count}" for way, count in sorted(tally.ways.items())),
        ),
        ("Live at the node", f"{first.live:g}, then {last.live:g}", "killed ones wait 60 s"),
        (
            "Cores used",
            f"node {shares['node']:.2f}, recognizer {shares['recognizer']:.2f}",
            f"{load.callers} callers, {100 * SPEAKING:.0f} % of the calls are speech",
        ),
        *(("Failed", str(count), why) for why, count in tally.failures.most_common(10)),
    ]
    return Report("A node under calls that come and go", figures, rows)
