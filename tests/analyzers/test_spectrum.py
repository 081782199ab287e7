"""The octaves against scipy's filters; muffled voices told from clear ones, telephones included."""

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfilt, sosfreqz

from analyzers.spectrum import (
    BANDS_HZ,
    MAX_BALANCE_DB,
    MIN_BALANCE_DB,
    Balance,
    Bands,
    octave,
)
from benchmarks import noises
from tests.analyzers.recordings import frames, noise, pcm, read, sine, speaking


def consonants(signal, decisions=None):
    bands, balance = Bands(), Balance()
    for i, frame in enumerate(frames(signal)):
        balance.push(bands.push(frame), decisions is None or bool(decisions[i]))
    return balance.consonants_db


def filtered(signal, kind, hz):
    return pcm(sosfilt(butter(4, hz, kind, fs=16_000, output="sos"), signal / 32768))


@pytest.mark.parametrize("centre_hz", BANDS_HZ)
def test_an_octave_is_the_butterworth_band_pass_of_its_edges(centre_hz):
    edges = [centre_hz * 0.5**0.5, centre_hz * 2**0.5]
    reference = butter(2, edges, "bandpass", fs=16_000, output="sos")
    ours = np.array([[gain, 0.0, -gain, 1.0, a1, a2] for gain, a1, a2 in octave(centre_hz, 16_000)])
    _, expected = sosfreqz(reference)
    _, response = sosfreqz(ours)
    assert np.abs(response) == pytest.approx(np.abs(expected), abs=1e-9)


def test_energies_are_those_of_the_filtered_signal(reading):
    signal = reading[: 16_000 * 5]
    bands = Bands()
    energies = np.concatenate([bands.push(frame).copy() for frame in frames(signal)])
    for b, centre_hz in enumerate(BANDS_HZ):
        edges = [centre_hz * 0.5**0.5, centre_hz * 2**0.5]
        sos = butter(2, edges, "bandpass", fs=16_000, output="sos")
        expected = np.mean(sosfilt(sos, signal / 32768).reshape(-1, 80) ** 2, axis=1)
        assert energies[:, b] == pytest.approx(expected, rel=1e-6, abs=1e-15)


def test_clear_speech_has_the_balance_of_standard_speech(reading):
    """ANSI S3.5-1997: octave levels of 59.8 dB at 500 Hz and 48.8 dB at 2 kHz."""
    assert consonants(reading, speaking(reading)) == pytest.approx(-11.0, abs=5.0)


def test_a_telephone_is_not_muffled_and_a_pocket_is(reading):
    decisions = speaking(reading)
    clear = consonants(reading, decisions)
    telephone = filtered(filtered(reading, "high", 300), "low", 3400)
    assert consonants(telephone, decisions) == pytest.approx(clear, abs=1.0)
    narrow = pcm(resample_poly(resample_poly(reading / 32768, 1, 2), 2, 1))
    assert consonants(narrow, decisions) == pytest.approx(clear, abs=0.5)
    assert consonants(filtered(reading, "low", 1000), decisions) < clear - 5


@pytest.mark.parametrize("kind", ["white", "pink", "car"])
@pytest.mark.parametrize("snr", [20, 10, 5])
def test_noise_does_not_pose_as_consonants(reading, kind, snr):
    decisions = speaking(reading)
    level = np.mean((reading[: len(decisions) * 320] / 32768.0) ** 2)
    samples = getattr(noises, kind)(len(reading), np.random.default_rng(1))
    samples *= np.sqrt(level / 10 ** (snr / 10) / np.mean(samples**2))
    noisy = pcm(reading / 32768 + samples)
    assert consonants(noisy, decisions) == pytest.approx(consonants(reading, decisions), abs=1.5)


@pytest.mark.test_data("longform/*.flac", "speech/asterisk_8k/*.flac")
def test_recordings_are_not_muffled(data_file):
    signal = read(data_file)
    measured = consonants(signal, speaking(signal))
    assert measured is None or -17 < measured < 6


def test_balance_waits_for_five_seconds_of_speech():
    bands, balance = Bands(), Balance()
    for number, frame in enumerate(frames(sine(500, -20, 6))):
        assert (balance.consonants_db is None) == (number < 250)
        balance.push(bands.push(frame), True)
    assert MIN_BALANCE_DB <= balance.consonants_db < -25
    balance.reset()
    assert balance.consonants_db is None


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (np.zeros(16_000 * 6, np.int16), MIN_BALANCE_DB),
        (np.full(16_000 * 6, 12_000, np.int16), None),
        (np.tile(np.repeat(np.array([32767, -32768], np.int16), 40), 1200), None),
        (noise(-20, 6), None),
        (sine(2000, -3.1, 6), None),
    ],
    ids=["silence", "offset", "square", "noise", "tone"],
)
def test_what_is_no_speech_has_a_bounded_balance(signal, expected):
    measured = consonants(signal)
    assert MIN_BALANCE_DB <= measured <= MAX_BALANCE_DB
    assert expected is None or measured == expected
