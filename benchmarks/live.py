"""N calls at once, at the pace of speech, over real WebRTC: how soon are words there, at what cost?

The calls (`benchmarks.conversation`) are said by light clients in a process of their own, with
packets encoded beforehand. Word latencies are `benchmarks.latency`'s, call by call. CPU is the
recognizer's worker processes', user and system, per second that words take by the reference, over
all calls. `mean_step_ms` is the audio between the ends of successive windows of an utterance that
were answered, its last words left out (from the journals). With two cores node and clients have
one, and the recognizer, which gives way to them, both; with more, the clients have one to
themselves.

Latencies, CPU and step are medians over the runs; words, errors and `degraded` events are summed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from api.child import NodeProcess
from api.kept import kept
from api.settings import Settings
from benchmarks import admin, cpu, latency
from benchmarks.asr import ONE_THREAD, decoded, judged
from benchmarks.child import Child
from benchmarks.conversation import Conversation, Turn, conversation, recordings
from benchmarks.generator import encoded
from benchmarks.latency import Latencies, percentile
from benchmarks.reading import narrowed
from benchmarks.report import Figure, Report
from benchmarks.talkers import Outcome, save_packets
from benchmarks.transcribed import Utterance, root
from benchmarks.wer import errors_by_utterance, interval
from engine.frames import SAMPLE_RATE
from engine.journal import Record
from engine.journal import decoded as records_of
from engine.models import DEFAULT
from signaling.publisher import FRAME, RATE

QUICK_S = 27.0
RUNS = 3
SPEECH_S = 600.0
"""What the full run's calls say in all."""
SHORTEST_S = 30.0
SEED = 2026
STEP_VARIABLE = "FORECOURT_ASR_STEP"
TALK_SHARE = 0.5
"""Less than conversations reach, so that the full run has as much speech as it promises."""
FRAME_S = FRAME / RATE


@dataclass(frozen=True, slots=True)
class Places:
    """The cores of each process."""

    node: int
    clients: int
    recognizers: tuple[int, ...]

    @classmethod
    def of(cls, allowed: Sequence[int]) -> Places:
        """How `allowed` cores are shared out."""
        if len(allowed) < 3:
            return cls(allowed[0], allowed[0], tuple(allowed))
        return cls(allowed[0], allowed[-1], tuple(allowed[:-1]))

    def __str__(self) -> str:
        if self.recognizers == (self.node,):
            return f"all on core {self.node}"
        shared = f"node on core {self.node}"
        if self.clients == self.node:
            shared = f"node and clients on core {self.node}"
        else:
            shared += f", clients on core {self.clients}"
        return f"{shared}, recognizer on {', '.join(map(str, self.recognizers))}"


