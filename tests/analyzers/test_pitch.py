"""F0 against Praat, and against signals whose F0 is known."""

import numpy as np
import parselmouth
import pytest
from scipy.signal import resample_poly

from analyzers.pitch import HOP_MS, MAX_F0_HZ, MIN_F0_HZ, Pitch, PitchRange, PitchSpread
from tests.analyzers.recordings import frames, gain, noise, pcm, read, sine

HOP_S = HOP_MS / 1000


def tracked(signal):
    """F0 of every hop, 0.0 where unvoiced."""
    pitch = Pitch()
    hops = []
    for frame in frames(signal):
        pitch.push(frame)
        hops.append(pitch.hops_hz.copy())
    return np.concatenate(hops)


def times_of(hops):
    """When each hop was (s)."""
    return (np.arange(len(hops)) + 1) * HOP_S - Pitch.DELAY_MS / 1000


def praat(signal, times_s):
    """Praat's autocorrelation pitch at the given times, 0.0 where unvoiced."""
    sound = parselmouth.Sound(signal / 32768.0, 16_000)
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=MIN_F0_HZ, pitch_ceiling=MAX_F0_HZ)
    return np.nan_to_num([pitch.get_value_at_time(t) for t in times_s])


def compare_with_praat(signal, rel, gross):
    """Medians within `rel`, at most a share of `gross` hops off by 20 % where both are voiced."""
    ours = tracked(signal)
    theirs = praat(signal, times_of(ours))
    both = (ours > 0) & (theirs > 0)
    ratio = ours[both] / theirs[both]
    assert np.count_nonzero(both) >= 50
    assert np.median(ours[both]) == pytest.approx(np.median(theirs[both]), rel=rel)
    assert np.median(ratio) == pytest.approx(1.0, rel=0.005)
    assert np.mean(np.abs(ratio - 1) > 0.2) <= gross
    assert np.mean((ours > 0) == (theirs > 0)) >= 0.83
    # Voicing recall: what Praat hears as voiced, we do.
    assert np.count_nonzero(both) / np.count_nonzero(theirs) >= 0.85


def test_f0_is_praats_on_speech(reading):
    compare_with_praat(reading, rel=0.01, gross=0.05)


def test_f0_is_praats_on_speech_of_a_telephones_band(reading):
    narrow = resample_poly(resample_poly(reading / 32768.0, 1, 2), 2, 1)
    compare_with_praat(pcm(narrow), rel=0.01, gross=0.05)


@pytest.mark.test_data("longform/*.flac")
def test_f0_is_praats_on_long_recordings(data_file):
    compare_with_praat(read(data_file), rel=0.01, gross=0.05)


@pytest.mark.test_data("speech/vctk/*.flac", "speech/ljspeech/*.flac")
def test_f0_is_praats_on_clips_of_some_seconds(data_file):
    # One doubtful syllable is a percent of a clip's voiced hops.
    compare_with_praat(read(data_file), rel=0.015, gross=0.05)


def test_the_spread_of_a_reading_is_praats(reading):
    ours = tracked(reading)
    theirs = praat(reading, times_of(ours))
    both = (ours > 0) & (theirs > 0)
    spread = PitchSpread()
    for f0_hz in ours[both]:
        spread.push(f0_hz)
    low, below, above, high = np.quantile(12 * np.log2(theirs[both]), [0.05, 0.159, 0.841, 0.95])
    assert spread.median_hz == pytest.approx(np.median(theirs[both]), rel=0.01)
    assert spread.range_semitones == pytest.approx(high - low, abs=0.5)
    assert spread.variation_semitones == pytest.approx((above - below) / 2, abs=0.25)


@pytest.mark.parametrize("level_dbfs", [-50.0, -20.0])
@pytest.mark.parametrize("f0_hz", [70.0, 100.0, 155.0, 220.0, 311.0, 390.0])
def test_f0_of_a_buzz_is_its_repetition_rate(f0_hz, level_dbfs):
    t = np.arange(16_000) / 16_000
    harmonics = range(1, int(4000 / f0_hz))
    buzz = sum(np.cos(2 * np.pi * k * f0_hz * t + k * k) / k for k in harmonics)
    buzz *= 10 ** (level_dbfs / 20) / np.sqrt(np.mean(buzz**2))
    assert tracked(pcm(buzz))[15:] == pytest.approx(f0_hz, rel=0.005)


