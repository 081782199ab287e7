"""Word error rate: jiwer over text normalised by Whisper's English normaliser.

The normaliser deletes "um" and "uh": fillers are counted apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import jiwer
import numpy as np
from whisper_normalizer.english import EnglishTextNormalizer

RESAMPLES = 2_000
SEED = 2026
TAIL_PCT = 2.5

_ELLIPSIS = re.compile(r"…|\.{2,}")
_normalise = EnglishTextNormalizer()


def normalised(text: str) -> str:
    """`text` as it is compared."""
    # The normaliser takes an ellipsis for a decimal point and keeps it as a word.
    result: str = _normalise(_ELLIPSIS.sub(" ", text))
    return result.strip()


def word_error_rate(reference: str, hypothesis: str) -> tuple[float, int]:
    """(errors per reference word, reference words). Raises `ValueError` for an empty reference."""
    ((errors, words),) = errors_by_utterance([reference], hypothesis)
    if not words:
        raise ValueError("the reference has no words")
    return errors / words, words


def errors_by_utterance(utterances: Sequence[str], hypothesis: str) -> list[tuple[int, int]]:
    """(errors, reference words) of each utterance of a call.

    The recogniser's segments need not be the reference's utterances: the joined reference is
    aligned once with the whole hypothesis. Substitutions and deletions count for the utterance of
    the reference word, insertions for that of the word before them (at the beginning: the first).
    """
    texts = [normalised(utterance).split() for utterance in utterances]
    owners = [index for index, words in enumerate(texts) for _ in words]
    errors = [0] * len(texts)
    if owners:
        joined = " ".join(word for words in texts for word in words)
        (chunks,) = jiwer.process_words(joined, normalised(hypothesis)).alignments
        for chunk in chunks:
            if chunk.type == "insert":
                owner = owners[max(0, chunk.ref_start_idx - 1)]
                errors[owner] += chunk.hyp_end_idx - chunk.hyp_start_idx
            elif chunk.type != "equal":
                for at in range(chunk.ref_start_idx, chunk.ref_end_idx):
                    errors[owners[at]] += 1
    return [(count, len(words)) for count, words in zip(errors, texts, strict=True)]


def interval(utterances: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """95 % interval of the error rate of `utterances` (errors, words): bootstrap over utterances.

    Bisani & Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation"
    (ICASSP 2004), percentile form, seeded; a point for a single utterance. Raises `ValueError`
    when there are no words.
    """
    return _interval([row for row in utterances if row[1]])


def difference_interval(
    these: Sequence[tuple[int, int]], those: Sequence[tuple[int, int]]
) -> tuple[float, float]:
    """95 % interval of `these`' error rate minus `those`', of two recognizers on the same
    utterances, which are drawn together. Raises `ValueError` where the references differ."""
    pairs = list(zip(these, those, strict=True))
    if any(one[1] != other[1] for one, other in pairs):
        raise ValueError("the two have not heard the same utterances")
    return _interval([(one[0] - other[0], one[1]) for one, other in pairs if one[1]])


def _interval(rows: Sequence[tuple[int, int]]) -> tuple[float, float]:
    if not rows:
        raise ValueError("the utterances have no words")
    table = np.array(rows, np.int64)
    drawn = np.random.default_rng(SEED).integers(len(table), size=(RESAMPLES, len(table)))
    totals = table[drawn].sum(axis=1)
    low, high = np.percentile(totals[:, 0] / totals[:, 1], [TAIL_PCT, 100 - TAIL_PCT])
    return float(low), float(high)
