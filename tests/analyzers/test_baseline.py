"""The microphone check gives a person's own levels, or says what to change."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analyzers.activity import ActiveLevel
from analyzers.baseline import ADVICE, measure_microphone
from tests.analyzers.recordings import Pcm, gain, noise, pcm, read, sine, speaking


@pytest.fixture(scope="module")
def sentence(reading: Pcm) -> Pcm:
    """About eight seconds of the reading at a usual level, the pauses around it included."""
    return gain(reading[: 16_000 * 9], 12)


def test_a_good_recording_is_ok_and_its_level_is_the_active_level(sentence):
    check = measure_microphone(sentence)
    meter = ActiveLevel()
    meter.push(sentence)
    assert check.verdict == "ok"
    assert check.advice == ADVICE["ok"]
    assert check.speech_level_dbfs == pytest.approx(meter.level_dbfs, abs=0.8)
    assert check.clipped_pct == 0.0
    assert 5_000 <= check.speech_ms <= 9_000


@pytest.mark.test_data("speech/vctk/*_00*.flac", "speech/ljspeech/LJ001-00*.flac")
def test_clean_clips_are_ok_and_read_their_active_level(data_file):
    signal = read(data_file)
    check = measure_microphone(signal, speaking(signal))
    meter = ActiveLevel()
    meter.push(signal)
    assert check.verdict == "ok"
    assert check.speech_level_dbfs == pytest.approx(meter.level_dbfs, abs=0.8)


def test_with_and_without_a_voice_activity_decision_it_reads_the_same(sentence):
    split = measure_microphone(sentence)
    told = measure_microphone(sentence, speaking(sentence))
    assert split.speech_level_dbfs == pytest.approx(told.speech_level_dbfs, abs=1.0)
    assert split.noise_floor_dbfs == pytest.approx(told.noise_floor_dbfs, abs=2.0)


@pytest.mark.parametrize("snr", [5, 10, 15, 20])
def test_snr_in_white_noise_is_what_was_mixed(sentence, snr):
    meter = ActiveLevel()
    meter.push(sentence)
    mixed = pcm((sentence + 0.0) / 32768 + noise(meter.level_dbfs - snr, 9.0) / 32768)
    decisions = speaking(sentence)
    assert measure_microphone(mixed, decisions).snr_db == pytest.approx(snr, abs=1.5)
    assert measure_microphone(mixed).snr_db == pytest.approx(snr, abs=2.0)


def test_levels_follow_the_gain(sentence):
    check, louder = measure_microphone(sentence), measure_microphone(gain(sentence, 6))
    assert louder.speech_level_dbfs - check.speech_level_dbfs == pytest.approx(6.0, abs=0.2)
    assert louder.noise_floor_dbfs - check.noise_floor_dbfs == pytest.approx(6.0, abs=0.3)
    assert louder.snr_db == pytest.approx(check.snr_db, abs=0.3)


def test_a_constant_offset_changes_nothing(sentence):
    offset = (sentence.astype(np.int32) + 600).astype(np.int16)
    check, shifted = measure_microphone(sentence), measure_microphone(offset)
    assert shifted.noise_floor_dbfs == pytest.approx(check.noise_floor_dbfs, abs=0.2)
    assert shifted.speech_level_dbfs == pytest.approx(check.speech_level_dbfs, abs=0.1)


@pytest.mark.parametrize(
    ("db", "verdict"), [(-35, "too_quiet"), (0, "ok"), (14, "too_loud"), (40, "too_loud")]
)
def test_level_decides_between_too_quiet_and_too_loud(sentence, db, verdict):
    check = measure_microphone(gain(sentence, db), speaking(sentence))
    assert check.verdict == verdict
    assert check.advice == ADVICE[verdict]


def test_a_noisy_room_is_noisy(sentence):
    mixed = pcm(sentence / 32768 + noise(-33, 9.0) / 32768)
    assert measure_microphone(mixed, speaking(sentence)).verdict == "noisy"


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(80_000, np.int16),
        np.full(80_000, -12_345, np.int16),
        np.tile(np.array([32767, -32768], np.int16), 40_000),
        noise(-20, 5.0),
        sine(50, -30, 5.0),
    ],
    ids=["silence", "dc", "square", "noise", "hum"],
)
def test_what_is_no_speech_is_called_so(signal):
    check = measure_microphone(signal)
    assert check.verdict == "no_speech"
    assert check.speech_ms == 0


@pytest.mark.parametrize("samples", [0, 1, 319, 320, 321, 3200])
def test_a_short_recording_has_no_speech_and_finite_numbers(samples):
    check = measure_microphone(noise(-20, 1.0)[:samples])
    assert check.verdict == "no_speech"
    assert -100.0 <= check.noise_floor_dbfs <= 0.0


def test_speech_from_edge_to_edge_still_gets_a_noise_floor(sentence):
    frames = sentence.reshape(-1, 320)
    packed = frames[speaking(sentence)].ravel()
    check = measure_microphone(packed, np.ones(len(packed) // 320, bool))
    assert check.noise_floor_dbfs < check.speech_level_dbfs - 15


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="mono int16"):
        measure_microphone(np.zeros((2, 16_000), np.int16))
    with pytest.raises(ValueError, match="mono int16"):
        measure_microphone(np.zeros(16_000, np.float32))
    with pytest.raises(ValueError, match="50 speech decisions"):
        measure_microphone(np.zeros(16_000, np.int16), np.ones(49, bool))


@settings(max_examples=50)
@given(hnp.arrays(np.int16, st.integers(0, 5_000)), st.booleans(), st.randoms())
def test_anything_yields_finite_numbers_and_a_verdict(signal, told, random):
    decisions = np.array([random.random() < 0.5 for _ in range(len(signal) // 320)], bool)
    check = measure_microphone(signal, decisions if told else None)
    for value in (check.speech_level_dbfs, check.noise_floor_dbfs, check.snr_db, check.clipped_pct):
        assert isinstance(value, float)
        assert math.isfinite(value)
    assert check.advice == ADVICE[check.verdict]
