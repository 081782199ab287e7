"""Syllable nuclei against Praat, words per minute against transcripts."""

import re

import numpy as np
import parselmouth
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parselmouth.praat import call

from analyzers.pace import SyllableNuclei, WordRate, words_per_minute
from analyzers.pitch import Pitch
from tests.analyzers.recordings import frames, gain, noise, pcm, read, speaking

TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the "
    "age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the "
    "season of Light, it was the season of Darkness, it was the spring of hope, it was the winter "
    "of despair, we had everything before us, we had nothing before us, we were all going direct "
    "to Heaven, we were all going direct the other way. In short, the period was so far like the "
    "present period, that some of its noisiest authorities insisted on its being received, for "
    "good or for evil, in the superlative degree of comparison only."
)


def detect(signal, decisions=None):
    """The detector after `signal`, when it confirmed each nucleus (s), its rate at each frame."""
    pitch, nuclei = Pitch(), SyllableNuclei()
    times, rates = [], []
    for i, frame in enumerate(frames(signal)):
        pitch.push(frame)
        voiced = bool(decisions[i]) if decisions is not None else True
        times += [0.02 * (i + 1)] * nuclei.push(frame, pitch.decided_voiced, voiced)
        rates.append(nuclei.articulation_rate)
    return nuclei, np.array(times), rates


def de_jong_wempe(signal):
    """Nuclei (s) and phonation time by the logic of de Jong & Wempe's Praat script (2009).

    Praat's own intensity and pitch; peaks within 25 dB of the 99 % quantile of intensity that the
    dip before the next peak lies more than 2 dB below, voiced. As in the script, the last peak
    counts for none. Phonation is what lies above that threshold, gaps below 0.25 s included.
    """
    sound = parselmouth.Sound(signal / 32768.0, 16_000)
    intensity = sound.to_intensity(minimum_pitch=50.0, subtract_mean=True)
    pitch = sound.to_pitch_ac(0.02, 30, 4, False, 0.03, 0.25, 0.01, 0.35, 0.25, 450)
    level, times = intensity.values[0], intensity.xs()
    threshold = max(call(intensity, "Get quantile", 0, 0, 0.99) - 25, level.min())
    slices = call(call(intensity, "Down to Matrix"), "To Sound (slice)", 1)
    points = call(slices, "To PointProcess (extrema)", "Left", True, False, "Sinc70")
    count = call(points, "Get number of points")
    peaks = np.array([call(points, "Get time from index", i + 1) for i in range(count)])
    heights = np.interp(peaks, times, level)
    peaks, heights = peaks[heights > threshold], heights[heights > threshold]
    nuclei = []
    for peak, following, height in zip(peaks[:-1], peaks[1:], heights[:-1], strict=True):
        dip = level[(times >= peak) & (times <= following)].min(initial=height)
        if height - dip > 2 and not np.isnan(pitch.get_value_at_time(peak)):
            nuclei.append(peak)
    step = times[1] - times[0]
    phonation = gap = 0.0
    for loud in level >= threshold:
        if loud:
            phonation += step + (gap if 0 < gap < 0.25 and phonation else 0.0)
            gap = 0.0
        else:
            gap += step
    return np.array(nuclei), phonation


def syllables(text):
    """Syllables of English spelling: vowel groups, silent e and -ed apart. Within a few percent."""
    count = 0
    for word in re.findall(r"[a-z]+", text.lower().replace("'", "")):
        groups = len(re.findall(r"[aeiouy]+", word))
        groups -= groups > 1 and bool(re.search(r"([^aeioul]e|[^aeiou]le?s|[^td]ed)$", word))
        count += max(groups, 1)
    return count


def compare_with_praat(signal, correlation, rel):
    ours, times, _ = detect(signal, speaking(signal))
    theirs, phonation = de_jong_wempe(signal)
    edges = np.arange(0, len(signal) / 16_000, 5.0)
    # Ours are stamped when confirmed, about 0.1 s after the peak.
    counts = np.histogram(times - 0.1, edges)[0], np.histogram(theirs, edges)[0]
    assert np.corrcoef(*counts)[0, 1] >= correlation
    assert ours.speaking_s == pytest.approx(phonation, rel=0.1)
    assert ours.count == pytest.approx(len(theirs), rel=rel)


