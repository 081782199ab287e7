"""Level, K-weighted loudness and active speech level against their standards."""

import re

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.signal import lfilter, sosfreqz

from analyzers.activity import ActiveLevel, LevelVariation, ShortSpeechLevel, active_power
from analyzers.frame import FLOOR_DBFS
from analyzers.loudness import (
    DUAL_MONO_LU,
    Level,
    Loudness,
    block_powers,
    integrated_lufs,
    k_weighting,
    lufs,
    mean_square,
)
from tests.analyzers.recordings import frames, gain, noise, pcm, read, sine, speaking

SQUARE = np.tile(np.array([32767, -32768], np.int16), 160)


def momentary_lufs(signal):
    """Ours at every frame, `None` while the block fills."""
    meter = Loudness()
    values = []
    for frame in frames(signal):
        meter.push(frame)
        values.append(meter.momentary_lufs)
    return values


def active_dbfs(signal):
    meter = ActiveLevel()
    meter.push(signal)
    return meter.level_dbfs


def p56_reference(signal):
    """ITU-T P.56 method B as its text has it, with the threshold found by bisection."""
    x = signal / 32768.0
    g = np.exp(-1 / (16_000 * 0.03))
    envelope = lfilter([1 - g], [1, -g], lfilter([1 - g], [1, -g], np.abs(x)))
    sample = np.arange(len(x))
    energy = np.sum(x**2)
    low_db, high_db = -90.0, 0.0
    while high_db - low_db > 0.01:
        threshold_db = (low_db + high_db) / 2
        above = envelope >= 10 ** (threshold_db / 20)
        last = np.maximum.accumulate(np.where(above, sample, -(10**9)))
        active = np.count_nonzero(sample - last <= 3200)
        level = 10 * np.log10(energy / active) if active else 0.0
        if active and level - threshold_db > 15.9:
            low_db = threshold_db
        else:
            high_db = threshold_db
    return level


@pytest.mark.parametrize("level_dbfs", [-60.0, -26.0, -3.02])
@pytest.mark.parametrize("hz", [100.0, 1000.0, 7000.0])
def test_a_sine_reads_its_rms(hz, level_dbfs):
    assert Level().push(sine(hz, level_dbfs, 0.02)) == pytest.approx(level_dbfs, abs=0.05)


def test_full_scale_square_is_zero_dbfs_and_silence_the_floor():
    level = Level()
    assert level.push(SQUARE) == pytest.approx(0.0, abs=0.001)
    assert level.push(np.zeros(320, np.int16)) == FLOOR_DBFS
    level.push(SQUARE)
    level.reset()
    assert level.level_dbfs == FLOOR_DBFS


@given(hnp.arrays(np.int16, st.integers(0, 700)))
def test_mean_square_is_numpys_for_samples_of_any_number(signal):
    expected = np.mean((signal / 32768.0) ** 2) if len(signal) else 0.0
    assert mean_square(signal) == pytest.approx(expected, rel=1e-12)


def test_k_weighting_at_48_khz_is_the_table_of_bs_1770():
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    shelf += [-1.69065929318241, 0.73248077421585]
    high = [1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621]
    assert k_weighting(48_000) == pytest.approx(np.array(shelf + high), abs=1e-9)


def test_k_weighting_at_16_khz_keeps_the_response_of_the_table():
    def response_db(rate):
        c = k_weighting(rate)
        sos = [[*c[0:3], 1.0, *c[3:5]], [*c[5:8], 1.0, *c[8:10]]]
        hz = np.geomspace(30, 7900, 200)
        return 20 * np.log10(np.abs(sosfreqz(sos, hz, fs=rate)[1]))

    assert response_db(16_000) == pytest.approx(response_db(48_000), abs=0.07)


def test_momentary_loudness_of_the_calibration_tone_is_its_level():
    # BS.1770-4: a 997 Hz sine with a peak of 0 dBFS reads -3.01 LKFS, so ours reads its RMS.
    assert momentary_lufs(sine(997, -23.0, 2.0))[-1] == pytest.approx(-23.0, abs=0.06)


