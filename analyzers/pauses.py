"""Silent pauses inside one person's talk.

Hesitation before an answer needs the other person's track as well: see `talk.Conversation`.
"""

from __future__ import annotations

from analyzers.frame import FRAME_MS

MIN_PAUSE_MS = 250
"""Shorter silences belong to articulation, e.g. a plosive's closure (Goldman-Eisler, 1968)."""


class Pauses:
    """Counts silent pauses: from an end of speech to the next start, at least 250 ms.

    Time advances only by the frames pushed: what was not measured (a network gap, an announced
    pause) is simply not pushed and lengthens nothing. Silence before the first speech and after
    the last is no pause; the running silence is `silence_ms`.

    A decision that stays on for `hangover_ms` after the speech has ended makes every pause look
    shorter by that much: it is given back.
    """

    def __init__(self, hangover_ms: int = 0) -> None:
        self._hangover_ms = hangover_ms
        self.reset()

    def reset(self) -> None:
        self.count = 0
        self.longest_ms = 0
        self.total_ms = 0
        self.silence_ms = 0
        """Measured time since the decision was last "speaking", or since the beginning."""
        self._spoken = False

    def push(self, speaking: bool) -> None:
        """Take the decision for one measured frame."""
        if not speaking:
            self.silence_ms += FRAME_MS
            return
        pause_ms = self.silence_ms + self._hangover_ms
        if self._spoken and self.silence_ms > 0 and pause_ms >= MIN_PAUSE_MS:
            self.count += 1
            self.total_ms += pause_ms
            self.longest_ms = max(self.longest_ms, pause_ms)
        self._spoken = True
        self.silence_ms = 0
