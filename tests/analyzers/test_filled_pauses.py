"""Filled pauses are found where people say them, and not in what merely holds still."""

import numpy as np
import pytest
from scipy.signal import lfilter, resample_poly

from analyzers.filled_pauses import FilledPauses, formants, is_neutral
from analyzers.pitch import Pitch
from benchmarks.filled_pauses import Count, annotated, count, heard
from tests.analyzers.recordings import frames, gain, noise, pcm, read, sine

UH = (640, 1190, 2390, 3300)
ER = (560, 1480, 2500, 3500)
FULL = {
    "i": (270, 2290, 3010, 3700),
    "e": (530, 1840, 2480, 3500),
    "a": (730, 1090, 2440, 3400),
    "o": (570, 840, 2410, 3400),
    "u": (300, 870, 2240, 3300),
}
"""Vowels of men after Peterson & Barney (1952)."""


def vowel(formants_hz, seconds, f0_hz=110.0, fall=0.05):
    """A pulse train through one resonator for each formant, at -20 dBFS."""
    t = np.arange(round(16_000 * seconds))
    cycles = np.cumsum(f0_hz * (1 - fall * t / len(t))) / 16_000
    sound = lfilter([1], [1, -0.95], np.diff(np.floor(cycles), prepend=0.0))
    for hz, width_hz in zip(formants_hz, (70, 100, 150, 250), strict=True):
        radius = np.exp(-np.pi * width_hz / 16_000)
        sound = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * hz / 16_000), radius**2], sound)
    return 0.1 * sound / np.sqrt(np.mean(sound**2))


def alone(sound):
    """The sound between half seconds of a quiet room."""
    silence = np.zeros(8_000)
    room = 10 ** (-65 / 20) * np.random.default_rng(1).standard_normal(16_000 + len(sound))
    return pcm(np.concatenate([silence, sound, silence]) + room)


def tallied(clips, change=lambda signal: signal):
    total = Count(0, 0, 0)
    for clip in clips:
        finds = [(find.start_ms, find.end_ms) for find in heard(change(clip.pcm))]
        total += count(clip.fillers, finds)
    return total


@pytest.fixture(scope="module")
def clips():
    """75 s of one speaker with 14 fillers."""
    return annotated()


def test_seven_of_ten_fillers_are_found_and_four_of_five_finds_are_fillers(clips):
    total = tallied(clips)
    assert total.said == 14
    assert total.found >= 0.7 * total.said
    assert total.found >= 0.8 * total.finds


@pytest.mark.parametrize("db", [-18, 9])
def test_finds_do_not_depend_on_the_level(clips, db):
    plain, changed = tallied(clips), tallied(clips, lambda signal: gain(signal, db))
    assert abs(changed.found - plain.found) <= 1
    assert abs(changed.finds - plain.finds) <= 1


def test_speech_without_anything_above_four_kilohertz_gives_the_same_finds(clips):
    def telephone(signal):
        return pcm(resample_poly(resample_poly(signal / 32768.0, 1, 2), 2, 1))

    plain, changed = tallied(clips), tallied(clips, telephone)
    assert abs(changed.found - plain.found) <= 1
    assert abs(changed.finds - plain.finds) <= 1


def test_a_reader_has_at_most_one_false_find_a_minute(reading, librivox):
    readings = [reading, *(read(wav) for wav, _ in librivox)]
    minutes = sum(len(one) for one in readings) / 960_000
    assert sum(len(heard(one)) for one in readings) <= minutes


@pytest.mark.parametrize("f0_hz", [90.0, 120.0, 180.0])
@pytest.mark.parametrize("formants_hz", [UH, ER], ids=["uh", "er"])
def test_a_held_neutral_vowel_is_found_once_at_its_time(formants_hz, f0_hz):
    (find,) = heard(alone(vowel(formants_hz, 0.5, f0_hz)))
    assert find.start_ms == pytest.approx(500, abs=60)
    assert find.end_ms == pytest.approx(1000, abs=60)


def test_it_is_found_within_a_tenth_of_a_second_of_its_end():
    signal = alone(vowel(UH, 0.5))
    assert len(heard(signal[: 16 * 1_100])) == 1