def test_nuclei_are_praats_on_speech(reading):
    compare_with_praat(reading, 0.75, rel=0.1)


@pytest.mark.test_data("longform/*.flac")
def test_nuclei_are_praats_on_long_readings(data_file):
    compare_with_praat(read(data_file), 0.65, rel=0.2)


@pytest.mark.test_data("manifest.tsv")
def test_nuclei_of_clips_are_praats(data_file):
    folders = ("vctk", "ljspeech", "librispeech_test_clean", "librispeech_test_other")
    clips = [
        clip for name in folders for clip in (data_file.parent / "speech").glob(f"{name}/**/*")
    ]
    counts = []
    for clip in sorted(clip for clip in clips if clip.suffix == ".flac")[::2]:
        signal = read(clip)
        counts.append((detect(signal, speaking(signal))[0].count, len(de_jong_wempe(signal)[0])))
    ours, theirs = np.array(counts, float).T
    assert len(ours) >= 30
    assert np.corrcoef(ours, theirs)[0, 1] >= 0.9
    assert np.mean(np.abs(ours / theirs - 1)) <= 0.1


def test_nuclei_are_near_the_transcripts_syllables(reading):
    ours, _, _ = detect(reading, speaking(reading))
    assert ours.count == pytest.approx(syllables(TWO_CITIES), rel=0.2)


@pytest.mark.test_data("longform/*.flac")
def test_nuclei_are_near_the_transcripts_syllables_on_long_readings(data_file, data_manifest):
    signal = read(data_file)
    ours, _, _ = detect(signal, speaking(signal))
    text = data_manifest[f"longform/{data_file.name}"]["transcript"]
    assert ours.count == pytest.approx(syllables(text), rel=0.2)


def test_nuclei_count_syllables_made_on_purpose():
    t = np.arange(16_000 * 6) / 16_000
    for per_s in (2.0, 4.0, 6.0):
        envelope = 0.02 + 0.98 * np.sin(np.pi * per_s * t) ** 2
        voice = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 12))
        nuclei, _, rates = detect(pcm(0.1 * envelope * voice))
        assert nuclei.count == pytest.approx(6 * per_s, abs=2)
        assert rates[-1] == pytest.approx(per_s, rel=0.1)


def test_a_tremor_of_less_than_two_decibels_makes_no_syllables():
    t = np.arange(16_000 * 6) / 16_000
    voice = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 12))
    counts = []
    for swing_db in (1.7, 6.0):
        tremor = 10 ** (swing_db / 2 * np.sin(2 * np.pi * 4 * t) / 20)
        nuclei, _, _ = detect(pcm(0.1 * tremor * voice))
        counts.append(nuclei.count)
    assert counts[0] <= 1
    assert counts[1] == pytest.approx(24, abs=2)


def test_articulation_rate_does_not_depend_on_the_level(reading):
    decisions = speaking(reading)
    plain, _, _ = detect(reading, decisions)
    quiet, _, _ = detect(gain(reading, -12), decisions)
    assert quiet.count == pytest.approx(plain.count, rel=0.05)


def test_articulation_rate_leaves_pauses_out(reading):
    decisions = speaking(reading)
    pause = np.zeros(320 * 100, np.int16)
    at = next(i for i in range(500, len(decisions)) if not decisions[i - 5 : i + 5].any())
    paused = np.concatenate([reading[: at * 320], pause, reading[at * 320 :]])
    there = np.concatenate([decisions[:at], np.zeros(100, bool), decisions[at:]])
    before, _, _ = detect(reading, decisions)
    after, _, _ = detect(paused, there)
    assert after.mean_articulation_rate == pytest.approx(before.mean_articulation_rate, rel=0.02)


def test_articulation_rate_hardly_depends_on_the_hangover_of_the_voice_activity(reading):
    decisions = speaking(reading)
    longer = np.convolve(decisions, np.ones(25))[: len(decisions)] > 0
    tight, _, _ = detect(reading, decisions)
    loose, _, _ = detect(reading, longer)
    assert loose.mean_articulation_rate == pytest.approx(tight.mean_articulation_rate, rel=0.05)


