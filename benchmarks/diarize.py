"""`benchmarks diarize`: who speaks when on one channel, how rightly, how fast, in how much memory.

The sample is the telephone call of two that comes inside pyannote.audio's package, 30 s, with its
own reference. The diarization error rate is pyannote.metrics', without a collar and with overlaps:
the share of speech that was missed, invented or given to the other person. The full run adds
conversations put together from the package-shipped readings of two people, whose reference is the
words' times. No peer stands beside it: pyannote.audio's own pipeline wants weights that are given
out to registered people alone.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import cores
from benchmarks.report import Report
from benchmarks.transcribed import MARGIN_MS, Utterance, shipped
from engine.frames import SAMPLE_RATE, Pcm, ms_of
from processing import diarization
from processing.sound import Block, Losses, blocks
from processing.survey import survey
from processing.voices import Turn

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
PEOPLE = 2
GAP_MS = 300
READERS = ("two_cities", "sense_and_sensibility")


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one recording; `took_s` is wall time, models loaded."""

    turns: list[Turn]
    duration_s: float
    took_s: float

    @property
    def rtf(self) -> float:
        return self.took_s / self.duration_s


def run(quick: bool) -> Report:
    """The sample three times, of which the median counts; once where it is to be `quick`."""
    os.environ.update(ONE_THREAD)
    _, core = cores()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, os.sched_setaffinity, (0, {core})) as pool:
        error, told, rss_mb = pool.submit(sample, 1 if quick else 3).result()
        rtf = float(np.median([one.rtf for one in told]))
        report = Report(
            "Diarization of two people on one channel",
            {"der_two_speakers": round(error, 4), "rtf": round(rtf, 3), "rss_mb": round(rss_mb)},
            [
                ("Diarization error rate", f"{error:.1%}", "sample of pyannote.audio, 30 s"),
                ("Real-time factor", f"{rtf:.3f}", "one core, one thread, models loaded"),
                ("Peak memory", f"{rss_mb:.0f} MB", "resident, of the whole process"),
            ],
        )
        if not quick:
            error = pool.submit(conversation).result()
            report.figures["der_readings"] = round(error, 4)
            report.rows.append(
                ("Diarization error rate", f"{error:.1%}", "two readers by turns, package-shipped")
            )
    return report


def sample(times: int) -> tuple[float, list[Told], float]:
    """The error rate on pyannote.audio's sample, each run's answer, and peak memory in MB."""
    folder = sample_folder()
    told = [_told(folder / "sample.wav") for _ in range(times + 1)]
    error = error_rate(reference(folder / "sample.rttm"), told[0].turns)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    # The first one loads the models.
    return error, told[1:], peak_mb


def conversation() -> float:
    """The error rate on two readers who take turns."""
    pcm, turns = readers(shipped())
    found = survey(_blocks(pcm), Losses())
    return error_rate(turns, diarization.diarized(_blocks(pcm), found, PEOPLE))


def sample_folder() -> Path:
    """Where pyannote.audio keeps its sample. Raises `ModuleNotFoundError` without the extra."""
    spec = find_spec("pyannote.audio")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pip install 'forecourt[diarization]' first")
    return Path(spec.origin).parent / "sample"


def reference(rttm: Path) -> list[Turn]:
    """The turns of an RTTM file, its speakers numbered as they appear."""
    numbers: dict[str, int] = {}
    turns = []
    for line in rttm.read_text().splitlines():
        _, _, _, start_s, length_s, _, _, name, *_ = line.split()
        start_ms, length_ms = round(1000 * float(start_s)), round(1000 * float(length_s))
        turns.append(Turn(start_ms, start_ms + length_ms, numbers.setdefault(name, len(numbers))))
    return turns


def error_rate(truth: list[Turn], told: list[Turn]) -> float:
    """pyannote.metrics' diarization error rate of `told`, persons matched at best."""
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    end_s = max(turn.end_ms for turn in [*truth, *told]) / 1000
    whole = Timeline([Segment(0.0, end_s)])
    rate: float = DiarizationErrorRate()(_annotation(truth), _annotation(told), uem=whole)
    return rate


def readers(utterances: list[Utterance]) -> tuple[Pcm, list[Turn]]:
    """The utterances of `READERS` by turns, and when each is said."""
    pieces: list[Pcm] = []
    turns: list[Turn] = []
    at = 0
    gap = np.zeros(GAP_MS * SAMPLE_RATE // 1000, np.int16)
    columns = [[one for one in utterances if one.name.startswith(name)] for name in READERS]
    for pair in zip(*columns, strict=False):
        for person, utterance in enumerate(pair):
            begin_ms, end_ms = ms_of(at), ms_of(at + len(utterance.pcm))
            turns.append(Turn(begin_ms + MARGIN_MS, end_ms - MARGIN_MS, person))
            pieces += [utterance.pcm, gap]
            at += len(utterance.pcm) + len(gap)
    return np.concatenate(pieces), turns


def _annotation(turns: list[Turn]) -> Any:
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for number, turn in enumerate(turns):
        annotation[Segment(turn.start_ms / 1000, turn.end_ms / 1000), number] = turn.person
    return annotation


def _told(path: Path) -> Told:
    losses = Losses()
    found = survey(blocks(path, losses=losses), losses)
    begun_s = time.perf_counter()
    turns = diarization.diarized(blocks(path), found, PEOPLE)
    return Told(turns, found.duration_ms / 1000, time.perf_counter() - begun_s)


def _blocks(pcm: Pcm) -> Iterator[Block]:
    for at in range(0, len(pcm), SAMPLE_RATE):
        yield Block(at, pcm[None, at : at + SAMPLE_RATE])
