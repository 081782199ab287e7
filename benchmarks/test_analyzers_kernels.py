"""What does one 20 ms frame cost, each analyzer alone and all of them together?

    python -m pytest benchmarks/test_analyzers_kernels.py

Budget: everything together within 100 us a frame, features at 10 Hz included. The signal is a
voice-like buzz with pauses, so that every branch runs; each round is one second of audio.
"""

from __future__ import annotations

import numpy as np
import pytest

from analyzers.activity import ActiveLevel, ShortSpeechLevel
from analyzers.clarity import NoiseFloor
from analyzers.clipping import Clipping
from analyzers.fillers import lexicon
from analyzers.loudness import Level, Momentary
from analyzers.pace import SyllableNuclei
from analyzers.pitch import Pitch
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
    "momentary loudness": lambda: Momentary().push,
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
