"""How long one person has been talking."""

from __future__ import annotations

from analyzers.frame import FRAME_MS

TURN_PAUSE_MS = 2000
"""A silence this long gives the other side the floor: it ends a monologue."""


class Monologue:
    """Speech time since the last silence of 2 s or more, on one track.

    Only speech is added, shorter pauses are not; frames that were not measured are not pushed
    and change nothing.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.speech_ms = 0
        self._silence_ms = 0

    def push(self, speaking: bool) -> None:
        """Take the decision for one measured frame."""
        if speaking:
            self._silence_ms = 0
            self.speech_ms += FRAME_MS
            return
        self._silence_ms += FRAME_MS
        if self._silence_ms >= TURN_PAUSE_MS:
            self.speech_ms = 0
