"""When each token was said, from where the decoder listened while it wrote it.

Some of the decoder's heads follow the audio word by word. Their weights, standardised over the
tokens, smoothed over time and averaged, make a matrix of tokens by positions; the cheapest path
through it that never goes back (dynamic time warping: Sakoe & Chiba 1978) says where each token
begins. After Radford et al. (2022) and OpenAI's word timestamps.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from engine.asr.encoder import POSITIONS_PER_S
from engine.asr.kernels import Floats

SMOOTHED = 7
"""Positions (140 ms) that the median is taken over."""
MS_PER_POSITION = 1000 // POSITIONS_PER_S

_kernel: Any = numba.njit(cache=True, error_model="numpy")


def begun_ms(attention: Floats) -> NDArray[np.int64]:
    """When each token of the text begins, and the last one ends, in ms from the window's start.

    `attention` (tokens, heads, positions) has a row for the last token of the prompt, which looks
    for the first of the text, and for each of the text: n + 1 times for a text of n tokens.
    """
    heard = attention / np.maximum(attention.sum(axis=2, keepdims=True), 1e-9)
    spread = np.maximum(heard.std(axis=0, keepdims=True), 1e-9)
    standard = (heard - heard.mean(axis=0, keepdims=True)) / spread
    edge = SMOOTHED // 2
    padded = np.pad(standard, ((0, 0), (0, 0), (edge, edge)), mode="symmetric")
    around = np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED, axis=2)
    smooth = np.median(around, axis=3)
    first: NDArray[np.int64] = _path(np.ascontiguousarray(-smooth.mean(axis=1, dtype=np.float64)))
    return first * MS_PER_POSITION


@_kernel
def _path(cost):  # type: ignore[no-untyped-def]
    """The first position of each row on the cheapest path from corner to corner."""
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    came = np.zeros((rows + 1, columns + 1), np.int8)
    total[0, 0] = 0
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            both, above, left = (
                total[row - 1, column - 1],
                total[row - 1, column],
                total[row, column - 1],
            )
            if both <= above and both <= left:
                total[row, column], came[row, column] = both, 0
            elif above <= left:
                total[row, column], came[row, column] = above, 1
            else:
                total[row, column], came[row, column] = left, 2
            total[row, column] += cost[row - 1, column - 1]
    first = np.zeros(rows, np.int64)
    row, column = rows, columns
    while row > 0 and column > 0:
        first[row - 1] = column - 1
        step = came[row, column]
        if step != 2:
            row -= 1
        if step != 1:
            column -= 1
    return first
