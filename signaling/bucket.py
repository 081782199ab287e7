"""A token bucket: so much at once, so much per second."""

from __future__ import annotations


class Bucket:
    """Holds at most `burst` tokens and gains `rate_per_s`; starts full."""

    __slots__ = ("_at_s", "_burst", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = self._tokens = burst
        self._at_s = float("-inf")

    def take(self, now_s: float, cost: float = 1.0) -> bool:
        """Whether `cost` tokens were there to be taken at monotonic `now_s`; if so they are."""
        if now_s > self._at_s:
            gained = (now_s - self._at_s) * self._rate_per_s
            self._tokens = min(self._burst, self._tokens + gained)
            self._at_s = now_s
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
