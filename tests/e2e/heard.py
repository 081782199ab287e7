"""Whose voice it is: by correlation with what each microphone was given."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import correlate

RATE = 16_000
PIECE_S = 1.5
"""Long enough that no two passages of speech are alike by chance, short enough for a receiver's
jitter buffer not to stretch one in the middle."""
AUDIBLE = 0.003
"""RMS of full scale; a piece below it is silence."""
ALIKE = 0.22
"""Of 1, at the least: what a browser's noise suppression, two encoders and a jitter buffer leave is
0.5 to 0.8, and 0.25 on a machine so busy that microphones stall; other speech reaches 0.2."""
SHARE = 0.7
"""Of the voice most alike: a sound that two voices are in is as like the one as the other."""

Voice = NDArray[np.float64]


def source(path: Path) -> Voice:
    """What a microphone was given: mono at 16 kHz."""
    with av.open(str(path)) as container:
        return _samples(container)


def decoded(content: bytes) -> Voice:
    """A recording, or a tape: mono at 16 kHz; nothing where nothing was taped."""
    if not content:
        return np.zeros(0)
    try:
        with av.open(io.BytesIO(content)) as container:
            return _samples(container)
    except (av.InvalidDataError, av.EOFError):
        return np.zeros(0)


def _samples(container: av.container.InputContainer) -> Voice:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    parts: list[NDArray[np.int16]] = []
    for frame in container.decode(audio=0):
        parts += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    parts += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    return np.concatenate(parts) / 32_768 if parts else np.zeros(0)


def likeness(heard: Voice, voice: Voice) -> float:
    """How like `voice` the audible pieces of `heard` are, 0 to 1: the median of the best normalised
    correlations; 0 where nothing is audible."""
    size = round(PIECE_S * RATE)
    energy = np.cumsum(np.concatenate([[0.0], voice**2]))
    within = np.sqrt(np.maximum(energy[size:] - energy[:-size], 1e-9))
    found: list[float] = []
    for at in range(0, len(heard) - size + 1, size):
        piece = heard[at : at + size]
        norm = float(np.sqrt(np.sum(piece**2)))
        if norm / np.sqrt(size) < AUDIBLE:
            continue
        found.append(float(np.max(np.abs(correlate(voice, piece, "valid")) / (within * norm))))
    return float(np.median(found)) if found else 0.0


def who(heard: Voice, voices: Mapping[str, Voice]) -> set[str]:
    """The names of those who are heard."""
    alike = {name: likeness(heard, voice) for name, voice in voices.items()}
    least = max(ALIKE, SHARE * max(alike.values()))
    return {name for name, value in alike.items() if value >= least}


def repeated(pieces: list[Path], seconds: float, target: Path) -> Path:
    """The pieces again and again: what a fake microphone plays. Returns `target`."""
    voices = [source(piece) for piece in pieces]
    whole = np.concatenate(voices)
    whole *= 0.25 / np.sqrt(np.mean(whole**2) + 1e-9) * 0.4
    times = int(np.ceil(seconds * RATE / len(whole)))
    soundfile.write(target, np.clip(np.tile(whole, times), -1, 1), RATE, subtype="PCM_16")
    return target
