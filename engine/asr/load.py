"""How busy the recognizer is, and what follows: how often it may be asked, and by how many.

Work is of two kinds. Last words must be decoded; a look at words under way may be had less often.
So the step between looks is set such that both take `TARGET` of the workers' time, between 0.3 and
1.5 s of speech; beyond 1.0 s only when the workers are all but full. Where the longest step is
still too much, there are no looks until the rush is over. One more call is admitted if all of them,
with a step that nobody would call late, are expected to take less than `ROOM`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.asr.window import Pressure

SHORTEST_S = 0.3
LONGEST_S = 1.5
LATE_S = 1.0
"""With a step beyond this words come noticeably late, and clients are told."""
PROMPT_S = 0.85
"""Clients are told that it is over when the step is below this again."""
TARGET = 0.4
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
RECOVERED = 0.6
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


class Load:
    """Of `workers` processes. `clock` is monotonic seconds; `fixed_s` holds the step as it is."""

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
        self._spent: deque[tuple[float, float, float]] = deque()
        self._since_s = self._adjusted_s = self._changed_s = clock()
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
        looks, finals = self._shares()
        return looks + finals

    def spend(self, looks_s: float, finals_s: float) -> None:
        """Time of a worker went into looks and into last words."""
        self._spent.append((self._clock(), looks_s, finals_s))
        self._looks_s += looks_s * self.step_s
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
        looks, finals = self._shares()
        if self.pressure is Pressure.FINALS_ONLY:
            calm = finals < RECOVERED and oldest_s < OVERDUE_S
            if not calm or now_s - self._changed_s < SPAN_S:
                return
        elif self._fixed_s is None:
            wanted_s = self.step_s * looks / max(TARGET - finals, 0.05)
            if wanted_s > LATE_S:
                wanted_s = max(self.step_s * looks / max(FULL - finals, 0.05), LATE_S)
            low_s, high_s = self.step_s / LARGEST_FALL, self.step_s * LARGEST_RISE
            self.step_s = min(max(wanted_s, low_s, SHORTEST_S), high_s, LONGEST_S)
        self._press(now_s, looks + finals, oldest_s)

    def _press(self, now_s: float, busy: float, oldest_s: float) -> None:
        is_longest = self.step_s >= LONGEST_S or self._fixed_s is not None
        if is_longest and (busy > OVERLOADED or oldest_s > OVERDUE_S):
            pressure = Pressure.FINALS_ONLY
        elif self.step_s > (PROMPT_S if self.pressure else LATE_S):
            pressure = Pressure.STRETCHED
        else:
            pressure = Pressure.NONE
        if pressure is not self.pressure:
            self.pressure, self._changed_s = pressure, now_s

    def _shares(self) -> tuple[float, float]:
        now_s = self._clock()
        while self._spent and self._spent[0][0] < now_s - SPAN_S:
            self._spent.popleft()
        span_s = SPAN_S * self._workers
        looks = sum(looks_s for _, looks_s, _ in self._spent) / span_s
        return looks, sum(finals_s for _, _, finals_s in self._spent) / span_s

    def _pass(self) -> None:
        """Let the time since the last look at the clock count as time of calls."""
        now_s = self._clock()
        self._call_s += (now_s - self._since_s) * self._calls
        self._since_s = now_s
        if self._call_s > REMEMBERED_S:
            share = REMEMBERED_S / self._call_s
            self._call_s *= share
            self._looks_s *= share
            self._finals_s *= share