def test_speech_played_faster_has_a_higher_rate(reading):
    # Every third 60 ms is cut out: the syllables stay, the time does not.
    pieces = reading[: len(reading) // 2880 * 2880].reshape(-1, 2880)[:, :1920].ravel()
    _, _, plain = detect(reading, speaking(reading))
    _, _, fast = detect(pieces, speaking(pieces))
    assert np.median([r for r in fast if r]) > 1.15 * np.median([r for r in plain if r])


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(80_000, np.int16),
        np.tile(np.array([32767, -32768], np.int16), 40_000),
    ],
    ids=["silence", "square"],
)
def test_what_is_no_voice_has_no_syllables(signal):
    nuclei, _, _ = detect(signal)
    assert nuclei.count == 0


def test_a_constant_is_at_most_the_knock_of_its_onset():
    nuclei, _, _ = detect(np.full(80_000, 32767, np.int16))
    assert nuclei.count <= 1


def test_noise_has_hardly_any_syllables():
    nuclei, _, _ = detect(noise(-20, 20.0))
    assert nuclei.count <= 2


def test_rate_waits_for_two_seconds_of_speaking_time(reading):
    _, _, rates = detect(reading, speaking(reading))
    known = [i for i, rate in enumerate(rates) if rate is not None]
    assert 100 <= known[0] <= 250


def test_nothing_is_counted_where_nobody_speaks(reading):
    nuclei, _, _ = detect(reading, np.zeros(len(reading) // 320, bool))
    assert nuclei.count == 0
    assert nuclei.speaking_s == 0.0
    assert nuclei.mean_articulation_rate is None


def test_detector_forgets_on_reset(reading):
    decisions = speaking(reading)
    nuclei, times, _ = detect(reading[: 320 * 800], decisions)
    nuclei.reset()
    assert nuclei.count == 0
    assert nuclei.articulation_rate is None
    pitch = Pitch()
    again = 0
    for i, frame in enumerate(frames(reading[: 320 * 800])):
        pitch.push(frame)
        again += nuclei.push(frame, pitch.decided_voiced, bool(decisions[i]))
    assert again == len(times)


def test_acceleration_compares_the_last_quarter_minute_with_all_before():
    t = np.arange(16_000 * 60) / 16_000
    phase = np.where(t < 40, 4.0 * t, 160 + 5.0 * (t - 40))
    voice = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 12))
    signal = pcm(0.1 * (0.02 + 0.98 * np.sin(np.pi * phase) ** 2) * voice)
    before, _, _ = detect(signal[: 16_000 * 29])
    steady, _, _ = detect(signal[: 16_000 * 39])
    faster, _, _ = detect(signal)
    assert before.acceleration is None
    assert steady.acceleration == pytest.approx(0.0, abs=0.03)
    # Of the time before the last 15 s, 5 s were fast already.
    assert faster.acceleration == pytest.approx(5.0 / ((40 * 4 + 5 * 5) / 45) - 1, abs=0.04)
    faster.reset()
    assert faster.acceleration is None


def test_a_steady_reading_hardly_accelerates(reading):
    nuclei, _, _ = detect(reading, speaking(reading))
    assert abs(nuclei.acceleration) < 0.2


def test_words_accelerate_against_those_before():
    words = [*every(400, 100), *every(300, 50, 40_000)]
    rate = WordRate()
    rate.push(words[:100])
    assert rate.acceleration(0) is None
    rate.push(words[100:])
    assert rate.acceleration(40_000) == pytest.approx(1 / 3, rel=0.01)
    assert WordRate().acceleration(0) is None


def evenly(text, start_ms, end_ms):
    """Words of `text` with equal shares of the time between."""
    words = text.split()
    edges = np.linspace(start_ms, end_ms, len(words) + 1).round().astype(int).tolist()
    return [(w, a, b, 0.9) for w, a, b in zip(words, edges[:-1], edges[1:], strict=True)]


def test_rate_of_the_reading_is_its_transcripts(reading):
    heard = np.flatnonzero(speaking(reading))
    span_ms = (int(heard[0]) * 20, int(heard[-1]) * 20)
    words = evenly(TWO_CITIES, *span_ms)
    assert len(words) == 119
    expected = 119 / ((span_ms[1] - span_ms[0]) / 60_000)
    assert 165 < expected < 180
    assert words_per_minute(words, (0, 60_000)) == pytest.approx(expected, rel=0.001)


