"""When packets left and when their frames came: rows of int64, kept in files between processes.

Standard library alone: the peers' servers import this in environments of their own.
"""

from __future__ import annotations

import time
from array import array
from pathlib import Path


class Stamps:
    """Rows of (call, RTP time, monotonic ns) and whatever else a writer adds.

    CLOCK_MONOTONIC is one clock for all processes of a machine.
    """

    def __init__(self) -> None:
        self._rows = array("q")

    def add(self, call: int, rtp: int) -> None:
        """What happened with the packet that starts at `rtp` has happened now."""
        self._rows.extend((call, rtp, time.monotonic_ns()))

    def row(self, *fields: int) -> None:
        self._rows.extend(fields)

    def clear(self) -> None:
        del self._rows[:]

    def save(self, path: Path) -> None:
        """Write all rows to `path` as native int64."""
        with path.open("wb") as file:
            self._rows.tofile(file)
