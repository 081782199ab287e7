"""Signal-to-noise ratio against mixtures whose ratio is known; certainty of words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.clarity import MAX_SNR_DB, MIN_SNR_DB, Certainty, NoiseFloor, snr_db
from analyzers.loudness import ActiveLevel, ShortSpeechLevel, mean_square
from tests.analyzers.recordings import frames, gain, noise, pcm, read, speaking


def mixture(signal, snr):
    """Speech with nothing between its words, plus white noise `snr` dB below its active level."""
    decisions = speaking(signal)
    clean = signal[: len(decisions) * 320] * np.repeat(decisions, 320).astype(np.int16)
    meter = ActiveLevel()
    meter.push(clean)
    clean = gain(clean, -26 - meter.level_dbfs)
    return pcm(
        (clean + noise(-26 - snr, 60 + len(clean) / 16_000)[: len(clean)]) / 32768
    ), decisions


def measured(signal, decisions):
    """Noise floor, whole-call speech level and the SNR every second from 15 s on."""
    floor, level, short = NoiseFloor(), ActiveLevel(), ShortSpeechLevel()
    ratios = []
    for i, frame in enumerate(frames(signal)):
        power = mean_square(frame)
        floor.push(power, bool(decisions[i]))
        if decisions[i]:
            level.push(frame)
            short.push(power)
        if i % 50 == 0 and i > 750 and floor.level_dbfs is not None:
            ratios.append(snr_db(short.level_dbfs, floor.level_dbfs))
    return floor.level_dbfs, level.level_dbfs, ratios


@pytest.mark.parametrize("snr", [0, 5, 10, 15, 20, 25, 30])
def test_snr_of_speech_in_white_noise_is_what_was_mixed(reading, snr):
    floor, level, ratios = measured(*mixture(reading, snr))
    assert floor == pytest.approx(-26 - snr, abs=0.5)
    assert snr_db(level, floor) == pytest.approx(snr, abs=1.0)
    assert np.median(ratios) == pytest.approx(snr, abs=2.0)


@pytest.mark.parametrize("snr", [5, 15, 25])
@pytest.mark.test_data("longform/*.flac")
def test_snr_of_recordings_in_white_noise_is_what_was_mixed(data_file, snr):
    floor, level, _ = measured(*mixture(read(data_file), snr))
    assert snr_db(level, floor) == pytest.approx(snr, abs=2.0)


@pytest.mark.parametrize("snr", [10, 20])
def test_snr_holds_when_the_voice_activity_hears_the_noise_too(reading, snr):
    signal, _ = mixture(reading, snr)
    floor, level, _ = measured(signal, speaking(signal))
    assert snr_db(level, floor) == pytest.approx(snr, abs=2.0)


def test_snr_is_bounded_and_takes_the_noise_out_of_the_speech():
    assert snr_db(-20.0, -20.0) == MIN_SNR_DB
    assert snr_db(-30.0, -20.0) == MIN_SNR_DB
    assert snr_db(0.0, -100.0) == MAX_SNR_DB
    assert snr_db(-20.0, -23.01) == pytest.approx(0.0, abs=0.01)


@given(st.floats(-100, 0), st.floats(-100, 0))
def test_snr_of_any_levels_is_finite(speech, background):
    assert MIN_SNR_DB <= snr_db(speech, background) <= MAX_SNR_DB


def push(floor, level_dbfs, seconds, speaking=False):
    for _ in range(round(50 * seconds)):
        floor.push(10 ** (level_dbfs / 10), speaking)


def test_floor_needs_one_and_a_half_seconds_without_speech():
    floor = NoiseFloor()
    push(floor, -20, 60, speaking=True)
    assert floor.level_dbfs is None
    push(floor, -60, 1.6)
    assert floor.level_dbfs is None
    push(floor, -60, 0.1)
    assert floor.level_dbfs == pytest.approx(-60)
    floor.reset()
    assert floor.level_dbfs is None


def test_floor_leaves_out_what_touches_speech():
    floor = NoiseFloor()
    for _ in range(60):
        push(floor, -30, 0.1)
        push(floor, -60, 0.3)
        push(floor, -30, 0.1)
        push(floor, -20, 0.5, speaking=True)
    assert floor.level_dbfs == pytest.approx(-60)


def test_floor_ignores_bursts_that_fill_less_than_three_quarters():
    floor = NoiseFloor()
    for _ in range(20):
        push(floor, -60, 0.2)
        push(floor, -35, 0.4)
    assert floor.level_dbfs == pytest.approx(-60)


def test_floor_follows_a_fan_that_starts_within_ten_seconds():
    floor = NoiseFloor()
    push(floor, -70, 20)
    push(floor, -50, 10.2)
    assert floor.level_dbfs == pytest.approx(-50)


def test_certainty_is_the_mean_probability_of_the_words():
    certainty = Certainty()
    assert certainty.mean is None
    certainty.push([("a", 0, 1, 1.0), ("b", 1, 2, 0.5)])
    certainty.push([("c", 2, 3, 0.0)])
    assert certainty.mean == pytest.approx(0.5)
    certainty.push([("odd", 3, 4, 7.0)])
    assert certainty.mean <= 1.0
    certainty.reset()
    assert certainty.mean is None
