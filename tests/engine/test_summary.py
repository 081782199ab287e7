"""Three strengths and three things to work on, each with moments that can be played."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.catalogue import catalogue
from engine.events import Feedback, Metrics, Quantities, Scores, Summary
from engine.features import Features
from engine.feedback import RULES
from engine.summary import AT_MOST, CUES, STRONG, Stretches, summary
from tests.engine.test_feedback import GOOD

ENGLISH = catalogue("en")
GREAT = Quantities(
    speech_s=90.0,
    words=220,
    rate_wpm=150.0,
    syllables_per_s=4.0,
    active_level_dbfs=-22.0,
    level_vs_baseline_db=0.0,
    level_variation_db=2.0,
    snr_db=30.0,
    clipped_pct=0.0,
    asr_certainty=0.95,
    fillers=2,
    hedges=1,
    fillers_per_100_words=0.9,
    hedges_per_100_words=0.5,
    pauses=5,
    longest_pause_ms=1_200,
)
NO_SCORES = Scores(confidence=None, clarity=None, pace=None, volume=None)


def cue(code: str, start_ms: int, **parameters: Any) -> Feedback:
    kind = "praise" if code in ("followed", "steady_delivery") else "correction"
    return Feedback(
        kind=kind,
        severity="low",
        code=code,
        parameters=parameters,
        message="",
        evidence="",
        span_ms=(start_ms, start_ms + 5_000),
    )


def call(*cues: Feedback, stretches: Stretches | None = None, **changes: Any) -> Summary:
    quantities = GREAT.model_copy(update=changes)
    metrics = Metrics(scores=NO_SCORES, quantities=quantities)
    return summary(metrics, cues, stretches or Stretches(), ENGLISH)


def heard(*spans: tuple[int, dict[str, Any]]) -> Stretches:
    """Spans of features, each so many ms long, one after another."""
    stretches = Stretches()
    t_ms = 0
    for length_ms, changes in spans:
        for _ in range(length_ms // 100):
            t_ms += 100
            stretches.push(replace(GOOD, t_ms=t_ms, **changes))
    return stretches


def test_a_great_call_has_three_strengths_and_nothing_is_made_up_to_work_on() -> None:
    told = call()
    assert len(told.strengths) == AT_MOST
    assert told.work_on == []


def test_the_worst_comes_first_and_three_at_most() -> None:
    told = call(
        rate_wpm=215.0,
        level_vs_baseline_db=-9.0,
        clipped_pct=0.4,
        snr_db=9.0,
        fillers_per_100_words=9.0,
    )
    assert [point.code for point in told.work_on] == ["pace", "fillers", "volume"]
    assert len(told.strengths) <= AT_MOST
    assert not {one.code for one in told.strengths} & {one.code for one in told.work_on}


def test_cues_make_a_quality_something_to_work_on_and_are_its_moments() -> None:
    told = call(cue("too_fast", 10_000), cue("too_fast", 60_000))
    (point,) = told.work_on
    assert point.code == "pace"
    assert point.moments == [(10_000, 15_000), (60_000, 65_000)]
    assert "150 words a minute" in point.message


def test_praise_is_the_moment_of_a_strength() -> None:
    told = call(cue("followed", 30_000, nudge="too_quiet"), cue("steady_delivery", 50_000))
    moments = {point.code: point.moments for point in told.strengths}
    assert moments["pace"] == [(50_000, 55_000)]
    assert moments["volume"] == [(30_000, 35_000)]


def test_without_cues_the_longest_stretch_is_the_moment() -> None:
    stretches = heard(
        (2_000, {}), (1_000, {"syllables_per_s": 7.0}), (6_000, {}), (500, {"speaking": False})
    )
    told = call(stretches=stretches)
    moments = {point.code: point.moments for point in told.strengths}
    assert moments["pace"] == [(3_100, 9_000)]
    bad = heard((4_000, {}), (5_000, {"level_vs_baseline_db": -10.0}))
    told = call(stretches=bad, level_vs_baseline_db=-8.0)
    assert [(point.code, point.moments) for point in told.work_on] == [("volume", [(4_100, 9_000)])]


def test_a_short_call_is_not_judged() -> None:
    assert call(speech_s=14.9) == call(words=39) == Summary(strengths=[], work_on=[])


def test_without_a_microphone_check_volume_is_neither() -> None:
    told = call(level_vs_baseline_db=None, rate_wpm=250.0)
    assert "volume" not in {point.code for point in told.strengths + told.work_on}


def test_every_rule_about_delivery_belongs_to_a_quality() -> None:
    assert CUES.keys() == {rule.code for rule in RULES} - {"link_trouble"} | {"never_say"}


SHARES = st.one_of(st.none(), st.floats(-40, 400, allow_nan=False))


@given(
    st.lists(st.tuples(st.sampled_from(sorted(CUES)), st.integers(0, 600_000)), max_size=20),
    SHARES,
    SHARES,
    SHARES,
    st.floats(0, 100),
)
def test_whatever_happened_it_can_be_told(
    cues: list[tuple[str, int]],
    rate_wpm: float | None,
    level_db: float | None,
    per_100: float | None,
    clipped_pct: float,
) -> None:
    told = call(
        *(cue(code, at_ms) for code, at_ms in cues),
        rate_wpm=rate_wpm,
        level_vs_baseline_db=level_db,
        fillers_per_100_words=per_100,
        clipped_pct=clipped_pct,
    )
    assert len(told.strengths) <= AT_MOST
    assert len(told.work_on) <= AT_MOST
    for point in told.strengths + told.work_on:
        assert "{" not in point.message
        assert all(start_ms <= end_ms for start_ms, end_ms in point.moments)
    cued = {CUES[code] for code, _ in cues}
    assert not {point.code for point in told.strengths if point.code == "pauses"} & cued
    assert STRONG < 1.0


def test_features_without_speech_make_no_stretch() -> None:
    stretches = Stretches()
    silent: Features = replace(GOOD, speaking=False)
    for t_ms in range(0, 60_000, 100):
        stretches.push(replace(silent, t_ms=t_ms))
    assert stretches.longest("pace", good=True) is None
