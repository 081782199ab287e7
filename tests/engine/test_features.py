"""One track's analyzers together: what enters a statistic, what does not, and what comes out."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzers.fillers import Lexicon
from analyzers.loudness import integrated_lufs
from analyzers.talk import Talk
from engine.catalogue import LANGUAGES
from engine.events import Metrics
from engine.features import Baseline, TrackAnalyzers, scores, warm
from tests.analyzers.recordings import frames, gain, noise, read, speaking
from tests.analyzers.recordings import pcm as as_pcm

GARBAGE = np.tile(np.array([32767, 32767, 32767, -32768, -32768, -32768, 0, 9], np.int16), 40)
SILENCE = np.zeros(320, np.int16)


@pytest.fixture(scope="module")
def speech(two_cities: Path):
    """Frames of 20 s of the reading, each with its voice-activity decision."""
    signal = read(two_cities)[: 16_000 * 20]
    return list(zip(frames(signal), speaking(signal).tolist(), strict=True))


class Feed:
    """Pushes frames one after the other on session time."""

    def __init__(self, baseline=None, words=None):
        self.analyzers = TrackAnalyzers(baseline, words)
        self.t_ms = 0

    def push(self, pcm, speaking=False, measured=True, times=1):
        for _ in range(times):
            self.analyzers.push(pcm, self.t_ms, measured, speaking)
            self.t_ms += 20
        return self

    def play(self, speech):
        for pcm, voiced in speech:
            self.push(pcm, voiced)
        return self

    @property
    def features(self):
        return self.analyzers.features()

    @property
    def quantities(self):
        return self.analyzers.metrics().quantities

    @property
    def scores(self):
        return self.analyzers.metrics().scores


def said(text, start_ms, each_ms=400):
    words = text.split()
    return [
        (w, start_ms + i * each_ms, start_ms + (i + 1) * each_ms, 0.9) for i, w in enumerate(words)
    ]


def test_every_quantity_of_a_reading_is_measured(speech):
    feed = Feed(Baseline(-35.0, -60.0)).play(speech)
    feed.analyzers.add_words(said("it was the best of times " * 6, 2_000))
    features, quantities = feed.features, feed.quantities
    assert features.t_ms == 20_000
    assert -39 < features.speech_level_dbfs < -32
    assert features.level_vs_baseline_db == pytest.approx(features.speech_level_dbfs + 35, abs=0.05)
    assert -65 < features.noise_floor_dbfs < -55
    assert 20 < features.snr_db < 30
    assert 3 < features.syllables_per_s < 6
    assert features.pitch_range_semitones > 4
    assert features.words == 36
    assert features.rate_wpm == pytest.approx(150)
    assert features.speech_ms == 20 * sum(voiced for _, voiced in speech)
    assert 3 < quantities.syllables_per_s < 6
    assert quantities.pauses >= 3
    assert quantities.longest_pause_ms >= 400
    assert quantities.asr_certainty == 0.9
    assert features.lufs_short_term == pytest.approx(quantities.lufs_integrated, abs=6)
    assert 80 < quantities.pitch_median_hz < 160
    assert 4 < quantities.pitch_range_semitones < 16
    assert 1 < quantities.pitch_variation_semitones < 6
    assert quantities.final_falls > quantities.final_rises
    assert quantities.longest_monologue_ms == features.monologue_ms == features.speech_ms
    assert all(score is not None for score in feed.scores.model_dump().values())


def test_integrated_loudness_is_that_of_the_whole_recording(two_cities: Path):
    signal = read(two_cities)
    feed = Feed()
    for pcm in frames(signal):
        feed.push(pcm)
    assert feed.quantities.lufs_integrated == pytest.approx(
        integrated_lufs(signal, 16_000), abs=0.1
    )


def gliding(semitones_per_s, seconds=1.5):
    """Frames of a buzz that moves through 150 Hz in the last half second, 500 ms of silence."""
    t = np.arange(round(16_000 * seconds)) / 16_000
    moved = semitones_per_s * np.maximum(t - seconds + 0.5, 0)
    phase = 2 * np.pi * np.cumsum(150 * 2 ** (moved / 12)) / 16_000
    buzz = 0.05 * sum(np.sin(k * phase) / k for k in range(1, 9))
    voiced = [(pcm, True) for pcm in frames(as_pcm(buzz))]
    # Voice activity stays on for 100 ms.
    return voiced + [(SILENCE, i < 5) for i in range(25)]


def spoken(feed, text, slope):
    """One utterance that ends in a glide, and then its words."""
    begun_ms = feed.t_ms
    feed.play(gliding(slope))
    words = text.split()
    feed.analyzers.add_words(said(text, begun_ms, 1_500 // len(words)))


def test_final_falls_and_rises_are_counted_and_statements_that_fall_shared():
    feed = Feed()
    for _ in range(4):
        spoken(feed, "It is a good car.", -8.0)
    spoken(feed, "What do you drive?", 8.0)
    quantities = feed.quantities
    assert (quantities.final_falls, quantities.final_rises) == (4, 1)
    assert quantities.falling_statements_pct is None
    assert quantities.questions == 1
    spoken(feed, "It has four doors.", 8.0)
    quantities = feed.quantities
    assert (quantities.final_falls, quantities.final_rises) == (4, 2)
    assert quantities.falling_statements_pct == 80.0


@pytest.mark.parametrize("jumps", [False, True])
def test_an_ending_with_a_hole_in_it_is_unknown(jumps):
    feed = Feed()
    speech = gliding(-8.0)
    feed.play(speech[:72])
    if jumps:
        feed.t_ms += 3_000
    else:
        feed.push(GARBAGE, True, measured=False, times=10)
    feed.play(speech[72:])
    assert (feed.quantities.final_falls, feed.quantities.final_rises) == (0, 0)


def test_questions_are_found_in_the_language_of_the_call():
    for language, text in (("en", "when would you need it"), ("es", "cuándo lo necesita")):
        analyzers = TrackAnalyzers(None, language=language)
        analyzers.add_words(said(text, 0))
        assert analyzers.metrics().quantities.questions == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_of_a_call_has_its_list_of_questions(language):
    assert TrackAnalyzers(None, language=language).metrics().quantities.questions == 0


def test_a_voice_that_fades_drifts_and_one_that_hurries_accelerates(speech):
    steady = Feed()
    for _ in range(5):
        steady.play(speech)
    faded = Feed()
    for i in range(5):
        faded.play([(gain(pcm, -2.0 * i), voiced) for pcm, voiced in speech])
    assert abs(steady.quantities.level_drift_db) < 1
    assert faded.quantities.level_drift_db == pytest.approx(
        steady.quantities.level_drift_db - 6.5, abs=1.5
    )
    assert abs(steady.quantities.acceleration_pct) < 15


def test_a_pause_is_as_long_as_the_silence_in_spite_of_the_hangover():
    feed = Feed().push(noise(-30, 0.02), True, times=50)
    feed.push(SILENCE, times=10)
    feed.push(noise(-30, 0.02), True, times=50)
    assert (feed.quantities.pauses, feed.quantities.longest_pause_ms) == (1, 300)


def test_a_conversation_is_known_with_another_track_only():
    talk = Talk(60_000, 61.234, 0, 20_000, 2, 4, 300, 900, 250, 412)
    alone = TrackAnalyzers(None).metrics().quantities
    assert (alone.talk_share_pct, alone.interruptions, alone.hesitation_ms) == (None, None, None)
    held = TrackAnalyzers(None).metrics(talk).quantities
    assert (held.talk_share_pct, held.interruptions) == (61.2, 2)
    assert (held.hesitation_ms, held.patience_ms) == (412, 250)


def test_pitch_is_shown_while_speaking_only(speech):
    shown, hidden = [], []
    feed = Feed()
    for pcm, voiced in speech:
        feed.push(pcm, voiced)
        (shown if voiced else hidden).append(feed.features.pitch_hz)
    assert 80 < np.median([hz for hz in shown if hz]) < 160
    assert hidden == [None] * len(hidden)


def test_level_against_the_baseline_follows_the_gain(speech):
    plain = Feed(Baseline(-35.0, -60.0)).play(speech)
    quiet = Feed(Baseline(-35.0, -60.0)).play([(gain(pcm, -9), voiced) for pcm, voiced in speech])
    for of in (lambda feed: feed.features, lambda feed: feed.quantities):
        drop = of(plain).level_vs_baseline_db - of(quiet).level_vs_baseline_db
        assert drop == pytest.approx(9.0, abs=0.2)


def test_without_a_baseline_volume_is_unknown_and_nothing_else(speech):
    feed = Feed().play(speech)
    feed.analyzers.add_words(said("it was the worst of times " * 6, 2_000))
    assert feed.features.level_vs_baseline_db is None
    assert feed.quantities.level_vs_baseline_db is None
    scored = feed.scores.model_dump()
    assert scored.pop("volume") is None
    assert None not in scored.values()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 999), st.integers(1, 9), st.booleans()), max_size=20))
def test_frames_that_were_not_measured_enter_no_statistic(speech, holes):
    lengths = {}
    for at, length, voiced in holes:
        lengths[at] = length, voiced
    plain, holed = Feed(Baseline(-35.0, -60.0)), Feed(Baseline(-35.0, -60.0))
    for i, (pcm, voiced) in enumerate(speech):
        plain.push(pcm, voiced)
        length, claimed = lengths.get(i, (0, False))
        holed.push(GARBAGE, claimed, measured=False, times=length)
        holed.push(pcm, voiced)
    assert holed.analyzers.metrics() == plain.analyzers.metrics()
    differing = {
        name
        for name, value in asdict(holed.features).items()
        if value != getattr(plain.features, name)
    }
    assert differing <= {"t_ms"}


def test_a_network_gap_is_no_pause_no_silence_and_no_end_of_a_monologue(speech):
    feed = Feed().play(speech[:500])
    before = feed.features
    feed.push(SILENCE, measured=False, times=500)
    during = feed.features
    assert during.silence_ms == before.silence_ms
    assert during.monologue_ms == before.monologue_ms > 0
    feed.play(speech[500:])
    plain = Feed().play(speech)
    assert feed.quantities.pauses == plain.quantities.pauses
    assert feed.quantities.longest_pause_ms == plain.quantities.longest_pause_ms
    assert feed.features.monologue_ms == plain.features.monologue_ms


def test_a_long_gap_empties_the_gauges_and_a_short_one_holds_them(speech):
    voiced = next(i for i in range(400, 1000) if all(v for _, v in speech[i - 30 : i]))
    feed = Feed().play(speech[:voiced])
    before = feed.features
    feed.push(SILENCE, measured=False, times=9)
    held = feed.features
    assert (held.level_dbfs, held.speaking) == (before.level_dbfs, True)
    assert held.lufs_momentary == before.lufs_momentary
    feed.push(SILENCE, measured=False)
    emptied = feed.features
    assert (emptied.level_dbfs, emptied.speaking) == (-100.0, False)
    assert emptied.lufs_momentary is None
    assert emptied.pitch_hz is None
    assert emptied.speech_level_dbfs == before.speech_level_dbfs


def test_loudness_is_not_averaged_across_a_long_gap():
    feed = Feed().push(noise(-10, 0.02), times=50)
    feed.push(SILENCE, measured=False, times=10)
    feed.push(noise(-40, 0.02), times=19)
    assert feed.features.lufs_momentary is None
    feed.push(noise(-40, 0.02))
    assert feed.features.lufs_momentary == pytest.approx(-40, abs=4)


def test_silence_runs_and_two_seconds_of_it_end_a_monologue(speech):
    feed = Feed().play(speech)
    trailing_ms = feed.features.silence_ms
    feed.push(SILENCE, times=99)
    assert feed.features.silence_ms == trailing_ms + 1_980
    feed.push(SILENCE, times=1)
    assert feed.features.monologue_ms == 0
    assert feed.features.syllables_per_s is None
    assert feed.features.speech_ms == Feed().play(speech).features.speech_ms


def test_fillers_and_hedges_leave_after_a_minute_and_stay_in_the_call():
    feed = Feed().push(SILENCE, times=500)
    feed.analyzers.add_words(
        said("um I think it is, you know, a good car for the two of you", 1_000)
    )
    now = feed.features
    assert (now.words, now.fillers, now.hedges) == (15, 2, 1)
    assert now.fillers_per_100_words == pytest.approx(13.3)
    assert now.hedges_per_100_words == pytest.approx(6.7)
    feed.push(SILENCE, times=50 * 60)
    later = feed.features
    assert (later.words, later.fillers, later.hedges) == (0, 0, 0)
    assert later.fillers_per_100_words is None
    quantities = feed.quantities
    assert (quantities.words, quantities.fillers, quantities.hedges) == (15, 2, 1)
    assert quantities.fillers_per_100_words == pytest.approx(13.3)


def test_rate_covers_the_last_thirty_seconds_and_the_call_all_of_it():
    feed = Feed().push(SILENCE, times=50 * 60)
    feed.analyzers.add_words(said("word " * 50, 0, 600))
    feed.analyzers.add_words(said("word " * 100, 30_000, 300))
    assert feed.features.rate_wpm == pytest.approx(200, abs=1)
    assert feed.quantities.rate_wpm == pytest.approx(150)
    feed.push(SILENCE, times=50 * 31)
    assert feed.features.rate_wpm is None
    assert feed.quantities.rate_wpm == pytest.approx(150)


def test_rate_over_finals_is_the_rate_of_all_their_words():
    feed = Feed().push(SILENCE, times=50 * 30)
    for i in range(10):
        feed.analyzers.add_words(said("three more words", i * 2_000, 400))
    feed.analyzers.add_words([])
    # 30 words in 9 x 2 s and a last 1.2 s: the gaps of 0.8 s between finals are pauses.
    assert feed.quantities.rate_wpm == pytest.approx(30 * 60 / 19.2, abs=0.1)
    assert feed.features.rate_wpm == feed.quantities.rate_wpm


def test_rate_leaves_a_hole_in_the_audio_out():
    feed = Feed().push(SILENCE, times=400)
    feed.push(SILENCE, measured=False, times=50)
    feed.push(SILENCE, times=450)
    feed.analyzers.add_words([*said("word " * 20, 0), *said("word " * 20, 9_900)])
    # 1.9 s between the halves, 1 s of it without audio.
    assert feed.quantities.rate_wpm == pytest.approx(40 * 60 / 16.9, abs=0.05)
    assert feed.features.rate_wpm == feed.quantities.rate_wpm


def test_scores_wait_for_speech_and_are_those_of_the_quantities(speech):
    feed = Feed(Baseline(-35.0, -60.0))
    assert set(feed.scores.model_dump().values()) == {None}
    feed.play(speech)
    assert feed.scores.volume is not None
    assert feed.scores.pace is None
    feed.analyzers.add_words(said("it was the age of wisdom " * 3, 2_000))
    metrics = feed.analyzers.metrics()
    assert metrics.scores.pace == 100
    journalled = Metrics.model_validate_json(metrics.model_dump_json())
    assert journalled == metrics
    assert scores(journalled.quantities) == metrics.scores


def test_a_word_list_of_the_sessions_own_is_used():
    feed = Feed(words=Lexicon.parse('[filler]\nphrases = ["deal"]'))
    feed.analyzers.add_words(said("um a deal is a deal", 0))
    assert feed.quantities.fillers == 2


def test_features_survive_json_unchanged(speech):
    feed = Feed(Baseline(-31.37, -58.11))
    for i, (pcm, voiced) in enumerate(speech):
        feed.push(pcm, voiced)
        if i % 50 == 0:
            feed.analyzers.add_words(said("um, it is, maybe, so", feed.t_ms - 900, 233))
            snapshot = asdict(feed.features)
            assert json.loads(json.dumps(snapshot, allow_nan=False)) == snapshot
            assert {type(value) for value in snapshot.values()} <= {int, float, bool, type(None)}


KINDS = {
    "zero": SILENCE,
    "dc": np.full(320, 20_000, np.int16),
    "lowest": np.full(320, -32768, np.int16),
    "square": np.tile(np.array([32767, -32768], np.int16), 160),
    "noise": noise(-20, 0.02),
    "click": np.eye(1, 320, 160, dtype=np.int16)[0] * 32767,
    "bit": np.tile(np.array([0, 1], np.int16), 160),
}


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(KINDS)), st.booleans(), st.booleans(), st.integers(1, 120)
        ),
        min_size=1,
        max_size=12,
    )
)
def test_hostile_audio_gives_finite_features_and_valid_metrics(runs):
    feed = Feed(Baseline(-100.0, -100.0))
    for kind, voiced, measured, times in runs:
        feed.push(KINDS[kind], voiced, measured, times)
        for name, value in asdict(feed.features).items():
            assert value is None or math.isfinite(value), name
        json.dumps(feed.analyzers.metrics().model_dump(), allow_nan=False)


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.text(max_size=8),
                st.integers(0, 120_000),
                st.integers(0, 120_000),
                st.floats(0, 1),
            ),
            max_size=8,
        ),
        max_size=8,
    )
)
def test_words_with_nonsense_times_give_finite_metrics(finals):
    feed = Feed().push(SILENCE, times=10)
    for words in finals:
        feed.analyzers.add_words(words)
    json.dumps(asdict(feed.features), allow_nan=False)
    quantities = feed.quantities
    assert quantities.words == sum(len(words) for words in finals)
    json.dumps(quantities.model_dump(), allow_nan=False)


def test_what_is_kept_of_a_long_call_is_bounded():
    analyzers = TrackAnalyzers(None)
    for i in range(2_000):
        analyzers.push(SILENCE, 1_000 * i, measured=i % 2 == 0, speaking=False)
        analyzers.add_words(said("um maybe " * 5, 1_000 * i, 100))
    assert len(analyzers._word_ends_ms) <= 1024
    assert len(analyzers._rate._words) <= 1024
    assert len(analyzers._occurrences) <= 1024
    assert len(analyzers._absences) <= 64
    assert analyzers.metrics().quantities.words == 20_000


@pytest.mark.parametrize("pcm", [np.zeros(319, np.int16), np.zeros(320, np.float32)])
def test_a_frame_of_another_shape_is_refused(pcm):
    with pytest.raises(ValueError, match="one contiguous frame"):
        TrackAnalyzers(None).push(pcm, 0, measured=True, speaking=False)


def test_a_frame_that_may_not_be_written_to_is_accepted():
    pcm = np.frombuffer(noise(-20, 0.02).tobytes(), np.int16)
    feed = Feed().push(pcm, speaking=True)
    assert feed.features.level_dbfs == pytest.approx(-20, abs=1)


def test_warming_runs_without_a_session():
    warm()