@pytest.mark.parametrize("f0_hz", [90.0, 120.0, 180.0])
@pytest.mark.parametrize("name", FULL)
def test_another_vowel_held_at_the_end_of_a_clause_is_none(name, f0_hz):
    assert heard(alone(vowel(FULL[name], 0.5, f0_hz))) == []


@pytest.mark.parametrize("seconds", [0.1, 0.2, 2.5, 5.0])
def test_a_neutral_vowel_of_a_word_or_of_a_song_is_none(seconds):
    assert heard(alone(vowel(UH, seconds, fall=0.0))) == []


def test_a_vowel_that_glides_is_none():
    first, last = np.array(FULL["a"]), np.array(FULL["i"])
    steps = [vowel(first + (last - first) * i / 25, 0.02) for i in range(26)]
    assert heard(alone(np.concatenate(steps))) == []


@pytest.mark.parametrize("hz", [110.0, 220.0, 440.0, 650.0, 1300.0, 3000.0])
def test_a_steady_tone_is_none(hz):
    assert heard(alone(sine(hz, -20, 0.6) / 32768.0)) == []


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(48_000, np.int16),
        np.full(48_000, 12_000, np.int16),
        np.full(48_000, -32768, np.int16),
        np.tile(np.array([32767, -32768], np.int16), 24_000),
        np.where(np.arange(48_000) // 80 % 2 == 0, 32767, -32768).astype(np.int16),
        np.random.default_rng(3).integers(-1, 2, 48_000).astype(np.int16),
        noise(-20, 30.0),
        noise(0, 3.0),
        pcm(lfilter([0.02], [1, -0.98], noise(-10, 30.0) / 32768.0)),
    ],
    ids=["silence", "dc", "full-dc", "square-8k", "square-100", "one-bit", "noise", "loud", "hum"],
)
def test_what_is_no_speech_has_none(signal):
    bursts = signal.copy()
    for start in range(0, len(bursts) - 8_000, 16_000):
        bursts[start : start + 8_000] = 0
    assert heard(signal) == []
    assert heard(bursts) == []


def test_nothing_but_the_frames_before_matters_and_reset_forgets_them(clips):
    first, second = clips[0].pcm, clips[1].pcm[:160_000]

    def finds(detector):
        pitch = Pitch()
        for number, frame in enumerate(frames(second)):
            pitch.push(frame)
            yield detector.push(frame, pitch.voiced, 20 * number)

    used = FilledPauses()
    for number, frame in enumerate(frames(first)):
        used.push(frame, True, 20 * number)
    assert used.count > 0
    used.reset()
    assert used.count == 0
    fresh = FilledPauses()
    assert list(finds(used)) == list(finds(fresh))
    assert fresh.count > 0


def test_times_are_of_the_session():
    signal = alone(vowel(UH, 0.5))
    detector = FilledPauses()
    finds = [
        detector.push(frame, True, 90_000 + 20 * number)
        for number, frame in enumerate(frames(signal))
    ]
    (find,) = (find for find in finds if find is not None)
    assert find.start_ms == pytest.approx(90_500, abs=60)


def test_a_frame_of_another_shape_is_refused():
    detector = FilledPauses()
    for frame in (np.zeros(160, np.int16), np.zeros(320, np.float32), np.zeros(640, np.int16)[::2]):
        with pytest.raises(ValueError, match="int16"):
            detector.push(frame, True, 0)


def test_formants_are_those_of_the_filter_that_made_the_sound():
    sound = lfilter([1, -0.95], [1], resample_poly(vowel(ER, 0.5), 1, 2))[400:3600]
    lags = np.array([sound[: len(sound) - k] @ sound[k:] for k in range(11)])
    narrow = [hz for hz, width_hz in formants(lags) if width_hz < 400]
    assert narrow[:2] == pytest.approx(ER[:2], rel=0.06)
    assert formants(np.zeros(11)) == []


def test_only_two_neighbouring_narrow_formants_in_range_are_neutral():
    assert is_neutral([(640, 80), (1190, 100), (2400, 200)])
    assert is_neutral([(300, 2000), (640, 80), (900, 1500), (1190, 100)])
    assert not is_neutral([(640, 80), (900, 200), (1190, 100)])
    assert not is_neutral([(270, 80), (2290, 100)])
    assert not is_neutral([(470, 80), (1700, 100)])
    assert not is_neutral([(640, 80), (1190, 500)])
    assert not is_neutral([])
