"""When a word was first seen, and when it was committed, by outside word times.

At each event the whole running hypothesis (every utterance's newest text) is aligned with the
reference words whose beginning had been sent by then, so that a word guessed before it was said
does not count. Words of the last 10 s may still be on their way; older ones that the hypothesis
lacks were missed (else a phrase that is said again would stand for the missed one).

A word is seen at the first event in which it is matched, even if it vanishes later, and committed
at the first in which its match is committed text or a final. Latency counts from the moment the
packet with the word's last sound left the client, on one monotonic clock; it is negative for a word
recognised before it was over. Words never matched count as infinite in percentiles.

Words are compared as `benchmarks.wer` compares them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.reading import ReferenceWord
from benchmarks.wer import normalised

EDIT = 1 << 32
"""Cost of one edit. A match costs -1: at equal distance, the alignment with more matches wins."""
PENDING_S = 10.0


@dataclass(frozen=True, slots=True)
class Observation:
    """One transcript event as received: partials carry both texts, finals only `committed`."""

    at_s: float
    utterance: int
    committed: str
    tentative: str = ""
    is_final: bool = False


def observed(at_s: float, kind: str, data: dict[str, Any]) -> Observation | None:
    """The event as an observation; None where it is not about words."""
    if kind == "transcript.partial":
        return Observation(at_s, data["utterance"], data["committed"], data["tentative"])
    if kind == "transcript.final":
        text = " ".join(word[0] for word in data["words"])
        return Observation(at_s, data["utterance"], text, is_final=True)
    return None


def final_text(observations: Sequence[Observation]) -> str:
    """The call's final words, utterance after utterance."""
    finals = {seen.utterance: seen.committed for seen in observations if seen.is_final}
    return " ".join(finals[number] for number in sorted(finals))


@dataclass(slots=True)
class Latencies:
    """Milliseconds: one per compared reference word (`first_ms`, `commit_ms`), one per utterance
    that had words (`final_ms`; infinite where no final came).

    `unaligned_finals` counts finals that fit no reference word: they have no latency, and their
    words are insertions in the WER.
    """

    first_ms: list[float] = field(default_factory=list)
    commit_ms: list[float] = field(default_factory=list)
    final_ms: list[float] = field(default_factory=list)
    unaligned_finals: int = 0


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile (`share` 0-1), which infinities do not upset; infinite of nothing."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.inf


def compared(reference: Sequence[ReferenceWord]) -> list[ReferenceWord]:
    """`reference` as words that hypotheses can be compared with.

    Normalising may join words ("three hundred dollars"), split or drop them. Words that change
    together share the times from the first one's start to the last one's end.
    """
    pieces = [(piece, at) for at, word in enumerate(reference) for piece in _words(word.text)]
    whole = _words(" ".join(word.text for word in reference))
    result: list[ReferenceWord] = []
    matcher = SequenceMatcher(None, [piece for piece, _ in pieces], whole, autojunk=False)
    for kind, begin, end, first, last in matcher.get_opcodes():
        for offset, text in enumerate(whole[first:last]):
            # Kept words have their own times; changed ones those of the whole changed stretch.
            low = begin + offset if kind == "equal" else min(begin, len(pieces) - 1)
            high = low if kind == "equal" else max(low, end - 1)
            start_ms = reference[pieces[low][1]].start_ms
            result.append(ReferenceWord(text, start_ms, reference[pieces[high][1]].end_ms))
    return result


class Alignment:
    """Aligns a growing and changing hypothesis with a fixed reference at least edit distance.

    Among equally distant alignments the one with most matches wins, then the one that uses the
    earliest words on both sides: of a repeated phrase, the first stands.
    """

    def __init__(self, reference: Sequence[str]) -> None:
        self._vocabulary: dict[str, int] = {}
        self._reference = self._ids(reference)
        self._steps = EDIT * np.arange(len(reference) + 1, dtype=np.int64)
        self._hypothesis: list[int] = []
        self._rows: list[NDArray[np.int64]] = [self._steps]

    def push(self, hypothesis: Sequence[str]) -> None:
        """Replace the hypothesis; only what follows the common beginning is computed."""
        ids = [int(word) for word in self._ids(hypothesis)]
        same = 0
        while same < min(len(ids), len(self._hypothesis)) and ids[same] == self._hypothesis[same]:
            same += 1
        self._hypothesis = ids
        del self._rows[same + 1 :]
        for word in ids[same:]:
            above = self._rows[-1]
            row = above + EDIT
            np.minimum(row[1:], above[:-1] + self._costs(word), out=row[1:])
            self._rows.append(np.minimum.accumulate(row - self._steps) + self._steps)

    def pairs(self, least: int, most: int) -> list[tuple[int, int, bool]]:
        """(hypothesis index, reference index, equal) of aligned words, last first.

        The hypothesis stands for the first `least` to `most` reference words, whichever fits best.
        """
        i = len(self._hypothesis)
        j = least + int(np.argmin(self._rows[i][least : most + 1]))
        found = []
        while i > 0 and j > 0:
            cost = self._rows[i][j]
            if cost == self._rows[i][j - 1] + EDIT:
                j -= 1
            elif cost == self._rows[i - 1][j] + EDIT:
                i -= 1
            else:
                i, j = i - 1, j - 1
                found.append((i, j, self._hypothesis[i] == int(self._reference[j])))
        return found

    def _costs(self, word: int) -> NDArray[np.int64]:
        return np.where(self._reference == word, np.int64(-1), np.int64(EDIT))

    def _ids(self, words: Sequence[str]) -> NDArray[np.int64]:
        new = self._vocabulary
        return np.array([new.setdefault(word, len(new)) for word in words], np.int64)


