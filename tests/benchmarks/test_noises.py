from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import welch

from benchmarks.noises import LOUD_DB, MAKERS, at_level
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE

SIZE = 5 * SAMPLE_RATE
SOUNDS = sorted(set(MAKERS) - {"silence"})


def made(kind: str, seed: int = 1) -> np.ndarray:
    return MAKERS[kind](SIZE, np.random.default_rng(seed))


def loud_level_dbfs(pcm: np.ndarray) -> float:
    power = np.mean((pcm.reshape(-1, FRAME_SAMPLES) / 32768) ** 2, axis=1)
    return 10 * np.log10(power[power >= power.max() * 10 ** (-LOUD_DB / 10)].mean())


def slope_db(samples: np.ndarray) -> float:
    """Fall of the power density per octave between 200 Hz and 3.2 kHz."""
    hz, density = welch(samples, SAMPLE_RATE, nperseg=2048)
    inside = (hz > 200) & (hz < 3_200)
    return np.polyfit(np.log2(hz[inside]), 10 * np.log10(density[inside]), 1)[0]


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_noise_is_as_long_as_asked_and_finite(kind):
    for size in (SIZE, 12_345):
        samples = MAKERS[kind](size, np.random.default_rng(1))
        assert samples.shape == (size,)
        assert np.isfinite(samples).all()


@pytest.mark.parametrize("kind", SOUNDS)
@pytest.mark.parametrize("level_dbfs", [-50.0, -35.0])
def test_a_noise_has_the_level_asked_for(kind, level_dbfs):
    pcm = at_level(made(kind), level_dbfs)
    assert pcm.dtype == np.int16
    assert loud_level_dbfs(pcm) == pytest.approx(level_dbfs, abs=0.5)


@pytest.mark.parametrize("kind", SOUNDS)
def test_no_noise_is_much_softer_for_its_peaks_at_the_highest_level(kind):
    assert loud_level_dbfs(at_level(made(kind), -20.0)) == pytest.approx(-20.0, abs=2.0)


def test_silence_is_digital_at_any_level():
    assert not at_level(made("silence"), -20.0).any()


@pytest.mark.parametrize("kind", SOUNDS)
def test_the_seed_decides_the_noise(kind):
    np.testing.assert_array_equal(made(kind), made(kind))
    assert not np.array_equal(made(kind, 1), made(kind, 2))


@pytest.mark.parametrize(("kind", "per_octave_db"), [("white", 0), ("pink", -3), ("brown", -6)])
def test_coloured_noise_falls_as_its_name_says(kind, per_octave_db):
    assert slope_db(made(kind)) == pytest.approx(per_octave_db, abs=0.3)


@pytest.mark.parametrize(
    ("kind", "tones_hz"),
    [("hum_50", [50, 100, 150]), ("hum_60", [60, 120, 180]), ("ringing", [440, 480])],
)
def test_tones_are_where_the_standard_puts_them(kind, tones_hz):
    hz, density = welch(made(kind), SAMPLE_RATE, nperseg=SAMPLE_RATE)
    for tone_hz in tones_hz:
        beside = (np.abs(hz - tone_hz) > 3) & (np.abs(hz - tone_hz) < 8)
        assert density[hz == tone_hz][0] > 30 * np.median(density[beside])


def test_keys_are_clicks_with_silence_between_them():
    power = np.mean(made("keyboard").reshape(-1, FRAME_SAMPLES) ** 2, axis=1)
    assert np.mean(power < power.max() / 1_000) > 0.3