@dataclass(slots=True)
class Run:
    """All calls of one run."""

    latencies: list[Latencies] = field(default_factory=list)
    errors: list[tuple[int, int]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    speech_s: float = 0.0
    seconds: float = 0.0
    steps_ms: list[float] = field(default_factory=list)
    degraded: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    late_ms: list[float] = field(default_factory=list)
    asr_cpu_s: float = 0.0
    node_cpu_s: float = 0.0
    clients_cpu_s: float = 0.0

    def percentile_ms(self, which: Callable[[Latencies], list[float]], share: float) -> float:
        return percentile([ms for one in self.latencies for ms in which(one)], share)

    def add(self, said: Conversation, heard: Outcome, journal: Iterable[dict[str, Any]]) -> None:
        """Judge one call."""
        observations = [one for event in heard.events if (one := latency.observed(*event))]
        sent_s = heard.sent_s
        self.latencies.append(
            latency.score(said.reading.words, lambda ms: sent_s[ms // 20], observations)
        )
        texts = [turn.reading.text for turn in said.turns]
        self.errors += errors_by_utterance(texts, latency.final_text(observations))
        self.turns += said.turns
        self.speech_s += said.reading.speech_s
        self.seconds += len(said.reading.audio) / RATE
        self.steps_ms += steps_ms(journal)
        self.degraded.update(data["what"] for _, kind, data in heard.events if kind == "degraded")
        due_s = sent_s[0] + FRAME_S * np.arange(len(sent_s))
        self.late_ms += list((np.array(sent_s) - due_s) * 1000)


def run(quick: bool, calls: int, step: str | None = None) -> Report:
    """`calls` at once; 27 s once when quick, else 10 minutes of speech in three runs."""
    material = recordings(None if quick else root())
    runs = 1 if quick else RUNS
    seconds = QUICK_S if quick else max(SHORTEST_S, SPEECH_S / TALK_SHARE / calls / RUNS)
    said = [
        [conversation(material, seconds, SEED + 1000 * number + call) for call in range(calls)]
        for number in range(runs)
    ]
    places = Places.of(sorted(os.sched_getaffinity(0)))
    done = asyncio.run(_runs(said, places, step))
    offline = None if quick else _offline([turn for one in done for turn in one.turns])
    return _report(calls, places, step, done, offline)


async def _runs(said: Sequence[list[Conversation]], places: Places, step: str | None) -> list[Run]:
    environment = {} if step is None else {STEP_VARIABLE: step}
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        data, packets = Path(folder) / "node", Path(folder) / "packets"
        node = NodeProcess(data, environment=environment)
        await asyncio.to_thread(node.start)
        try:
            workers = cpu.recognizers_of(node.pid)
            cpu.keep_on(node.pid, places.node)
            for worker in workers:
                cpu.keep_on(worker, *places.recognizers)
            packets.mkdir()
            account = await asyncio.to_thread(admin.of, node)
            client = Child.module(
                "benchmarks.talkers",
                places.clients,
                node.url,
                str(packets),
                **admin.environment(account),
            )
            async with client as talkers:
                return [
                    await _run(conversations, node, workers, talkers, data, packets)
                    for conversations in said
                ]
        finally:
            await asyncio.to_thread(node.stop)


async def _run(
    conversations: Sequence[Conversation],
    node: NodeProcess,
    workers: Sequence[int],
    talkers: Child,
    data: Path,
    packets: Path,
) -> Run:
    result = Run()
    for call, one in enumerate(conversations):
        padded = np.pad(one.reading.audio, (0, -len(one.reading.audio) % FRAME))
        save_packets(packets / f"{call}.npz", encoded(padded))
    answers = await asyncio.gather(
        *(talkers.ask("connect", call=call) for call in range(len(conversations)))
    )
    before = [_used_s(pids) for pids in (workers, [node.pid], [talkers.pid])]
    await talkers.ask("talk")
    after = [_used_s(pids) for pids in (workers, [node.pid], [talkers.pid])]
    result.asr_cpu_s, result.node_cpu_s, result.clients_cpu_s = (
        end - begin for begin, end in zip(before, after, strict=True)
    )
    for call, (one, answer) in enumerate(zip(conversations, answers, strict=True)):
        if answer["admitted"]:
            heard = Outcome.load(packets / f"{call}.json")
            result.add(one, heard, await _journal(data, heard.session))
        else:
            result.refused += 1
    return result


async def _journal(data: Path, session_id: str) -> list[Record]:
    """Of a call that is over, before or after it is put away."""
    found = await kept(Settings(data=data), session_id)
    return list(records_of(iter([found.journal])))


def _used_s(pids: Iterable[int]) -> float:
    return sum(cpu.used_s(pid) for pid in pids)


def steps_ms(journal: Iterable[dict[str, Any]]) -> Iterator[float]:
    """Audio between the ends of successive windows of one utterance that were not its final one."""
    newest: dict[tuple[str, int], int] = {}
    for record in journal:
        if record["k"] != "hypothesis" or record["kind"] == "final":
            continue
        key = record["track"], record["utterance"]
        if key in newest and record["end"] > newest[key]:
            yield (record["end"] - newest[key]) * 1000 / SAMPLE_RATE
        newest[key] = max(record["end"], newest.get(key, 0))


def _offline(turns: Sequence[Turn]) -> float:
    """WER of the same turns, decoded one by one with the full 30 s context."""
    distinct = {turn.name: turn for turn in turns}
    utterances = [
        Utterance(name, narrowed(turn.reading.audio), turn.reading.text)
        for name, turn in distinct.items()
    ]
    os.environ.update(ONE_THREAD)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        heard = pool.submit(decoded, DEFAULT, utterances).result()
    full = judged(utterances, [pair[0] for pair in heard])
    errors = dict(zip(distinct, full.errors, strict=True))
    said = [errors[turn.name] for turn in turns]
    return sum(wrong for wrong, _ in said) / sum(words for _, words in said)


LATENCIES: dict[str, tuple[Callable[[Latencies], list[float]], float]] = {
    "first_p50_ms": (lambda one: one.first_ms, 0.5),
    "first_p95_ms": (lambda one: one.first_ms, 0.95),
    "commit_p50_ms": (lambda one: one.commit_ms, 0.5),
    "commit_p95_ms": (lambda one: one.commit_ms, 0.95),
    "final_p50_ms": (lambda one: one.final_ms, 0.5),
    "final_p95_ms": (lambda one: one.final_ms, 0.95),
}


def _report(
    calls: int, places: Places, step: str | None, runs: Sequence[Run], offline: float | None
) -> Report:
    if not any(one.latencies for one in runs):
        raise RuntimeError("the node refused every call")
    runs = [one for one in runs if one.latencies]
    errors = [pair for one in runs for pair in one.errors]
    words = sum(count for _, count in errors)
    wer = sum(wrong for wrong, _ in errors) / words
    low, high = interval(errors)
    degraded = sum((one.degraded for one in runs), Counter[str]())
    of_runs = {
        name: [one.percentile_ms(which, share) for one in runs]
        for name, (which, share) in LATENCIES.items()
    }
    costs = [one.asr_cpu_s / one.speech_s for one in runs]
    node_costs = [one.node_cpu_s / one.speech_s for one in runs]
    steps = [statistics.fmean(one.steps_ms) if one.steps_ms else np.inf for one in runs]
    figures: dict[str, Figure] = {
        name: _ms(statistics.median(values)) for name, values in of_runs.items()
    }
    figures |= {
        "wer": round(wer, 4),
        "cpu_per_speech_s": round(statistics.median(costs), 4),
        "mean_step_ms": _ms(statistics.median(steps)),
        "degraded": degraded.total(),
        "calls": calls,
        "refused": sum(one.refused for one in runs),
        "words": words,
        "speech_s": round(sum(one.speech_s for one in runs), 1),
        "node_cpu_per_speech_s": round(statistics.median(node_costs), 4),
    }
    if offline is not None:
        figures["wer_offline_full"] = round(offline, 4)
    seconds = sum(one.seconds for one in runs)
    spoken = sum(one.speech_s for one in runs)
    rows = [
        (
            "Calls",
            f"{calls} at once, {len(runs)} runs",
            f"{seconds / 60:.1f} minutes of calls, {100 * spoken / seconds:.0f} % of them words; "
            f"{figures['refused']} refused",
        ),
        ("Where", str(places), f"step: {step or 'as the node has it'}"),
        *(
            (
                what,
                f"p50 {_shown(of_runs[f'{name}_p50_ms'])}, p95 {_shown(of_runs[f'{name}_p95_ms'])}",
                note,
            )
            for what, name, note in (
                ("Word first seen", "first", _missed(runs, lambda one: one.first_ms)),
                ("Word committed", "commit", _missed(runs, lambda one: one.commit_ms)),
                ("Final words", "final", f"{sum(_finals(runs))} utterances"),
            )
        ),
        (
            "Word error rate",
            f"{100 * wer:.1f} % ({100 * low:.1f} to {100 * high:.1f})",
            f"{words} words"
            + ("" if offline is None else f"; offline, full context {100 * offline:.1f} %"),
        ),
        (
            "Recognizer",
            " / ".join(f"{cost:.3f}" for cost in costs),
            "cores per second of speech, run by run",
        ),
        (
            "Node without it",
            " / ".join(f"{cost:.3f}" for cost in node_costs),
            f"clients {sum(one.clients_cpu_s for one in runs) / spoken:.3f}",
        ),
        ("Mean step", f"{_shown(steps)}", f"{sum(len(one.steps_ms) for one in runs)} steps"),
        (
            "Degraded",
            str(degraded.total()),
            ", ".join(f"{what} {count}" for what, count in degraded.items()),
        ),
        (
            "Packets late",
            f"p99 {percentile([ms for one in runs for ms in one.late_ms], 0.99):.1f} ms",
            "the clients' own lateness; latencies count from when packets left",
        ),
    ]
    return Report(f"{calls} live calls", figures, rows)


def _finals(runs: Sequence[Run]) -> list[int]:
    return [len(one.final_ms) for run in runs for one in run.latencies]


def _missed(runs: Sequence[Run], which: Callable[[Latencies], list[float]]) -> str:
    values = [ms for one in runs for latencies in one.latencies for ms in which(latencies)]
    seen = [ms for ms in values if not np.isinf(ms)]
    return (
        f"{len(values) - len(seen)} of {len(values)} never count as infinite; "
        f"p95 of the others {percentile(seen, 0.95):.0f} ms"
    )


def _ms(value: float) -> int | None:
    return None if np.isinf(value) else round(value)


def _shown(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.0f}" for value in values) + " ms"
