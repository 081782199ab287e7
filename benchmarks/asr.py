"""`benchmarks asr`: what the short context costs in words, and saves in CPU; and three more
questions that have modules of their own.

Offline: each utterance is decoded alone, once with Whisper's full 30 s and once with the short
context, one right after the other, so that both see the same machine. CPU is the process's own
(user and system), which has one thread and one core. `--live N` is `benchmarks.live`, `--noise`
`benchmarks.invention`, `--peers` `benchmarks.asr_peers`.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module

from benchmarks.child import cores
from benchmarks.report import Figure, Report
from benchmarks.transcribed import Utterance, outside, root, shipped
from benchmarks.wer import difference_interval, errors_by_utterance, interval
from engine.asr.decoded import Decoded
from engine.asr.full_context import FullContextWhisper
from engine.asr.weights import options
from engine.asr.whisper import ShortContextWhisper
from engine.frames import Pcm
from engine.models import DEFAULT, ensure

MODELS = {DEFAULT: "", "whisper-base": "_base"}
"""Models of the full run, and what their figures' names end in. The quick one has the first."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
JUDGED_MINUTES = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What one context made of one utterance, and the CPU seconds that took."""

    text: str
    cpu_s: float
    fell_back: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """One context's answers to all utterances: (errors, words) of each, and CPU per audio second.

    `fell_back` counts utterances that the short context gave up on.
    """

    errors: list[tuple[int, int]]
    cpu: float
    fell_back: int

    @property
    def wer(self) -> float:
        return sum(errors for errors, _ in self.errors) / self.words

    @property
    def words(self) -> int:
        return sum(words for _, words in self.errors)


def run(
    quick: bool,
    *,
    live: int | None = None,
    step: str | None = None,
    noise: bool = False,
    peers: bool = False,
) -> Report:
    """The question that was asked for; full against short context where none was."""
    if live is not None:
        report: Report = import_module("benchmarks.live").run(quick, live, step)
    elif noise:
        report = import_module("benchmarks.invention").run(quick)
    elif peers:
        report = import_module("benchmarks.asr_peers").run(quick)
    else:
        report = _offline(quick)
    return report


def _offline(quick: bool) -> Report:
    utterances = shipped()
    folder = root()
    if folder is not None and not quick:
        utterances += outside(folder)
    # Libraries read these when a process loads them, so before the process starts.
    os.environ.update(ONE_THREAD)
    _, core = cores()
    report = Report("Offline: short context against the full 30 s", {}, [_material(utterances)])
    for model in list(MODELS)[:1] if quick else MODELS:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, spawn, os.sched_setaffinity, (0, {core})) as pool:
            heard = pool.submit(decoded, model, utterances).result()
        full, short = (
            judged(utterances, [pair[context] for pair in heard]) for context in range(2)
        )
        _add(report, model, full, short)
    return report


def decoded(model: str, utterances: Sequence[Utterance]) -> list[tuple[Heard, Heard]]:
    """Each utterance as heard with the full and with the short context of `model`, as the product
    hears the last words of an utterance: with word times."""
    folder = ensure(model)
    full, short = FullContextWhisper(folder), ShortContextWhisper(folder, **options(model))

    def in_full(pcm: Pcm) -> Decoded:
        return full.decode(pcm, times=True)

    def in_short(pcm: Pcm) -> Decoded:
        (result,) = short.decode([pcm], [True])
        return result

    for decode in (in_full, in_short):
        # The first decode also prepares what later ones find ready.
        decode(utterances[0].pcm)
    return [(_heard(in_full, one.pcm), _heard(in_short, one.pcm)) for one in utterances]


def _heard(decode: Callable[[Pcm], Decoded], pcm: Pcm) -> Heard:
    begun_s = time.process_time()
    result = decode(pcm)
    cpu_s = time.process_time() - begun_s
    return Heard(" ".join(word.text for word in result.words), cpu_s, result.full_context)


def judged(utterances: Sequence[Utterance], heard: Sequence[Heard]) -> Context:
    """Errors and CPU of one context's answers."""
    errors = [
        pair
        for utterance, one in zip(utterances, heard, strict=True)
        for pair in errors_by_utterance([utterance.text], one.text)
    ]
    seconds = sum(utterance.seconds for utterance in utterances)
    cpu = sum(one.cpu_s for one in heard) / seconds
    return Context(errors, cpu, sum(one.fell_back for one in heard))


def _material(utterances: Sequence[Utterance]) -> tuple[str, str, str]:
    minutes = sum(utterance.seconds for utterance in utterances) / 60
    judges = "enough to judge WER" if minutes >= JUDGED_MINUTES else "too little to judge WER"
    return "Speech", f"{minutes:.1f} minutes, {len(utterances)} utterances", judges


def _add(report: Report, model: str, full: Context, short: Context) -> None:
    suffix = MODELS[model]
    low, high = difference_interval(short.errors, full.errors)
    new: dict[str, Figure] = {
        "wer_full": round(full.wer, 4),
        "wer_short": round(short.wer, 4),
        "cpu_full": round(full.cpu, 4),
        "cpu_short": round(short.cpu, 4),
        "words": full.words,
        "wer_difference_low": round(low, 4),
        "wer_difference_high": round(high, 4),
    }
    report.figures.update({f"{name}{suffix}": value for name, value in new.items()})
    report.rows += [
        (f"{model}: word error rate, full", _rate(full), f"{full.words} words"),
        (
            f"{model}: word error rate, short",
            _rate(short),
            f"{100 * (short.wer - full.wer):+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}); "
            f"{short.fell_back} decoded again with the full context",
        ),
        (
            f"{model}: CPU per second of audio",
            f"full {full.cpu:.4f}, short {short.cpu:.4f}",
            f"short is {100 * short.cpu / full.cpu:.0f} % of full; one thread, one core",
        ),
    ]


def _rate(context: Context) -> str:
    low, high = interval(context.errors)
    return f"{100 * context.wer:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
