"""From the mouth to the Frame: Chromium's microphone to this node's receive path, by clicks.

Chromium captures a train of clicks with the page's own constraints (no processing) and publishes it
to `Peer` and `Receiver` in a process of its own, over loopback. Each click is timed twice:

- mouth: the page reads the captured track (MediaStreamTrackProcessor). A buffer's timestamp is when
  Chromium's device thread was handed the buffer (its fake device reads a file at the pace of a
  sound card, 10 ms at a time). A card hands over a buffer once its last sample has sounded, so
  sample i of n sounded at timestamp - (n - i) / rate.
- Frame: when the receive path delivered the Frame that holds the click's first loud sample,
  Opus's own delay (6.5 ms of look-ahead) and all.

Both are the machine's monotonic clock. The page's clock is laid over it by asking the page for its
time over and over: each answer was read between question and reply, and the intersection of those
intervals tells the offset to a fraction of a millisecond (`clock_error_ms`). Clicks fall anywhere
in a packet. Not included: the air, the microphone, and what a sound card and its driver keep
beyond one buffer of 10 ms; nor the network, which is loopback.

A train made by Web Audio (AudioBufferSourceNode into a MediaStreamAudioDestinationNode) was tried
and is not used: there is no capture in it, its clock slips whenever rendering stalls (60 ms in 20 s
on a busy machine), and by getOutputTimestamp, which tells when a sample is played and not when it
was handed to the peer connection, half of the clicks were in a Frame before they were heard.
"""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from playwright.async_api import Page, async_playwright

from benchmarks import chromium
from benchmarks.child import Child, cores
from benchmarks.ear import Heard
from benchmarks.latency import percentile
from benchmarks.report import Report
from engine.frames import SAMPLE_RATE

