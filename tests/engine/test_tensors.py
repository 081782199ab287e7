"""The ONNX reader against what the file is known to hold, and against broken files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.silero import silero_path
from engine.tensors import _fields, read_floats


def test_silero_s_weights_are_read_by_name_and_shape() -> None:
    tensors = read_floats(silero_path())
    assert tensors["encoder.conv_layers.0.weight"].shape == (128, 129, 3)
    assert tensors["onnx::LSTM_209"].shape == (1, 512, 128)
    window = tensors["encoder.feature_extractor.forward_basis_buffer"][0, 0]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    np.testing.assert_allclose(window, hann, atol=1e-6)


@pytest.mark.parametrize("size", [0, 1, 100, 10_000])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, size: int) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(silero_path().read_bytes()[:size])
    with pytest.raises(ValueError, match=r"no ONNX file|in the middle"):
        read_floats(cut)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with suppress(ValueError):
        assert all(field >= 0 for field, _ in _fields(data))
