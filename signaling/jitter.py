"""How unevenly packets come, and how long it is worth waiting for a missing one."""

from __future__ import annotations

from engine.clock import RTP_RATE, rtp_step

WINDOW_S = 2.0
"""Two windows of this length are looked at, the current one and the one before."""
HOLD_MIN_S = 0.005
"""The least wait for a missing packet: what the operating system's own scheduling needs."""
ENOUGH = 25
"""Packets before an estimate is trusted; until then the wait is the longest allowed."""
RESTART_S = 1.0
"""A step in transit time beyond this is a break in the stream, not jitter."""


class Jitter:
    """Measures one stream's transit times; `hold_limit_s` bounds the wait.

    A missing packet left one packet time before the one behind it. If it still comes, it comes at
    most the spread of the transit times later than it should: so the wait worth its delay is that
    spread, less the packet time. On a clean network it is `HOLD_MIN_S`.
    """

    __slots__ = (
        "_arrival_s",
        "_before",
        "_count",
        "_high_s",
        "_hold_limit_s",
        "_low_s",
        "_rotated_s",
        "_timestamp",
        "_transit_s",
        "jitter_s",
    )

    def __init__(self, hold_limit_s: float) -> None:
        self._hold_limit_s = hold_limit_s
        self.jitter_s = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget the transit times: the stream begins anew."""
        self._arrival_s: float | None = None
        self._timestamp = 0
        self._transit_s = 0.0
        self._count = 0
        self._rotated_s = 0.0
        self._low_s = self._high_s = 0.0
        self._before: tuple[float, float] | None = None

    def push(self, timestamp: int, arrival_s: float) -> None:
        """Take a packet as it comes, in whatever order: 32-bit 48 kHz `timestamp`."""
        if self._arrival_s is None:
            self._timestamp, self._arrival_s, self._rotated_s = timestamp, arrival_s, arrival_s
            return
        sent = rtp_step(self._timestamp, timestamp)
        step_s = arrival_s - self._arrival_s - sent / RTP_RATE
        if abs(step_s) >= RESTART_S:
            self.reset()
            self._timestamp, self._arrival_s, self._rotated_s = timestamp, arrival_s, arrival_s
            return
        self._timestamp, self._arrival_s = timestamp, arrival_s
        # RFC 3550, 6.4.1: J += (|D| - J) / 16
        self.jitter_s += (abs(step_s) - self.jitter_s) / 16
        self._transit_s = transit_s = self._transit_s + step_s
        self._count += 1
        if arrival_s - self._rotated_s > WINDOW_S:
            self._before = self._low_s, self._high_s
            self._low_s = self._high_s = transit_s
            self._rotated_s = arrival_s
        elif transit_s < self._low_s:
            self._low_s = transit_s
        elif transit_s > self._high_s:
            self._high_s = transit_s

    @property
    def spread_s(self) -> float:
        """Largest less smallest transit time of the last 2 to 4 s."""
        if self._before is None:
            return self._high_s - self._low_s
        return max(self._high_s, self._before[1]) - min(self._low_s, self._before[0])

    def hold_s(self, packet_rtp: int) -> float:
        """How long to wait for a packet missing before one that lasts `packet_rtp` ticks."""
        if self._count < ENOUGH:
            return self._hold_limit_s
        wait_s = self.spread_s - packet_rtp / RTP_RATE + HOLD_MIN_S
        return min(max(wait_s, HOLD_MIN_S), self._hold_limit_s)