@pytest.mark.test_data("longform/*.stm")
def test_rate_of_a_long_reading_is_its_transcripts(data_file):
    segments = [line.split(maxsplit=5) for line in data_file.read_text().splitlines()]
    words = [
        word
        for *_, start_s, end_s, text in segments
        for word in evenly(text, float(start_s) * 1000, float(end_s) * 1000)
    ]
    minutes = (float(segments[-1][4]) - float(segments[0][3])) / 60
    expected = sum(len(text.split()) for *_, text in segments) / minutes
    assert words_per_minute(words, (0, 10**6)) == pytest.approx(expected, rel=0.001)


@pytest.mark.test_data("align/mfa/*_corpus*.TextGrid")
def test_rate_of_aligned_words_is_words_over_time_without_turns(data_file):
    cells = data_file.read_text().split('"words"')[1].split('"IntervalTier"')[0].split("\n")[4:]
    intervals = [
        (float(a), float(b), text.strip('"'))
        for a, b, text in zip(cells[0::3], cells[1::3], cells[2::3], strict=False)
    ]
    words = [(text, round(1000 * a), round(1000 * b), 1.0) for a, b, text in intervals if text]
    turns_s = sum(b - a for a, b, text in intervals[1:-1] if not text and b - a >= 2.0)
    minutes = ((words[-1][2] - words[0][1]) / 1000 - turns_s) / 60
    assert words_per_minute(words, (0, 10**6)) == pytest.approx(len(words) / minutes, rel=0.001)


def every(step_ms, count, start_ms=0):
    return [
        ("word", start_ms + i * step_ms, start_ms + (i + 1) * step_ms, 1.0) for i in range(count)
    ]


def test_rate_counts_words_whose_middle_lies_in_the_window():
    words = every(500, 60)
    assert words_per_minute(words, (10_000, 20_000)) == pytest.approx(120.0)


def test_rate_needs_ten_words_and_two_seconds():
    assert words_per_minute(every(500, 9), (0, 60_000)) is None
    assert words_per_minute(every(500, 10), (0, 60_000)) == pytest.approx(120.0)
    assert words_per_minute(every(50, 10), (0, 60_000)) is None
    assert words_per_minute([], (0, 60_000)) is None


def spoken_ms(words, absent_ms=()):
    rate = WordRate()
    rate.push(words, absent_ms)
    return rate.spoken_ms


def test_a_silence_of_two_seconds_is_left_out_and_a_shorter_one_is_not():
    first = every(400, 20)
    assert spoken_ms([*first, *every(400, 20, 8_000 + 1_999)]) == 16_000 + 1_999
    assert spoken_ms([*first, *every(400, 20, 8_000 + 2_000)]) == 16_000


def test_a_hole_in_the_audio_is_left_out():
    words = [*every(400, 20), *every(400, 20, 9_500)]
    assert spoken_ms(words, [(8_100, 9_100)]) == 16_000 + 500


@given(
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(50, 900)), max_size=80),
    st.integers(1, 20),
    st.integers(0, 60_000),
)
def test_recent_rate_is_the_windows_whatever_the_words_came_in(steps, final, since_ms):
    words, at_ms = [], 0
    for gap_ms, length_ms in steps:
        words.append(("w", at_ms + gap_ms, at_ms + gap_ms + length_ms, 1.0))
        at_ms += gap_ms + length_ms
    rate = WordRate()
    for i in range(0, len(words), final):
        rate.push(words[i : i + final])
    assert rate.mean_wpm == words_per_minute(words, (0, at_ms))
    assert rate.recent_wpm(since_ms) == words_per_minute(words, (since_ms, at_ms + 1))
    rate.reset()
    assert rate.mean_wpm is None
    assert rate.recent_wpm(0) is None


@given(
    st.lists(
        st.tuples(st.just("w"), st.integers(0, 90_000), st.integers(0, 90_000), st.floats(0, 1)),
        max_size=40,
    ),
    st.lists(st.tuples(st.integers(0, 90_000), st.integers(0, 90_000)), max_size=4),
)
def test_rate_of_nonsense_times_is_none_or_positive(words, absent):
    rate = words_per_minute(words, (0, 90_000), absent)
    assert rate is None or 0 < rate < 60_000
