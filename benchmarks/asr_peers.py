"""Streaming recognizers beside ours: how soon a word comes, how often it is wrong, what it costs?

Each alone: the server with all its processes on one core, the client on another core of the same
machine and clock; the same speech at its own pace, with the same silence behind it. Ours is a call
over WebRTC as a browser makes it; the others get PCM over a WebSocket. Words are timed by
`benchmarks.latency` for all; committed is what a recognizer calls settled (`peers.protocols`). CPU
is user and system time of the server's processes during a call, per second of speech as the
reference has it. Whisper peers have our own weights, in int8 and with one thread, but for the
decoder of WhisperLiveKit's SimulStreaming, which PyTorch runs in fp32; Moonshine has what its
package holds. Servers are up, and have had a short call, before they are measured.

Not equal, at our cost: our audio goes through Opus and WebRTC, and our CPU includes that, the
recording and the coaching. At theirs: what a busy core cannot decode in time is late.

`python -m benchmarks.asr_peers FIGURES PLOT` draws the JSON line that ends the file FIGURES.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from api.account_client import Account
from api.child import NodeProcess
from benchmarks import admin, cpu, latency, scatter
from benchmarks.call import QUICK_MS
from benchmarks.child import cores
from benchmarks.latency import Observation
from benchmarks.peers import RECOGNIZERS
from benchmarks.peers.microphone import speak
from benchmarks.peers.protocols import Moonshine, Speech, WhisperLive, WhisperLiveKit
from benchmarks.reading import Reading, clips, joined, load, narrowed, upto
from benchmarks.report import Figure, Report
from benchmarks.wer import word_error_rate
from engine.models import ensure
from signaling import stack
from signaling.publisher import Publisher

RUNS = 3
TIMES = 2
"""How often the full run speaks everything, in one call of two and a half minutes."""
TAIL_S = 3.0
"""Silence behind the speech: a microphone stays open, and last words can be committed."""
SETTLE_S = 1.0
WARM_UP = "sense_and_sensibility_01_austen_64kb-0880"

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True, slots=True)
class System:
    """A peer as it is measured; `arguments` are its server's."""

    name: str
    peer: str
    speech: Callable[[], Speech]
    arguments: Callable[[], list[str]]


def _whisperlivekit(policy: str) -> list[str]:
    return [str(ensure()), str(clips()[WARM_UP]), policy]


SYSTEMS = (
    System(
        "whisperlivekit",
        "whisperlivekit",
        WhisperLiveKit,
        partial(_whisperlivekit, "localagreement"),
    ),
    System(
        "whisperlivekit_simul",
        "whisperlivekit",
        WhisperLiveKit,
        partial(_whisperlivekit, "simulstreaming"),
    ),
    System("whisperlive", "whisperlive", WhisperLive, lambda: [str(ensure())]),
    System("moonshine", "moonshine", Moonshine, list),
)
PEERS = {peer.name: peer for peer in RECOGNIZERS}


@dataclass(frozen=True, slots=True)
class Run:
    """One call, or medians of several. Latencies in ms, infinite where too few words ever came.

    `unfinished` counts calls whose server had not come to the end of them a minute later.
    """

    wer: float
    first_p50_ms: float
    first_p95_ms: float
    commit_p50_ms: float
    commit_p95_ms: float
    cpu_per_speech_s: float
    unfinished: int = 0


def scored(
    reading: Reading,
    sent_at: Callable[[int], float],
    observations: list[Observation],
    cpu_s: float,
    ended: bool = True,
) -> Run:
    """One call's figures; its text is what was shown last, settled or not."""
    changes = list(changed(observations))
    latencies = latency.score(reading.words, sent_at, changes)
    return Run(
        word_error_rate(reading.text, text(changes))[0],
        latency.percentile(latencies.first_ms, 0.5),
        latency.percentile(latencies.first_ms, 0.95),
        latency.percentile(latencies.commit_ms, 0.5),
        latency.percentile(latencies.commit_ms, 0.95),
        cpu_s / reading.speech_s,
        int(not ended),
    )


def changed(observations: list[Observation]) -> Iterator[Observation]:
    """The observations that show something new: servers repeat themselves."""
    shown: dict[int, tuple[str, str, bool]] = {}
    for one in observations:
        content = (one.committed, one.tentative, one.is_final)
        if shown.get(one.utterance) != content:
            shown[one.utterance] = content
            yield one


def text(observations: list[Observation]) -> str:
    """What a client shows at the end: each utterance's last text, in their order."""
    last = {one.utterance: f"{one.committed} {one.tentative}" for one in observations}
    return " ".join(last[number] for number in sorted(last))


def middle(runs: list[Run]) -> Run:
    """The median of each figure; unfinished calls are summed."""
    *names, _ = Run.__slots__
    medians = {name: median(getattr(run, name) for run in runs) for name in names}
    return Run(**medians, unfinished=sum(run.unfinished for run in runs))


