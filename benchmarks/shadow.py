"""What it costs to shadow a call, and how soon a manager hears and sees it.

Two rigs. The first is `benchmarks.forward`'s: a room with its whole session in a process on one
core, its publisher and listeners, with events and meters, on the other. CPU is what the node uses
more than with nobody listening, in % of a core for each listener; the trainee's own media delay
counts from the stamp before a packet is sent to the frame that the session gets.

The second is a whole node and Chromium on the listening page, beside each other on this machine.
An event's delay counts from the trainee's client handing a bookmark to its channel to its arrival
in the page. The sound's counts from the stamp of the packet in which a burst begins to the moment
at which the page's jitter buffer yields it to be played, from 5 s after the page began to play: a
sound card and its loudspeaker come on top. Time to sound counts from the click on "Start
listening", with the page loaded.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Browser, Page, async_playwright

from api.account_client import Account
from api.child import NodeProcess
from benchmarks import admin, chromium
from benchmarks.child import Child, cores
from benchmarks.forward import SETTLE_S, Rig
from benchmarks.generator import FIRST_RTP, FRAME
from benchmarks.reading import clips
from benchmarks.report import Report
from signaling import stack
from signaling.publisher import RATE, Publisher

LISTENERS = 40
WINDOW_S, QUICK_WINDOW_S = 15.0, 5.0
RUNS, QUICK_RUNS = 3, 1
ROUNDS, QUICK_ROUNDS = 20, 3
EVENTS, QUICK_EVENTS = 120, 20
LEAST_APART_S, MOST_APART_S = 0.15, 0.45
"""Between events, at random, so that no batch's rhythm is met."""
SETTLED_AFTER_S = 5.0
"""A page's jitter buffer begins at some 70 ms, and comes down within seconds."""
BURST_EVERY_S = 0.7
BURST_S = 0.1
HUM_HZ, HUM = 300, 0.01
"""Sounds all the time: so that a page that has just joined has something to hear."""
BURST_HZ, BURST = 1_000, 0.3
PAGE_WITHIN_MS = 20_000
SCRIPT = Path(__file__).with_suffix(".js")


def run(quick: bool) -> Report:
    """40 listeners, then 20 pages one after the other (3 when quick)."""
    runs, window_s = (QUICK_RUNS, QUICK_WINDOW_S) if quick else (RUNS, WINDOW_S)
    load = os.getloadavg()[0]
    cost = asyncio.run(_cost(runs, window_s))
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        node = NodeProcess(Path(folder))
        node.start()
        try:
            rounds, events = (QUICK_ROUNDS, QUICK_EVENTS) if quick else (ROUNDS, EVENTS)
            page = asyncio.run(_pages(admin.of(node), rounds, events))
        finally:
            node.stop()
    return _report(cost, page, load)


class Cost:
    """Medians of the runs: CPU in %, delays in ms."""

    def __init__(self) -> None:
        self.alone_cpu_pct = self.cpu_pct = self.client_cpu_pct = 0.0
        self.alone_p99_ms = self.media_p99_ms = self.forward_p99_ms = 0.0
        self.lost = 0

    @property
    def per_listener_pct(self) -> float:
        return (self.cpu_pct - self.alone_cpu_pct) / LISTENERS


async def _cost(runs: int, window_s: float) -> Cost:
    node_core, crowd_core = cores()
    cost = Cost()
    async with AsyncExitStack() as exits:
        folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="forecourt-bench-"))
        node = Child.module("benchmarks.forwarder", node_core, "ours", folder)
        crowd = Child.module("benchmarks.crowd", crowd_core, str(clips()["two_cities"]))
        await asyncio.gather(*(exits.enter_async_context(one) for one in (node, crowd)))
        rig = Rig(node, crowd)
        await rig.publish()
        await asyncio.sleep(SETTLE_S)
        alone = [await rig.run(window_s) for _ in range(runs)]
        cost.alone_cpu_pct = median(one.cpu_pct for one in alone)
        cost.alone_p99_ms = await _media_p99_ms(node, crowd, Path(folder))
        await rig.grow(LISTENERS, channels=True)
        shared = [await rig.run(window_s) for _ in range(runs)]
        cost.cpu_pct = median(one.cpu_pct for one in shared)
        cost.client_cpu_pct = median(one.client_cpu_pct for one in shared)
        cost.forward_p99_ms = median(one.p99_ms for one in shared)
        cost.lost = sum(one.lost for one in shared)
        cost.media_p99_ms = await _media_p99_ms(node, crowd, Path(folder))
    return cost


async def _media_p99_ms(node: Child, crowd: Child, folder: Path) -> float:
    """Packet sent -> frame, of the last window's packets."""
    sent, frames = folder / "sent.bin", folder / "frames.bin"
    first = (await crowd.ask("departures", path=str(sent)))["first"]
    await node.ask("stamps", path=str(frames))
    at_ns = np.fromfile(sent, np.int64)
    _, rtp, came_ns = np.fromfile(frames, np.int64).reshape(-1, 3).T
    index, late = np.divmod(rtp - FIRST_RTP, FRAME)
    inside = (late == 0) & (index >= first) & (index < len(at_ns))
    return float(np.percentile((came_ns[inside] - at_ns[index[inside]]) / 1e6, 99))


class Heard:
    """What pages noted, in ms."""

    def __init__(self) -> None:
        self.events: list[float] = []
        self.sounds: list[float] = []
        self.starts: list[float] = []
        self.lost_events = 0


