"""What must never be said interrupts in its turn, or not at all; never twice within 8 s."""

from __future__ import annotations

from engine import playbook
from engine.feedback import (
    INTERRUPTION_MS,
    NEVER_SAY_COOLDOWN_MS,
    NEVER_SAY_WITHIN_MS,
    Coach,
)
from engine.matching import NeverSayHeard
from tests.engine.test_feedback import now

APPROVAL, INTEREST, *_ = playbook.shipped().never_say
FAST = now(syllables_per_s=6.5)


def steps(coach: Coach, start_ms: int, end_ms: int, fast: bool = False) -> list[tuple[int, str]]:
    """(time, phrase or code) of every cue from `start_ms` on, before `end_ms`."""
    told = []
    for t_ms in range(start_ms, end_ms, 100):
        cue = coach.step(t_ms, FAST if fast else now())
        if cue is not None and cue.kind != "praise":
            told.append((t_ms, str(cue.parameters.get("phrase", cue.code))))
    return told


def test_it_is_told_at_once_and_before_any_rule() -> None:
    coach = Coach()
    steps(coach, 0, 400, fast=True)
    coach.hear(NeverSayHeard(APPROVAL, (200, 300)), 400)
    assert steps(coach, 400, 20_000, fast=True) == [
        (400, APPROVAL.code),
        (400 + INTERRUPTION_MS, "too_fast"),
    ]


def test_it_waits_for_its_turn_and_is_dropped_when_it_is_old() -> None:
    coach = Coach()
    (first,) = steps(coach, 0, 3_000, fast=True)
    heard_ms = 3_000
    coach.hear(NeverSayHeard(APPROVAL, (2_600, 2_900)), heard_ms)
    assert steps(coach, heard_ms, 20_000)[0] == (first[0] + INTERRUPTION_MS, APPROVAL.code)
    late = Coach()
    late.hear(NeverSayHeard(APPROVAL, (0, 300)), 0)
    assert steps(late, NEVER_SAY_WITHIN_MS + 100, 60_000) == []


def test_the_newest_is_told_and_the_same_only_after_a_minute() -> None:
    coach = Coach()
    (first,) = steps(coach, 0, 3_000, fast=True)
    coach.hear(NeverSayHeard(APPROVAL, (2_600, 2_900)), 3_000)
    coach.hear(NeverSayHeard(INTEREST, (3_600, 3_900)), 4_000)
    assert steps(coach, 4_000, 20_000) == [(first[0] + INTERRUPTION_MS, INTEREST.code)]
    told_ms = first[0] + INTERRUPTION_MS
    coach.hear(NeverSayHeard(INTEREST, (0, 1)), told_ms + NEVER_SAY_COOLDOWN_MS - 1)
    assert steps(coach, told_ms + NEVER_SAY_COOLDOWN_MS, told_ms + 80_000) == []
    coach.hear(NeverSayHeard(INTEREST, (0, 1)), told_ms + 80_000)
    assert steps(coach, told_ms + 80_000, told_ms + 81_000) == [(told_ms + 80_000, INTEREST.code)]