@pytest.mark.parametrize("weighting", ["K-weighting", "DeMan"])
def test_momentary_loudness_is_pyloudnorms_on_the_same_blocks(reading, weighting):
    signal = np.concatenate([reading, sine(997, -20, 2.0), sine(180, -30, 2.0)])
    compare_with_pyloudnorm(signal, weighting)


@pytest.mark.test_data("longform/*.flac", "loudness/sine*.wav", "speech/vctk/*_011.flac")
def test_momentary_loudness_is_pyloudnorms_on_recordings(data_file):
    compare_with_pyloudnorm(read(data_file), "K-weighting")


def compare_with_pyloudnorm(signal, weighting):
    meter = pyloudnorm.Meter(16_000, filter_class=weighting)
    meter.integrated_loudness(signal / 32768.0)
    theirs = np.array(meter.blockwise_loudness)
    # A block of theirs begins every 100 ms; ours ends with every frame of 20 ms.
    ours = np.array(momentary_lufs(signal)[19::5][: len(theirs)], float)
    theirs = theirs[: len(ours)]
    audible = theirs > -70
    assert audible.any()
    assert np.max(np.abs(ours - theirs)[audible]) <= 0.1


def test_gated_over_blocks_it_is_the_integrated_loudness_at_48_khz(two_cities, reading):
    full_band, rate = soundfile.read(two_cities)
    theirs = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(full_band)
    blocks = np.array(momentary_lufs(reading)[19::5], float)
    powers = 10 ** ((blocks + 0.691) / 10)
    gate = -0.691 + 10 * np.log10(powers[blocks >= -70].mean()) - 10
    ours = -0.691 + 10 * np.log10(powers[(blocks >= -70) & (blocks > gate)].mean())
    assert ours == pytest.approx(theirs, abs=0.1)


def test_momentary_loudness_needs_400_ms_and_silence_reads_the_floor():
    values = momentary_lufs(np.zeros(320 * 21, np.int16))
    assert values[:19] == [None] * 19
    assert values[19:] == [FLOOR_DBFS, FLOOR_DBFS]


def test_momentary_loudness_forgets_on_reset():
    meter = Loudness()
    for frame in frames(noise(-20, 1)):
        meter.push(frame)
    meter.reset()
    assert meter.momentary_lufs is None


def test_active_level_is_p56_on_speech(reading):
    assert active_dbfs(reading) == pytest.approx(p56_reference(reading), abs=0.15)


@pytest.mark.test_data("longform/*.flac", "speech/ljspeech/LJ001-000*.flac")
def test_active_level_is_p56_on_recordings(data_file):
    signal = read(data_file)
    assert active_dbfs(signal) == pytest.approx(p56_reference(signal), abs=0.15)


def test_active_level_ignores_silence(reading):
    silence = np.zeros(16_000 * 20, np.int16)
    padded = active_dbfs(np.concatenate([silence, reading, silence]))
    assert padded == pytest.approx(active_dbfs(reading), abs=0.02)


def test_active_level_of_a_tone_that_sounds_half_the_time_is_the_tones():
    burst = np.concatenate([sine(1000, -20, 10.0), np.zeros(160_000, np.int16)])
    meter = ActiveLevel()
    meter.push(np.tile(burst, 3))
    # Hangover and the fall of the envelope add 0.2 to 0.4 s to each 10 s.
    assert meter.level_dbfs == pytest.approx(-20.15, abs=0.1)
    assert meter.activity == pytest.approx(0.515, abs=0.01)


