"""How busy this process is, so that what can be coarser becomes so before anything is late."""

from __future__ import annotations

import time

EVERY_S = 1.0
HIGH_SHARE = 0.6
"""Of one core, over the last second."""


class Load:
    """This process's share of one core, measured at most once a second."""

    def __init__(self) -> None:
        self._at_s = time.monotonic()
        self._used_s = time.process_time()
        self.share = 0.0

    def measured(self, share: float) -> None:
        """Take `share` for the last second's."""
        self.share = share
        self._at_s, self._used_s = time.monotonic(), time.process_time()

    @property
    def is_high(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._at_s >= EVERY_S:
            used_s = time.process_time()
            self.measured((used_s - self._used_s) / (now_s - self._at_s))
        return self.share > HIGH_SHARE


process = Load()
"""All outboxes of a process share its load."""