def test_f0_follows_a_glide():
    t = np.arange(32_000) / 16_000
    phase = 2 * np.pi * (100 * t + 25 * t**2)
    signal = pcm(0.1 * (np.sin(phase) + 0.6 * np.sin(2 * phase) + 0.4 * np.sin(3 * phase)))
    ours = tracked(signal)
    assert ours[15:] == pytest.approx((100 + 50 * times_of(ours))[15:], rel=0.01)


def test_f0_does_not_depend_on_the_level(reading):
    loud = tracked(gain(reading, 12))
    plain = tracked(reading)
    assert np.mean(np.isclose(loud, plain, rtol=0.01)) > 0.98


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(32_000, np.int16),
        np.full(32_000, 12_000, np.int16),
        np.full(32_000, -32768, np.int16),
        np.tile(np.array([32767, -32768], np.int16), 16_000),
        sine(3000, -10, 2.0),
    ],
    ids=["silence", "dc", "full-scale-dc", "square-8k", "whistle"],
)
def test_what_has_no_pitch_in_range_stays_silent(signal):
    assert not tracked(signal)[15:].any()


def test_white_noise_is_unvoiced():
    assert np.mean(tracked(noise(-20, 10.0)) > 0) < 0.01


def test_f0_needs_the_frames_before_only():
    first, second = noise(-30, 1.0, seed=1), sine(150, -20, 1.0)
    pitch = Pitch()
    for frame in frames(first):
        pitch.push(frame)
    pitch.reset()
    after_reset = [pitch.push(frame) for frame in frames(second)]
    fresh = Pitch()
    assert after_reset == [fresh.push(frame) for frame in frames(second)]


def test_range_is_the_span_between_percentiles_in_semitones():
    spread = PitchRange()
    for i in range(500):
        spread.push(100.0 * 2 ** (i / 500))
        assert (spread.semitones is None) == (i < 49)
    assert spread.semitones == pytest.approx(12 * 0.9, abs=0.05)


def test_range_is_not_moved_by_a_few_octave_errors_and_forgets_after_ten_seconds():
    spread = PitchRange()
    for i in range(500):
        spread.push(240.0 if i % 25 == 0 else 120.0)
    assert spread.semitones == pytest.approx(0.0)
    for i in range(500):
        spread.push(100.0 if i % 2 else 200.0)
    assert spread.semitones == pytest.approx(12.0)
    spread.reset()
    assert spread.semitones is None


def test_variation_is_the_standard_deviation_of_semitones():
    rng = np.random.default_rng(3)
    recent, whole = PitchRange(), PitchSpread()
    for i, semitones in enumerate(2.5 * rng.standard_normal(500)):
        f0_hz = 150.0 * 2 ** (semitones / 12)
        recent.push(300.0 if i % 50 == 0 else f0_hz)
        whole.push(300.0 if i % 50 == 0 else f0_hz)
    assert recent.variation_semitones == pytest.approx(2.5, abs=0.2)
    assert whole.variation_semitones == pytest.approx(2.5, abs=0.2)
    assert whole.median_hz == pytest.approx(150.0, rel=0.02)


def test_the_spread_of_a_call_waits_for_a_second_and_ignores_what_is_no_pitch():
    spread = PitchSpread()
    for _ in range(99):
        spread.push(120.0)
        spread.push(0.0)
        spread.push(float("nan"))
        spread.push(5000.0)
    assert spread.median_hz is None
    assert spread.range_semitones is None
    spread.push(400.0)
    spread.push(65.0)
    assert spread.median_hz == pytest.approx(120.0, rel=0.001)
    assert spread.range_semitones == pytest.approx(0.0)
    spread.reset()
    assert spread.variation_semitones is None


def test_the_newest_window_is_voiced_before_it_is_decided():
    pitch = Pitch()
    signal = np.concatenate([np.zeros(3200, np.int16), sine(150, -20, 1.0)])
    early, late = [], []
    for frame in frames(signal):
        pitch.push(frame)
        early.append(pitch.voiced)
        late.append(pitch.decided_voiced)
    assert early.index(True) < late.index(True) <= early.index(True) + 2
