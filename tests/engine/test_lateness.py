"""Words that come late are told once, with the reason, and told again when it is over."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.asr.window import Pressure
from engine.events import Degraded
from engine.lateness import BEHIND, LATE_MS, OVER, PROMPT_MS, WHAT, WHY, Lateness

STEPS = st.lists(st.tuples(st.sampled_from(Pressure), st.integers(0, 2 * LATE_MS)), max_size=30)


def told(steps: list[tuple[Pressure, int]]) -> list[Degraded | None]:
    lateness = Lateness()
    return [lateness.step(100 * n, *step) for n, step in enumerate(steps)]


def test_nothing_is_told_while_words_come_promptly() -> None:
    assert told([(Pressure.NONE, age_ms) for age_ms in (0, PROMPT_MS, LATE_MS)]) == [None] * 3


@pytest.mark.parametrize("pressure", [Pressure.STRETCHED, Pressure.FINALS_ONLY])
def test_each_level_of_pressure_is_told_once_with_its_reason_and_its_end(
    pressure: Pressure,
) -> None:
    first, second, over, after = told(
        [(pressure, 0), (pressure, 0), (Pressure.NONE, 0), (Pressure.NONE, 0)]
    )
    assert first == Degraded(what=WHAT, why=WHY[pressure])
    assert second is None
    assert over == Degraded(what=WHAT, why=OVER, until_ms=200)
    assert after is None


def test_words_that_are_behind_for_another_reason_are_told_of_too() -> None:
    late, still, over = told(
        [(Pressure.NONE, LATE_MS + 1), (Pressure.NONE, PROMPT_MS + 1), (Pressure.NONE, PROMPT_MS)]
    )
    assert late == Degraded(what=WHAT, why=BEHIND)
    assert still is None, "it comes and goes with every word"
    assert over == Degraded(what=WHAT, why=OVER, until_ms=200)


def test_pressure_is_the_better_reason_and_what_remains_of_it_is_told() -> None:
    stretched, behind, over = told(
        [(Pressure.STRETCHED, LATE_MS + 1), (Pressure.NONE, LATE_MS), (Pressure.NONE, 0)]
    )
    assert stretched is not None
    assert stretched.why == WHY[Pressure.STRETCHED]
    assert behind is not None
    assert behind.why == BEHIND
    assert over is not None
    assert over.why == OVER


@given(STEPS)
def test_no_two_events_in_a_row_say_the_same_and_each_trouble_ends_once(
    steps: list[tuple[Pressure, int]],
) -> None:
    events = [event for event in told([*steps, (Pressure.NONE, 0)]) if event is not None]
    reasons = [event.why for event in events]
    assert all(a != b for a, b in pairwise(reasons))
    assert not reasons or (reasons[-1] == OVER and reasons[0] != OVER)
    assert [event.until_ms is not None for event in events] == [why == OVER for why in reasons]


@given(STEPS)
def test_pressure_is_always_told_and_promptness_never_complained_of(
    steps: list[tuple[Pressure, int]],
) -> None:
    why: str | None = None
    for (pressure, age_ms), event in zip(steps, told(steps), strict=True):
        if event is not None:
            why = None if event.why == OVER else event.why
        if pressure is not Pressure.NONE:
            assert why == WHY[pressure]
        elif age_ms > LATE_MS:
            assert why == BEHIND
        elif age_ms <= PROMPT_MS:
            assert why is None
