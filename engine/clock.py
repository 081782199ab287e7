"""Anchors: how a stream's RTP time maps to session time, the only time line of a call.

An anchor pins one RTP time to one session sample; between anchors RTP time rules. Anchors are laid
at the first packet, at a new SSRC, on resume, at an announced `pause`/`resume`/`device`, when the
stream has lagged its own 10 s minimum by more than 300 ms for 2 s without catching up, and when it
jumps ahead by more than 10 s. The 10 s are of RTP time: a stream that stopped without its RTP time
running on (a muted sender) still lags what was sent before it stopped, however long ago that was.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from engine.frames import FRAME_SAMPLES, SAMPLE_RATE

RTP_RATE = 48_000
"""Opus RTP time runs at 48 kHz whatever the audio rate (RFC 7587, 4.1)."""
_RTP_PER_SAMPLE = RTP_RATE // SAMPLE_RATE

LAG_LIMIT_S = 0.3
LAG_PATIENCE_S = 2.0
LAG_WINDOW_S = 10.0
LAG_CATCH_UP_S = 0.1
"""A lag that has shrunk by this is being caught up with: the patience begins anew."""
LEAD_LIMIT_S = 10.0
"""RTP time this far ahead of the least-delayed packet is another time line, not a gap to fill."""

Reason = Literal["first", "ssrc", "resume", "pause", "device", "lag", "jump"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """RTP time `rtp` (unwrapped, 48 kHz) is session sample `sample` (16 kHz)."""

    reason: Reason
    rtp: int
    sample: int


def rtp_step(before: int, after: int) -> int:
    """Ticks from one RTP time to another modulo 2^32, the shorter way round: negative is back."""
    return (after - before + 0x80000000 & 0xFFFFFFFF) - 0x80000000


class RtpTime:
    """Unwraps 32-bit RTP times into a growing integer (RFC 3550, 5.1)."""

    def __init__(self) -> None:
        self._last: int | None = None

    def unwrap(self, timestamp: int) -> int:
        """The unwrapped time nearest to the newest one seen."""
        if self._last is None:
            self._last = timestamp
            return timestamp
        step = rtp_step(self._last, timestamp)
        unwrapped = self._last + step
        if step > 0:
            self._last = unwrapped
        return unwrapped


class TrackClock:
    """Places one track's RTP times on session time.

    `now_s` everywhere is a monotonic time in seconds since the session began.
    """

    def __init__(self) -> None:
        self.anchor: Anchor | None = None
        self._pending: Reason | None = "first"
        self._lag_s = 0.0
        self._minima: deque[tuple[int, float]] = deque()
        self._lagging_since_s: float | None = None
        self._lagged_s = 0.0

    def expect(self, reason: Reason) -> None:
        """Lay a new anchor at the next packet, because of `reason`."""
        self._pending = reason

    def place(self, rtp: int, now_s: float, end_sample: int) -> tuple[int, Anchor | None]:
        """Session sample of unwrapped RTP time `rtp`, and the anchor laid for it, if one was.

        `end_sample` is where the track's last frame ends. A new anchor sits at
        max(end of the last frame, monotonic time), rounded up to the frame grid; the first packet,
        with which the session begins, at 0.
        """
        laid = None
        if self._pending is None:
            self._pending = self._strays(rtp, now_s)
        if self._pending is not None or self.anchor is None:
            position = max(end_sample, int(now_s * SAMPLE_RATE))
            if self.anchor is not None or position >= FRAME_SAMPLES:
                position = -(-position // FRAME_SAMPLES) * FRAME_SAMPLES
            else:
                # The session began with this packet, whatever it took to say so.
                position = 0
            laid = self.anchor = Anchor(self._pending or "first", rtp, position)
            self._pending = None
            self._lag_s = now_s - position / SAMPLE_RATE
            self._minima.clear()
            self._minima.append((rtp, self._lag_s))
            self._lagging_since_s = None
        return self._sample(rtp), laid

    def lag_s(self) -> float:
        """How far the newest packet lagged the least-delayed one of the last 10 s."""
        return self._lag_s - self._minima[0][1] if self._minima else 0.0

    def _sample(self, rtp: int) -> int:
        assert self.anchor is not None
        return self.anchor.sample + (rtp - self.anchor.rtp) // _RTP_PER_SAMPLE

    def _strays(self, rtp: int, now_s: float) -> Reason | None:
        """Why the anchor no longer holds for this packet, if it does not."""
        if self.anchor is None:
            return None
        self._lag_s = now_s - self._sample(rtp) / SAMPLE_RATE
        if self.lag_s() < -LEAD_LIMIT_S:
            return "jump"
        while self._minima and self._minima[-1][1] >= self._lag_s:
            self._minima.pop()
        self._minima.append((rtp, self._lag_s))
        while self._minima[0][0] < rtp - LAG_WINDOW_S * RTP_RATE:
            self._minima.popleft()
        if self.lag_s() <= LAG_LIMIT_S:
            self._lagging_since_s = None
            return None
        caught_up = self.lag_s() < self._lagged_s - LAG_CATCH_UP_S
        if self._lagging_since_s is None or caught_up:
            self._lagging_since_s = now_s
            self._lagged_s = self.lag_s()
        return "lag" if now_s - self._lagging_since_s >= LAG_PATIENCE_S else None
