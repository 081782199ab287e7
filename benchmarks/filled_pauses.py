"""`benchmarks filled_pauses`: which "um" and "uh" are heard in the signal, and what else is.

Three questions. On the annotated clips: how many of the fillers are found, and how many finds are
none; also together with the words that the recognizer writes. On clauses of readings with a filler
put into each: the same, among voices and microphones other than the filler's; and once more with
the fillers' spectrum and pitch 18 % higher, as of a shorter vocal tract. On readings as they are:
false alarms.

What was tuned on what: the shortest stretch, so that the readers of `DEVELOPMENT` gave no more than
one false alarm in two minutes. They take no part here; all other readers were never looked at for
it. But the one speaker of the annotated clips was: his vowels were seen when the largest step and
the range of formants were chosen (the range then from the literature). So his recall is that of a
speaker whom the detector knows, and fourteen fillers of one man say little of other people.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.signal import resample_poly

from analyzers.disfluencies import HEARD, merge
from analyzers.filled_pauses import FilledPause, FilledPauses
from analyzers.fillers import lexicon
from analyzers.frame import FRAME_MS, FRAME_SAMPLES
from analyzers.pace import Word
from analyzers.pitch import Pitch
from benchmarks import hesitation, reading
from benchmarks.fillers import wilson
from benchmarks.reading import Reading, narrowed
from benchmarks.report import Report
from benchmarks.transcribed import MARGIN_MS, clause_spans, manifest, outside, root
from engine.asr.weights import options
from engine.asr.whisper import ShortContextWhisper
from engine.frames import SAMPLE_RATE, Pcm
from engine.models import DEFAULT, Catalogue, ensure
from signaling.publisher import load_audio

DEVELOPMENT = frozenset(
    {"LJ(F)", "LS1998(F)", "LS2414(M)", "LS61(M)", "SB-spk1", "VCTK-p227(M)", "AllisonSmith(F)"}
)
"""Speakers, as the manifest names them, whose fluent speech the detector was tuned on."""
SHARED_MS = 50
"""A find and a filler share at least this much, or all of a filler that is shorter."""
WRITTEN_OFF_MS = 150
"""How far off a word's time in a transcript may be."""
SHORTER_TRACT = (100, 118)
ROUNDS = 5

Span = tuple[int, int]
"""Begin and end in ms."""


@dataclass(frozen=True, slots=True)
class Clip:
    """`pcm` is int16 at 16 kHz; `fillers` are where one says "um" or "uh"."""

    name: str
    pcm: Pcm
    fillers: list[Span]


@dataclass(frozen=True, slots=True)
class Count:
    """Fillers that were said, finds, and finds that are a filler nobody had found before."""

    said: int
    finds: int
    found: int

    def __add__(self, other: Count) -> Count:
        return Count(self.said + other.said, self.finds + other.finds, self.found + other.found)


def run(quick: bool) -> Report:
    """On what packages ship when quick, else also on what `FORECOURT_TEST_DATA` holds."""
    clips = annotated()
    readings = _readings(quick)
    fluent = _fluent(quick)
    report = Report(
        'Filled pauses ("um", "uh") heard in the signal', {"us_per_frame": _cost(fluent)}
    )
    texts = _texts(clips)

    def written(clip: Clip) -> list[Span]:
        found = lexicon().find(texts[clip.name])
        return [(one.start_ms, one.end_ms) for one in found if _hummed(one.text)]

    def merged(clip: Clip) -> list[Span]:
        words = texts[clip.name]
        found = merge(heard(clip.pcm), lexicon().find(words), words)
        return [(one.start_ms, one.end_ms) for one in found if _hummed(one.text)]

    def signal(clip: Clip) -> list[Span]:
        return [(one.start_ms, one.end_ms) for one in heard(clip.pcm)]

    _add(report, "", "Annotated clips", clips, signal)
    _add(report, "_text", "Annotated clips, the transcript alone", clips, written)
    _add(report, "_merged", "Annotated clips, signal and transcript", clips, merged)
    _add(report, "_spliced", "Put into readings", spliced(readings, (1, 1)), signal)
    _add(
        report,
        "_spliced_shorter_tract",
        "Put into readings, 18 % higher",
        spliced(readings, SHORTER_TRACT),
        signal,
    )
    minutes = sum(len(pcm) for pcm in fluent) / SAMPLE_RATE / 60
    false = sum(len(heard(pcm)) for pcm in fluent)
    report.figures |= {
        "false_per_minute": round(false / minutes, 2),
        "false_fluent": false,
        "minutes_fluent": round(minutes, 1),
    }
    report.rows += [
        ("Readings without fillers", f"{false / minutes:.2f} false a minute", f"{minutes:.1f} min"),
        ("CPU", f"{report.figures['us_per_frame']} us per frame", "beside the pitch, shared"),
    ]
    return report


