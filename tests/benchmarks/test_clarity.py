"""`benchmarks clarity`: rooms decay as said, and the report ranks both sides alike."""

import numpy as np
import pytest

from benchmarks import clarity


@pytest.mark.parametrize("seconds", clarity.ROOMS_S)
def test_a_room_decays_by_60_db_in_its_time_and_is_half_direct_sound(seconds):
    response = clarity.room(seconds)
    assert response[0] == 1.0
    assert np.sum(response[1:] ** 2) == pytest.approx(1.0, abs=0.02)
    left = 10 * np.log10(np.cumsum(response[:0:-1] ** 2)[::-1])
    first, last = np.argmax(left < -5), np.argmax(left < -25)
    assert 3 * (last - first) / 16_000 == pytest.approx(seconds, rel=0.1)


def test_the_report_correlates_ranks_with_each_mark():
    ours = {"clean": 90, "pink 10": 70, "room 0.6": 80}
    marks = {
        "clean": {"ovrl": 4.0, "sig": 1.0, "bak": 2.0},
        "pink 10": {"ovrl": 2.0, "sig": 3.0, "bak": 4.0},
        "room 0.6": {"ovrl": 3.0, "sig": 2.0, "bak": 3.0},
    }
    figures = clarity.report(ours, marks).figures
    assert figures["rank_correlation_ovrl"] == pytest.approx(1.0)
    assert figures["rank_correlation_sig"] == pytest.approx(-1.0)
    assert figures["clarity_room_0_6"] == 80
    assert figures["dnsmos_pink_10"] == 2.0
