"""`benchmarks objections`: are objections recognized, and does ordinary talk get no cards?

The sentences of tests/engine/objection_sentences.tsv were written before any tuning, are no
exemplars and chose no constant. Each goes through what a call uses: the worker process, then
`engine.objections`. `top1` and `top2` ask whether the right objection ranks first, or among the
first two, of the objections alone; the other shares are of what a trainee would see. The full run
adds the same with phrases alone, as on a node without the model, and the development set, which
the constants were chosen on.
"""

from __future__ import annotations

import asyncio
import csv
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cpu import used_s
from benchmarks.fillers import wilson
from benchmarks.report import Report
from engine import playbook
from engine.embedding.embedder import Embedder
from engine.embedding.minilm import MODEL
from engine.models import ensure
from engine.objections import PHRASE_BONUS, SUGGESTED, Judge, Scores, verdict

TESTS = Path(__file__).parents[1] / "tests" / "engine"
TEST = TESTS / "objection_sentences.tsv"
DEVELOPMENT = TESTS / "objection_development.tsv"
ORDINARY = "ordinary"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence and the code of its objection, or `ORDINARY`."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a sentence, and how long it took."""

    asked: Labelled
    scores: Scores
    took_s: float

    @property
    def ranked(self) -> list[str]:
        """The objections, likeliest first; without the model, those whose phrases were heard."""
        values = self.scores.likeness or dict.fromkeys(self.scores.phrases, 0.0)
        bonus = dict.fromkeys(self.scores.phrases, PHRASE_BONUS)
        return sorted(values, key=lambda code: values[code] + bonus.get(code, 0.0), reverse=True)

    @property
    def card(self) -> str | None:
        found = verdict(self.scores)
        return found.card if found else None


def labelled(path: Path) -> list[Labelled]:
    """The rows of a file of sentences. Raises `OSError`."""
    with path.open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Labelled(row["code"], row["sentence"]) for row in rows]


def run(quick: bool) -> Report:
    """The test set; phrases alone and the development set beside it unless quick."""
    report = Report("Objections", {})
    answers, cpu_ms = asyncio.run(answered(labelled(TEST)))
    summarise(report, answers, "")
    took_ms = [answer.took_s * 1000 for answer in answers]
    report.figures["ms_per_sentence"] = round(statistics.median(took_ms), 1)
    report.figures["cpu_ms_per_sentence"] = round(cpu_ms, 1)
    report.rows.append(
        ("One sentence, asked and answered", f"{statistics.median(took_ms):.1f} ms", "median")
    )
    report.rows.append(("CPU of the worker", f"{cpu_ms:.1f} ms", "a sentence"))
    for asked, code in confusions(answers):
        report.rows.append((f"Ranked first for {asked}", code, ""))
    if not quick:
        summarise(report, by_phrases(labelled(TEST)), "phrases_")
        development, _ = asyncio.run(answered(labelled(DEVELOPMENT)))
        summarise(report, development, "development_")
    return report


async def answered(sentences: Sequence[Labelled]) -> tuple[list[Answer], float]:
    """Each sentence's answer, one after the other, and the worker's CPU ms for each."""
    embedder = Embedder(ensure(MODEL))
    embedder.start()
    judge = Judge(playbook.shipped(), embedder)
    try:
        await judge.prepare()
        if embedder.pid is None or not judge.is_prepared:
            raise RuntimeError("The embedding worker did not prepare the playbook's exemplars.")
        before_s = used_s(embedder.pid)
        answers = [await _answer(judge, each) for each in sentences]
        spent_s = used_s(embedder.pid) - before_s
    finally:
        await embedder.stop()
    return answers, spent_s * 1000 / len(sentences)


def by_phrases(sentences: Sequence[Labelled]) -> list[Answer]:
    """What phrases alone make of the sentences."""
    judge = Judge(playbook.shipped(), None)
    answers: list[Answer] = []
    for each in sentences:
        judge.hear(
            each.sentence.split(),
            lambda scores, each=each: answers.append(Answer(each, scores, 0.0)),
        )
    return answers


async def _answer(judge: Judge, asked: Labelled) -> Answer:
    scored: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()
    begun_s = time.perf_counter()
    judge.hear(asked.sentence.split(), scored.set_result)
    scores = await scored
    return Answer(asked, scores, time.perf_counter() - begun_s)


def confusions(answers: Sequence[Answer]) -> list[tuple[str, str]]:
    """(right code, "code that ranked first ×n") where they differ, the most frequent first."""
    wrong = Counter(
        (answer.asked.code, answer.ranked[0])
        for answer in answers
        if answer.asked.code != ORDINARY and answer.ranked[0] != answer.asked.code
    )
    return [(asked, f"{code} ×{count}") for (asked, code), count in wrong.most_common()]


def summarise(report: Report, answers: Sequence[Answer], prefix: str) -> None:
    """Add the shares and their 95 % intervals, each figure's name behind `prefix`."""
    raised = [answer for answer in answers if answer.asked.code != ORDINARY]
    ordinary = [answer for answer in answers if answer.asked.code == ORDINARY]
    shares = {
        "top1": (
            "The right objection ranks first",
            [answer.ranked[:1] == [answer.asked.code] for answer in raised],
        ),
        "top2": (
            "It is among the first two",
            [answer.asked.code in answer.ranked[:SUGGESTED] for answer in raised],
        ),
        "heard": (
            "Something is suggested on objections",
            [verdict(answer.scores) is not None for answer in raised],
        ),
        "cards_right": (
            "The right card on objections",
            [answer.card == answer.asked.code for answer in raised],
        ),
        "cards_wrong": (
            "A wrong card on objections",
            [answer.card not in (None, answer.asked.code) for answer in raised],
        ),
        "false_alarms": (
            "Something is suggested on ordinary talk",
            [verdict(answer.scores) is not None for answer in ordinary],
        ),
        "cards_fired_on_ordinary": (
            "A card on ordinary talk",
            [answer.card is not None for answer in ordinary],
        ),
    }
    for name, (what, outcomes) in shares.items():
        count, of = sum(outcomes), len(outcomes)
        low, high = wilson(count, of)
        figures = report.figures
        figures[f"{prefix}{name}"] = round(count / of, 3)
        figures[f"{prefix}{name}_low"], figures[f"{prefix}{name}_high"] = (
            round(low, 3),
            round(high, 3),
        )
        figures[f"{prefix}{name}_count"], figures[f"{prefix}{name}_of"] = count, of
        label = f"{what} ({prefix.rstrip('_')})" if prefix else what
        note = f"{count} of {of}; 95 %: {low:.0%} to {high:.0%}"
        report.rows.append((label, f"{count / of:.0%}", note))