def heard(pcm: Pcm) -> list[FilledPause]:
    """What the detector finds, with the voicing decisions of `Pitch` as in a call."""
    pitch, detector = Pitch(), FilledPauses()
    finds = []
    for start in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        frame = np.ascontiguousarray(pcm[start : start + FRAME_SAMPLES])
        pitch.push(frame)
        find = detector.push(frame, pitch.voiced, start * 1000 // SAMPLE_RATE)
        if find is not None:
            finds.append(find)
    return finds


def count(fillers: Sequence[Span], finds: Sequence[Span], off_ms: int = 0) -> Count:
    """Match each filler with at most one find and the other way round, in order of time.

    `off_ms` widens the fillers on either side.
    """
    free = list(finds)
    found = 0
    for begin_ms, end_ms in fillers:
        least_ms = min(SHARED_MS, end_ms - begin_ms)
        match = next(
            (
                one
                for one in free
                if min(one[1], end_ms + off_ms) - max(one[0], begin_ms - off_ms) >= least_ms
            ),
            None,
        )
        if match is not None:
            free.remove(match)
            found += 1
    return Count(len(fillers), len(finds), found)


def annotated() -> list[Clip]:
    """The three clips with fourteen fillers, of which one is annotated with 10 ms."""
    folder = Catalogue.load(reading.SPEECH).ensure(hesitation.NAME, repair=True)
    return [
        Clip(
            grid.stem,
            narrowed(load_audio(grid.with_suffix(".wav"))),
            hesitation.spans(grid.read_text(encoding="utf-8")),
        )
        for grid in sorted(folder.glob("*.TextGrid"))
    ]


def spliced(readings: dict[str, Reading], rate: tuple[int, int]) -> list[Clip]:
    """Every clause with one of the annotated fillers in its widest gap, resampled by `rate`."""
    rng = np.random.default_rng(hesitation.SEED)
    sounds = hesitation.sounds()
    clips = []
    for name, whole in readings.items():
        for first, last in clause_spans(whole):
            if last - first >= hesitation.FEWEST_WORDS:
                _, sound = sounds[rng.integers(len(sounds))]
                higher = np.round(resample_poly(sound.astype(np.float64), *rate))
                clause = whole.between(first, last, MARGIN_MS)
                clips.append(_with_filler(f"{name}/{first}", clause, higher.astype(np.int16)))
    return clips


def _with_filler(name: str, clause: Reading, filler: Pcm) -> Clip:
    gaps = [after.start_ms - before.end_ms for before, after in pairwise(clause.words)]
    place = int(np.argmax(gaps))
    middle_ms = (clause.words[place].end_ms + clause.words[place + 1].start_ms) // 2
    pcm, at = hesitation.inserted(narrowed(clause.audio), filler, middle_ms)
    begin_ms = at * 1000 // SAMPLE_RATE
    return Clip(name, pcm, [(begin_ms, begin_ms + len(filler) * 1000 // SAMPLE_RATE)])


def _readings(quick: bool) -> dict[str, Reading]:
    """Readings whose word times are known, by readers the detector was not tuned on."""
    readings = {name: reading.load(name, path) for name, path in reading.clips().items()}
    folder = root()
    if folder is not None and not quick:
        of = {row["path"]: row["speaker"] for row in manifest(folder)}
        readings |= {
            name: whole
            for name, whole in reading.outside(folder).items()
            if of[name] not in DEVELOPMENT
        }
    return readings


def _fluent(quick: bool) -> list[Pcm]:
    speech = [narrowed(load_audio(path)) for path in reading.clips().values()]
    folder = root()
    if folder is not None and not quick:
        of = {row["path"]: row["speaker"] for row in manifest(folder)}
        speech += [one.pcm for one in outside(folder) if of[one.name] not in DEVELOPMENT]
    return speech


def _texts(clips: Sequence[Clip]) -> dict[str, list[Word]]:
    model = ShortContextWhisper(ensure(), **options(DEFAULT))
    return {
        clip.name: [
            (word.text, word.start_ms, word.end_ms, word.probability)
            for word in model.decode([clip.pcm], [True])[0].words
        ]
        for clip in clips
    }


def _hummed(text: str) -> bool:
    return text == HEARD or hesitation.is_filler(text)


def _cost(speech: Sequence[Pcm]) -> float:
    """us of CPU per frame, of the detector alone: the least of some rounds over one recording."""
    pcm = speech[0][: len(speech[0]) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    detector = FilledPauses()
    rounds = []
    for _ in range(ROUNDS + 1):
        begun_s = time.process_time()
        for number, frame in enumerate(pcm):
            detector.push(frame, True, number * FRAME_MS)
        rounds.append(time.process_time() - begun_s)
    return round(1e6 * min(rounds) / len(pcm), 1)


def _add(
    report: Report,
    name: str,
    title: str,
    clips: Sequence[Clip],
    find: Callable[[Clip], list[Span]],
) -> None:
    off_ms = WRITTEN_OFF_MS if name in ("_text", "_merged") else 0
    total = Count(0, 0, 0)
    for clip in clips:
        total += count(clip.fillers, find(clip), off_ms)
    report.figures |= {f"said{name}": total.said, f"finds{name}": total.finds}
    report.figures |= {f"found{name}": total.found}
    values = []
    for what, of in (("recall", total.said), ("precision", total.finds)):
        if of == 0:
            report.figures |= {f"{what}{name}{end}": None for end in ("", "_low", "_high")}
            values.append(f"{what} unknown")
            continue
        low, high = wilson(total.found, of)
        report.figures |= {
            f"{what}{name}": round(total.found / of, 3),
            f"{what}{name}_low": round(low, 3),
            f"{what}{name}_high": round(high, 3),
        }
        values.append(
            f"{what} {total.found / of:.2f} ({low:.2f} to {high:.2f}), {total.found} of {of}"
        )
    minutes = sum(len(clip.pcm) for clip in clips) / SAMPLE_RATE / 60
    report.rows.append((title, "; ".join(values), f"{minutes:.1f} min"))