def test_active_level_does_not_depend_on_how_the_signal_is_cut(reading):
    meter = ActiveLevel()
    for frame in frames(reading):
        meter.push(frame)
    assert meter.level_dbfs == active_dbfs(reading[: len(reading) // 320 * 320])


def test_active_level_follows_the_gain(reading):
    assert active_dbfs(gain(reading, -6)) == pytest.approx(active_dbfs(reading) - 6, abs=0.1)


def test_active_level_of_nothing_is_none():
    meter = ActiveLevel()
    assert meter.level_dbfs is None
    assert meter.activity == 0.0
    meter.push(np.zeros(16_000, np.int16))
    assert meter.level_dbfs is None
    meter.push(noise(-20, 1.0))
    meter.reset()
    assert meter.level_dbfs is None


@settings(max_examples=60)
@given(hnp.arrays(np.int16, st.integers(0, 4000)))
def test_active_level_of_anything_is_a_level_no_lower_than_the_mean(signal):
    meter = ActiveLevel()
    meter.push(signal)
    level = meter.level_dbfs
    if level is not None:
        assert FLOOR_DBFS <= level <= 0.0
        mean = 10 * np.log10(max(np.mean((signal / 32768.0) ** 2), 1e-10))
        assert level >= mean - 0.01
        assert 0.0 <= meter.activity <= 1.0


def powers_of(signal):
    return np.array([mean_square(frame) for frame in frames(signal)])


def test_frame_wise_active_level_stays_with_p56(reading):
    powers = powers_of(reading)[speaking(reading)]
    ours = 10 * np.log10(active_power(powers, 0, len(powers)))
    assert ours == pytest.approx(p56_reference(reading), abs=0.25)


@pytest.mark.test_data("longform/*.flac", "speech/vctk/*_011.flac")
def test_frame_wise_active_level_stays_with_p56_on_recordings(data_file):
    signal = read(data_file)
    powers = powers_of(signal)[speaking(signal)]
    ours = 10 * np.log10(active_power(powers, 0, len(powers)))
    assert ours == pytest.approx(active_dbfs(signal), abs=0.35)


def test_active_power_reads_a_ring_in_order_of_time(reading):
    powers = powers_of(reading)[:200]
    turned = np.roll(powers, 70)
    assert active_power(turned, 70, 200) == active_power(powers, 0, 200)
    assert active_power(powers, 0, 0) == 0.0


def test_short_level_covers_the_last_three_seconds_of_speech():
    meter = ShortSpeechLevel()
    for _ in range(49):
        meter.push(1e-3)
    assert meter.level_dbfs is None
    meter.push(1e-3)
    assert meter.level_dbfs == pytest.approx(-30.0)
    for _ in range(150):
        meter.push(1e-4)
    assert meter.level_dbfs == pytest.approx(-40.0)
    meter.reset()
    assert meter.level_dbfs is None


def test_variation_is_the_deviation_of_the_seconds():
    levels = [-30.0, -26.0, -33.0, -30.0, -28.0, -35.5]
    meter = LevelVariation()
    for i, level in enumerate(levels):
        for _ in range(50):
            meter.push(10 ** (level / 10))
        assert (meter.deviation_db is None) == (i < 4)
    assert meter.deviation_db == pytest.approx(np.std(levels, ddof=1))
    meter.reset()
    assert meter.deviation_db is None


def test_a_voice_that_fades_and_swells_varies_more_than_a_steady_one(reading):
    swell = 10 ** (9 * np.sin(2 * np.pi * np.arange(len(reading)) / (16_000 * 10)) / 20)
    deviations = []
    for signal in (reading, pcm(reading / 32768.0 * swell)):
        meter = LevelVariation()
        for power, voiced in zip(powers_of(signal), speaking(reading), strict=True):
            if voiced:
                meter.push(power)
        deviations.append(meter.deviation_db)
    steady, varied = deviations
    assert steady < 3.5
    assert varied > steady + 2.5


def metered(signal):
    """The frame meter after `signal`, and its short-term loudness at every frame."""
    meter = Loudness()
    short = []
    for frame in frames(signal):
        meter.push(frame)
        short.append(meter.short_term_lufs)
    return meter, short


def whole_blocks(signal, rate):
    """Without the rest behind the last block of 400 ms; one begins every 100 ms.

    pyloudnorm counts a rest of 50 ms or more as if silence completed it, which is up to 0.15 LU on
    a clip of five seconds; BS.1770 leaves it out.
    """
    step = rate // 10
    return signal[: len(signal) // step * step]


def pyloudnorm_lufs(signal, rate):
    return pyloudnorm.Meter(rate).integrated_loudness(whole_blocks(signal, rate))


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_integrated_loudness_is_pyloudnorms_on_speech(two_cities, reading, rate):
    signal = soundfile.read(two_cities)[0] if rate == 48_000 else reading / 32768.0
    assert integrated_lufs(signal, rate) == pytest.approx(pyloudnorm_lufs(signal, rate), abs=0.1)


def test_streamed_integrated_loudness_is_the_whole_signals(reading):
    signal = np.concatenate([reading, gain(reading[:160_000], -25), noise(-60, 5.0)])
    meter, _ = metered(signal)
    assert meter.integrated_lufs == pytest.approx(integrated_lufs(signal, 16_000), abs=0.02)
    assert meter.integrated_lufs == pytest.approx(
        pyloudnorm_lufs(signal / 32768.0, 16_000), abs=0.1
    )


@pytest.mark.test_data(
    "longform/*.flac",
    "speech/vctk/*.flac",
    "speech/ljspeech/*.flac",
    "speech/librispeech*/**/*.flac",
    "speech/mfa/*.flac",
    "noise/*/*.flac",
)
def test_integrated_loudness_is_pyloudnorms_on_recordings(data_file):
    signal, rate = soundfile.read(data_file)
    assert integrated_lufs(signal, rate) == pytest.approx(pyloudnorm_lufs(signal, rate), abs=0.1)
    if signal.ndim == 1 and rate == 16_000:
        meter, _ = metered(read(data_file))
        assert meter.integrated_lufs == pytest.approx(pyloudnorm_lufs(signal, rate), abs=0.1)


@pytest.mark.test_data("loudness/*.wav")
def test_integrated_loudness_is_the_compliance_files_value(data_file, data_manifest):
    signal, rate = soundfile.read(data_file)
    notes = data_manifest[f"loudness/{data_file.name}"]["notes"]
    expected = float(re.search(r"loudness (-[0-9.]+)", notes)[1])
    assert integrated_lufs(signal, rate) == pytest.approx(expected, abs=0.1)


def tone(*parts, channels=2, rate=48_000, gains_db=None):
    """EBU Tech 3341: a 1 kHz sine in phase on all channels, parts of (peak dBFS or None, s)."""
    peaks = np.concatenate(
        [np.full(round(s * rate), 0.0 if db is None else 10 ** (db / 20)) for db, s in parts]
    )
    sine_1k = peaks * np.sin(2 * np.pi * 1000 * np.arange(len(peaks)) / rate)
    gains = 10 ** (np.array(gains_db or [0.0] * channels) / 20)
    return sine_1k[:, np.newaxis] * gains


EBU_INTEGRATED = {
    "1": (tone((-23, 20)), -23.0),
    "2": (tone((-33, 20)), -33.0),
    "3": (tone((-36, 10), (-23, 60), (-36, 10)), -23.0),
    "4": (tone((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)), -23.0),
    "5": (tone((-26, 20), (-20, 20.1), (-26, 20)), -23.0),
    "6": (tone((0, 20), gains_db=[-28, -28, -24, -30, -30]), -23.0),
}


@pytest.mark.parametrize("number", EBU_INTEGRATED)
def test_integrated_loudness_of_ebu_tech_3341_signals(number):
    signal, expected = EBU_INTEGRATED[number]
    assert integrated_lufs(signal, 48_000) == pytest.approx(expected, abs=0.1)


def loudest(signal, block_s):
    return lufs(float(block_powers(signal, 48_000, block_s, 0.01).max()))


def test_short_term_loudness_of_ebu_tech_3341_signal_9_stands_still():
    powers = block_powers(tone(*[(-20, 1.34), (-30, 1.66)] * 5), 48_000, 3.0, 0.1)
    assert [lufs(power) for power in powers] == pytest.approx([-23.0] * len(powers), abs=0.1)


def test_momentary_loudness_of_ebu_tech_3341_signal_12_stands_still():
    powers = block_powers(tone(*[(-20, 0.18), (-30, 0.22)] * 25), 48_000, 0.4, 0.1)
    assert [lufs(power) for power in powers] == pytest.approx([-23.0] * len(powers), abs=0.1)


@pytest.mark.parametrize("i", range(0, 20, 3))
def test_maxima_of_ebu_tech_3341_signals_10_and_13_do_not_depend_on_when_the_tone_begins(i):
    assert loudest(tone((None, 0.15 * i), (-23, 3), (None, 1)), 3.0) == pytest.approx(-23, abs=0.1)
    assert loudest(tone((None, 0.02 * i), (-23, 0.4), (None, 1)), 0.4) == pytest.approx(
        -23, abs=0.1
    )


@pytest.mark.parametrize("i", range(0, 20, 3))
def test_frame_meters_of_one_channel_read_ebu_tech_3341_signals_11_and_14_less_the_mono_offset(i):
    expected = -38 + i - DUAL_MONO_LU

    def mono(seconds, silence):
        signal = tone((None, silence), (-38 + i, seconds), (None, 3), channels=1, rate=16_000)
        return pcm(signal[:, 0])

    _, short = metered(mono(3.0, 0.15 * i + 3))
    assert max(v for v in short if v is not None) == pytest.approx(expected, abs=0.1)
    momentary = momentary_lufs(mono(0.4, 0.02 * i + 1))
    assert max(v for v in momentary if v is not None) == pytest.approx(expected, abs=0.1)


def test_two_loudspeakers_are_the_mono_offset_louder_than_one_channel(two_cities):
    signal, rate = soundfile.read(two_cities)
    both = integrated_lufs(np.stack([signal, signal], axis=1), rate)
    assert both - integrated_lufs(signal, rate) == pytest.approx(DUAL_MONO_LU, abs=0.001)


def test_the_loudness_meter_reads_the_momentary_meters_values(reading):
    meter = Loudness()
    for frame, expected in zip(frames(reading), momentary_lufs(reading), strict=True):
        meter.push(frame)
        assert meter.momentary_lufs == pytest.approx(expected, abs=1e-6)


def test_no_block_reaches_across_a_hole_and_the_integrated_loudness_outlives_it():
    meter, _ = metered(sine(997, -20, 4.0))
    before = meter.integrated_lufs
    meter.interrupt()
    assert (meter.momentary_lufs, meter.short_term_lufs) == (None, None)
    assert meter.integrated_lufs == before
    meter.reset()
    assert meter.integrated_lufs is None


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (np.zeros(80_000, np.int16), None),
        (np.tile(SQUARE, 250), 3.3),
        (noise(-20, 5.0), -17.3),
    ],
    ids=["silence", "full-scale-square", "noise"],
)
def test_loudness_of_what_is_no_speech_is_defined(signal, expected):
    meter, _ = metered(signal)
    for value in (meter.integrated_lufs, integrated_lufs(signal, 16_000)):
        assert value == (None if expected is None else pytest.approx(expected, abs=1.0))


def test_a_constant_is_no_louder_than_the_knock_of_its_onset():
    signal = np.full(80_000, 20_000, np.int16)
    meter, _ = metered(signal)
    assert meter.momentary_lufs == FLOOR_DBFS
    assert integrated_lufs(signal, 16_000) == pytest.approx(meter.integrated_lufs, abs=0.1)


def test_a_signal_with_nan_or_without_a_block_has_no_loudness():
    assert integrated_lufs(np.full(48_000, np.nan), 48_000) is None
    assert integrated_lufs(np.zeros(100), 48_000) is None
    assert integrated_lufs(np.zeros(0), 48_000) is None


def test_a_signal_of_six_channels_or_below_8_khz_is_refused():
    with pytest.raises(ValueError, match="1 to 5 channels"):
        integrated_lufs(np.zeros((9600, 6)), 48_000)
    with pytest.raises(ValueError, match="8 kHz"):
        integrated_lufs(np.zeros(9600), 4_000)


def drift(levels):
    meter = LevelVariation()
    for level in levels:
        for _ in range(50):
            meter.push(10 ** (level / 10))
    return meter.drift_db


def test_drift_compares_the_last_half_minute_of_speech_with_the_first():
    assert drift(np.linspace(-26, -26, 59)) is None
    assert drift(np.linspace(-26, -26, 60)) == pytest.approx(0.0)
    assert drift(np.linspace(-26, -32, 121)) == pytest.approx(-6 * 91 / 120, abs=0.1)


def test_drift_is_not_moved_by_a_few_shouts():
    levels = np.full(100, -30.0)
    levels[[3, 9, 75, 80, 90]] = -10.0
    assert drift(levels) == pytest.approx(0.0)
