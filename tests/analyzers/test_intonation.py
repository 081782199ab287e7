"""Rises and falls at the end of an utterance, made on purpose and against Praat."""

import numpy as np
import parselmouth
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import theilslopes

from analyzers.intonation import GLISSANDO, FinalContour
from analyzers.pitch import MAX_F0_HZ, MIN_F0_HZ, Pitch
from tests.analyzers.recordings import frames, noise, pcm, speaking


def glide(semitones_per_s, seconds=0.6, start_hz=150.0):
    """A buzz of steady pitch for 1 s that then glides."""
    t = np.arange(round(16_000 * (1 + seconds))) / 16_000
    semitones = semitones_per_s * np.maximum(t - 1, 0)
    phase = 2 * np.pi * np.cumsum(start_hz * 2 ** (semitones / 12)) / 16_000
    return pcm(0.05 * sum(np.sin(k * phase) / k for k in range(1, 9)))


def contour_of(signal):
    pitch, contour = Pitch(), FinalContour()
    for frame in frames(np.concatenate([signal, np.zeros(16_000, np.int16)])):
        pitch.push(frame)
        contour.push(pitch.hops_hz, True)
    return contour.end()


@pytest.mark.parametrize("slope", [-12.0, -6.0, -3.0, 3.0, 6.0, 12.0])
def test_a_glide_has_its_slope_and_direction(slope):
    contour = contour_of(glide(slope))
    assert contour.direction == ("rise" if slope > 0 else "fall")
    assert contour.slope_semitones_per_s == pytest.approx(slope, rel=0.15)
    assert contour.change_semitones == pytest.approx(slope / 2, rel=0.15)
    assert contour.voiced_ms == pytest.approx(500, abs=30)


@pytest.mark.parametrize("slope", [-0.8, 0.0, 0.8])
def test_a_glide_below_the_glissando_threshold_is_level(slope):
    assert contour_of(glide(slope)).direction == "level"


def test_a_short_stretch_needs_a_steeper_glide():
    hops = 100 * 2 ** (np.arange(12) * 0.1 / 12)
    assert finally_of(hops).direction == "level"
    steep = 100 * 2 ** (np.arange(12) * 0.3 / 12)
    assert finally_of(steep).direction == "rise"
    # 0.3 semitones every 10 ms for 0.12 s, against 0.32 / 0.12^2 = 22 semitones/s.
    assert finally_of(steep).slope_semitones_per_s == pytest.approx(30.0)
    assert 10.0 < GLISSANDO / 0.12**2 < 30.0


def finally_of(hops):
    contour = FinalContour()
    contour.push(np.asarray(hops, float), True)
    return contour.end()


def test_octave_errors_of_a_few_hops_change_no_direction():
    hops = 120 * 2 ** (-np.arange(50) * 0.05 / 12)
    hops[[5, 17, 30, 41, 48]] *= 2
    contour = finally_of(hops)
    assert contour.direction == "fall"
    assert contour.slope_semitones_per_s == pytest.approx(-5.0, abs=0.7)


def test_too_little_voice_has_no_contour():
    assert finally_of([]) is None
    assert finally_of(np.zeros(60)) is None
    assert finally_of([100.0] * 9) is None
    assert finally_of([100.0] * 10) is not None
    assert contour_of(np.zeros(16_000, np.int16)) is None
    assert contour_of(np.full(16_000, 12_000, np.int16)) is None
    assert contour_of(noise(-20, 2.0)) is None


def test_only_speech_and_only_this_utterance_count():
    contour = FinalContour()
    contour.push(np.linspace(100, 200, 50), True)
    contour.push(np.full(50, 300.0), False)
    assert contour.end().direction == "rise"
    assert contour.end() is None
    contour.push(np.linspace(100, 200, 50), True)
    contour.reset()
    assert contour.end() is None


@given(st.lists(st.one_of(st.just(0.0), st.floats(MIN_F0_HZ, MAX_F0_HZ)), max_size=120))
def test_any_hops_have_a_finite_contour_or_none(hops):
    contour = finally_of(hops)
    if contour is not None:
        assert np.isfinite(contour.slope_semitones_per_s)
        assert 100 <= contour.voiced_ms <= 500


def test_the_ends_of_a_readings_phrases_move_as_praat_hears_them(reading):
    sound = parselmouth.Sound(reading / 32768.0, 16_000)
    theirs = sound.to_pitch_ac(time_step=0.01, pitch_floor=MIN_F0_HZ, pitch_ceiling=MAX_F0_HZ)
    times, values = theirs.xs(), theirs.selected_array["frequency"].copy()
    runs = np.split(np.arange(len(values)), np.flatnonzero(np.diff(values > 0)) + 1)
    for run in runs:
        if len(run) < 5:
            values[run] = 0.0
    decisions = speaking(reading)
    pitch, contour = Pitch(), FinalContour()
    began = 0
    pairs = []
    for i, frame in enumerate(frames(reading)):
        pitch.push(frame)
        contour.push(pitch.hops_hz, bool(decisions[i]))
        # An utterance ends after 0.3 s of silence.
        if i < 15 or decisions[i - 14 : i + 1].any() or not decisions[i - 15]:
            continue
        ours = contour.end()
        voiced = (times > began * 0.02) & (times < i * 0.02) & (values > 0)
        began = i
        if ours is None or not voiced.any():
            continue
        last = voiced & (times > times[voiced].max() - 0.5)
        slope = theilslopes(12 * np.log2(values[last]), times[last])[0]
        pairs.append((ours.slope_semitones_per_s, slope))
    ours, theirs = np.array(pairs).T
    clear = np.abs(theirs) > 3.0
    assert np.count_nonzero(clear) >= 8
    assert np.mean(np.sign(ours[clear]) == np.sign(theirs[clear])) >= 0.85
