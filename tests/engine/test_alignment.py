"""The cheapest path through a matrix of tokens and positions, and what it says of words."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from engine.asr.alignment import MS_PER_POSITION, _path, begun_ms

Costs = NDArray[np.float64]


def shapes(rows: int, columns: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(1, rows), st.integers(1, columns))


def costs(rows: int, columns: int) -> st.SearchStrategy[Costs]:
    """Small whole numbers: every sum is exact, and ties abound."""
    return arrays.arrays(
        np.float64,
        shapes(rows, columns),
        elements=st.integers(-5, 5).map(float),
    )


def cheapest(cost: Costs, row: int = 0, column: int = 0) -> float:
    """Every path from corner to corner, tried."""
    here = float(cost[row, column])
    last_row, last_column = cost.shape[0] - 1, cost.shape[1] - 1
    if (row, column) == (last_row, last_column):
        return here
    ways = []
    if row < last_row:
        ways.append(cheapest(cost, row + 1, column))
    if column < last_column:
        ways.append(cheapest(cost, row, column + 1))
    if row < last_row and column < last_column:
        ways.append(cheapest(cost, row + 1, column + 1))
    return here + min(ways)


def cheapest_beginning(cost: Costs, first: NDArray[np.int64]) -> float:
    """Of the paths whose rows begin at the columns `first`, the cheapest."""
    total = 0.0
    for row, begin in enumerate(first):
        if row + 1 == len(first):
            end = cost.shape[1] - 1
            total += float(cost[row, begin : end + 1].sum())
            break
        # A row ends where the next one begins, or a column ahead of it.
        ends = [end for end in (int(first[row + 1]) - 1, int(first[row + 1])) if end >= begin]
        total += min(float(cost[row, begin : end + 1].sum()) for end in ends)
    return total


@settings(max_examples=200)
@given(costs(5, 6))
def test_the_path_is_as_cheap_as_the_cheapest_of_all(cost: Costs) -> None:
    first = _path(cost)
    assert first[0] == 0
    assert cheapest_beginning(cost, first) == cheapest(cost)


@settings(max_examples=200)
@given(costs(20, 40))
def test_no_token_begins_before_the_one_ahead_of_it(cost: Costs) -> None:
    first = _path(cost)
    assert len(first) == len(cost)
    assert (np.diff(first) >= 0).all()
    assert first[-1] < cost.shape[1]


@given(st.lists(st.integers(5, 30), min_size=2, max_size=12), st.integers(1, 6), st.integers(0, 99))
def test_tokens_are_found_where_all_heads_listened(
    lengths: list[int], heads: int, seed: int
) -> None:
    """Each token listens to a stretch of its own, some heads louder than others."""
    edges = np.cumsum([0, *lengths])
    random = np.random.default_rng(seed)
    attention = random.uniform(0, 0.01, (len(lengths), heads, edges[-1])).astype(np.float32)
    for token, (begin, end) in enumerate(pairwise(edges)):
        attention[token, :, begin:end] += random.uniform(0.5, 1.0, (heads, 1)).astype(np.float32)
    first = begun_ms(attention) // MS_PER_POSITION
    assert np.abs(first - edges[:-1]).max() <= 2


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 6, 1), (1, 6, 50), (40, 6, 3)])
def test_windows_with_hardly_any_audio_or_text_are_timed_all_the_same(
    shape: tuple[int, int, int],
) -> None:
    """More tokens than positions, none of which the heads listened to."""
    for attention in (np.zeros(shape, np.float32), np.ones(shape, np.float32)):
        first = begun_ms(attention)
        assert len(first) == shape[0]
        assert (np.diff(first) >= 0).all()
        assert 0 <= first.min() <= first.max() < shape[2] * MS_PER_POSITION
