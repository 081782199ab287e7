"""What the fake microphone hears: real speech, at levels that a test chooses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

TEXT = (
    "it was the best of times it was the worst of times it was the age of wisdom it was the age of "
    "foolishness it was the epoch of belief it was the epoch of incredulity it was the season of "
    "light it was the season of darkness it was the spring of hope it was the winter of despair we "
    "had everything before us we had nothing before us we were all going direct to heaven we were "
    "all going direct the other way in short the period was so far like the present period that "
    "some of its noisiest authorities insisted on its being received for good or for evil in the "
    "superlative degree of comparison only"
)
"""The words of two_cities.wav (Charles Dickens, public domain)."""

LEAD_S = 0.6
"""Silence first: a capture starts some 0.3 s before its sound can reach the node."""


def lowered(source: Path, target: Path, passages: list[tuple[float, float, float]]) -> Path:
    """Write `source` behind a lead of silence with each passage (start_s, end_s, gain_db) of it
    made louder or quieter. Times are of `source`. Returns `target`, a mono 16-bit WAV."""
    samples, rate_hz = soundfile.read(source, dtype="float32")
    gain = np.ones(len(samples), np.float32)
    for start_s, end_s, gain_db in passages:
        gain[round(start_s * rate_hz) : round(end_s * rate_hz)] = 10 ** (gain_db / 20)
    lead = np.zeros(round(LEAD_S * rate_hz), np.float32)
    heard = np.concatenate([lead, np.clip(samples * gain, -1, 1)])
    soundfile.write(target, heard, rate_hz, subtype="PCM_16")
    return target
