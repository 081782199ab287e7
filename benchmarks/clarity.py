"""`benchmarks clarity`: does our clarity agree with a listener's mark as noise and rooms grow?

One reading, clean and worse: in noise of 30 to 0 dB SNR, in rooms that reverberate for 0.3 to 1 s,
low-passed and clipped. Beside our clarity, with words that are always equally certain, stands
DNSMOS P.835 (Reddy, Gopal & Cutler, ICASSP 2022), a network trained on listeners' marks of 1 to 5
for the voice, the background and overall; its package (MIT) holds the weights, and runs in an
environment of its own. Agreement is Spearman's rank correlation over all clips.

DNSMOS was trained on noise, not on rooms or microphones: it is a witness, not the truth.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, sosfilt
from scipy.stats import spearmanr

from analyzers import delivery
from analyzers.activity import ActiveLevel
from analyzers.clarity import NoiseFloor, snr_db
from analyzers.clipping import Clipping
from analyzers.frame import FRAME_MS, FRAME_SAMPLES, FULL_SCALE, SAMPLE_RATE
from analyzers.loudness import mean_square
from analyzers.modulation import Modulation
from analyzers.spectrum import Balance, Bands
from benchmarks import noises
from benchmarks.child import cores
from benchmarks.peers import Peer
from benchmarks.reading import Reading, clips, load, narrowed
from benchmarks.report import Report

DNSMOS = Peer("dnsmos", ("speechmos==0.0.1.1", "librosa==0.11.0", "onnxruntime", "requests"))

SNRS_DB = (30, 20, 10, 5, 0)
NOISES = {"white": noises.white, "pink": noises.pink, "babble": noises.babble}
ROOMS_S = (0.3, 0.6, 1.0)
QUICK_CLIPS = ("clean", "pink 20", "pink 10", "pink 0", "room 0.3", "room 1.0")
MARKED_S = 12
"""DNSMOS hears the first so many seconds; it takes a second of CPU for ten."""
CERTAINTY = 0.9
PAD_MS = 100

Samples = NDArray[np.float64]
Pcm = NDArray[np.int16]


def run(quick: bool) -> Report:
    """All clips of a reading of 44 s; six of them when quick."""
    reading = load("two_cities", clips()["two_cities"])
    pcm = narrowed(reading.audio)
    speaking = _speaking(reading, len(pcm) // FRAME_SAMPLES)
    made = {
        name: clip
        for name, clip in spoiled(pcm / FULL_SCALE, speaking)
        if not quick or name in QUICK_CLIPS
    }
    ours = {name: clarity(clip, speaking) for name, clip in made.items()}
    marks = asyncio.run(_marks(list(made.values())))
    return report(ours, dict(zip(made, marks, strict=True)))


def _speaking(reading: Reading, frames: int) -> NDArray[np.bool_]:
    speaking = np.zeros(frames, np.bool_)
    for word in reading.words:
        first, last = (word.start_ms - PAD_MS) // FRAME_MS, (word.end_ms + PAD_MS) // FRAME_MS
        speaking[max(first, 0) : last + 1] = True
    return speaking


def spoiled(signal: Samples, speaking: NDArray[np.bool_]) -> Iterator[tuple[str, Pcm]]:
    """The clips by name, all as loud as the clean one but for the clipped."""
    rng = np.random.default_rng(1)
    voiced = np.repeat(speaking, FRAME_SAMPLES)
    power = np.mean(signal[: len(voiced)][voiced] ** 2)
    yield "clean", _pcm(signal)
    for kind, maker in NOISES.items():
        noise = maker(len(signal), rng)
        for snr in SNRS_DB:
            gain = np.sqrt(power / 10 ** (snr / 10) / np.mean(noise**2))
            yield f"{kind} {snr}", _pcm(signal + gain * noise)
    for seconds in ROOMS_S:
        wet = fftconvolve(signal, room(seconds))[: len(signal)]
        yield f"room {seconds}", _pcm(wet * np.sqrt(np.mean(signal**2) / np.mean(wet**2)))
    low = sosfilt(butter(4, 1000, fs=SAMPLE_RATE, output="sos"), signal)
    yield "low-passed at 1 kHz", _pcm(low)
    yield "clipped", _pcm(signal * 0.5 / np.sqrt(power))


def room(reverberation_s: float) -> Samples:
    """Direct sound and, equally strong, noise that decays by 60 dB in `reverberation_s`."""
    t = np.arange(round(1.2 * reverberation_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = np.random.default_rng(3).standard_normal(len(t)) * 10 ** (-3 * t / reverberation_s)
    tail /= np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return np.asarray(tail)


def _pcm(signal: Samples) -> Pcm:
    return np.clip(np.round(signal * FULL_SCALE), -32768, 32767).astype(np.int16)


def clarity(pcm: Pcm, speaking: NDArray[np.bool_]) -> int:
    """Our clarity of one clip, words left out of account. Raises `ValueError` for too little."""
    bands, modulation, balance = Bands(), Modulation(), Balance()
    floor, level, clipping = NoiseFloor(), ActiveLevel(), Clipping()
    for i, voiced in enumerate(speaking.tolist()):
        frame = pcm[i * FRAME_SAMPLES : (i + 1) * FRAME_SAMPLES]
        energies = bands.push(frame)
        modulation.push(energies, voiced)
        balance.push(energies, voiced)
        clipping.push(frame)
        floor.push(float(mean_square(frame)), voiced)
        if voiced:
            level.push(frame)
    loud, quiet = level.level_dbfs, floor.level_dbfs
    score = delivery.clarity(
        snr_db=None if loud is None or quiet is None else snr_db(loud, quiet),
        clipped_pct=clipping.total_pct,
        asr_certainty=CERTAINTY,
        speech_s=float(speaking.sum()) * FRAME_MS / 1000,
        words=delivery.MIN_WORDS,
        modulation_db=modulation.depth_db,
        consonants_db=balance.consonants_db,
    )
    if score is None:
        raise ValueError("A clip of this benchmark holds less than 5 s of speech.")
    return score


async def _marks(clips: list[Pcm]) -> list[dict[str, float]]:
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(prefix="forecourt-bench-") as folder:
        marks = []
        async with DNSMOS.server(cores()[1], **one_thread) as server:
            for number, clip in enumerate(clips):
                path = Path(folder) / f"{number}.npy"
                np.save(path, clip[: MARKED_S * SAMPLE_RATE])
                reply = await server.ask("mark", path=str(path), rate=SAMPLE_RATE)
                marks.append(
                    {name: float(mark) for name, mark in reply.items() if name != "number"}
                )
    return marks


def report(ours: dict[str, int], marks: dict[str, dict[str, float]]) -> Report:
    """Each clip's figures, and the rank correlations."""
    made = Report("Clarity beside DNSMOS", {"clips": len(ours)})
    for kind in ("ovrl", "sig", "bak"):
        theirs = [marks[name][kind] for name in ours]
        agreement = float(spearmanr(list(ours.values()), theirs).statistic)
        made.figures[f"rank_correlation_{kind}"] = round(agreement, 3)
        made.rows.append((f"Rank correlation with {kind.upper()}", f"{agreement:.2f}", "DNSMOS"))
    for name, score in ours.items():
        mark = marks[name]
        made.figures[f"clarity_{_key(name)}"] = score
        made.figures[f"dnsmos_{_key(name)}"] = round(mark["ovrl"], 2)
        made.rows.append(
            (
                name,
                f"clarity {score}, DNSMOS {mark['ovrl']:.2f}",
                f"voice {mark['sig']:.2f}, background {mark['bak']:.2f}",
            )
        )
    made.rows.append(("Of another project", DNSMOS.version, "in an environment of its own"))
    return made


def _key(name: str) -> str:
    return name.replace(" ", "_").replace(".", "_").replace("-", "_").lower()
