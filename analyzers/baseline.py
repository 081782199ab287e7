"""The microphone check: one read sentence becomes a person's own speech level and noise floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analyzers.activity import active_power
from analyzers.clarity import MIN_SNR_DB, quantile_level, quartile_level, snr_db
from analyzers.clipping import Clipping
from analyzers.frame import FLOOR_DBFS, FRAME_MS, FRAME_SAMPLES, FULL_SCALE, Pcm, dbfs

Verdict = Literal["ok", "too_quiet", "too_loud", "noisy", "no_speech"]

MIN_SPEECH_MS = 1000
MIN_DYNAMICS_DB = 9.0
"""Speech rises further than this out of its own pauses; steady noise does not reach it."""
LOUD_DBFS = -12.0
"""Speech peaks stand 12 dB and more over its level: above this they reach full scale."""
QUIET_DBFS = -50.0
CLIPPED_PCT = 0.06
NOISY_SNR_DB = 15.0
"""ANSI/ASA S12.60, as in `delivery.SNR_POINTS`."""
_MIN_NOISE_FRAMES = 10
_HANGOVER = 10

ADVICE: dict[Verdict, str] = {
    "ok": "Your microphone is set up well.",
    "too_quiet": "Move closer to the microphone, or raise its level, and read the sentence again.",
    "too_loud": "Lower the microphone's level, or move back a little, and read the sentence again.",
    "noisy": "Find a quieter place or use a headset, then read the sentence again.",
    "no_speech": "We heard no speech: check which microphone is chosen and that it is not muted.",
}


@dataclass(frozen=True, slots=True)
class MicrophoneCheck:
    """What a microphone check measured. Levels in dBFS, ratio in dB, -100 dBFS for silence."""

    speech_level_dbfs: float
    noise_floor_dbfs: float
    snr_db: float
    clipped_pct: float
    speech_ms: int
    verdict: Verdict
    advice: str


def measure_microphone(pcm: Pcm, speech: NDArray[np.bool_] | None = None) -> MicrophoneCheck:
    """Measure a recording of one read sentence, int16 (n,), 16 kHz.

    `speech` is a voice-activity decision per whole 20 ms frame, bool (n // 320,); without one, the
    frames are split by level halfway (in dB) between the quietest and the loudest tenth, if these
    are 9 dB apart, and the 0.2 s after each loud frame are speech as well. A constant offset is
    removed first. The speech level is `active_power` over the frames of speech, as
    `ShortSpeechLevel` measures it during a call; the noise floor is the lower
    quartile of the others.

    Verdicts, the first that holds: no_speech below 1 s of speech; too_loud above -12 dBFS or
    0.1 % clipped; too_quiet below -50 dBFS; noisy below 15 dB SNR; ok.

    Raises `ValueError` when `pcm` is not one-dimensional int16 or `speech` has another length.
    """
    if pcm.ndim != 1 or pcm.dtype != np.int16:
        raise ValueError(f"expected mono int16 samples, got {pcm.dtype}{pcm.shape}")
    frames = len(pcm) // FRAME_SAMPLES
    whole = np.ascontiguousarray(pcm[: frames * FRAME_SAMPLES]).reshape(frames, FRAME_SAMPLES)
    if speech is not None and speech.shape != (frames,):
        raise ValueError(f"expected {frames} speech decisions, got shape {speech.shape}")

    clipping = Clipping()
    for frame in whole:
        clipping.push(frame)
    clipped_pct = clipping.total_pct
    powers = np.zeros(frames)
    if frames:
        signal = whole / FULL_SCALE
        powers = np.mean((signal - signal.mean()) ** 2, axis=1)
    heard = _split_by_level(powers) if speech is None else np.asarray(speech, np.bool_)

    voice, rest = powers[heard], powers[~heard]
    if len(rest) < _MIN_NOISE_FRAMES:
        # Speech from edge to edge: its weakest frames are the best upper bound there is.
        rest = np.sort(powers)[: max(_MIN_NOISE_FRAMES, frames // 20)]
    speech_ms = FRAME_MS * len(voice)
    level = dbfs(active_power(voice, 0, len(voice))) if len(voice) else FLOOR_DBFS
    noise = quartile_level(rest) if len(rest) else FLOOR_DBFS
    snr = snr_db(level, noise) if len(voice) else MIN_SNR_DB
    verdict = _verdict(speech_ms, level, snr, clipped_pct)
    return MicrophoneCheck(
        round(level, 1),
        round(noise, 1),
        round(snr, 1),
        round(clipped_pct, 2),
        speech_ms,
        verdict,
        ADVICE[verdict],
    )


def _split_by_level(powers: NDArray[np.float64]) -> NDArray[np.bool_]:
    if len(powers) == 0:
        return np.zeros(0, np.bool_)
    quiet, loud = quantile_level(powers, 0.1), quantile_level(powers, 0.9)
    if loud - quiet < MIN_DYNAMICS_DB:
        return np.zeros(len(powers), np.bool_)
    split = 10.0 ** ((quiet + loud) / 20.0)
    loud_frames = (powers >= split).astype(np.int64)
    return np.asarray(np.convolve(loud_frames, np.ones(_HANGOVER + 1))[: len(powers)] > 0.5)


def _verdict(speech_ms: int, level_dbfs: float, snr: float, clipped_pct: float) -> Verdict:
    if speech_ms < MIN_SPEECH_MS:
        return "no_speech"
    if level_dbfs > LOUD_DBFS or clipped_pct > CLIPPED_PCT:
        return "too_loud"
    if level_dbfs < QUIET_DBFS:
        return "too_quiet"
    return "noisy" if snr < NOISY_SNR_DB else "ok"
