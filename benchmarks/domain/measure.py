"""What correction by the domain list does to transcripts: terms found, terms invented, words wrong.

The clips of `tuning` and `heldout` and, as speech that holds no terms, package-shipped readings and
those of FORECOURT_TEST_DATA are decoded once; every transcript is then measured as it is and
corrected.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.domain.sentences import HALVES, Sentence, clips
from benchmarks.domain.terms import Tagger, inserted, missed
from benchmarks.report import Figure, Report
from benchmarks.transcribed import outside, root, shipped
from benchmarks.wer import difference_interval, errors_by_utterance, interval
from engine.asr.correction import Corrector
from engine.asr.domain import load
from engine.asr.weights import options
from engine.asr.whisper import ShortContextWhisper
from engine.frames import Pcm
from engine.models import DEFAULT, ensure

Counts = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said, and the words that the recognizer made of it."""

    sentence: Sentence
    words: list[str]


@dataclass(frozen=True, slots=True)
class Result:
    """Per sentence, its voices together, since they are no independent evidence: (terms missed,
    terms said), (terms invented, words), (words wrong, words). `examples` are those invented."""

    missed: Counts
    invented: Counts
    wrong: Counts
    examples: list[str]

    @classmethod
    def of(cls, utterances: Sequence[Utterance], texts: Sequence[str], tagger: Tagger) -> Result:
        """`texts` are the transcripts, one for each of the `utterances`."""
        lost: dict[str, int] = defaultdict(int)
        extra: dict[str, int] = defaultdict(int)
        wrong: dict[str, int] = defaultdict(int)
        words: dict[str, int] = defaultdict(int)
        terms: dict[str, int] = defaultdict(int)
        invented: list[str] = []
        for utterance, text in zip(utterances, texts, strict=True):
            sentence, found = utterance.sentence, tagger.found(text)
            key = sentence.marked
            ((errors, count),) = errors_by_utterance([sentence.text], text)
            here = inserted(tagger.found(sentence.text), found)
            lost[key] += len(missed(sentence.terms, found))
            terms[key] += len(sentence.terms)
            extra[key] += len(here)
            wrong[key] += errors
            words[key] += count
            invented += here
        return cls(
            [(lost[key], terms[key]) for key in words],
            [(extra[key], words[key]) for key in words],
            [(wrong[key], words[key]) for key in words],
            sorted(invented),
        )


def rate(counts: Counts) -> float:
    return sum(part for part, _ in counts) / sum(whole for _, whole in counts)


class Measurement:
    """A loaded recognizer, the list and its corrector."""

    def __init__(self) -> None:
        self._model = ShortContextWhisper(ensure(), **options(DEFAULT))
        terms = load()
        self._tagger = Tagger(terms)
        self._corrector = Corrector(terms)
        self.figures: dict[str, Figure] = {}
        self.rows: list[tuple[str, str, str]] = []

    def heard(self, pcm: Pcm, sentence: Sentence) -> Utterance:
        (decoded,) = self._model.decode([pcm], [False])
        return Utterance(sentence, [word.text for word in decoded.words])

    def compare(self, name: str, utterances: Sequence[Utterance]) -> None:
        """Both ways side by side, into figures and rows named `name`."""
        before = Result.of(utterances, [" ".join(u.words) for u in utterances], self._tagger)
        start = time.process_time()
        corrected = [self._corrector.correct(u.words) for u in utterances]
        took_s = time.process_time() - start
        after = Result.of(utterances, [" ".join(words) for words in corrected], self._tagger)
        words = sum(count for _, count in before.wrong)
        spoken = sum(count for _, count in before.missed)
        figures: dict[str, Figure] = {"words": words, "terms": spoken}
        if spoken:
            figures["recall_off"] = 100 * (1 - rate(before.missed))
            figures["recall_on"] = 100 * (1 - rate(after.missed))
            low, high = difference_interval(after.missed, before.missed)
            figures["recall_gain_low"], figures["recall_gain_high"] = -100 * high, -100 * low
        for figure, result in (("off", before), ("on", after)):
            figures[f"false_per_1000_{figure}"] = 1000 * rate(result.invented)
            figures[f"wer_{figure}"] = 100 * rate(result.wrong)
        # Where none was invented the rule of three bounds the rate (95 %).
        figures["false_per_1000_on_high"] = max(1000 * interval(after.invented)[1], 3000 / words)
        low, high = difference_interval(after.wrong, before.wrong)
        figures["wer_change_low"], figures["wer_change_high"] = 100 * low, 100 * high
        figures["us_per_word"] = 1e6 * took_s / sum(len(u.words) for u in utterances)
        self.figures |= {
            f"{name}_{key}": round(value, 2) + 0 if value is not None else None
            for key, value in figures.items()
        }
        self._describe(name, words, figures, after)

    def _describe(self, name: str, words: int, figures: dict[str, Figure], after: Result) -> None:
        if figures["terms"]:
            self.rows.append(
                (
                    f"{name}: terms found",
                    "{recall_off:.1f} -> {recall_on:.1f} %".format(**figures),
                    "gain {recall_gain_low:.1f} to {recall_gain_high:.1f} points, "
                    "{terms} terms".format(**figures),
                )
            )
        self.rows += [
            (
                f"{name}: terms invented per 1000 words",
                "{false_per_1000_off:.2f} -> {false_per_1000_on:.2f}".format(**figures),
                f"below {figures['false_per_1000_on_high']:.1f} by 95 %, "
                f"{words} words; {', '.join(after.examples) or 'none'}",
            ),
            (
                f"{name}: words wrong",
                "{wer_off:.2f} -> {wer_on:.2f} %".format(**figures),
                "change {wer_change_low:.2f} to {wer_change_high:.2f}, "
                "{us_per_word:.0f} us a word".format(**figures),
            ),
        ]


def run(quick: bool = False) -> Report:
    """The benchmark. `quick` leaves out all but every sixth clip and the outside recordings."""
    measurement = Measurement()
    for half in HALVES:
        spoken = clips(half)[:: 6 if quick else 1]
        heard = [measurement.heard(clip.pcm, clip.sentence) for clip in spoken]
        for kind, wanted in (("", True), ("_ordinary", False)):
            utterances = [u for u in heard if bool(u.sentence.terms) is wanted]
            measurement.compare(f"{half}{kind}", utterances)
    readings = shipped()
    folder = root()
    if folder is not None and not quick:
        readings += outside(folder)
    measurement.compare(
        "readings", [measurement.heard(one.pcm, Sentence(one.text)) for one in readings]
    )
    return Report(
        "Domain words: the list's correction off -> on", measurement.figures, measurement.rows
    )
