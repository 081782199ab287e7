"""Domain words: a spoken test set of our own, and what correcting by the list does to it."""

from benchmarks.domain.measure import run

__all__ = ["run"]
