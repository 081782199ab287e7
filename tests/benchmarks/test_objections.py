"""Shares are counted over the right sentences, and confusions told."""

from __future__ import annotations

from benchmarks.objections import (
    ORDINARY,
    Answer,
    Labelled,
    by_phrases,
    confusions,
    summarise,
)
from benchmarks.report import Report
from engine.objections import Scores


def answer(code: str, *, a: float, b: float, ordinary: float = 0.0) -> Answer:
    return Answer(Labelled(code, ""), Scores({"a": a, "b": b}, ordinary, ()), 0.0)


def test_shares_are_counted_over_objections_and_over_ordinary_talk() -> None:
    answers = [
        answer("a", a=0.9, b=0.2),
        answer("a", a=0.6, b=0.7),
        answer("b", a=0.1, b=0.5, ordinary=0.42),
        answer("b", a=0.1, b=0.2),
        answer(ORDINARY, a=0.8, b=0.1),
        answer(ORDINARY, a=0.5, b=0.1, ordinary=0.44),
        answer(ORDINARY, a=0.5, b=0.1, ordinary=0.6),
    ]
    report = Report("", {})
    summarise(report, answers, "")
    counted = {
        name.removesuffix("_count"): (count, report.figures[name.replace("_count", "_of")])
        for name, count in report.figures.items()
        if name.endswith("_count")
    }
    assert counted == {
        "top1": (3, 4),
        "top2": (4, 4),
        "heard": (3, 4),
        "cards_right": (1, 4),
        "cards_wrong": (1, 4),
        "false_alarms": (2, 3),
        "cards_fired_on_ordinary": (1, 3),
    }
    assert confusions(answers) == [("a", "b ×1")]
    assert report.figures["top1"] == 0.75


def test_phrases_alone_rank_what_they_hear() -> None:
    heard, silent = by_phrases(
        [Labelled("price_too_high", "It's too expensive."), Labelled(ORDINARY, "It's blue.")]
    )
    assert (heard.ranked, heard.card) == (["price_too_high"], "price_too_high")
    assert (silent.ranked, silent.card) == ([], None)
