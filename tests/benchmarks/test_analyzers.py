"""`benchmarks analyzers`: every analyzer of its table runs; ratios are theirs over ours."""

import numpy as np
import pytest

from benchmarks import analyzers
from benchmarks.reading import Reading, ReferenceWord
from tests.analyzers.recordings import noise


@pytest.fixture(scope="module")
def moments():
    pcm = noise(-30, 2)
    reading = Reading(np.zeros(2 * 48_000, np.int16), [ReferenceWord("word", 500, 1000)])
    return list(analyzers._moments(pcm, reading))


def test_a_word_and_its_neighbourhood_count_as_speech(moments):
    assert len(moments) == 100
    speaking = [moment.start_ms for moment in moments if moment.speaking]
    assert speaking == list(range(400, 1120, 20))


@pytest.mark.parametrize("name", analyzers.ANALYZERS)
def test_an_analyzer_of_the_table_takes_every_frame(name, moments):
    step = analyzers.ANALYZERS[name]()
    for moment in moments:
        step(moment)


def test_what_others_do_is_compared_with_what_does_the_same_here():
    assert set(analyzers.WORK.values()) <= set(analyzers.ANALYZERS)
    assert {name for name in analyzers.WORK if not name.startswith("librosa")} == set(
        analyzers._references(np.zeros(16_000))
    )


def test_the_report_gives_each_analyzers_time_and_the_ratios():
    ours = dict.fromkeys(analyzers.ANALYZERS, 4.0)
    theirs = dict.fromkeys(analyzers.WORK, 10.0)
    figures = analyzers.report(55.55, ours, theirs, 20.0).figures
    assert figures["us_per_frame_all"] == pytest.approx(55.5, abs=0.11)
    assert all(figures[f"us_per_frame_{name}"] == 4.0 for name in ours)
    assert all(figures[f"ratio_{name}"] == 2.5 for name in theirs)
