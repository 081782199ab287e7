"""Faults that may come with every packet: all are counted, some are logged."""

from __future__ import annotations

LOGGED = (1, 10, 100, 1_000, 10_000)


class Faults:
    """Counts one place's faults."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def is_news(self) -> bool:
        """Count one more; whether to log it."""
        self.count += 1
        return self.count in LOGGED
