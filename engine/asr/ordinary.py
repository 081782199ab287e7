"""Which words are English: the words of the CMU Pronouncing Dictionary, 125,000 with many names.

`ordinary.txt.gz` holds one to a line behind the dictionary's licence; `python -m
benchmarks.domain.ordinary` made it.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

WORDS = Path(__file__).with_name("ordinary.txt.gz")
COMMON = "*"
"""Stands behind the words that the recognizer's vocabulary holds whole."""
_ONE_LETTER = frozenset("ai")


def is_word(part: str) -> bool:
    """Whether `part` (lower case) is English or a number; no single letters but "a" and "i"."""
    if len(part) == 1 and part not in _ONE_LETTER:
        return part.isdigit()
    return part in _commonness() or part.isdigit()


def is_common(part: str) -> bool:
    """Whether `part` (lower case) is a common English word or a number."""
    return part.isdigit() or _commonness().get(part, False)


@cache
def _commonness() -> dict[str, bool]:
    """All words, and whether they are common: 15 MB and 50 ms once, where correction is used."""
    with gzip.open(WORDS, "rt", encoding="utf-8") as lines:
        words = [line.rstrip("\n") for line in lines if not line.startswith("#")]
    return {word.removesuffix(COMMON): word.endswith(COMMON) for word in words}
