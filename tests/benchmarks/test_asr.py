from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.asr import Heard, decoded, judged
from benchmarks.report import Report
from benchmarks.transcribed import Utterance, shipped
from engine.frames import SAMPLE_RATE
from engine.models import DEFAULT


def utterance(text: str, seconds: float = 1.0) -> Utterance:
    return Utterance("made", np.zeros(int(seconds * SAMPLE_RATE), np.int16), text)


def test_both_contexts_hear_the_words_and_take_time_for_them():
    chosen = [one for one in shipped() if one.name in ("two_cities/1", "two_cities/7")]
    heard = decoded(DEFAULT, chosen)
    for context in (0, 1):
        result = judged(chosen, [pair[context] for pair in heard])
        assert result.words == sum(len(one.text.split()) for one in chosen)
        assert result.wer < 0.2
        assert result.cpu > 0.0
    assert all(full.fell_back for full, _ in heard)
    assert not any(short.fell_back for _, short in heard)


def test_errors_are_per_word_and_cpu_per_second_of_audio():
    said = [utterance("good morning to you", 2.0), utterance("goodbye", 0.5)]
    result = judged(said, [Heard("Good morning, to two.", 0.3), Heard("", 0.2, fell_back=True)])
    assert result.errors == [(1, 4), (1, 1)]
    assert result.wer == pytest.approx(0.4)
    assert result.words == 5
    assert result.cpu == pytest.approx(0.2)
    assert result.fell_back == 1


@pytest.mark.parametrize(
    ("arguments", "module", "asked"),
    [
        (["--live", "8", "--quick", "--step", "fixed"], "live", (True, 8, "fixed")),
        (["--live", "1"], "live", (False, 1, None)),
        (["--noise", "--quick"], "invention", (True,)),
        (["--peers"], "asr_peers", (False,)),
    ],
)
def test_each_option_asks_the_module_that_answers_it(monkeypatch, arguments, module, asked):
    calls = []

    def run(*given: object) -> Report:
        calls.append(given)
        return Report(module, {"answer": 1})

    monkeypatch.setitem(sys.modules, f"benchmarks.{module}", SimpleNamespace(run=run))
    result = CliRunner().invoke(main, ["asr", *arguments])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output.splitlines()[-1]) == {"answer": 1}
    assert calls == [asked]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["call", "--noise"], "--noise goes with asr, not with call."),
        (["call", "--peers"], "--peers goes with receive, asr, not with call."),
        (["asr", "--noise", "--live", "2"], "Only one of"),
        (["asr", "--step", "fixed"], "--step goes with --live."),
        (["asr", "--live", "0"], "0 is not in the range"),
        (["asr", "--live", "1", "--step", "long"], "'long' is not one of"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments, why):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert why in result.output