@contextmanager
def on(core: int) -> Iterator[None]:
    """This thread, and what it starts meanwhile, stays on `core`."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def ours(reading: Reading, warm_up: Reading, runs: int) -> list[Run]:
    """Calls over WebRTC into a real node, which is counted with its recognizer's worker."""
    stack.use_loopback(True)
    server_core, client_core = cores()
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as data:
        node = NodeProcess(Path(data))
        try:
            with on(server_core):
                node.start()
            account = admin.of(node)
            with on(client_core):
                asyncio.run(_call(node, account, warm_up))
                return [asyncio.run(_call(node, account, reading)) for _ in range(runs)]
        finally:
            node.stop()


async def _call(node: NodeProcess, account: Account, reading: Reading) -> Run:
    await asyncio.sleep(SETTLE_S)
    used_s = cpu.tree_s(node.pid)
    publisher = Publisher(account, reading.audio)
    await publisher.create()
    await publisher.connect()
    await publisher.play()
    await asyncio.sleep(TAIL_S)
    await publisher.end()
    used_s = cpu.tree_s(node.pid) - used_s
    events = [(item.at_s, item.event.type, item.event.data) for item in publisher.received]
    seen = [one for event in events if (one := latency.observed(*event))]
    return scored(reading, publisher.sent_at, seen, used_s)


def theirs(system: System, reading: Reading, warm_up: Reading, runs: int) -> list[Run]:
    """Calls to another project's server."""
    server_core, client_core = cores()
    server = PEERS[system.peer].server(server_core, *system.arguments(), **ENVIRONMENT)

    async def calls() -> list[Run]:
        async with server:
            url = (await server.ask("url"))["url"]

            async def call(spoken: Reading) -> Run:
                await asyncio.sleep(SETTLE_S)
                speech = system.speech()
                used_s = cpu.tree_s(server.pid)
                heard = await speak(url, narrowed(spoken.audio), TAIL_S, speech)
                used_s = cpu.tree_s(server.pid) - used_s
                seen = [
                    one
                    for at_s, message in heard.messages
                    for one in speech.observed(at_s, message)
                ]
                return scored(spoken, heard.sent_at, seen, used_s, heard.ended)

            await call(warm_up)
            return [await call(reading) for _ in range(runs)]

    with on(client_core):
        return asyncio.run(calls())


def run(quick: bool) -> Report:
    """Ours and every peer; installing the peers takes minutes, once. Quick: one short call each."""
    load_before = os.getloadavg()[0]
    readings = {name: load(name, path) for name, path in clips().items()}
    spoken = list(readings.values())
    reading = upto(spoken[0], QUICK_MS) if quick else joined(spoken * TIMES)
    warm_up, runs = readings[WARM_UP], 1 if quick else RUNS
    results = {"ours": middle(ours(reading, warm_up, runs))}
    for system in SYSTEMS:
        results[system.name] = middle(theirs(system, reading, warm_up, runs))
    return report(results, reading, runs, load_before)


def report(results: dict[str, Run], reading: Reading, runs: int, load_before: float) -> Report:
    """The table and the figures by name; an infinite latency is null."""
    figures: dict[str, Figure] = {"words": word_error_rate(reading.text, "")[1]}
    rows = []
    versions = {one.name: PEERS[one.peer].version for one in SYSTEMS}
    for name, one in results.items():
        figures[f"{name}_wer"] = round(one.wer, 4)
        for figure in ("first_p50_ms", "first_p95_ms", "commit_p50_ms", "commit_p95_ms"):
            figures[f"{name}_{figure}"] = _rounded(getattr(one, figure))
        figures[f"{name}_cpu_per_speech_s"] = round(one.cpu_per_speech_s, 3)
        ratio = one.cpu_per_speech_s / results["ours"].cpu_per_speech_s
        if name != "ours":
            figures[f"cpu_ratio_{name}"] = round(ratio, 2)
        rows.append(
            (
                scatter.LABELS.get(name, name),
                f"WER {100 * one.wer:.1f} %, first {_pair(one.first_p50_ms, one.first_p95_ms)}, "
                f"committed {_pair(one.commit_p50_ms, one.commit_p95_ms)}, "
                f"{one.cpu_per_speech_s:.2f} core ({ratio:.1f} x ours)",
                versions.get(name, "the node with its recognizer, over WebRTC")
                + (f"; {one.unfinished} calls hung up behind" if one.unfinished else ""),
            )
        )
    rows.append(
        (
            "Material",
            f"{figures['words']} words, {reading.speech_s:.0f} s of speech",
            f"medians of {runs} calls each" if runs > 1 else "one call each",
        )
    )
    rows.append(("Latencies", "from the end of a word", "words never matched count as infinite"))
    rows.append(("Machine before", f"load {load_before:.1f}", "other work makes peers fall behind"))
    return Report("Streaming recognizers, a call each on one core", figures, rows)


def _rounded(value: float) -> int | None:
    return None if math.isinf(value) else round(value)


def _pair(p50_ms: float, p95_ms: float) -> str:
    return f"p50 {p50_ms / 1000:.2f} s, p95 {p95_ms / 1000:.2f} s"


def main(figures: str, plot: str) -> None:
    """Draw the JSON line at the end of the file `figures` into the SVG `plot`."""
    line = Path(figures).read_text(encoding="utf-8").splitlines()[-1]
    Path(plot).write_text(scatter.drawn(json.loads(line)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
