"""The step follows the load, and calls are taken until the node is full."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.asr.load import (
    ADJUSTED_EVERY_S,
    FINALS_PER_S,
    FULL,
    LARGEST_FALL,
    LARGEST_RISE,
    LATE_S,
    LONGEST_S,
    ROOM,
    SHORTEST_S,
    TALK,
    TARGET,
    Cost,
    Load,
)
from engine.asr.window import Pressure

CHEAP = Cost(0.03, 0.06)
RECOVERS_WITHIN_S = 5.0


@dataclass(slots=True)
class Clock:
    now_s: float = 50.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(slots=True)
class Machine:
    """Workers that decode what talkers ask for: looks with each step, last words, and no more of
    both than there is time for; the rest waits."""

    cost: Cost = CHEAP
    workers: int = 1
    fixed_s: float | None = None
    clock: Clock = field(default_factory=Clock)
    load: Load = field(init=False)
    behind_s: float = 0.0
    steps: list[float] = field(default_factory=list)
    levels: list[Pressure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.load = Load(self.cost, self.clock, workers=self.workers, fixed_s=self.fixed_s)

    def run(self, seconds: float, talkers: float) -> None:
        for _ in range(round(seconds / ADJUSTED_EVERY_S)):
            looking = self.load.pressure is not Pressure.FINALS_ONLY
            rate = talkers * ADJUSTED_EVERY_S
            looks_s = rate / self.load.step_s * self.cost.look_s if looking else 0.0
            finals_s = rate * FINALS_PER_S * self.cost.final_s
            able_s = self.workers * ADJUSTED_EVERY_S
            self.behind_s = max(0.0, self.behind_s + (looks_s + finals_s - able_s) / self.workers)
            share = min(1.0, able_s / max(looks_s + finals_s, 1e-9))
            self.clock.now_s += ADJUSTED_EVERY_S
            self.load.spend(looks_s * share, finals_s * share)
            self.load.adjust(self.behind_s)
            self.steps.append(self.load.step_s)
            self.levels.append(self.load.pressure)


def talkers_for(share: float, step_s: float, cost: Cost = CHEAP) -> float:
    """How many talkers take `share` of a worker with that step."""
    return share / (cost.look_s / step_s + FINALS_PER_S * cost.final_s)


def test_an_idle_machine_is_asked_as_often_as_can_be() -> None:
    machine = Machine()
    machine.run(30, talkers=1)
    assert set(machine.steps) == {SHORTEST_S}
    assert set(machine.levels) == {Pressure.NONE}


@pytest.mark.parametrize("step_s", [0.4, 0.6, 0.8])
def test_a_steady_load_has_a_steady_step_with_which_work_takes_its_target(step_s: float) -> None:
    """It swung between half and twice of that: looks of the last seconds, which had had another
    step, were taken for looks with the present one."""
    machine = Machine()
    machine.run(60, talkers_for(TARGET, step_s))
    settled = machine.steps[-80:]
    assert max(settled) <= 1.15 * min(settled)
    assert settled[-1] == pytest.approx(step_s, rel=0.25)
    assert machine.load.busy == pytest.approx(TARGET, rel=0.15)


def test_before_words_come_late_more_time_is_taken() -> None:
    machine = Machine()
    machine.run(60, talkers_for((TARGET + FULL) / 2, LATE_S))
    assert machine.steps[-80:] == pytest.approx([LATE_S] * 80)
    assert machine.load.busy > 1.2 * TARGET


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(1, 20), st.floats(0, 200)), min_size=1, max_size=5),
    st.integers(1, 4),
)
def test_the_step_stays_between_its_bounds_and_changes_little_by_little(
    phases: list[tuple[float, float]], workers: int
) -> None:
    """But for the end of a rush: then the step is what its last words let expect."""
    machine = Machine(workers=workers)
    for seconds, talkers in phases:
        machine.run(seconds, talkers)
    before, was = SHORTEST_S, Pressure.NONE
    for step_s, level in zip(machine.steps, machine.levels, strict=True):
        assert SHORTEST_S <= step_s <= LONGEST_S
        if was < Pressure.FINALS_ONLY:
            assert before / LARGEST_FALL - 1e-9 <= step_s <= before * LARGEST_RISE + 1e-9
        before, was = step_s, level


@given(st.floats(0.2, 3.0), st.floats(0, 200))
@settings(max_examples=30)
def test_a_fixed_step_stays_whatever_the_load(step_s: float, talkers: float) -> None:
    machine = Machine(fixed_s=step_s)
    machine.run(10, talkers)
    assert set(machine.steps) == {step_s}
    assert Pressure.STRETCHED not in machine.levels or step_s > LATE_S


def test_pressure_is_told_when_the_load_has_grown_and_not_before() -> None:
    machine = Machine()
    machine.run(30, talkers_for(TARGET, 0.7))
    assert set(machine.levels) == {Pressure.NONE}
    machine.run(20, talkers_for(1.2, LONGEST_S))
    assert Pressure.FINALS_ONLY in machine.levels[-80:]


def test_a_step_is_stretched_to_its_end_before_looks_are_given_up() -> None:
    machine = Machine()
    machine.run(30, talkers_for(1.5, LONGEST_S))
    first = machine.levels.index(Pressure.FINALS_ONLY)
    assert machine.steps[first] == LONGEST_S
    assert Pressure.STRETCHED in machine.levels[:first]


def test_windows_that_wait_too_long_are_a_rush_whatever_the_share_of_time() -> None:
    """A worker that hangs spends no time at all."""
    machine = Machine(fixed_s=0.5)
    for _ in range(8):
        machine.clock.now_s += ADJUSTED_EVERY_S
        machine.load.adjust(5.0)
    assert machine.load.pressure is Pressure.FINALS_ONLY
    assert machine.load.busy == 0.0


@settings(max_examples=40)
@given(st.floats(1.0, 4.0), st.floats(2.0, 60.0), st.floats(0.0, 0.3), st.integers(1, 4))
def test_a_rush_is_forgotten_within_five_seconds_of_its_end(
    rush: float, seconds: float, after: float, workers: int
) -> None:
    """What waits is decoded meanwhile: recovery is counted from when nothing does."""
    machine = Machine(workers=workers)
    machine.run(seconds, workers * talkers_for(rush, LONGEST_S))
    while machine.behind_s > 0:
        machine.run(ADJUSTED_EVERY_S, 0)
    machine.run(RECOVERS_WITHIN_S, workers * talkers_for(after, LATE_S))
    assert machine.load.pressure is Pressure.NONE
    assert machine.load.step_s <= LATE_S


def test_a_rush_does_not_make_looks_come_and_go_all_the_time() -> None:
    machine = Machine()
    machine.run(60, talkers_for(1.2, LONGEST_S))
    changes = sum(a is not b for a, b in pairwise(machine.levels))
    assert changes <= 60


# who is let in

costs = st.builds(Cost, st.floats(0.001, 2.0), st.floats(0.001, 2.0))


def rooms(load: Load, most: int = 400) -> int:
    """How many calls are taken until one is refused."""
    for calls in range(most):
        load.count(calls)
        if not load.has_room():
            return calls
    return most


@given(costs, st.integers(1, 8))
def test_before_anything_was_measured_calls_are_taken_as_their_cost_predicts(
    cost: Cost, workers: int
) -> None:
    each = TALK * (cost.look_s / LATE_S + FINALS_PER_S * cost.final_s)
    taken = rooms(Load(cost, Clock(), workers=workers))
    assert taken * each <= ROOM * workers * (1 + 1e-9)
    assert (taken + 1) * each > ROOM * workers * (1 - 1e-9) or taken == 400


@settings(max_examples=60)
@given(costs, st.integers(1, 8), st.floats(0, 100), st.integers(0, 50), st.integers(0, 50))
def test_where_there_is_room_there_is_room_with_fewer_calls(
    cost: Cost, workers: int, talkers: float, one: int, other: int
) -> None:
    machine = Machine(cost, workers)
    machine.load.count(one)
    machine.run(5, talkers)
    few, many = sorted((one, other))
    machine.load.count(many)
    has_room = machine.load.has_room()
    machine.load.count(few)
    assert machine.load.has_room() >= has_room


@given(costs, costs, st.integers(1, 8), st.integers(1, 8))
def test_dearer_windows_and_fewer_workers_leave_no_more_room(
    one: Cost, other: Cost, workers: int, more: int
) -> None:
    cheap = Cost(min(one.look_s, other.look_s), min(one.final_s, other.final_s))
    dear = Cost(max(one.look_s, other.look_s), max(one.final_s, other.final_s))
    roomy = rooms(Load(cheap, Clock(), workers=workers + more))
    assert roomy >= rooms(Load(cheap, Clock(), workers=workers))
    assert roomy >= rooms(Load(dear, Clock(), workers=workers + more))


def test_calls_that_cost_more_than_was_thought_leave_less_room_and_quiet_ones_more() -> None:
    expected = rooms(Load(CHEAP, Clock()))

    def after(factor: float) -> int:
        """Ten calls of which each talks as much as was expected, at `factor` times the cost."""
        machine = Machine(Cost(CHEAP.look_s * factor, CHEAP.final_s * factor))
        machine.load = Load(CHEAP, machine.clock)
        machine.load.count(10)
        machine.run(300, 10 * TALK)
        return rooms(machine.load)

    assert after(2.0) == pytest.approx(expected / 2, rel=0.2)
    assert after(1.0) == pytest.approx(expected, rel=0.2)
    assert after(0.5) == pytest.approx(expected * 2, rel=0.3)


def test_calls_in_which_nobody_talks_are_not_taken_for_calls_in_which_nobody_will() -> None:
    clock = Clock()
    load = Load(CHEAP, clock)
    expected = rooms(load)
    load.count(20)
    clock.now_s += 3_600
    assert rooms(load) <= expected / 0.35 + 1


def test_nobody_is_let_in_during_a_rush() -> None:
    machine = Machine(fixed_s=0.5)
    assert machine.load.has_room()
    for _ in range(4):
        machine.clock.now_s += ADJUSTED_EVERY_S
        machine.load.adjust(2.0)
    assert machine.load.pressure is Pressure.FINALS_ONLY
    assert not machine.load.has_room()


def test_time_without_calls_counts_for_nothing() -> None:
    clock = Clock()
    load = Load(CHEAP, clock)
    before = rooms(load)
    load.count(0)
    clock.now_s += 1e6
    assert 0 < before < 400
    assert rooms(load) == before
