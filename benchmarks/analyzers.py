"""`benchmarks analyzers`: what does a 20 ms frame cost, and what do others take for the same work?

Everything that a track's analyzers do with a frame, features 10 times and metrics every two
seconds included (voice activity is not: `benchmarks/test_silero_kernel.py`); then each analyzer
alone, fed what the others hand it. CPU time of the process, a whole recording at a time, the median
of several times.

Beside them, on the same recording: Praat (parselmouth) for pitch and intensity, pyloudnorm for
integrated loudness, librosa for pitch and level, each told the same range and step. They are given
the whole recording at once, in which they vectorise; called 50 times a second they could not. A
ratio is their CPU time over ours. librosa runs in an environment of its own (installed once, which
takes a minute or two), the other two come with the extra `test`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import parselmouth
import pyloudnorm
from numpy.typing import NDArray

from analyzers.activity import ActiveLevel, LevelVariation, ShortSpeechLevel
from analyzers.clarity import NoiseFloor
from analyzers.clipping import Clipping
from analyzers.filled_pauses import FilledPauses
from analyzers.frame import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE
from analyzers.intonation import FinalContour
from analyzers.loudness import Level, Loudness, mean_square
from analyzers.modulation import Modulation
from analyzers.pace import SyllableNuclei
from analyzers.pauses import Pauses
from analyzers.pitch import MAX_F0_HZ, MIN_F0_HZ, Pitch, PitchRange, PitchSpread
from analyzers.spectrum import Balance, Bands
from analyzers.talk import Conversation, Monologue
from benchmarks.child import cores
from benchmarks.peers import Peer
from benchmarks.reading import Reading, clips, load, narrowed
from benchmarks.report import Report
from engine.features import ENDING_MS, Baseline, TrackAnalyzers, warm

LIBROSA = Peer("librosa", ("librosa==0.11.0",))

TIMES, QUICK_TIMES = 7, 3
QUICK_S = 20
FEATURES_EVERY, METRICS_EVERY = 5, 100
"""Frames, as a call has it."""
PAD_MS = 100
"""A word's neighbourhood counts as speech, as with the hangover of a voice-activity decision."""

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moment:
    """One frame, and what other analyzers made of it before."""

    pcm: NDArray[np.int16]
    start_ms: int
    speaking: bool
    power: float
    voiced: bool
    f0_hz: float | None
    hops_hz: NDArray[np.float64]
    energies: NDArray[np.float64]


Step = Callable[[Moment], object]


def _only_speech(push: Callable[[float], object]) -> Step:
    return lambda moment: push(moment.power) if moment.speaking else None


def _noise_floor() -> Step:
    floor = NoiseFloor()

    def step(moment: Moment) -> float | None:
        floor.push(moment.power, moment.speaking)
        return floor.level_dbfs

    return step


def _conversation() -> Step:
    talk = Conversation()

    def step(moment: Moment) -> None:
        talk.push(0, moment.start_ms, moment.speaking)
        talk.push(1, moment.start_ms, not moment.speaking)

    return step


def _pitch_range() -> Step:
    pitch_range = PitchRange()
    return lambda one: pitch_range.push(one.f0_hz) if one.f0_hz is not None else None


def _pitch_spread() -> Step:
    spread = PitchSpread()

    def step(moment: Moment) -> None:
        if moment.speaking:
            for hop_hz in moment.hops_hz.tolist():
                spread.push(hop_hz)

    return step


def _of_samples(push: Callable[[NDArray[np.int16]], object]) -> Step:
    return lambda moment: push(moment.pcm)


def _of_energies(push: Callable[[NDArray[np.float64], bool], object]) -> Step:
    return lambda moment: push(moment.energies, moment.speaking)


def _syllables() -> Step:
    nuclei = SyllableNuclei()
    return lambda one: nuclei.push(one.pcm, one.voiced, one.speaking, -60.0)


def _filled_pauses() -> Step:
    pauses = FilledPauses()
    return lambda one: pauses.push(one.pcm, one.voiced, one.start_ms)


def _intonation() -> Step:
    contour, pauses = FinalContour(), Pauses()

    def step(moment: Moment) -> None:
        contour.push(moment.hops_hz, moment.speaking)
        pauses.push(moment.speaking)
        if pauses.silence_ms == ENDING_MS:
            contour.end()

    return step


def _pauses() -> Step:
    pauses = Pauses()
    return lambda one: pauses.push(one.speaking)


def _monologue() -> Step:
    monologue = Monologue()
    return lambda one: monologue.push(one.speaking)


ANALYZERS: dict[str, Callable[[], Step]] = {
    "level": lambda: _of_samples(Level().push),
    "loudness": lambda: _of_samples(Loudness().push),
    "active_level": lambda: _of_samples(ActiveLevel().push),
    "speech_level": lambda: _only_speech(ShortSpeechLevel().push),
    "level_variation": lambda: _only_speech(LevelVariation().push),
    "clipping": lambda: _of_samples(Clipping().push),
    "noise_floor": _noise_floor,
    "bands": lambda: _of_samples(Bands().push),
    "balance": lambda: _of_energies(Balance().push),
    "modulation": lambda: _of_energies(Modulation().push),
    "pitch": lambda: _of_samples(Pitch().push),
    "pitch_range": _pitch_range,
    "pitch_spread": _pitch_spread,
    "intonation": _intonation,
    "syllables": _syllables,
    "filled_pauses": _filled_pauses,
    "pauses": _pauses,
    "monologue": _monologue,
    "conversation": _conversation,
}
"""Name in the figures -> a fresh analyzer's work for one frame."""

WORK = {
    "parselmouth_pitch": "pitch",
    "parselmouth_intensity": "level",
    "pyloudnorm_loudness": "loudness",
    "librosa_pyin": "pitch",
    "librosa_yin": "pitch",
    "librosa_rms": "level",
}
"""What others do -> which of ours does it."""


