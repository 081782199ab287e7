"""Fast arithmetic is as good as slow arithmetic, for any input that a network gives it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy.special import erf

from engine.asr.encoder import Tensors, attended, by_head
from engine.asr.kernels import Floats, Norm, gelu, normalised, packed, softmax, times

INT8_STEP = 1 / 254
"""Half a step of 127 either side of zero."""


def floats(rows: st.SearchStrategy[int], most: float) -> st.SearchStrategy[Floats]:
    shape = st.tuples(rows, st.integers(1, 40))
    return shape.flatmap(
        lambda size: arrays.arrays(np.float32, size, elements=st.floats(-most, most, width=32))
    )


def exact_softmax(scores: Floats) -> NDArray[np.float64]:
    wide = scores.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return result


def random(*shape: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@given(floats(st.integers(1, 5), 100.0))
def test_gelu_is_x_times_the_normal_distribution(values: Floats) -> None:
    wide = values.astype(np.float64)
    exact = wide * 0.5 * (1 + erf(wide / np.sqrt(2)))
    given_values = values.copy()
    gelu(given_values)
    assert np.abs(given_values - exact).max() <= 1e-6 * (1 + np.abs(exact).max())


def test_gelu_is_as_exact_all_along_the_axis() -> None:
    values = np.linspace(-12, 12, 200_001, dtype=np.float32)
    wide = values.astype(np.float64)
    exact = wide * 0.5 * (1 + erf(wide / np.sqrt(2)))
    gelu(values)
    assert np.abs(values - exact).max() <= 2e-6


@given(floats(st.integers(1, 5), 80.0))
def test_softmax_is_that_of_float64_and_sums_to_one(scores: Floats) -> None:
    exact = exact_softmax(scores)
    result = softmax(scores.copy())
    # A float32 of 80 is itself off by 4e-6.
    assert np.abs(result - exact).max() <= 1e-5
    assert np.abs(result.sum(axis=-1) - 1).max() <= 1e-5
    assert (result >= 0).all()


def test_a_power_is_as_exact_all_along_the_axis() -> None:
    """Coefficients of a Taylor series left 8.5e-5."""
    pairs = np.zeros((100_001, 2), np.float32)
    pairs[:, 1] = np.linspace(-20, 0, len(pairs))
    exact = exact_softmax(pairs)
    assert (np.abs(softmax(pairs.copy()) - exact) / exact).max() <= 2e-6


@pytest.mark.parametrize("masked", [-1e9, -3e38])
def test_what_is_masked_weighs_nothing(masked: float) -> None:
    scores = random(6, 20, 30)
    scores[:, :, 7:] = masked
    result = softmax(scores.copy())
    assert result[:, :, 7:].max() <= 1e-30
    assert np.abs(result[:, :, :7] - exact_softmax(scores[:, :, :7])).max() <= 1e-6


def test_softmax_works_in_place_over_the_last_axis() -> None:
    scores = random(3, 4, 5)
    assert softmax(scores) is scores
    assert np.abs(scores.sum(axis=2) - 1).max() <= 1e-5


@given(floats(st.integers(1, 5), 50.0), st.integers(0, 99))
def test_layer_normalisation_is_that_of_float64(x: Floats, seed: int) -> None:
    gain, offset = random(2, x.shape[1], seed=seed)
    wide = x.astype(np.float64)
    centred = wide - wide.mean(axis=1, keepdims=True)
    spread = np.sqrt(wide.var(axis=1, keepdims=True) + 1e-5)
    exact = centred / spread * gain + offset
    # What rounding leaves of equal values is divided by next to nothing.
    rounding = 1e-6 * np.abs(wide).max(axis=1, keepdims=True) / spread
    slack = 2e-5 + 4 * rounding * np.abs(gain).max()
    assert (np.abs(normalised(x, Norm(gain, offset)) - exact) <= slack * 4).all()


def test_layer_normalisation_of_a_real_network_is_exact_to_five_digits(tensors: Tensors) -> None:
    gain = tensors["encoder/layer_norm/gamma"].astype(np.float32)
    offset = tensors["encoder/layer_norm/beta"].astype(np.float32)
    x = 5 * random(100, len(gain))
    wide = x.astype(np.float64)
    exact = (wide - wide.mean(axis=1, keepdims=True)) / np.sqrt(
        wide.var(axis=1, keepdims=True) + 1e-5
    ) * gain + offset
    assert np.abs(normalised(x, Norm(gain, offset)) - exact).max() <= 1e-4


@settings(max_examples=60)
@given(st.integers(1, 13), st.integers(1, 40), st.integers(1, 30), st.integers(0, 99))
def test_a_packed_product_is_that_of_the_rounded_matrix(
    rows: int, inputs: int, outputs: int, seed: int
) -> None:
    weight, bias = random(outputs, inputs, seed=seed), random(outputs, seed=seed + 1)
    x = random(rows, inputs, seed=seed + 2)
    by = packed(weight, bias)
    rounded = by.weight.astype(np.float64) * by.scale[:, None]
    exact = x.astype(np.float64) @ rounded.T + bias
    assert np.abs(times(x, by) - exact).max() <= 1e-4


@given(floats(st.integers(1, 5), 50.0))
def test_rounding_moves_a_weight_by_half_a_step_of_its_row_at_most(weight: Floats) -> None:
    by = packed(weight, np.zeros(len(weight), np.float32))
    off = np.abs(by.weight.astype(np.float64) * by.scale[:, None] - weight)
    assert (off <= np.abs(weight).max(axis=1, keepdims=True) * INT8_STEP * 1.001 + 1e-12).all()


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 8, 11])
def test_a_row_gives_the_same_whatever_rows_it_shares_a_product_with(
    tensors: Tensors, rows: int
) -> None:
    """Four rows go through it at a time, what is left over one by one."""
    weight = tensors["decoder/layer_0/ffn/linear_0/weight"].astype(np.float32)
    by = packed(weight, tensors["decoder/layer_0/ffn/linear_0/bias"].astype(np.float32))
    x = random(rows, weight.shape[1])
    together = times(x, by)
    alone = np.concatenate([times(row[None], by) for row in x])
    assert np.abs(together - alone).max() <= 1e-4
    assert np.abs(together - (x @ weight.T + by.bias)).max() <= 0.02 * np.abs(together).max()


def test_attention_is_that_of_float64() -> None:
    queries, keys, values = (by_head(random(n, 12, seed=n), 3) for n in (5, 9, 9))
    scores = np.einsum("hqd,hkd->hqk", queries.astype(np.float64), keys)
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    exact = np.einsum("hqk,hkd->qhd", weights, values).reshape(5, 12)
    assert np.abs(attended(queries, keys, values) - exact).max() <= 1e-5
