from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import NAMES, main
from benchmarks.report import Report


def test_a_report_shows_every_row(capsys):
    Report("One call", {"wer": 0.01}, [("Word error rate", "1.0 %", "193 words")]).print()
    shown = capsys.readouterr().out
    for part in ("One call", "Word error rate", "1.0 %", "193 words"):
        assert part in shown


@pytest.mark.parametrize("quick", [False, True])
def test_the_last_line_is_one_json_object(monkeypatch, quick):
    asked = []

    def run(quick: bool) -> Report:
        asked.append(quick)
        figures = {"wer": 0.01, "first_p50_ms": 300, "final_p95_ms": None}
        return Report("One call", figures, [("Word error rate", "1.0 %", "")])

    monkeypatch.setitem(sys.modules, "benchmarks.call", SimpleNamespace(run=run))
    result = CliRunner().invoke(main, ["call", "--quick"] if quick else ["call"])
    assert result.exit_code == 0
    *table, last = result.output.splitlines()
    assert json.loads(last) == {"wer": 0.01, "first_p50_ms": 300, "final_p95_ms": None}
    assert any("Word error rate" in line for line in table)
    assert asked == [quick]


def test_an_unknown_benchmark_is_refused_with_the_known_ones():
    result = CliRunner().invoke(main, ["nonsense"])
    assert result.exit_code == 2
    assert all(name in result.output for name in NAMES)