RATE = 48_000
CLICK_S = 0.004
CLICK_HZ = 2_000
CLICK_LEVEL = 0.5
LEAST_APART_S, MOST_APART_S = 0.30, 0.42
"""Not a multiple of a packet, so that clicks fall anywhere in one."""
LEAD_S = 2.0
"""Silence first: capture begins before the connection stands."""
FULL_CLICKS, QUICK_CLICKS = 400, 60
WITHIN_S = 0.25
"""A click that is not in a Frame by then was lost."""
LOUD = 0.5
"""Of a click's peak: where it begins. Opus rings a little ahead of it."""
READINGS = 200
SEED = 2026
PAGE_URL = "http://localhost:9/"
PAGE = Path(__file__).with_name("mouth.html")
FLAGS = (
    *chromium.FLAGS,
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


def train(clicks: int, seed: int = SEED) -> NDArray[np.float64]:
    """48 kHz mono: `clicks` short tones at seeded irregular times behind a lead of silence."""
    source = random.Random(seed)
    tone = CLICK_LEVEL * np.sin(2 * np.pi * CLICK_HZ * np.arange(round(CLICK_S * RATE)) / RATE)
    begin = [LEAD_S]
    for _ in range(clicks - 1):
        begin.append(begin[-1] + source.uniform(LEAST_APART_S, MOST_APART_S))
    pcm = np.zeros(round((begin[-1] + 1.0) * RATE))
    for at_s in begin:
        at = round(at_s * RATE)
        pcm[at : at + len(tone)] = tone
    return pcm


def onsets(pcm: NDArray[np.int16]) -> list[int]:
    """Samples at which clicks begin: the first of each that reaches `LOUD` of the train's level."""
    loud = np.abs(pcm.astype(np.float64))
    peak = np.percentile(loud[loud > 1_000], 90) if np.any(loud > 1_000) else np.inf
    found: list[int] = []
    for at in np.flatnonzero(loud >= LOUD * peak):
        if not found or at - found[-1] > LEAST_APART_S / 2 * SAMPLE_RATE:
            found.append(int(at))
    return found


@dataclass(frozen=True, slots=True)
class Offset:
    """What to add to a page's milliseconds for monotonic ones; at most `error_ms` wrong."""

    ms: float
    error_ms: float

    @classmethod
    def of(cls, readings: Sequence[tuple[float, float, float]]) -> Offset:
        """From (asked, page's clock, answered), ms each. Raises `ValueError` when they differ:
        one of the clocks was set, or is no monotonic clock of this machine."""
        least = max(asked - page for asked, page, _ in readings)
        most = min(answered - page for _, page, answered in readings)
        # The page's clock is coarsened to 0.1 ms.
        if most < least - 0.2:
            raise ValueError(f"the page's clock moved by {least - most:.1f} ms")
        return cls((least + most) / 2, max(0.05, (most - least) / 2))


def delays_ms(mouth_s: Sequence[float], frame_s: Sequence[float]) -> list[float]:
    """Each click's way, in ms; infinite for one that is in no Frame within `WITHIN_S`."""
    found: list[float] = []
    for mouth in mouth_s:
        later = [at - mouth for at in frame_s if 0 <= at - mouth < WITHIN_S]
        found.append(1000 * min(later) if later else float("inf"))
    return found


def run(quick: bool) -> Report:
    """400 clicks (2.5 minutes), or 60 when quick."""
    clicks = QUICK_CLICKS if quick else FULL_CLICKS
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        wav = Path(folder) / "clicks.wav"
        pcm = train(clicks)
        soundfile.write(wav, pcm, RATE, subtype="PCM_16")
        seconds = len(pcm) / RATE
        mouth, offset, heard = asyncio.run(_measure(wav, seconds, Path(folder) / "call.npz"))
    return _report(mouth, offset, heard, clicks)


async def _measure(
    wav: Path, seconds: float, path: Path
) -> tuple[list[tuple[float, float]], Offset, Heard]:
    """((begin, buffer length) of each click, page's ms), its clock, and what came out."""
    async with (
        Child.module("benchmarks.ear", cores()[0], "ours") as ear,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path=chromium.executable(),
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={wav}%noloop"],
        )
        context = await browser.new_context()
        await context.grant_permissions(["microphone"], origin=PAGE_URL.rstrip("/"))
        page = await context.new_page()
        html = PAGE.read_text(encoding="utf-8")
        await page.route(
            f"{PAGE_URL}**", lambda route: route.fulfill(body=html, content_type="text/html")
        )
        await page.goto(PAGE_URL)
        offer = await page.evaluate("offer()")
        reply = await ear.ask("answer", call="mouth", offer=offer)
        await page.evaluate("accept", reply["answer"])
        readings = await _readings(page)
        await asyncio.sleep(seconds)
        readings += await _readings(page)
        clicks = [tuple(click) for click in await page.evaluate("clicks()")]
        await ear.ask("end", call="mouth", path=str(path))
        await browser.close()
    return clicks, Offset.of(readings), Heard.load(path)


async def _readings(page: Page) -> list[tuple[float, float, float]]:
    readings: list[tuple[float, float, float]] = []
    for _ in range(READINGS):
        asked_s = time.monotonic()
        now_ms: Any = await page.evaluate("performance.now()")
        readings.append((1000 * asked_s, now_ms, 1000 * time.monotonic()))
    return readings


def _report(
    mouth: Sequence[tuple[float, float]], offset: Offset, heard: Heard, clicks: int
) -> Report:
    begun_s = [(begin_ms + offset.ms) / 1000 for begin_ms, _ in mouth]
    pieces = np.cumsum(heard.samples)
    frame_s = [
        float(heard.at_s[np.searchsorted(pieces, at, side="right")]) for at in onsets(heard.pcm)
    ]
    delays = delays_ms(begun_s, frame_s)
    lost = sum(math.isinf(ms) for ms in delays)
    buffer_ms = statistics.median(length for _, length in mouth)
    p50, p95 = percentile(delays, 0.5), percentile(delays, 0.95)
    return Report(
        "From the mouth to the Frame",
        {
            "mouth_p50_ms": round(p50, 1),
            "mouth_p95_ms": round(p95, 1),
            "clicks": len(delays),
            "lost_clicks": lost,
            "buffer_ms": round(buffer_ms, 1),
            "clock_error_ms": round(offset.error_ms, 2),
        },
        [
            ("Delay", f"p50 {p50:.1f} ms, p95 {p95:.1f} ms", f"least {min(delays):.1f} ms"),
            (
                "Clicks",
                f"{len(delays)} of {clicks}",
                f"{lost} in no Frame; clock known to {offset.error_ms:.2f} ms",
            ),
            (
                "Capture buffer",
                f"{buffer_ms:.1f} ms",
                "part of the delay: a buffer's samples sounded before it was handed over",
            ),
        ],
    )
