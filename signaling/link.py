"""The quality of a track's network link over the last second, from the receive path's counts."""

from __future__ import annotations

from dataclasses import replace

from engine.events import Link
from engine.feedback import is_weak
from signaling.rtp import Counts, Receiver

EVERY_S = 1.0


class LinkMeter:
    """Call `measure` often; `link` changes once a second."""

    def __init__(self, receiver: Receiver, now_s: float) -> None:
        self.link: Link | None = None
        """The last second; None before the first one and where no packet was due in it."""
        self._receiver = receiver
        self._before = replace(receiver.counts)
        self._measured_s = now_s

    def measure(self, now_s: float) -> bool:
        """Whether a second is over at monotonic `now_s`; if so `link` tells of it."""
        elapsed_s = now_s - self._measured_s
        if elapsed_s < EVERY_S:
            return False
        counts, before = replace(self._receiver.counts), self._before
        self._before, self._measured_s = counts, now_s
        self.link = self._over(counts, before, elapsed_s)
        return True

    def _over(self, counts: Counts, before: Counts, elapsed_s: float) -> Link | None:
        received, lost = counts.received - before.received, counts.lost - before.lost
        if received + lost == 0:
            return None
        lost_pct = 100 * lost / (received + lost)
        recovered_pct, concealed_pct = _shares(counts, before, lost_pct)
        jitter_ms, lag_ms = self._receiver.jitter_s * 1000, self._receiver.lag_s * 1000
        return Link(
            lost_pct=round(lost_pct, 1),
            recovered_pct=round(recovered_pct, 1),
            concealed_pct=round(concealed_pct, 1),
            jitter_ms=round(jitter_ms, 1),
            lag_ms=round(lag_ms, 1),
            bitrate_kbps=round(
                (counts.payload_bytes - before.payload_bytes) * 8 / 1000 / elapsed_s, 1
            ),
            weak=is_weak(concealed_pct, jitter_ms, lag_ms),
        )


def _shares(counts: Counts, before: Counts, lost_pct: float) -> tuple[float, float]:
    """Percent of media time that was recovered, and that was lost for good."""
    recovered_ms = counts.fec_ms - before.fec_ms
    concealed_ms = counts.plc_ms - before.plc_ms
    if lost_pct > 0:
        # Without a lost packet it was the sender who left time out, not the link.
        concealed_ms += counts.absent_ms - before.absent_ms
    due_ms = max(1, counts.played_ms - before.played_ms + recovered_ms + concealed_ms)
    recovered_pct = 100 * recovered_ms / due_ms
    # Time jumps over a long outage without a frame: then only the packets tell of it.
    return recovered_pct, max(100 * concealed_ms / due_ms, lost_pct - recovered_pct)
