"""F0 against Praat, and against signals whose F0 is known."""

import numpy as np
import parselmouth
import pytest

from analyzers.pitch import MAX_F0_HZ, MIN_F0_HZ, Pitch, PitchRange
from tests.analyzers.recordings import frames, gain, noise, pcm, read, sine


def tracked(signal):
    """F0 per frame, 0.0 where unvoiced."""
    pitch = Pitch()
    return np.array([pitch.push(frame) or 0.0 for frame in frames(signal)])


def praat(signal, times_s):
    """Praat's autocorrelation pitch at the given times, 0.0 where unvoiced."""
    sound = parselmouth.Sound(signal / 32768.0, 16_000)
    pitch = sound.to_pitch_ac(time_step=0.01, pitch_floor=MIN_F0_HZ, pitch_ceiling=MAX_F0_HZ)
    return np.nan_to_num([pitch.get_value_at_time(t) for t in times_s])


def compare_with_praat(signal, rel, gross):
    """Medians within `rel`, at most a share of `gross` frames off by 20 % where both are voiced."""
    ours = tracked(signal)
    times_s = (np.arange(len(ours)) + 1) * 0.02 - Pitch.DELAY_MS / 1000
    theirs = praat(signal, times_s)
    both = (ours > 0) & (theirs > 0)
    ratio = ours[both] / theirs[both]
    assert np.count_nonzero(both) >= 50
    assert np.median(ours[both]) == pytest.approx(np.median(theirs[both]), rel=rel)
    assert np.median(ratio) == pytest.approx(1.0, rel=0.005)
    assert np.mean(np.abs(ratio - 1) > 0.2) <= gross
    assert np.mean((ours > 0) == (theirs > 0)) >= 0.83


def test_f0_is_praats_on_speech(reading):
    compare_with_praat(reading, rel=0.02, gross=0.05)


@pytest.mark.test_data("longform/*.flac", "speech/mfa/*corpus.flac")
def test_f0_is_praats_on_long_recordings(data_file):
    compare_with_praat(read(data_file), rel=0.02, gross=0.05)


@pytest.mark.test_data("speech/vctk/*.flac", "speech/ljspeech/*.flac")
def test_f0_is_praats_on_clips_of_some_seconds(data_file):
    # One doubtful syllable is several percent of a clip's voiced frames.
    compare_with_praat(read(data_file), rel=0.03, gross=0.1)


@pytest.mark.parametrize("level_dbfs", [-50.0, -20.0])
@pytest.mark.parametrize("f0_hz", [70.0, 100.0, 155.0, 220.0, 311.0, 390.0])
def test_f0_of_a_buzz_is_its_repetition_rate(f0_hz, level_dbfs):
    t = np.arange(16_000) / 16_000
    harmonics = range(1, int(4000 / f0_hz))
    buzz = sum(np.cos(2 * np.pi * k * f0_hz * t + k * k) / k for k in harmonics)
    buzz *= 10 ** (level_dbfs / 20) / np.sqrt(np.mean(buzz**2))
    assert tracked(pcm(buzz))[5:] == pytest.approx(f0_hz, rel=0.005)


def test_f0_follows_a_glide():
    t = np.arange(32_000) / 16_000
    phase = 2 * np.pi * (100 * t + 25 * t**2)
    signal = pcm(0.1 * (np.sin(phase) + 0.6 * np.sin(2 * phase) + 0.4 * np.sin(3 * phase)))
    ours = tracked(signal)[5:]
    times_s = (np.arange(len(ours)) + 6) * 0.02 - Pitch.DELAY_MS / 1000
    assert ours == pytest.approx(100 + 50 * times_s, rel=0.01)


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
    assert not tracked(signal)[5:].any()


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
