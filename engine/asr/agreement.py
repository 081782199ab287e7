"""LocalAgreement-2: a word is committed once two successive hypotheses agree on it.

After Macháček, Dabre, Bojar, "Turning Whisper into Real-Time Transcription System" (2023), without
forcing the committed prefix on the decoder. Words are compared normalised (letters, digits and
apostrophes, lower case) and kept as the newest hypothesis wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_NOT_WORD = re.compile(r"[^\w']+")


def normalised(word: str) -> str:
    """The form in which words are compared: lower case, no punctuation."""
    return _NOT_WORD.sub("", word.lower()).strip("'")


def prefix_length(committed: Sequence[str], hypothesis: Sequence[str]) -> int:
    """How many words of `hypothesis` stand for `committed` (both normalised).

    The prefix of `hypothesis` with the least edit distance to `committed`; of equals, the one
    nearest to it in length. A hypothesis that drops or splits an earlier word still lines up.
    """
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(committed, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(hypothesis, 1):
            substituted = diagonal + (word != other)
            diagonal = row[j]
            row[j] = min(substituted, row[j] + 1, row[j - 1] + 1)
    size = len(committed)
    return min(range(len(row)), key=lambda j: (row[j], abs(j - size)))


class Agreement:
    """One utterance's committed and tentative words.

    `settled` is how many words of the newest hypothesis stand for the committed ones.
    """

    def __init__(self) -> None:
        self.committed: list[str] = []
        self.tentative: list[str] = []
        self.settled = 0
        self._committed_keys: list[str] = []
        self._tentative_keys: list[str] = []

    def push(self, words: Sequence[str]) -> bool:
        """Take the newest hypothesis; return whether committed or tentative words changed."""
        keys = [normalised(word) for word in words]
        at = prefix_length(self._committed_keys, keys)
        tail, tail_keys = list(words[at:]), keys[at:]
        agreed = 0
        for key, before in zip(tail_keys, self._tentative_keys, strict=False):
            if key != before:
                break
            agreed += 1
        changed = agreed > 0 or tail != self.tentative
        self.committed += tail[:agreed]
        self._committed_keys += tail_keys[:agreed]
        self.settled = at + agreed
        self.tentative = tail[agreed:]
        self._tentative_keys = tail_keys[agreed:]
        return changed
