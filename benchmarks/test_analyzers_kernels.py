"""What does one 20 ms frame cost, each analyzer alone and all of them together?

    python -m pytest benchmarks/test_analyzers_kernels.py

Budget: everything together within 100 us a frame, features at 10 Hz included. The signal is a
voice-like buzz with pauses, so that every branch runs; each round is one second of audio.
"""

from __future__ import annotations

import numpy as np
import pytest

from analyzers.activity import ActiveLevel, LevelVariation, ShortSpeechLevel
from analyzers.clarity import NoiseFloor
from analyzers.clipping import Clipping
from analyzers.echo import Echo
from analyzers.endings import Endings
from analyzers.fillers import lexicon
from analyzers.intonation import Contour, FinalContour
from analyzers.loudness import Level, Loudness, mean_square
from analyzers.pace import SyllableNuclei
from analyzers.pitch import Pitch, PitchSpread
from analyzers.questions import interrogatives
from analyzers.talk import Conversation
from engine.features import Baseline, TrackAnalyzers, warm

SECONDS = 10
FRAMES = 50


def voice():
    """Ten seconds of a 120 Hz buzz in four syllables a second over a little noise, int16."""
    t = np.arange(16_000 * SECONDS) / 16_000
    buzz = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20))
    talking = (t % 5 < 4) * (0.05 + 0.95 * np.sin(4 * np.pi * t) ** 2)
    hiss = 0.001 * np.random.default_rng(1).standard_normal(len(t))
    return np.round(32767 * (0.1 * talking * buzz + hiss)).astype(np.int16).reshape(-1, 320)


VOICE = voice()
TALKING = [(i * 0.02) % 5 < 4 for i in range(len(VOICE))]

SINGLE = {
    "level": lambda: Level().push,
    "loudness": lambda: Loudness().push,
    "level variation": lambda: (lambda level: lambda pcm: level.push(mean_square(pcm)))(
        LevelVariation()
    ),
    "active level": lambda: ActiveLevel().push,
    "clipping": lambda: Clipping().push,
    "pitch": lambda: Pitch().push,
    "syllable nuclei": lambda: (lambda nuclei: lambda pcm: nuclei.push(pcm, True, True))(
        SyllableNuclei()
    ),
}


@pytest.fixture(autouse=True, scope="module")
def warmed():
    warm()


@pytest.mark.parametrize("name", SINGLE)
def test_one_second_of(benchmark, name):
    push = SINGLE[name]()
    for frame in VOICE:
        push(frame)

    def second():
        for frame in VOICE[:FRAMES]:
            push(frame)

    benchmark.extra_info["frames_per_round"] = FRAMES
    benchmark(second)


def test_one_second_of_everything(benchmark):
    analyzers = TrackAnalyzers(Baseline(-30.0, -60.0))
    words = [(word, 100 * i, 100 * i + 90, 0.9) for i, word in enumerate(["um", "so", "it"] * 40)]
    for i, frame in enumerate(VOICE):
        analyzers.push(frame, 20 * i, True, TALKING[i])
    analyzers.add_words(words)

    def second():
        for i in range(FRAMES):
            analyzers.push(VOICE[200 + i], 10_000 + 20 * i, True, TALKING[200 + i])
            if i % 5 == 4:
                analyzers.features()
        analyzers.metrics()

    benchmark.extra_info["frames_per_round"] = FRAMES
    benchmark(second)
    if benchmark.stats is not None:
        each_us = 1e6 * benchmark.stats.stats.median / FRAMES
        benchmark.extra_info["us_per_frame"] = round(each_us, 1)
        print(f"\nall analyzers, features and metrics: {each_us:.1f} us per 20 ms frame")


def test_one_second_of_a_contour_and_the_spread_of_its_pitch(benchmark):
    contour, spread = FinalContour(), PitchSpread()
    hops_hz = np.array([118.0, 121.0])

    def second():
        for _ in range(FRAMES):
            contour.push(hops_hz, True)
            for hop_hz in hops_hz.tolist():
                spread.push(hop_hz)
        return contour.end()

    assert benchmark(second).direction == "level"
    assert 117.5 < spread.median_hz < 121.5


def test_integrated_loudness_and_spread_when_metrics_are_due(benchmark):
    loudness, spread = Loudness(), PitchSpread()
    for frame in VOICE:
        loudness.push(frame)
        spread.push(120.0)

    def read():
        return loudness.integrated_lufs, spread.median_hz, spread.range_semitones

    assert None not in benchmark(read)


def test_one_second_of_a_conversation(benchmark):
    talk = Conversation()
    at_ms = iter(range(0, 10**9, 20))

    def second():
        for _ in range(FRAMES):
            start_ms = next(at_ms)
            talk.push(0, start_ms, start_ms % 8_000 < 4_000)
            talk.push(1, start_ms, start_ms % 8_000 >= 4_200)

    benchmark(second)
    benchmark.extra_info["frames_per_round"] = FRAMES


def test_questions_and_endings_in_a_final_of_forty_words(benchmark):
    text = "So what do you drive now? I think it is good for the two of you and your old dog. " * 2
    words = [(word, 300 * i, 300 * i + 250, 0.9) for i, word in enumerate(text.split())]
    endings = Endings()

    def read():
        questions = interrogatives().find(words)
        endings.hear(Contour("fall", -8.0, -4.0, 300), words[-1][2])
        endings.read(words, questions)
        return questions

    assert len(benchmark(read)) == 2
    assert endings.falling_statements == endings.falls


def test_speech_level_and_noise_floor_of_ten_seconds(benchmark):
    short, floor = ShortSpeechLevel(), NoiseFloor()
    rng = np.random.default_rng(2)
    for power in rng.random(600):
        short.push(power)
        floor.push(power, False)

    def read():
        floor.push(0.5, False)
        return short.level_dbfs, floor.level_dbfs

    benchmark(read)


def test_fillers_in_a_final_of_forty_words(benchmark):
    text = "So, um, I think you know it is, like, a kind of good car for the two of you. " * 2
    words = [(word, 300 * i, 300 * i + 250, 0.9) for i, word in enumerate(text.split())]
    assert len(benchmark(lexicon().find, words)) == 6


def test_one_second_of_a_microphone_while_others_are_played(benchmark):
    echo, at_sample = Echo(), iter(range(0, 10**9, 320))

    def second():
        for frame in VOICE[:FRAMES]:
            start_sample = next(at_sample)
            echo.play(start_sample, frame)
            echo.hear(start_sample, frame)

    benchmark(second)
    benchmark.extra_info["frames_per_round"] = FRAMES