def run(quick: bool) -> Report:
    """44 s of a reading, 7 times; 20 s of it 3 times when quick."""
    warm()
    reading = load("two_cities", clips()["two_cities"])
    pcm = narrowed(reading.audio)[: QUICK_S * SAMPLE_RATE if quick else None]
    frames = len(pcm) // FRAME_SAMPLES
    pcm = np.ascontiguousarray(pcm[: frames * FRAME_SAMPLES])
    times = QUICK_TIMES if quick else TIMES
    moments = list(_moments(pcm, reading))

    ours = {
        name: _us(partial(_pushed, made, moments), times, frames)
        for name, made in ANALYZERS.items()
    }
    everything_us = _us(lambda: _everything(moments, reading), times, frames)
    theirs = {
        name: _us(work, times, frames) for name, work in _references(pcm / 32768.0).items()
    } | asyncio.run(_librosa(pcm, times))
    return report(everything_us, ours, theirs, frames * FRAME_MS / 1000)


def _moments(pcm: NDArray[np.int16], reading: Reading) -> Iterator[Moment]:
    speaking = np.zeros(len(pcm) // FRAME_SAMPLES, np.bool_)
    for word in reading.words:
        first, last = (word.start_ms - PAD_MS) // FRAME_MS, (word.end_ms + PAD_MS) // FRAME_MS
        speaking[max(first, 0) : last + 1] = True
    pitch, bands = Pitch(), Bands()
    for i, frame in enumerate(pcm.reshape(-1, FRAME_SAMPLES)):
        pitch.push(frame)
        yield Moment(
            frame,
            i * FRAME_MS,
            bool(speaking[i]),
            float(mean_square(frame)),
            pitch.voiced,
            pitch.f0_hz,
            pitch.hops_hz.copy(),
            bands.push(frame).copy(),
        )


def _pushed(made: Callable[[], Step], moments: list[Moment]) -> None:
    step = made()
    for moment in moments:
        step(moment)


def _everything(moments: list[Moment], reading: Reading) -> None:
    """A call: every frame, words as they become final, features and metrics when they are due."""
    track = TrackAnalyzers(Baseline(-30.0, -60.0))
    words = [(word.text, word.start_ms, word.end_ms, 0.9) for word in reading.words]
    heard = 0
    for i, moment in enumerate(moments, 1):
        track.push(moment.pcm, moment.start_ms, True, moment.speaking)
        if i % FEATURES_EVERY == 0:
            track.features()
        if i % METRICS_EVERY == 0:
            due = sum(word[2] <= moment.start_ms for word in words)
            track.add_words(words[heard:due])
            heard = due
            track.metrics()


def _us(work: Callable[[], object], times: int, frames: int) -> float:
    """Median CPU time (us per frame) of `work`, once more before it counts."""
    work()
    used = []
    for _ in range(times):
        begun = time.process_time()
        work()
        used.append(time.process_time() - begun)
    return 1e6 * median(used) / frames


def _references(signal: Samples) -> dict[str, Callable[[], object]]:
    sound = parselmouth.Sound(signal, SAMPLE_RATE)
    meter = pyloudnorm.Meter(SAMPLE_RATE)
    return {
        "parselmouth_pitch": lambda: sound.to_pitch_ac(
            time_step=0.01, pitch_floor=MIN_F0_HZ, pitch_ceiling=MAX_F0_HZ
        ),
        "parselmouth_intensity": lambda: sound.to_intensity(
            minimum_pitch=100.0, time_step=FRAME_MS / 1000
        ),
        "pyloudnorm_loudness": lambda: meter.integrated_loudness(signal),
    }


async def _librosa(pcm: NDArray[np.int16], times: int) -> dict[str, float]:
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        path = Path(folder) / "speech.npy"
        np.save(path, pcm)
        core = cores()[1]
        async with LIBROSA.server(core, **one_thread) as server:
            reply = await server.ask(
                "measure",
                path=str(path),
                rate=SAMPLE_RATE,
                frame=FRAME_SAMPLES,
                low_hz=MIN_F0_HZ,
                high_hz=MAX_F0_HZ,
                times=times,
            )
    return {f"librosa_{name}": float(us) for name, us in reply["us_per_frame"].items()}


def report(
    everything_us: float, ours: dict[str, float], theirs: dict[str, float], audio_s: float
) -> Report:
    """The figures: us per frame, ours and theirs, and theirs over ours as `ratio_NAME`."""
    made = Report(
        "Analyzers, CPU time of one 20 ms frame", {"us_per_frame_all": round(everything_us, 1)}
    )
    made.rows.append(
        (
            "Everything, features and metrics too",
            f"{everything_us:.1f} us",
            f"{everything_us / (10 * FRAME_MS):.2f} % of a core for each call's track",
        )
    )
    for name, us in sorted(ours.items(), key=lambda item: -item[1]):
        made.figures[f"us_per_frame_{name}"] = round(us, 2)
        made.rows.append((name.replace("_", " "), f"{us:.2f} us", ""))
    for name, us in theirs.items():
        ratio = us / ours[WORK[name]]
        made.figures[f"us_per_frame_{name}"] = round(us, 2)
        made.figures[f"ratio_{name}"] = round(ratio, 2)
        same = WORK[name].replace("_", " ")
        made.rows.append((name.replace("_", " "), f"{us:.2f} us", f"{ratio:.1f} x our {same}"))
    made.rows.append(("Material", f"{audio_s:.0f} s of a reading", f"{LIBROSA.version}"))
    made.rows.append(("Machine", f"load {os.getloadavg()[0]:.1f}", "CPU time, not wall time"))
    return made
