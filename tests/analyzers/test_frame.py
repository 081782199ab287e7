"""The decibel scale, and what counts as a frame."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.frame import FLOOR_DBFS, check, dbfs, power_of


def test_silence_reads_the_floor_and_full_scale_reads_zero():
    assert dbfs(0.0) == FLOOR_DBFS
    assert dbfs(1e-30) == FLOOR_DBFS
    assert dbfs(1.0) == 0.0


@given(st.floats(-99.9, 3.0))
def test_level_and_power_are_each_others_inverse(level_dbfs):
    assert dbfs(power_of(level_dbfs)) == pytest.approx(level_dbfs, abs=1e-9)


@pytest.mark.parametrize(
    "pcm",
    [
        np.zeros(319, np.int16),
        np.zeros(0, np.int16),
        np.zeros(320, np.float32),
        np.zeros((2, 160), np.int16),
        np.zeros(640, np.int16)[::2],
    ],
    ids=["short", "empty", "float", "stereo", "strided"],
)
def test_what_is_no_frame_is_refused(pcm):
    with pytest.raises(ValueError, match="one contiguous frame"):
        check(pcm)


def test_a_read_only_frame_is_accepted():
    pcm = np.frombuffer(bytes(640), np.int16)
    assert check(pcm) is pcm
