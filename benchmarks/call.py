"""One call over the whole WebRTC path: how soon a word is seen, committed, final; how often wrong.

Definitions: FACTS of the project, repeated in `benchmarks.latency`. The client is another process
than the node, on the same machine and clock; real ICE, DTLS, SRTP and Opus lie between.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from api.account_client import Account
from api.child import NodeProcess
from benchmarks import admin, cpu, latency
from benchmarks.reading import Reading, clips, joined, load, upto
from benchmarks.report import Report
from benchmarks.wer import errors_by_utterance, interval, word_error_rate
from signaling import stack
from signaling.publisher import Publisher

RUNS = 3
QUICK_MS = 28_900
"""The end of a sentence in two_cities."""


@dataclass(slots=True)
class _Run:
    latencies: latency.Latencies
    hypothesis: str
    asr_cpu_s: float
    node_cpu_s: float
    cues: list[str] = field(default_factory=list)


def run(quick: bool) -> Report:
    """Publish two_cities and LibriVox's clips; three times, or once and half of it when quick."""
    stack.use_loopback(True)
    readings = [load(name, path) for name, path in clips().items()]
    reading = upto(readings[0], QUICK_MS) if quick else joined(readings)
    runs: list[_Run] = []
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as data:
        node = NodeProcess(Path(data))
        node.start()
        try:
            account = admin.of(node)
            runs += [
                asyncio.run(_call(node, account, reading)) for _ in range(1 if quick else RUNS)
            ]
        finally:
            node.stop()
    return _report(reading, runs)


async def _call(node: NodeProcess, account: Account, reading: Reading) -> _Run:
    workers = cpu.recognizers_of(node.pid)
    asr_s, node_s = sum(map(cpu.used_s, workers)), cpu.used_s(node.pid)
    publisher = Publisher(account, reading.audio)
    await publisher.run()
    events = [(item.at_s, item.event.type, item.event.data) for item in publisher.received]
    seen = [one for event in events if (one := latency.observed(*event))]
    return _Run(
        latency.score(reading.words, publisher.sent_at, seen),
        latency.final_text(seen),
        sum(map(cpu.used_s, workers)) - asr_s,
        cpu.used_s(node.pid) - node_s,
        [item.event.data["code"] for item in publisher.received if item.event.type == "feedback"],
    )


def _report(reading: Reading, runs: list[_Run]) -> Report:
    first = [ms for one in runs for ms in one.latencies.first_ms]
    commit = [ms for one in runs for ms in one.latencies.commit_ms]
    final = [ms for one in runs for ms in one.latencies.final_ms]
    rates = [word_error_rate(reading.text, one.hypothesis) for one in runs]
    wer = sum(rate for rate, _ in rates) / len(rates)
    speech_s = reading.speech_s * len(runs)
    figures = {
        "wer": round(wer, 4),
        "words": sum(words for _, words in rates),
        "first_p50_ms": _ms(latency.percentile(first, 0.5)),
        "first_p95_ms": _ms(latency.percentile(first, 0.95)),
        "commit_p50_ms": _ms(latency.percentile(commit, 0.5)),
        "commit_p95_ms": _ms(latency.percentile(commit, 0.95)),
        "final_p95_ms": _ms(latency.percentile(final, 0.95)),
        "asr_cpu_per_speech_s": round(sum(one.asr_cpu_s for one in runs) / speech_s, 3),
        "node_cpu_per_speech_s": round(sum(one.node_cpu_s for one in runs) / speech_s, 3),
    }
    missed = sum(math.isinf(ms) for ms in first)
    low, high = interval(
        [pair for one in runs for pair in errors_by_utterance(reading.utterances, one.hypothesis)]
    )
    invented = sum(one.latencies.unaligned_finals for one in runs)
    rows = [
        (
            "Word error rate",
            f"{100 * wer:.1f} % ({100 * low:.1f} to {100 * high:.1f})",
            f"{figures['words']} words, {len(runs)} calls; 95 % interval by bootstrap",
        ),
        ("Word first seen", _pair(first), f"{missed} never seen count as infinite"),
        ("Word committed", _pair(commit), ""),
        (
            "Final words",
            _pair(final),
            f"{len(final)} utterances; {invented} finals held no word of the reading",
        ),
        ("Recognizer", f"{figures['asr_cpu_per_speech_s']} core", "CPU per second of speech"),
        ("Node without it", f"{figures['node_cpu_per_speech_s']} core", "CPU per second of speech"),
    ]
    return Report("One call over WebRTC", figures, rows)


def _ms(value: float) -> int | None:
    return None if math.isinf(value) else round(value)


def _pair(values: list[float]) -> str:
    shown = [latency.percentile(values, share) for share in (0.5, 0.95)]
    return f"p50 {shown[0]:.0f} ms, p95 {shown[1]:.0f} ms"
