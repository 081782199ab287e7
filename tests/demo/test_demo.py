"""`forecourt demo`: the bundled call raises what its script was written to raise, and no other."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from api.demo.bundled import Passage, passages
from benchmarks.wer import word_error_rate

pytestmark = pytest.mark.slow

LEAD_MS = 500
"""Silence that the client sends ahead of the call."""
AFTERMATH_MS = 5_000
"""A cue may wait for the words or for the budget of interruptions, but not longer than this."""


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("demo") / "out.json"
    command = [sys.executable, "-m", "api.cli", "demo", "--once", "--json", str(path)]
    subprocess.run(command, check=True, timeout=110, cwd=Path(__file__).parents[2])
    result: dict[str, Any] = json.loads(path.read_text())
    return result


def expected() -> list[tuple[str, Passage]]:
    return [(code, passage) for passage in passages() for code in passage.feedback]


@pytest.mark.timeout(150)
def test_the_call_raises_what_its_script_was_written_to_raise_and_no_other(
    figures: dict[str, Any],
) -> None:
    raised = [cue["code"] for cue in figures["feedback"]]
    assert raised == [code for code, _ in expected()]


def test_each_cue_comes_in_its_passage_or_right_behind_it(figures: dict[str, Any]) -> None:
    ends = {p.name: q.start_ms for p, q in zip(passages(), passages()[1:], strict=False)}
    for cue, (code, passage) in zip(figures["feedback"], expected(), strict=True):
        start_ms = passage.start_ms + LEAD_MS
        end_ms = ends.get(passage.name, passage.end_ms) + LEAD_MS + AFTERMATH_MS
        assert start_ms <= cue["tMs"] <= end_ms, (code, cue["tMs"])


def test_no_two_cues_interrupt_within_eight_seconds(figures: dict[str, Any]) -> None:
    times = [cue["tMs"] for cue in figures["feedback"]]
    assert all(later - earlier >= 8_000 for earlier, later in pairwise(times))


def test_the_words_of_the_script_are_heard(figures: dict[str, Any]) -> None:
    script = " ".join(passage.text for passage in passages())
    rate, words = word_error_rate(script, figures["transcript"])
    assert words > 100
    assert rate <= 0.08


def test_the_figures_tell_scores_and_latencies(figures: dict[str, Any]) -> None:
    assert all(0 <= figures["scores"][name] <= 100 for name in ("confidence", "clarity", "pace"))
    assert figures["scores"]["volume"] is not None
    assert 0 < figures["firstP50Ms"] <= figures["commitP50Ms"]
