"""LocalAgreement: a word is committed once successive hypotheses agree on it for long enough.

After Macháček, Dabre, Bojar, "Turning Whisper into Real-Time Transcription System" (2023), without
forcing the committed prefix on the decoder. What counts is not how many hypotheses agree but how
much speech lies between them: two that are 0.3 s apart make the same mistakes. A committed word
stays, whatever comes later. Words are compared normalised (letters, digits and apostrophes, lower
case) and kept as the newest hypothesis wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from engine.asr.window import SpokenWord

STABLE_MS = 400
EDGE_MS = 800
"""The last word of a hypothesis may be half said: it must have stood longer."""
SURE = 0.9
SURE_BEHIND = 2
"""A word is committed at first sight where it is at least this probable, so many words follow it,
and all before it are committed: what comes next does not change it any more."""

_NOT_WORD = re.compile(r"[^\w']+")


def normalised(word: str) -> str:
    """The form in which words are compared: lower case, no punctuation."""
    return _NOT_WORD.sub("", word.lower()).strip("'")


def prefix_length(committed: Sequence[str], hypothesis: Sequence[str]) -> int:
    """How many words of `hypothesis` stand for `committed` (both normalised).

    The prefix of `hypothesis` with the least edit distance to `committed`; of equals, one that ends
    with the same word, then the one nearest to it in length. A hypothesis that drops or splits an
    earlier word still lines up.
    """
    row = list(range(len(hypothesis) + 1))
    for i, word in enumerate(committed, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(hypothesis, 1):
            substituted = diagonal + (word != other)
            diagonal = row[j]
            row[j] = min(substituted, row[j] + 1, row[j - 1] + 1)
    size = len(committed)
    ends = [j > 0 and committed[-1:] == [hypothesis[j - 1]] for j in range(len(row))]
    return min(range(len(row)), key=lambda j: (row[j], not ends[j], abs(j - size)))


class Agreement:
    """One utterance's committed and tentative words; it may begin with some that are `committed`.

    `settled` is how many words of the newest hypothesis stand for the committed ones.
    """

    def __init__(self, committed: Sequence[str] = ()) -> None:
        self.committed = list(committed)
        self.tentative: list[str] = []
        self.settled = 0
        self._committed_keys = [normalised(word) for word in committed]
        self._tentative_keys: list[str] = []
        self._since_ms: list[int] = []
        """Of each tentative word, when the first hypothesis ended that had it in this place."""

    def push(self, words: Sequence[SpokenWord], heard_ms: int, *, is_whole: bool = False) -> bool:
        """Take the newest hypothesis, of speech up to `heard_ms`; return whether committed or
        tentative words changed. `is_whole`: silence follows, so no word is half said."""
        keys = [normalised(word.text) for word in words]
        at = prefix_length(self._committed_keys, keys)
        tail, tail_keys = words[at:], keys[at:]
        same = 0
        for key, before in zip(tail_keys, self._tentative_keys, strict=False):
            if key != before:
                break
            same += 1
        since_ms = self._since_ms[:same] + [heard_ms] * (len(tail) - same)
        agreed = 0
        for place, (word, first_ms) in enumerate(zip(tail, since_ms, strict=True)):
            behind = len(tail) - 1 - place
            needed_ms = STABLE_MS if behind or is_whole else EDGE_MS
            is_sure = word.probability >= SURE and behind >= SURE_BEHIND
            if heard_ms - first_ms < needed_ms and not is_sure:
                break
            agreed += 1
        tentative = [word.text for word in tail]
        changed = agreed > 0 or tentative != self.tentative
        self.committed += tentative[:agreed]
        self._committed_keys += tail_keys[:agreed]
        self.settled = at + agreed
        self.tentative = tentative[agreed:]
        self._tentative_keys = tail_keys[agreed:]
        self._since_ms = since_ms[agreed:]
        return changed

    def parted(self, words: Sequence[SpokenWord]) -> tuple[Agreement, Agreement]:
        """The committed words for which `words` stand, and the committed ones behind them."""
        keys = [normalised(word.text) for word in words]
        at = prefix_length(keys, self._committed_keys)
        return Agreement(self.committed[:at]), Agreement(self.committed[at:])

    def sealed(self, words: Sequence[SpokenWord]) -> list[SpokenWord]:
        """The last `words` of the utterance, with the committed ones as their beginning.

        Where they are the same words, these bring spelling, times and probability. Where they are
        others, the committed ones stay, in the time of those that stand in their place.
        """
        keys = [normalised(word.text) for word in words]
        at = prefix_length(self._committed_keys, keys)
        if keys[:at] == self._committed_keys:
            return list(words)
        matcher = SequenceMatcher(None, self._committed_keys, keys[:at], autojunk=False)
        result: list[SpokenWord] = []
        for what, begin, end, first, last in matcher.get_opcodes():
            if what == "equal":
                result += words[first:last]
            elif what != "insert":
                result += _in_place(self.committed[begin:end], words[first:last], result)
        return [*result, *words[at:]]


def _in_place(
    texts: Sequence[str], of: Sequence[SpokenWord], behind: Sequence[SpokenWord]
) -> list[SpokenWord]:
    """`texts` in equal shares of the time of the words `of`; of none, at the end of `behind`."""
    start_ms = of[0].start_ms if of else behind[-1].end_ms if behind else 0
    end_ms = of[-1].end_ms if of else start_ms
    probability = min((word.probability for word in of), default=0.0)
    edges = [start_ms + (end_ms - start_ms) * n // len(texts) for n in range(len(texts) + 1)]
    return [
        SpokenWord(text, edge, edges[n + 1], probability)
        for n, (text, edge) in enumerate(zip(texts, edges, strict=False))
    ]
