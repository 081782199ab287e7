"""`benchmarks fillers`: can Whisper be led to write the "um" and "uh" that it hears?

It was trained on texts that leave them out. Two ways are tried against plain decoding: a text full
of fillers stands where the decoder finds what was said before (`before`), and the tokens of "um"
and "uh" are made more likely (`bonus`, added to their logits). Each utterance is decoded in every
way, one right after the other, as the product decodes the last words of an utterance.

A filler counts as kept where the transcript has one at its place, however spelled. False fillers
and word error rate (fillers deleted) are those of readings that have none.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from benchmarks.asr import ONE_THREAD
from benchmarks.child import cores
from benchmarks.hesitation import Tally, fillers_of, spliced, spontaneous, tally
from benchmarks.report import Report
from benchmarks.transcribed import Utterance, outside, root, shipped
from benchmarks.wer import difference_interval, errors_by_utterance
from engine.asr.vocabulary import Vocabulary
from engine.asr.weights import options
from engine.asr.whisper import ShortContextWhisper
from engine.models import DEFAULT, ensure

TOKENS = {"um": (23781, 21039), "uh": (21480, 28574)}
"""Of models of English alone: each with a space before it, in lower case and with a capital."""
Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Way:
    """One way to decode. `name` is what its figures end in."""

    name: str
    before: str = ""
    bonus: float = 0.0


SENTENCE = "So, um, I was, uh, thinking that, um, we could, uh, look at this one, you know?"
PLAIN = Way("plain")
WAYS = (
    PLAIN,
    Way("few", "Um, so, uh, yes."),
    Way("sentence", SENTENCE),
    Way("many", "Um, uh, um. Uh, so, um, the, uh, um, yeah, uh, it's, um, it's, uh, like, um."),
    Way("bonus2", bonus=2.0),
    Way("bonus3", bonus=3.0),
    Way("bonus4", bonus=4.0),
    Way("bonus6", bonus=6.0),
    Way("both", SENTENCE, 2.0),
)
QUICK = ("plain", "sentence", "bonus3")


@dataclass(slots=True)
class Heard:
    """What one way made of some utterances."""

    texts: list[str] = field(default_factory=list)
    cpu_s: float = 0.0

    def add(self, text: str, cpu_s: float) -> None:
        self.texts.append(text)
        self.cpu_s += cpu_s


def run(quick: bool) -> Report:
    """All ways on all there is; three of them on what packages ship when quick."""
    folder = root()
    plain = shipped()
    if folder is not None and not quick:
        plain += outside(folder)
    material = {"spontaneous": spontaneous(), "spliced": spliced(quick), "plain": plain}
    ways = [way for way in WAYS if not quick or way.name in QUICK]
    # Libraries read these when a process loads them, so before the process starts.
    os.environ.update(ONE_THREAD)
    _, core = cores()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, os.sched_setaffinity, (0, {core})) as pool:
        heard = {
            kind: pool.submit(decoded, ways, utterances).result()
            for kind, utterances in material.items()
        }
    report = Report("Fillers kept, by the way of decoding", {})
    for kind, utterances in material.items():
        minutes = sum(utterance.seconds for utterance in utterances) / 60
        value = f"{minutes:.1f} minutes, {len(utterances)} utterances"
        report.rows.append((f"Speech: {kind}", value, f"{fillers_of(utterances)} fillers"))
    for way in ways:
        _add(report, way, material, heard)
    return report


def decoded(ways: Sequence[Way], utterances: Sequence[Utterance]) -> dict[str, Heard]:
    """What each way makes of the utterances, by its name."""
    model = ShortContextWhisper(ensure(), **options(DEFAULT))
    model.decode([utterances[0].pcm], [True])
    heard = {way.name: Heard() for way in ways}
    for utterance in utterances:
        for way in ways:
            _lead(model, way)
            begun_s = time.process_time()
            (result,) = model.decode([utterance.pcm], [True])
            cpu_s = time.process_time() - begun_s
            heard[way.name].add(" ".join(word.text for word in result.words), cpu_s)
    return heard


def _lead(model: ShortContextWhisper, way: Way) -> None:
    """Have `model` decode `way` from now on. The product has no such switch: it needs none."""
    vocabulary = Vocabulary(ensure(), manner=way.before)
    model._vocabulary = model.full_context()._vocabulary = vocabulary  # noqa: SLF001
    bias = model._decoder._vocabulary.bias  # noqa: SLF001
    for tokens in TOKENS.values():
        bias[list(tokens)] = way.bonus


def _add(
    report: Report,
    way: Way,
    material: dict[str, list[Utterance]],
    heard: dict[str, dict[str, Heard]],
) -> None:
    values, notes = [], []
    for kind in ("spontaneous", "spliced"):
        these = _tallies(material[kind], heard[kind][way.name])
        those = _tallies(material[kind], heard[kind][PLAIN.name])
        said, kept = sum(one.said for one in these), sum(one.kept for one in these)
        low, high = wilson(kept, said)
        report.figures[f"kept_{kind}_{way.name}"] = kept
        report.figures[f"said_{kind}"] = said
        values.append(f"{kind} {kept} of {said} ({100 * low:.0f} to {100 * high:.0f} %)")
        if way != PLAIN:
            gain = [
                (one.kept - other.kept, one.said) for one, other in zip(these, those, strict=True)
            ]
            low, high = difference_interval(gain, [(0, one.said) for one in these])
            notes.append(f"{kind} {100 * low:+.0f} to {100 * high:+.0f} points")
            report.figures[f"gain_{kind}_low_{way.name}"] = round(low, 3)
    report.rows.append((f"{way.name}: fillers kept", "; ".join(values), "; ".join(notes)))

    plain, ours = material["plain"], heard["plain"][way.name]
    theirs = heard["plain"][PLAIN.name]
    errors, those_errors = _errors(plain, ours), _errors(plain, theirs)
    words = sum(count for _, count in errors)
    false = sum(one.invented for one in _tallies(plain, ours))
    wer = sum(count for count, _ in errors) / words
    difference = wer - sum(count for count, _ in those_errors) / words
    low, high = difference_interval(errors, those_errors)
    seconds = sum(utterance.seconds for utterance in plain)
    report.figures |= {
        f"false_per_1000_{way.name}": round(1000 * false / words, 2),
        f"wer_{way.name}": round(wer, 4),
        f"wer_difference_low_{way.name}": round(low, 4),
        f"wer_difference_high_{way.name}": round(high, 4),
        f"cpu_{way.name}": round(ours.cpu_s / seconds, 4),
        "words": words,
    }
    report.rows += [
        (
            f"{way.name}: readings without fillers",
            f"WER {100 * wer:.2f} %, {false} false fillers in {words} words",
            f"{100 * difference:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f})",
        ),
        (
            f"{way.name}: CPU per second of audio",
            f"{ours.cpu_s / seconds:.4f}",
            f"{100 * (ours.cpu_s / theirs.cpu_s - 1):+.0f} %",
        ),
    ]


def _tallies(utterances: Sequence[Utterance], heard: Heard) -> list[Tally]:
    return [tally(one.text, text) for one, text in zip(utterances, heard.texts, strict=True)]


def _errors(utterances: Sequence[Utterance], heard: Heard) -> list[tuple[int, int]]:
    return [
        pair
        for one, text in zip(utterances, heard.texts, strict=True)
        for pair in errors_by_utterance([one.text], text)
    ]


def wilson(count: int, of: int) -> tuple[float, float]:
    """95 % interval of the share `count` / `of` (Wilson 1927)."""
    share, squared = count / of, Z95**2 / of
    middle = share + squared / 2
    reach = Z95 * math.sqrt(share * (1 - share) / of + squared / (4 * of))
    return (middle - reach) / (1 + squared), (middle + reach) / (1 + squared)
