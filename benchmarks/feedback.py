"""How soon is a trainee told? From what was said to the cue in the client, over real WebRTC.

Every call is the shipped reading, at its own level and pace first; then the voice drops by 14 dB
(`too_quiet`), comes back, and races at 1.7 times its pace (`too_fast`): the reading has 176 words
a minute, 220 without its pauses, so the race has some 300. Calls begin at different
words, so that each change meets other sounds.

`cause_to_event_*`: from the packet that closes the measuring window (the newest sample the event
knows) leaving the client to the event arriving there. `onset_to_card_*`: from the packet in which
the change begins to the event; the page shows a card within a frame of that.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analyzers.baseline import measure_microphone
from api.account_client import Account
from api.child import NodeProcess
from api.demo.render import compressed
from benchmarks import admin
from benchmarks.latency import percentile
from benchmarks.reading import clips, load, narrowed
from benchmarks.report import Figure, Report
from signaling import stack
from signaling.publisher import RATE, Publisher

CALLS = 8
RUNS = 3
CHECK_S = 6.0
USUAL_S, QUIET_S, BACK_S, FAST_S = 6.0, 6.0, 14.0, 9.0
"""Back at the usual level the nudge that was followed is praised, and nothing interrupts within 8 s
of that: the race begins behind it, so that the rule is timed and not the budget."""
QUIET_DB = -14.0
FAST = 1.7
APART_S = 1.3
"""Between the places where the calls' readings begin."""
TAIL_S = 1.0
STAGGER_S = 0.2
CODES = {"volume": "too_quiet", "pace": "too_fast"}

Pcm = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Script:
    """One call's audio (48 kHz) and where, in ms, each change begins and is over."""

    audio: Pcm
    onsets_ms: dict[str, tuple[float, float]]


@dataclass(slots=True)
class Heard:
    """Of all calls; ms. A cue that never came is infinite."""

    causes_ms: list[float] = field(default_factory=list)
    onsets_ms: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CODES})
    others: list[str] = field(default_factory=list)
    """Codes that no change in the audio explains."""


def script(reading: Pcm, begin_s: float) -> Script:
    """`reading` (48 kHz) from `begin_s` on, round and round, with both changes."""
    lengths = [round(s * RATE) for s in (USUAL_S, QUIET_S, BACK_S, FAST_S * FAST)]
    begin = round(begin_s * RATE)
    source = np.take(reading, np.arange(begin, begin + sum(lengths)), mode="wrap")
    usual, quiet, back, fast = np.split(source, np.cumsum(lengths)[:-1])
    lowered = np.round(quiet * 10 ** (QUIET_DB / 20)).astype(np.int16)
    raced = np.clip(compressed(fast / 32768.0, FAST), -1, 1 - 2**-15)
    parts = [usual, lowered, back, np.round(raced * 32768).astype(np.int16)]
    ends_ms = np.cumsum([len(part) for part in parts]) * 1000 / RATE
    spans = {"volume": (ends_ms[0], ends_ms[1]), "pace": (ends_ms[2], ends_ms[3])}
    return Script(np.concatenate(parts), spans)


def run(quick: bool) -> Report:
    """Eight calls at once; three times over other words unless quick."""
    stack.use_loopback(True)
    reading = load("two_cities", clips()["two_cities"]).audio
    heard = Heard()
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as data:
        node = NodeProcess(Path(data))
        node.start()
        try:
            account = admin.of(node)
            for number in range(1 if quick else RUNS):
                first = number * CALLS
                scripts = [script(reading, APART_S * (first + call)) for call in range(CALLS)]
                asyncio.run(calls(account, reading, scripts, heard))
        finally:
            node.stop()
    return _report(heard, 1 if quick else RUNS)


async def calls(account: Account, reading: Pcm, scripts: Sequence[Script], heard: Heard) -> None:
    check = measure_microphone(narrowed(reading[: round(CHECK_S * RATE)]))
    baseline = {
        "speechLevelDbfs": check.speech_level_dbfs,
        "noiseFloorDbfs": check.noise_floor_dbfs,
    }
    publishers = [Publisher(account, one.audio, baseline=baseline) for one in scripts]

    async def call(number: int, publisher: Publisher) -> None:
        await asyncio.sleep(STAGGER_S * number)
        await publisher.create()
        await publisher.connect()
        await publisher.play()
        await asyncio.sleep(TAIL_S)
        await publisher.end()

    await asyncio.gather(*(call(number, one) for number, one in enumerate(publishers)))
    for one, publisher in zip(scripts, publishers, strict=True):
        _judge(one, publisher, heard)


def _judge(one: Script, publisher: Publisher, heard: Heard) -> None:
    lead_ms = publisher.lead_s * 1000
    told: dict[str, float] = {}
    for item in publisher.received:
        if item.event.type != "feedback":
            continue
        # The frame that ends at `t` came with the packet that ends there.
        sent_s = publisher.sent_at(item.event.t - lead_ms - 1)
        heard.causes_ms.append((item.at_s - sent_s) * 1000)
        code = item.event.data["code"]
        name = next((name for name, cue in CODES.items() if cue == code), None)
        if name is not None and one.onsets_ms[name][0] <= item.event.t - lead_ms:
            told.setdefault(name, item.at_s)
        elif item.event.data["kind"] != "praise":
            heard.others.append(code)
    for name, (begin_ms, _) in one.onsets_ms.items():
        at_s = told.get(name, np.inf)
        heard.onsets_ms[name].append((at_s - publisher.sent_at(begin_ms)) * 1000)


def _report(heard: Heard, runs: int) -> Report:
    figures: dict[str, Figure] = {
        "cause_to_event_p50_ms": round(percentile(heard.causes_ms, 0.5), 1),
        "cause_to_event_p95_ms": round(percentile(heard.causes_ms, 0.95), 1),
    }
    rows = [
        ("Calls", f"{runs * CALLS}", f"{CALLS} at once; two changes each"),
        (
            "Cause to event",
            f"p50 {figures['cause_to_event_p50_ms']} ms, p95 {figures['cause_to_event_p95_ms']} ms",
            f"{len(heard.causes_ms)} cues, praise included",
        ),
    ]
    for name, values in heard.onsets_ms.items():
        p95 = percentile(values, 0.95)
        figures[f"onset_to_card_{name}_p50_ms"] = _ms(statistics.median(values))
        figures[f"onset_to_card_{name}_p95_ms"] = _ms(p95)
        missed = sum(np.isinf(value) for value in values)
        rows.append(
            (
                f"Onset to card, {name}",
                f"p50 {statistics.median(values):.0f} ms, p95 {p95:.0f} ms",
                f"{missed} of {len(values)} never came",
            )
        )
    figures["cues"] = len(heard.causes_ms)
    figures["others"] = len(heard.others)
    rows.append(("Cues for nothing", str(len(heard.others)), ", ".join(sorted(heard.others))))
    return Report("From what was said to the cue", figures, rows)


def _ms(value: float) -> int | None:
    return None if np.isinf(value) else round(value)
