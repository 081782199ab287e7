"""How busy the recognizer is, and what follows: how often it may be asked, and by how many.

Work is of two kinds. Last words must be decoded; a look at words under way may be had less often.
So the step between looks is set such that both take `TARGET` of the workers' time, between 0.5 and
1.5 s of speech; beyond 1.0 s only when the workers are all but full. Where the longest step is
still too much, there are no looks until the rush is over. One more call is admitted if all of them,
with a step that nobody would call late, are expected to take less than `ROOM`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.asr.window import Pressure

SHORTEST_S = 0.5
"""With 0.3 s a call by itself took 0.30 core and had 4.2 % of its words wrong: each look is one
more occasion to commit a wrong one, which stays."""
LONGEST_S = 1.5
LATE_S = 1.0
"""With a step beyond this words come noticeably late, and clients are told."""
PROMPT_S = 0.85
"""Clients are told that it is over when the step is below this again."""
TARGET = 0.35
FULL = 0.85
"""Before words come late, more of the workers' time is taken than `TARGET`: up to this."""
ROOM = 0.75
SPAN_S = 2.0
"""What is judged: short enough to forget a rush within the 5 s in which a node is to recover."""
ADJUSTED_EVERY_S = 0.25
LARGEST_RISE = 1.25
LARGEST_FALL = 1.08
"""How much the step changes at a time: up at once, down so slowly that what it does is seen."""
OVERLOADED = 0.95
RECOVERED = 0.8
CALM_S, LONGEST_CALM_S = 1.5, 24.0
"""Looks begin again when all would have taken less than `RECOVERED` for so long: twice as long as
the last time where that was too early, unless there is next to nothing to do (`QUIET`)."""
QUIET = 0.3
RELAPSE_S = 20.0
LEAST_SPAN_S = 0.5
"""Less time with looks does not tell what they take."""
OVERDUE_S = 1.0
"""Windows that have waited this long are a rush, whatever the share of time."""
TALK = 0.6
"""The share of a call that its trainee is expected to talk, and how many last words a second of
talk has (speculative ones included)."""
FINALS_PER_S = 0.4
WEIGHT_S = 60.0
"""What calls are expected to cost counts as much as so many seconds of calls that were measured."""
REMEMBERED_S = 600.0
LEAST_SHARE = 0.35
"""A quiet call may begin to talk: it is never expected to cost less than this share."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a worker's time that one window takes, as measured when it started."""

    look_s: float
    final_s: float


@dataclass(frozen=True, slots=True)
class _Spent:
    """`demand_s` is what the looks would have taken with a step of one second."""

    at_s: float
    looks_s: float
    demand_s: float
    finals_s: float