def score(
    reference: Sequence[ReferenceWord],
    sent_at: Callable[[int], float],
    observations: Sequence[Observation],
) -> Latencies:
    """Latencies of `reference`, whose words are in order of time.

    `sent_at(audio_ms)` is when the packet that holds that millisecond of audio left, in `at_s`'s
    clock; it must know every reference word's. A partial that comes after its utterance's final is
    ignored, as clients do.
    """
    words = compared(reference)
    begun_s = [sent_at(word.start_ms) for word in words]
    # A word's end is exclusive: the packet that holds its last sound is the one before.
    ended_s = [sent_at(max(word.start_ms, word.end_ms - 1)) for word in words]
    first_s = [math.inf] * len(words)
    commit_s = [math.inf] * len(words)
    texts: dict[int, tuple[list[str], int]] = {}
    final_s: dict[int, float] = {}
    alignment = Alignment([word.text for word in words])
    for seen in sorted(observations, key=lambda seen: seen.at_s):
        if seen.utterance in final_s:
            continue
        texts[seen.utterance] = _texts(seen)
        if seen.is_final:
            final_s[seen.utterance] = seen.at_s
        settled: list[bool] = []
        hypothesis: list[str] = []
        for number in sorted(texts):
            heard, committed = texts[number]
            hypothesis += heard
            settled += [at < committed for at in range(len(heard))]
        alignment.push(hypothesis)
        missed = bisect_right(ended_s, seen.at_s - PENDING_S)
        for at, index, equal in alignment.pairs(missed, bisect_right(begun_s, seen.at_s)):
            if equal:
                first_s[index] = min(first_s[index], seen.at_s)
                if settled[at]:
                    commit_s[index] = min(commit_s[index], seen.at_s)
    result = Latencies(
        [(at - end) * 1000 for at, end in zip(first_s, ended_s, strict=True)],
        [(at - end) * 1000 for at, end in zip(commit_s, ended_s, strict=True)],
    )
    _score_finals(result, alignment, texts, final_s, begun_s, ended_s)
    return result


def _score_finals(
    result: Latencies,
    alignment: Alignment,
    texts: dict[int, tuple[list[str], int]],
    final_s: dict[int, float],
    begun_s: list[float],
    ended_s: list[float],
) -> None:
    """From the end of the last reference word that a final stands for to its receipt.

    The finals of the whole call are aligned with the whole reference, so that a wrong last word
    still tells where its utterance ended.
    """
    owners = [number for number in sorted(final_s) for _ in texts[number][0]]
    alignment.push([word for number in sorted(final_s) for word in texts[number][0]])
    last: dict[int, float] = {}
    for at, index, _ in alignment.pairs(len(begun_s), len(begun_s)):
        number = owners[at]
        if begun_s[index] <= final_s[number]:
            last.setdefault(number, ended_s[index])
    for number in sorted(texts):
        if not texts[number][0]:
            continue
        if number not in final_s:
            result.final_ms.append(math.inf)
        elif number in last:
            result.final_ms.append((final_s[number] - last[number]) * 1000)
        else:
            result.unaligned_finals += 1


def _texts(seen: Observation) -> tuple[list[str], int]:
    """The observation's compared words, and how many of them from the first on are committed."""
    heard = _words(f"{seen.committed} {seen.tentative}")
    if seen.is_final:
        return heard, len(heard)
    committed = _words(seen.committed)
    same = 0
    while same < min(len(committed), len(heard)) and committed[same] == heard[same]:
        same += 1
    return heard, same


def _words(text: str) -> list[str]:
    return normalised(text).split()
