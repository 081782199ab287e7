"""What the load tells people stays told: it does not change back and forth (in virtual time)."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from engine.asr.load import Cost, Load
from engine.asr.window import Kind, Pressure

TICK_S = 0.02
LOOK_S, FINAL_S = 0.035, 0.066
"""What a window costs on a machine of 2026."""
TALK_S, STILL_S = 60.0, 20.0


@dataclass(slots=True)
class Person:
    """Talks for some seconds, is silent for about one, and so on."""

    utterance: int = 0
    left_s: float = 0.0
    silent_s: float = 0.0
    pause_s: float = 0.0
    since_look_s: float = 0.0
    speculated: bool = True
    ended: bool = True


@dataclass(slots=True)
class Rush:
    """People on one worker, which takes the most urgent window first and one at a time."""

    people: int
    fixed_s: float | None = None
    seed: int = 1
    now_s: float = 0.0
    changes: list[tuple[float, Pressure]] = field(default_factory=list)
    finals: int = 0
    load: Load = field(init=False)
    _rng: random.Random = field(init=False)
    _line: dict[tuple[int, int], tuple[Kind, float]] = field(default_factory=dict)
    _busy: tuple[float, Kind, float] | None = None

    def run(self) -> Rush:
        self._rng = random.Random(self.seed)
        self.load = Load(Cost(LOOK_S, FINAL_S), lambda: self.now_s, fixed_s=self.fixed_s)
        self.load.count(self.people)
        everyone = [Person(pause_s=self._rng.uniform(0, 3)) for _ in range(self.people)]
        while self.now_s < TALK_S + STILL_S:
            self.now_s += TICK_S
            for number, person in enumerate(everyone):
                self._pass(number, person)
            self._work()
            before = self.load.pressure
            asked_s = [since_s for _, since_s in self._line.values()]
            self.load.adjust(self.now_s - min(asked_s, default=self.now_s))
            if self.load.pressure is not before:
                self.changes.append((self.now_s, self.load.pressure))
        return self

    @property
    def during(self) -> list[Pressure]:
        """What pressure became while people talked, once it had had time to settle."""
        return [pressure for at_s, pressure in self.changes if 10 < at_s <= TALK_S]

    @property
    def recovered_s(self) -> float:
        """From the end of all talk to no pressure for good; 0 where there was none."""
        after = [at_s for at_s, _ in self.changes if at_s > TALK_S]
        return after[-1] - TALK_S if after else 0.0

    def _pass(self, number: int, person: Person) -> None:
        is_open = self.load.pressure < Pressure.FINALS_ONLY
        step_s = self.load.step_s if is_open else math.inf
        if person.left_s > 0:
            person.left_s = person.left_s - TICK_S if self.now_s < TALK_S else 0.0
            person.since_look_s += TICK_S
            if person.since_look_s >= step_s:
                person.since_look_s = 0.0
                self._ask(number, person, Kind.REFRESH)
            person.silent_s, person.speculated, person.ended = 0.0, False, False
            return
        person.silent_s += TICK_S
        if 0.16 <= person.silent_s < 0.4 and not person.speculated and is_open:
            person.speculated = True
            self._ask(number, person, Kind.SPECULATIVE)
        if person.silent_s >= 0.4 and not person.ended:
            person.ended = True
            if not person.speculated or (number, person.utterance) in self._line:
                self._ask(number, person, Kind.FINAL)
        if person.ended and person.silent_s >= person.pause_s and self.now_s < TALK_S:
            person.utterance += 1
            person.since_look_s = 0.0
            person.left_s = min(14.0, max(1.0, self._rng.gauss(4.5, 2.5)))
            person.pause_s = self._rng.choice([0.6, 0.9, 1.5])

    def _ask(self, number: int, person: Person, kind: Kind) -> None:
        key = number, person.utterance
        _, since_s = self._line.get(key, (kind, self.now_s))
        self._line[key] = kind, since_s

    def _work(self) -> None:
        while self._busy is None or self._busy[0] <= self.now_s:
            if self._busy is not None:
                _, kind, cost_s = self._busy
                is_final = kind <= Kind.SPECULATIVE
                self.load.spend(0.0 if is_final else cost_s, cost_s if is_final else 0.0)
                self.finals += is_final
                self._busy = None
            if not self._line:
                return
            key = min(self._line, key=lambda key: self._line[key])
            kind, _ = self._line.pop(key)
            cost_s = FINAL_S if kind <= Kind.SPECULATIVE else LOOK_S
            cost_s *= self._rng.uniform(0.6, 1.5)
            self._busy = self.now_s + cost_s, kind, cost_s


@pytest.mark.parametrize("fixed_s", [None, 0.5])
@pytest.mark.parametrize("people", [8, 14, 18, 22, 26, 30, 40, 60])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pressure_does_not_change_back_and_forth(
    people: int, fixed_s: float | None, seed: int
) -> None:
    """A minute in which as many talk as before: it changed up to 42 times. Looks that had been
    stopped began again as soon as their absence had made room for them; and the step was set for
    what looks had taken with the steps of the last two seconds, so that it swung."""
    rush = Rush(people, fixed_s, seed).run()
    assert rush.finals > people
    assert len(rush.during) <= 8, rush.changes


@pytest.mark.parametrize("fixed_s", [None, 0.5])
@pytest.mark.parametrize("people", [18, 26, 30, 40])
def test_the_load_is_forgotten_within_5_s_of_its_end(people: int, fixed_s: float | None) -> None:
    """What had been asked for until then is decoded first."""
    for seed in range(1, 4):
        rush = Rush(people, fixed_s, seed).run()
        assert rush.load.pressure is Pressure.NONE
        assert rush.recovered_s <= 5.0 + people * FINAL_S


def test_eight_who_talk_nearly_all_the_time_are_mostly_told_of_nothing() -> None:
    rush = Rush(8).run()
    spans = pairwise([(0.0, Pressure.NONE), *rush.changes, (TALK_S, Pressure.NONE)])
    told_s = sum(end - begin for (begin, pressure), (end, _) in spans if pressure)
    assert told_s <= 0.15 * TALK_S
