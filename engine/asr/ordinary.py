"""Which words are English: the 82,000 of symspellpy's frequency list, with many names, and our own.

Of that package only the list is read, without running its code.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

PACKAGE = "symspellpy"
LIST = "symspellpy/frequency_dictionary_en_82_765.txt"
"""One word to a line, ASCII and lower case, with how often Google's books have it."""
COMMON_FROM = 1_200_000
"""How often they have a common word; some 20,000 are."""
ALSO = (
    "ah airplane airplanes aluminum analyze analyzed analyzing armor armored artifact "
    "artifacts caliber calibers canceled canceling catalog centimeters clamoring colored "
    "colorful colors cozy diarrhea donut eh endeavor endeavors favorite favorites fibers "
    "fueled ha harbor harbors hemorrhage honored honoring honors humor jewelry kilometers "
    "labor liters maneuver maneuvers marvelous millimeters modeling mom momma mommas moms "
    "mustache neighbor neighborhood neighborhoods neighboring neighbors odor odors offense "
    "offenses oh ok omelet pajamas paralyzed parlor phony plow practiced practicing rigor "
    "rumor rumored rumors savor skeptical snuck specialty theater theaters traveled traveler "
    "travelers traveling tumor tumors uh um whiskey willful ya yo"
)
"""It lacks what people say between words, and spells like the British."""

_ONE_LETTER = frozenset("ai")

Words = np.ndarray[tuple[int], np.dtype[np.bytes_]]


def is_word(part: str) -> bool:
    """Whether `part` (lower case) is English or a number; no single letters but "a" and "i"."""
    if len(part) == 1 and part not in _ONE_LETTER:
        return part.isdigit()
    return part.isdigit() or _holds(_known()[0], part)


def is_common(part: str) -> bool:
    """Whether `part` (lower case) is a common English word or a number."""
    return part.isdigit() or _holds(_known()[1], part)


@cache
def _known() -> tuple[Words, Words]:
    """All words and the common ones, each sorted: 3 MB and 0.1 s once, where correction is used."""
    path = Path(str(distribution(PACKAGE).locate_file(LIST)))
    entries = [line.split() for line in path.read_bytes().splitlines()]
    words = [word for word, _ in entries] + [word.encode() for word in ALSO.split()]
    common = [word for word, count in entries if int(count) >= COMMON_FROM]
    return np.sort(np.array(words)), np.sort(np.array(common))


def _holds(words: Words, part: str) -> bool:
    word = part.encode()
    at = bisect_left(words, word)
    return at < len(words) and bool(words[at] == word)