def sound(seconds: float) -> NDArray[np.int16]:
    """48 kHz mono: a quiet hum that never stops, and a loud burst every `BURST_EVERY_S`."""
    t = np.arange(round(seconds * RATE)) / RATE
    tone = HUM * np.sin(2 * np.pi * HUM_HZ * t)
    tone += (t % BURST_EVERY_S < BURST_S) * BURST * np.sin(2 * np.pi * BURST_HZ * t)
    return np.asarray(tone * 32_767, np.int16)


async def _pages(account: Account, rounds: int, events: int) -> Heard:
    stack.use_loopback(True)
    heard = Heard()
    publisher = Publisher(account, sound(60.0 + rounds * 4.0 + events * MOST_APART_S))
    await publisher.create()
    await publisher.connect()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium.executable(), args=chromium.FLAGS
        )
        try:
            page = await _page(browser, account, publisher.session_id)
            for _ in range(rounds):
                heard.starts.append(await _time_to_sound(page))
            await _follow(page, publisher, events, heard)
        finally:
            await browser.close()
    await publisher.end()
    return heard


async def _page(browser: Browser, account: Account, session_id: str) -> Page:
    context = await browser.new_context(base_url=account.url)
    await context.add_cookies([account.cookie()])  # type: ignore[list-item]
    page = await context.new_page()
    await page.add_init_script(path=SCRIPT)
    await page.goto(f"/listen#/sessions/{session_id}")
    return page


async def _time_to_sound(page: Page) -> float:
    """Load the page anew, click, and wait for the first sound."""
    await page.reload()
    start = page.locator("#start")
    await start.wait_for(state="visible", timeout=PAGE_WITHIN_MS)
    clicked = await page.evaluate(
        """() => {
          const at = performance.timeOrigin + performance.now();
          document.querySelector("#start").click();
          return at;
        }"""
    )
    deadline_s = time.monotonic() + PAGE_WITHIN_MS / 1000
    while time.monotonic() < deadline_s:
        first = await page.evaluate("() => heard.firstSound")
        if first is not None:
            return float(first - clicked)
        await asyncio.sleep(0.05)
    return float("inf")


async def _follow(page: Page, publisher: Publisher, events: int, heard: Heard) -> None:
    """On the page that listens now: bookmarks, and bursts."""
    wall_s = time.time() - time.monotonic()
    source, sent_ms = random.Random(2026), {}
    await asyncio.sleep(SETTLED_AFTER_S)
    await page.evaluate("() => { heard.bursts.length = 0; }")
    for number in range(events):
        sent_ms[str(number)] = 1000 * time.time()
        publisher.command("bookmark", label=str(number))
        await asyncio.sleep(source.uniform(LEAST_APART_S, MOST_APART_S))
    await asyncio.sleep(1)
    came = dict(await page.evaluate("() => heard.events"))
    heard.events = [
        came[label] - sent if label in came else float("inf") for label, sent in sent_ms.items()
    ]
    heard.lost_events = len(sent_ms) - len(came)
    bursts = np.array(await page.evaluate("() => heard.bursts"))
    begun_ms: list[float] = []
    at_s = 0.0
    while True:
        try:
            begun_ms.append(1000 * (publisher.sent_at(1000 * at_s) + wall_s))
        except IndexError:
            break
        at_s += BURST_EVERY_S
    for at_ms in bursts:
        before = [begun for begun in begun_ms if begun <= at_ms]
        if before:
            heard.sounds.append(float(at_ms - before[-1]))


def _p95(values: Sequence[float]) -> float:
    return quantiles(values, n=20, method="inclusive")[-1]


def _report(cost: Cost, page: Heard, load: float) -> Report:
    return Report(
        "Shadowing a call",
        {
            "event_delay_p95_ms": round(_p95(page.events), 1),
            "audio_delay_p50_ms": round(median(page.sounds), 1),
            "time_to_sound_p95_ms": round(_p95(page.starts), 1),
            "cpu_pct_per_listener": round(cost.per_listener_pct, 3),
            "event_delay_p50_ms": round(median(page.events), 1),
            "audio_delay_p95_ms": round(_p95(page.sounds), 1),
            "time_to_sound_p50_ms": round(median(page.starts), 1),
            "media_p99_ms": round(cost.media_p99_ms, 2),
            "media_p99_ms_alone": round(cost.alone_p99_ms, 2),
            "forward_p99_ms": round(cost.forward_p99_ms, 2),
            "lost_packets": cost.lost,
            "lost_events": page.lost_events,
        },
        [
            (
                "Event -> manager's page",
                f"p50 {median(page.events):.0f} ms, p95 {_p95(page.events):.0f} ms",
                f"{len(page.events)} bookmarks, sent in batches at 10 Hz",
            ),
            (
                "Sound -> manager's page",
                f"p50 {median(page.sounds):.0f} ms, p95 {_p95(page.sounds):.0f} ms",
                f"{len(page.sounds)} bursts, the page's jitter buffer included",
            ),
            (
                "Click -> first sound",
                f"p50 {median(page.starts):.0f} ms, p95 {_p95(page.starts):.0f} ms",
                f"{len(page.starts)} times, the page loaded anew",
            ),
            (
                f"{LISTENERS} listeners",
                f"{cost.per_listener_pct:.2f} % of a core each",
                f"{cost.alone_cpu_pct:.0f} % alone, {cost.cpu_pct:.0f} % with them; "
                f"their machine {cost.client_cpu_pct:.0f} %",
            ),
            (
                "The trainee's media, p99",
                f"{cost.media_p99_ms:.1f} ms with them",
                f"{cost.alone_p99_ms:.1f} ms alone; {cost.lost} packets lost to listeners, "
                f"who had them after {cost.forward_p99_ms:.1f} ms",
            ),
            ("Machine before", f"load {load:.1f}", "other work makes delays longer"),
        ],
    )
