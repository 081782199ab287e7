"""The quality of a track's network link over the last second, from the receive path's counts."""

from __future__ import annotations

from dataclasses import replace

from engine.events import Link
from signaling.rtp import Counts, Receiver

EVERY_S = 1.0


class LinkMeter:
    """Call `measure` often; it answers once a second."""

    def __init__(self, receiver: Receiver, now_s: float) -> None:
        self._receiver = receiver
        self._before = replace(receiver.counts)
        self._measured_s = now_s

    def measure(self, now_s: float) -> Link | None:
        """The link over the second up to `now_s`; None in between and without packets."""
        if now_s - self._measured_s < EVERY_S:
            return None
        counts, before = replace(self._receiver.counts), self._before
        self._before, self._measured_s = counts, now_s
        received, lost = counts.received - before.received, counts.lost - before.lost
        if received + lost == 0:
            return None
        return Link(
            lost_pct=round(100 * lost / (received + lost), 1),
            concealed_pct=_concealed_pct(counts, before),
            jitter_ms=round(self._receiver.jitter_s * 1000, 1),
            lag_ms=round(self._receiver.lag_s * 1000, 1),
        )


def _concealed_pct(counts: Counts, before: Counts) -> float:
    concealed_ms = counts.plc_ms - before.plc_ms
    played_ms = counts.played_ms - before.played_ms
    return round(100 * concealed_ms / max(1, played_ms + concealed_ms), 1)
