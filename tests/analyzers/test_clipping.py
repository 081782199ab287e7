"""Clipped waves are counted at the top of the scale, as they are and smeared by a codec."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import resample_poly

from analyzers.clipping import Clipping, clipped_samples
from engine.feedback import RULES
from signaling import opus
from tests.analyzers.recordings import frames, noise, pcm, sine

RATE = 48_000
BITRATES = (16_000, 24_000, 32_000, 64_000)
(RULE,) = [rule for rule in RULES if rule.code == "clipping"]


@pytest.fixture(scope="module")
def studio(two_cities):
    """15 s of one reader as a microphone gives them: 48 kHz, highest sample 1.0."""
    signal, rate = soundfile.read(two_cities, frames=15 * RATE)
    assert rate == RATE
    return signal / np.abs(signal).max()


@pytest.fixture(scope="module")
def home(librivox):
    """Five clips of another reader, the same way."""
    clips = [soundfile.read(path)[0] for path, _ in librivox]
    signal = resample_poly(np.concatenate(clips), 3, 1)
    return signal / np.abs(signal).max()


def driven(signal, db):
    """`signal` cut off at full scale, `db` below its highest sample."""
    return np.clip(signal * 10 ** (db / 20), -1.0, 1.0)


def limited(signal, db):
    """`db` louder, held below full scale by turning it down ahead of every peak, not by cutting."""
    loud = signal * 10 ** (db / 20)
    peaks = np.maximum(maximum_filter1d(np.abs(loud), 481), 1.0)
    return loud * uniform_filter1d(1.0 / peaks, 240)


def sent(signal, bitrate):
    """48 kHz in, 16 kHz out, by way of Opus as a call's audio comes in; `None` leaves Opus out."""
    if bitrate is None:
        return pcm(resample_poly(signal, 1, 3))
    encoder, decoder = opus.Encoder(RATE, bitrate), opus.Decoder()
    whole = np.round(np.clip(signal, -1.0, 1.0) * 32767).astype(np.int16)
    blocks = (whole[start : start + 960] for start in range(0, len(whole) - 959, 960))
    return np.concatenate([decoder.decode(encoder.encode(block)) for block in blocks])


def measured(signal):
    """The meter after `signal`, and the highest share of any 3 s on the way."""
    meter = Clipping()
    highest = 0.0
    for frame in frames(signal):
        meter.push(frame)
        highest = max(highest, meter.recent_pct)
    return meter, highest


def reference(signal):
    """Half-waves by numpy, one pass over the whole signal; the last is still open."""
    wide = signal.astype(np.int64)
    waves = np.split(wide, np.flatnonzero(np.diff(wide >= 0)) + 1)
    pieces = [wave[start : start + 320] for wave in waves for start in range(0, len(wave), 320)]
    return sum(
        int(np.sum(np.abs(piece) >= 0.985 * 32767))
        for piece in pieces[:-1]
        if np.mean(np.abs(piece) >= 0.8 * 32767) >= 0.5
    )


@pytest.mark.parametrize("bitrate", [None, *BITRATES])
@pytest.mark.parametrize("voice", ["studio", "home"])
def test_clipped_speech_is_heard_at_every_bitrate(voice, bitrate, request):
    _, highest = measured(sent(driven(request.getfixturevalue(voice), 10), bitrate))
    assert highest > RULE.enter


@pytest.mark.parametrize("bitrate", [None, *BITRATES])
@pytest.mark.parametrize("voice", ["studio", "home"])
def test_speech_normalised_to_the_top_is_not_clipped(voice, bitrate, request):
    _, highest = measured(sent(driven(request.getfixturevalue(voice), -0.2), bitrate))
    assert highest <= RULE.leave


@pytest.mark.parametrize("bitrate", [None, *BITRATES])
def test_the_harder_it_is_driven_the_more_is_clipped(studio, bitrate):
    shares = [measured(sent(driven(studio, db), bitrate))[0].total_pct for db in (6, 10, 14, 20)]
    assert shares[0] > 0.0
    assert all(more > 1.5 * less for less, more in pairwise(shares))


@pytest.mark.parametrize("bitrate", [None, *BITRATES])
def test_speech_that_a_limiter_holds_at_the_top_is_not_clipped(studio, bitrate):
    _, highest = measured(sent(limited(studio, 10) * 10 ** (-1 / 20), bitrate))
    assert highest <= RULE.enter


@pytest.mark.parametrize("bitrate", BITRATES)
@pytest.mark.parametrize(
    "signal",
    [
        0.89 * np.sin(2 * np.pi * 220 * np.arange(4 * RATE) / RATE),
        0.89 * np.sin(2 * np.pi * 1000 * np.arange(4 * RATE) / RATE),
        0.25 * np.random.default_rng(1).standard_normal(4 * RATE),
        0.98 * np.ones(4 * RATE),
        np.zeros(4 * RATE),
    ],
    ids=["sine 220", "sine 1000", "white noise", "constant", "silence"],
)
def test_steady_sounds_below_full_scale_are_not_clipped(signal, bitrate):
    assert measured(sent(signal, bitrate))[1] <= RULE.leave


@pytest.mark.test_data("speech/**/*.wav", "speech/**/*.flac", "longform/*.flac")
def test_no_recording_of_speech_is_taken_for_clipped(data_file):
    signal, rate = soundfile.read(data_file, always_2d=True)
    voice = resample_poly(signal[: 20 * rate, 0], RATE, rate)
    assert measured(sent(voice, 24_000))[1] <= RULE.enter


def test_waves_as_they_are_below_full_scale_do_not_clip(reading):
    assert measured(reading)[1] == 0.0
    assert measured(sine(1000, -3.2, 1.0))[1] == 0.0
    assert measured(noise(-20, 1.0))[1] == 0.0
    assert measured(np.full(3200, 20_000, np.int16))[1] == 0.0


def test_full_scale_square_clips_entirely():
    square = np.tile(np.repeat(np.array([32767, -32768], np.int16), 8), 6000)
    meter, highest = measured(square)
    assert meter.total_pct == pytest.approx(100.0, abs=0.02)
    assert highest == pytest.approx(100.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, -1, 32767, -32768, 32400, -32300, 26300, -26300, 20000, -9000]),
            st.integers(1, 400),
        ),
        max_size=12,
    ),
    st.integers(0, 3000),
)
def test_a_border_anywhere_changes_no_count(stretches, border):
    parts = [np.full(length, value, np.int16) for value, length in stretches]
    signal = np.concatenate([*parts, np.zeros(0, np.int16)])
    wave = np.zeros(4, np.int64)
    split = clipped_samples(signal[:border], wave) + clipped_samples(signal[border:], wave)
    assert split == (reference(signal) if len(signal) else 0)


def test_recent_clipping_is_forgotten_after_three_seconds_and_total_is_not():
    meter = Clipping()
    for _ in range(5):
        meter.push(np.full(320, 32767, np.int16))
    # The fifth wave of 20 ms is known to be over when the sign changes: in the sixth frame.
    for _ in range(150):
        meter.push(np.full(320, -1, np.int16))
    assert meter.recent_pct == pytest.approx(100.0 / 150)
    meter.push(np.full(320, -1, np.int16))
    assert meter.recent_pct == 0.0
    assert meter.total_pct == pytest.approx(100.0 * 5 / 156)
    meter.reset()
    assert meter.total_pct == 0.0
    assert meter.recent_pct == 0.0
