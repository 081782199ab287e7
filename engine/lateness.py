"""Words that come late are never just late: the trainee is told, and told when it is over."""

from __future__ import annotations

from engine.asr.window import Pressure
from engine.events import Degraded

LATE_MS = 2_000
PROMPT_MS = 1_000
WHAT = "words"
WHY = {
    Pressure.STRETCHED: "speech recognition is busy, so they appear a little later",
    Pressure.FINALS_ONLY: "speech recognition is busy, so they appear when you pause",
}
BEHIND = "the recognizer is behind, so they appear late"
OVER = "they appear promptly again"


class Lateness:
    """One track's. Gives an event whenever what is to be told changes."""

    def __init__(self) -> None:
        self._told: str | None = None
        self._is_behind = False

    def step(self, t_ms: int, pressure: Pressure, age_ms: int) -> Degraded | None:
        """`age_ms`: how old the oldest speech is that the recognizer has not told of."""
        self._is_behind = age_ms > (PROMPT_MS if self._is_behind else LATE_MS)
        why = WHY.get(pressure) or (BEHIND if self._is_behind else None)
        if why == self._told:
            return None
        self._told = why
        if why is None:
            return Degraded(what=WHAT, why=OVER, until_ms=t_ms)
        return Degraded(what=WHAT, why=why)
