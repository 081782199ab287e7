"""Pace, volume and pitch of a call by the second, from what its journal has of them ten times a
second."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean, median

from engine.disk import lines
from engine.journal import Record, record_of
from engine.waveform import MAX_S

STEP_MS = 1000
_FEATURES = b'{"k":"features"'
_BODY_AT = 12
"""Where a journal's line has its record, see `engine.journal`."""


@dataclass(slots=True)
class Lanes:
    """One value a second, from the call's first on; None where there was nothing to measure."""

    syllables_per_s: list[float | None] = field(default_factory=list)
    level_dbfs: list[float | None] = field(default_factory=list)
    pitch_hz: list[float | None] = field(default_factory=list)


@dataclass(slots=True)
class _Second:
    syllables_per_s: list[float] = field(default_factory=list)
    powers: list[float] = field(default_factory=list)
    pitches_hz: list[float] = field(default_factory=list)


def features_of(chunks: Iterator[bytes]) -> Iterator[Record]:
    """The `features` records of what a journal holds; no other line is read, there are far more."""
    for line in lines(chunks):
        if line.startswith(_FEATURES, _BODY_AT):
            record = record_of(line)
            if record is not None:
                yield record


def lanes(records: Iterable[Record]) -> dict[str, Lanes]:
    """By track. Each second has the mean pace, the mean power of what was spoken, and the median
    pitch."""
    tracks: dict[str, dict[int, _Second]] = defaultdict(lambda: defaultdict(_Second))
    for record in records:
        features = record["f"]
        second = (features["t_ms"] - 1) // STEP_MS
        if not 0 <= second < MAX_S:
            continue
        one = tracks[record["track"]][second]
        if not features["speaking"]:
            continue
        one.powers.append(10 ** (features["level_dbfs"] / 10))
        if features["syllables_per_s"] is not None:
            one.syllables_per_s.append(features["syllables_per_s"])
        if features["pitch_hz"] is not None:
            one.pitches_hz.append(features["pitch_hz"])
    return {track: _lanes(seconds) for track, seconds in tracks.items()}


def _lanes(seconds: dict[int, _Second]) -> Lanes:
    made = Lanes()
    for number in range(max(seconds, default=-1) + 1):
        one = seconds.get(number, _Second())
        pace, powers, pitches = one.syllables_per_s, one.powers, one.pitches_hz
        made.syllables_per_s.append(round(fmean(pace), 2) if pace else None)
        made.level_dbfs.append(round(10 * math.log10(fmean(powers)), 1) if powers else None)
        made.pitch_hz.append(round(median(pitches), 1) if pitches else None)
    return made
