"""Silent pauses inside one person's talk."""

from __future__ import annotations

from analyzers.frame import FRAME_MS

MIN_PAUSE_MS = 250
"""Shorter silences belong to articulation, e.g. a plosive's closure (Goldman-Eisler, 1968)."""


class Pauses:
    """Counts silent pauses: from an end of speech to the next start, at least 250 ms.

    Time advances only by the frames pushed: what was not measured (a network gap, an announced
    pause) is simply not pushed and lengthens nothing. Silence before the first speech and after
    the last is no pause; the running silence is `silence_ms`.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.longest_ms = 0
        self.total_ms = 0
        self.silence_ms = 0
        """Measured time since speech was last heard, or since the beginning."""
        self._spoken = False

    def push(self, speaking: bool) -> None:
        """Take the decision for one measured frame."""
        if not speaking:
            self.silence_ms += FRAME_MS
            return
        if self._spoken and self.silence_ms >= MIN_PAUSE_MS:
            self.count += 1
            self.total_ms += self.silence_ms
            self.longest_ms = max(self.longest_ms, self.silence_ms)
        self._spoken = True
        self.silence_ms = 0
