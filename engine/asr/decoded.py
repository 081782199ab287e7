"""What a decode of one window gives, and when it is not to be believed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.asr.vocabulary import Vocabulary
from engine.asr.window import SpokenWord
from engine.frames import SAMPLE_RATE, Pcm

TOKENS_PER_S = 7
"""People say fewer tokens a second than this; more is a decoder running on."""
RUNAWAY_COMPRESSION = 2.4
"""Text that zlib shrinks by more than this repeats itself (the limit Whisper's authors use)."""
UNSURE_LOG_PROBABILITY = -1.0
"""An average below this is a decode that failed (the limit Whisper's authors use)."""
SILENCE_PROBABILITY = 0.6
SILENCE_LOG_PROBABILITY = -0.75
"""Less sure than this of its words and surer than `SILENCE_PROBABILITY` of silence: no words.
Digital silence scores -0.87 to -1.02 ("you"), speech taken for silence below -1.2."""
ATTENTION_LAG_MS = 110
"""Cross-attention finds a word this much later than forced alignment does: the median over 1,357
words of 77 clips of read speech, tiny.en against pocketsphinx (the ends: 120 ms)."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """`ran_away`: these are not the words that were said; a fuller context may find them."""

    words: list[SpokenWord]
    average_log_probability: float
    no_speech_probability: float
    full_context: bool = False
    ran_away: bool = False


def most_tokens(pcm: Pcm) -> int:
    """How many tokens the text of `pcm` can have; a decode that writes more has run away."""
    return TOKENS_PER_S * len(pcm) // SAMPLE_RATE + 8


def repeats(text: str) -> bool:
    """Whether `text` says the same over and over."""
    data = text.encode()
    return len(data) > 40 and len(data) / len(zlib.compress(data)) > RUNAWAY_COMPRESSION


def is_silence(no_speech_probability: float, average_log_probability: float) -> bool:
    return (
        no_speech_probability > SILENCE_PROBABILITY
        and average_log_probability < SILENCE_LOG_PROBABILITY
    )


def spoken(
    vocabulary: Vocabulary,
    ids: Sequence[int],
    probabilities: Sequence[float],
    begun_ms: NDArray[np.int64] | None,
) -> list[SpokenWord]:
    """The words of the tokens `ids`, each as probable as its tokens are on average.

    `begun_ms` says when each token begins in the window, and when the last one ends; None: zero.
    """
    words: list[SpokenWord] = []
    at = 0
    for text, count in vocabulary.words(ids):
        probability = round(float(np.mean(probabilities[at : at + count])), 3)
        start_ms = end_ms = 0
        if begun_ms is not None:
            start_ms = max(int(begun_ms[at]) - ATTENTION_LAG_MS, 0)
            end_ms = max(int(begun_ms[at + count]) - ATTENTION_LAG_MS, start_ms)
        at += count
        if text:
            words.append(SpokenWord(text, start_ms, end_ms, probability))
    return words
