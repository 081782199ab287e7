"""Where to cut unbroken speech in two, so that no word is lost, doubled or cut through.

Word times from cross-attention are some 60 ms off, enough to cut a word's first sound away, and
then the recognizer loses the word. So of the word boundaries of the last seconds the quietest is
taken, and of the samples around it the quietest 30 ms.
"""

from __future__ import annotations

import numpy as np

from engine.asr.window import Hypothesis, SpokenWord
from engine.frames import SAMPLE_RATE, Pcm

EDGE_MS = 500
"""Words that end this close to the edge of the window may be half there: they are not kept."""
BACK_MS = 4_000
"""How far behind the last word that may be kept the cut may lie."""
NEAR_MS = 120
"""How far from a word's boundary it may lie."""
STEP_MS = 10
QUIET_MS = 30
_PER_MS = SAMPLE_RATE // 1000


def cut_point(hypothesis: Hypothesis, settled: int) -> tuple[list[SpokenWord], int]:
    """The words to keep, and the session sample at which the rest begins.

    The hypothesis has word times. Only its first `settled` words may be kept, or all where none are
    settled; the whole window is, where that leaves no choice.
    """
    window, words = hypothesis.window, hypothesis.words
    edge_ms = len(window.pcm) // _PER_MS - EDGE_MS
    clear = sum(word.end_ms <= edge_ms for word in words)
    last = (min(settled, clear) or clear) - 1
    if last < 0 or words[last].end_ms < EDGE_MS:
        return words, window.end_sample
    power = _power(window.pcm)
    kept, cut = last, words[last].end_ms // STEP_MS
    for index in range(last, -1, -1):
        end_ms = words[index].end_ms
        if end_ms < max(words[last].end_ms - BACK_MS, EDGE_MS):
            break
        after_ms = _middle(words[index + 1]) if index + 1 < len(words) else edge_ms
        begin = max(_middle(words[index]), end_ms - NEAR_MS) // STEP_MS
        end = max(min(after_ms, end_ms + NEAR_MS) // STEP_MS, begin + 1)
        quietest = begin + int(np.argmin(power[begin:end]))
        if power[quietest] < power[cut]:
            kept, cut = index, quietest
    return words[: kept + 1], window.start_sample + cut * STEP_MS * _PER_MS


def _middle(word: SpokenWord) -> int:
    return (word.start_ms + word.end_ms) // 2


def _power(pcm: Pcm) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Energy of the `QUIET_MS` around each multiple of `STEP_MS`, edges included."""
    total = np.concatenate([[0.0], np.cumsum(pcm.astype(np.float64) ** 2)])
    centre = np.arange(len(pcm) // (STEP_MS * _PER_MS) + 1) * STEP_MS * _PER_MS
    half = QUIET_MS * _PER_MS // 2
    begin = np.clip(centre - half, 0, len(pcm))
    end = np.clip(centre + half, 0, len(pcm))
    energy: np.ndarray[tuple[int], np.dtype[np.float64]] = total[end] - total[begin]
    return energy