class Load:
    """Of `workers` processes. `clock` is monotonic seconds; `fixed_s` holds the step as it is.

    What looks and last words cost is learnt while there are both.
    """

    def __init__(
        self,
        cost: Cost,
        clock: Callable[[], float],
        *,
        workers: int = 1,
        fixed_s: float | None = None,
    ) -> None:
        self._clock = clock
        self._workers = workers
        self._fixed_s = fixed_s
        self._spent: deque[_Spent] = deque()
        self._since_s = self._adjusted_s = self._rush_s = self._looks_since_s = clock()
        self._calm_s = CALM_S
        self._has_rushed = False
        self._calls = 0
        self._call_s = WEIGHT_S
        # Per second of a call: looks with a step of one second, and last words.
        self._looks_s = WEIGHT_S * TALK * cost.look_s
        self._finals_s = WEIGHT_S * TALK * FINALS_PER_S * cost.final_s
        self._least = TALK * (cost.look_s / LATE_S + FINALS_PER_S * cost.final_s) * LEAST_SHARE
        self.step_s = SHORTEST_S if fixed_s is None else fixed_s
        self.pressure = Pressure.NONE

    @property
    def busy(self) -> float:
        """The share of the workers' time that the last `SPAN_S` took."""
        self._let_go()
        return sum(s.looks_s + s.finals_s for s in self._spent) / (SPAN_S * self._workers)

    def spend(self, looks_s: float, finals_s: float) -> None:
        """Time of a worker went into looks and into last words."""
        demand_s = looks_s * self.step_s
        self._spent.append(_Spent(self._clock(), looks_s, demand_s, finals_s))
        if self.pressure < Pressure.FINALS_ONLY:
            self._looks_s += demand_s
            self._finals_s += finals_s

    def count(self, calls: int) -> None:
        """How many calls there are from now on."""
        self._pass()
        self._calls = calls

    def has_room(self) -> bool:
        """Whether one more call may be admitted."""
        self._pass()
        each = (self._looks_s / LATE_S + self._finals_s) / self._call_s
        expected = (self._calls + 1) * max(each, self._least)
        return self.pressure < Pressure.FINALS_ONLY and expected <= ROOM * self._workers

    def adjust(self, oldest_s: float) -> None:
        """Set `step_s` and `pressure`; to be called often. The oldest window waits `oldest_s`."""
        now_s = self._clock()
        if now_s - self._adjusted_s < ADJUSTED_EVERY_S:
            return
        self._adjusted_s = now_s
        self._pass()
        self._let_go()
        finals = sum(s.finals_s for s in self._spent) / (SPAN_S * self._workers)
        if self.pressure is Pressure.FINALS_ONLY:
            self._wait_for_calm(now_s, finals, oldest_s)
            return
        if self._fixed_s is None and now_s - self._looks_since_s >= LEAST_SPAN_S:
            # What looks took counts by the step they were had with: a step that has just been
            # changed is not changed again for what the one before it took.
            span_s = min(SPAN_S, now_s - self._looks_since_s) * self._workers
            wanted_s = self._wanted(sum(s.demand_s for s in self._spent) / span_s, finals)
            # Looks that were never had took nothing: more is wanted than can be measured.
            if self.busy > OVERLOADED:
                wanted_s = LONGEST_S
            elif oldest_s > OVERDUE_S:
                wanted_s = max(wanted_s, self.step_s)
            low_s, high_s = self.step_s / LARGEST_FALL, self.step_s * LARGEST_RISE
            self.step_s = min(max(wanted_s, low_s), high_s, LONGEST_S)
        is_longest = self.step_s >= LONGEST_S or self._fixed_s is not None
        if is_longest and (self.busy > OVERLOADED or oldest_s > OVERDUE_S):
            is_relapse = self._has_rushed and now_s - self._looks_since_s < RELAPSE_S
            self._calm_s = min(2 * self._calm_s, LONGEST_CALM_S) if is_relapse else CALM_S
            self.pressure, self._rush_s, self._has_rushed = Pressure.FINALS_ONLY, now_s, True
        else:
            self.pressure = self._stretched()

    def _wait_for_calm(self, now_s: float, finals: float, oldest_s: float) -> None:
        """Let looks begin again once there would have been time for them for a while.

        What they would take is told by last words, with which they go in a known ratio.
        """
        demand = finals * self._looks_s / self._finals_s
        expected = finals + demand / (self._fixed_s or LONGEST_S)
        if expected > RECOVERED or oldest_s > OVERDUE_S:
            self._rush_s = now_s
        elif now_s - self._rush_s >= (CALM_S if expected < QUIET else self._calm_s):
            self._looks_since_s = now_s
            if self._fixed_s is None:
                self.step_s = self._wanted(demand, finals)
            self.pressure = self._stretched()

    def _wanted(self, demand: float, finals: float) -> float:
        """The step with which looks and last words take `TARGET`, or up to `FULL` before words come
        late. `demand` is the share of time that looks take with a step of 1 s."""
        wanted_s = demand / max(TARGET - finals, 0.05)
        if wanted_s > LATE_S:
            wanted_s = max(demand / max(FULL - finals, 0.05), LATE_S)
        return min(max(wanted_s, SHORTEST_S), LONGEST_S)

    def _stretched(self) -> Pressure:
        late_s = LATE_S if self.pressure is Pressure.NONE else PROMPT_S
        is_late = self._fixed_s is None and self.step_s > late_s
        return Pressure.STRETCHED if is_late else Pressure.NONE

    def _let_go(self) -> None:
        now_s = self._clock()
        while self._spent and self._spent[0].at_s < now_s - SPAN_S:
            self._spent.popleft()

    def _pass(self) -> None:
        """Let the time since the last look at the clock count as time of calls."""
        now_s = self._clock()
        if self.pressure < Pressure.FINALS_ONLY:
            self._call_s += (now_s - self._since_s) * self._calls
        self._since_s = now_s
        if self._call_s > REMEMBERED_S:
            share = REMEMBERED_S / self._call_s
            self._call_s *= share
            self._looks_s *= share
            self._finals_s *= share
