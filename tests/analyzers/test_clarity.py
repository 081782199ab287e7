"""Signal-to-noise ratio against mixtures whose ratio is known; certainty of words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzers.activity import ActiveLevel, ShortSpeechLevel
from analyzers.clarity import MAX_SNR_DB, MIN_SNR_DB, Certainty, NoiseFloor, snr_db
from analyzers.loudness import mean_square
from benchmarks import noises
from tests.analyzers.recordings import frames, gain, noise, pcm, read, speaking

NOISES = {"white": noises.white, "pink": noises.pink, "babble": noises.babble, "car": noises.car}


def mixture(signal, snr, background):
    """Speech with nothing between its words, plus a noise `snr` dB below its active level.

    The noise's level is the mean power of its frames without the loudest twentieth: a door that
    slams is no background.
    """
    decisions = speaking(signal)
    clean = signal[: len(decisions) * 320] * np.repeat(decisions, 320).astype(np.int16)
    meter = ActiveLevel()
    meter.push(clean)
    clean = gain(clean, -26 - meter.level_dbfs)
    background = np.resize(background, len(clean)).astype(np.float64)
    powers = np.sort(np.mean(background.reshape(-1, 320) ** 2, axis=1))
    rms = np.sqrt(powers[: len(powers) * 95 // 100].mean())
    return pcm(clean / 32768 + background / rms * 10 ** ((-26 - snr) / 20)), decisions


def made(kind, signal):
    return NOISES[kind](len(signal), np.random.default_rng(1))


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


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("snr", [0, 5, 10, 15, 20, 25, 30])
def test_snr_of_speech_in_noise_is_what_was_mixed(reading, snr, kind):
    floor, level, ratios = measured(*mixture(reading, snr, made(kind, reading)))
    assert snr_db(level, floor) == pytest.approx(snr, abs=2.0)
    assert np.median(ratios) == pytest.approx(snr, abs=2.0)
    if kind == "white":
        assert floor == pytest.approx(-26 - snr, abs=0.2)
        assert snr_db(level, floor) == pytest.approx(snr, abs=1.0)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("snr", [0, 5, 15, 25, 30])
@pytest.mark.test_data("longform/*.flac")
def test_snr_of_recordings_in_noise_is_what_was_mixed(data_file, snr, kind):
    signal = read(data_file)
    floor, level, _ = measured(*mixture(signal, snr, made(kind, signal)))
    assert snr_db(level, floor) == pytest.approx(snr, abs=within_db(snr, kind))


@pytest.mark.parametrize("snr", [0, 5, 10, 15, 20, 25, 30])
@pytest.mark.test_data("noise/office/*.mp3", "noise/speechbrain/noise[13].flac")
def test_snr_of_speech_in_recorded_noise_is_what_was_mixed(reading, data_file, snr):
    background = read(data_file)
    if "office" in data_file.name:
        # Before, a door slams for a second, 18 dB above everything else.
        background = background[70 * 16_000 :]
    floor, level, _ = measured(*mixture(reading, snr, background))
    assert snr_db(level, floor) == pytest.approx(snr, abs=within_db(snr, data_file.name))


def within_db(snr, kind):
    """Where noise that moves is as loud as speech, what it adds to speech is read as speech."""
    return 3.5 if snr == 0 and kind not in ("white", "pink", "car") else 2.0


@pytest.mark.parametrize("kind", ["white", "pink", "babble"])
@pytest.mark.parametrize("snr", [10, 20])
def test_snr_holds_when_the_voice_activity_hears_the_noise_too(reading, snr, kind):
    signal, _ = mixture(reading, snr, made(kind, reading))
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


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (np.zeros(32_000, np.int16), -100.0),
        (np.full(32_000, -32768, np.int16), 0.0),
        (np.tile(np.repeat(np.array([32767, -32768], np.int16), 40), 400), 0.0),
        (noise(-30, 2), -30.0),
    ],
    ids=["silence", "offset", "square", "noise"],
)
def test_floor_of_what_never_speaks_is_its_level(signal, expected):
    floor = NoiseFloor()
    for frame in frames(signal):
        floor.push(mean_square(frame), False)
    assert floor.level_dbfs == pytest.approx(expected, abs=0.2)


def test_floor_is_the_same_however_long_the_past():
    """The ordered frames follow the ring as it wraps."""
    powers = np.random.default_rng(5).exponential(1e-5, 1400)
    long, short = NoiseFloor(), NoiseFloor()
    for power in powers:
        long.push(power, False)
    for power in powers[-505 - NoiseFloor.GUARD_FRAMES :]:
        short.push(power, False)
    assert long.level_dbfs == pytest.approx(short.level_dbfs)


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
