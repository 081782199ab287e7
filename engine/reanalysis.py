"""A call once more, from its recorded audio: voice activity, analyzers and recognizer run again.

What the audio does not hold is as the journal says: where frames came from, the link, what was
asked for. The recognizer has its answers ready `DELAY_MS` of session time after they are asked for,
where the live one took what the load allowed. So words come out at other times than they did, other
looks at them are taken, and everything is compared within a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.asr.agreement import normalised
from engine.asr.correction import Corrector
from engine.asr.window import Hypothesis, Pressure, Window
from engine.frames import FRAME_SAMPLES, SILENT_FRAME, Frame, Pcm, Source
from engine.inputs import EventDict, Part, parts_of
from engine.journal import Record
from engine.replay import Player
from engine.track import LIVE, Parts

STEP_S = 0.5
DELAY_MS = 200


@dataclass(frozen=True, slots=True)
class Tolerance:
    """`absolute` in the unit of the measure, or `share` of its journalled value: the larger."""

    absolute: float
    share: float = 0.0

    def allows(self, before: float | None, after: float | None) -> bool:
        """None, not measurable, equals None alone."""
        if before is None or after is None:
            return before is after
        return abs(after - before) <= max(self.absolute, self.share * abs(before)) + 1e-9


WORD_ERRORS = Tolerance(0.15)
"""Other looks commit other words: of two calls of 102 and 84 words, held on a machine with three
times the work it could do, 1 and 8 % came out otherwise."""
CUE_MS = Tolerance(1_000.0)
SCORE = Tolerance(8.0)
OTHERWISE = Tolerance(1.0, 0.05)
QUANTITIES: Mapping[str, Tolerance] = {
    "speechS": Tolerance(0.6, 0.02),
    "words": Tolerance(2, 0.05),
    "rateWpm": Tolerance(6.0, 0.05),
    "syllablesPerS": Tolerance(0.15),
    "activeLevelDbfs": Tolerance(0.3),
    "levelVsBaselineDb": Tolerance(0.3),
    "levelVariationDb": Tolerance(0.3),
    "snrDb": Tolerance(1.0),
    "clippedPct": Tolerance(0.05),
    "asrCertainty": Tolerance(0.05),
    "fillers": Tolerance(1, 0.1),
    "hedges": Tolerance(1, 0.1),
    "fillersPer100Words": Tolerance(1.0, 0.1),
    "hedgesPer100Words": Tolerance(1.0, 0.1),
    "pauses": Tolerance(1, 0.05),
    "longestPauseMs": Tolerance(100.0, 0.02),
    "lufsIntegrated": Tolerance(0.2),
    "pitchMedianHz": Tolerance(1.0, 0.01),
    "pitchRangeSemitones": Tolerance(0.3),
    "pitchVariationSemitones": Tolerance(0.2),
    "levelDriftDb": Tolerance(0.3),
    "accelerationPct": Tolerance(3.0),
    "finalFalls": Tolerance(1, 0.05),
    "finalRises": Tolerance(1, 0.05),
    "fallingStatementsPct": Tolerance(20.0),
    "longestMonologueMs": Tolerance(600.0, 0.02),
    "questions": Tolerance(1, 0.1),
    "talkSharePct": Tolerance(2.0),
    "interruptions": Tolerance(1),
    "hesitationMs": Tolerance(100.0, 0.05),
    "patienceMs": Tolerance(100.0, 0.05),
}
"""By their names on the wire; what is not named has `OTHERWISE`."""


Decode = Callable[[Window], Hypothesis]
"""A recognizer's answer to one window; the windows of an utterance come in order."""


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; `before` is the journal's. `track` is None for the call as a whole."""

    track: str | None
    what: str
    before: float | None
    after: float | None
    tolerance: Tolerance
    is_within: bool


def reanalyse(
    records: Sequence[Record],
    audio: Mapping[str, Pcm],
    decode: Decode,
    corrector: Corrector | None = None,
) -> tuple[list[EventDict], list[EventDict]]:
    """The journalled events, and those that come of the `audio` of each track: int16 at 16 kHz from
    session time 0 on. Raises `engine.inputs.ReplayError`."""
    before: list[EventDict] = []
    after: list[EventDict] = []
    for part in parts_of(records):
        player = Player(part, Heard(part, audio, decode), corrector)
        player.play()
        before += part.events
        after += player.events
    return before, after


def compared(before: Sequence[EventDict], after: Sequence[EventDict]) -> list[Row]:
    """Words, last metrics and cues of both runs, track by track."""
    rows: list[Row] = []
    for track in dict.fromkeys(event["track"] for event in before if event["track"] is not None):
        ones = [event for event in before if event["track"] == track]
        twos = [event for event in after if event["track"] == track]
        rows.append(_words(track, ones, twos))
        rows += _metrics(track, ones, twos)
        rows += _cues(track, ones, twos)
    return rows


def word_error_rate(reference: Sequence[str], words: Sequence[str]) -> float:
    """Substitutions, deletions and insertions per word of the reference; inf for words out of
    none."""
    if not reference:
        return float("inf") if words else 0.0
    numbers = {word: n for n, word in enumerate(dict.fromkeys([*reference, *words]))}
    row = np.arange(len(words) + 1)
    ahead = row.copy()
    heard = np.array([numbers[word] for word in words], np.int64)
    for word in reference:
        changed = np.minimum(row[:-1] + (heard != numbers[word]), row[1:] + 1)
        row = np.concatenate([[row[0] + 1], changed])
        # An insertion costs one more than the cell before it.
        row = np.minimum.accumulate(row - ahead) + ahead
    return float(row[-1]) / len(reference)


class Heard:
    """The stage of a reanalysis: the recording is heard again."""

    def __init__(self, part: Part, audio: Mapping[str, Pcm], decode: Decode) -> None:
        self.recognizer = Prompt(decode)
        self._part = part
        self._audio = audio

    def parts(self, track: str) -> Parts:
        return LIVE

    def frame(self, track: str, start_sample: int) -> Frame:
        source = self._part.of(track).source(start_sample)
        pcm = self._audio[track][start_sample : start_sample + FRAME_SAMPLES]
        if source is Source.PAUSED or source is Source.ABSENT:
            pcm = SILENT_FRAME
        elif len(pcm) < FRAME_SAMPLES:
            # A crash takes the recording's last 0.2 s.
            pcm, source = SILENT_FRAME, Source.ABSENT
        return Frame(track, start_sample, pcm, source)

    def pushed(self, t_ms: int) -> None:
        self.recognizer.advance(t_ms)

    def answer(self, record: Record) -> None:
        """This recognizer answers for itself."""

    def closing(self) -> None:
        self.recognizer.finish()


class Prompt:
    """A recognizer in session time that is always ready `DELAY_MS` after it is asked."""

    def __init__(self, decode: Decode) -> None:
        self.step_s = STEP_S
        self.pressure = Pressure.NONE
        self._decode = decode
        self._now_ms = 0
        self._waiting: list[tuple[int, Window, Callable[[Hypothesis], None]]] = []

    def submit(self, window: Window, done: Callable[[Hypothesis], None]) -> None:
        self._waiting.append((self._now_ms + DELAY_MS, window, done))

    def admit(self, session: str, language: str) -> None:
        """Has room for everybody."""

    def forget(self, session: str) -> None:
        self._waiting.clear()

    def advance(self, now_ms: int) -> None:
        """Answer what is due by `now_ms`."""
        self._now_ms = now_ms
        while self._waiting and self._waiting[0][0] <= now_ms:
            self._answer()

    def finish(self) -> None:
        """Answer all that waits, and what is asked in answer to that."""
        while self._waiting:
            self._answer()

    def _answer(self) -> None:
        _, window, done = self._waiting.pop(0)
        done(self._decode(window))


def _words(track: str, before: Sequence[EventDict], after: Sequence[EventDict]) -> Row:
    rate = word_error_rate(_said(before), _said(after))
    return Row(track, "word error rate", 0.0, rate, WORD_ERRORS, WORD_ERRORS.allows(0.0, rate))


def _said(events: Sequence[EventDict]) -> list[str]:
    finals = [event["data"] for event in events if event["type"] == "transcript.final"]
    finals.sort(key=lambda final: final["startMs"])
    words = [normalised(word[0]) for final in finals for word in final["words"]]
    return [word for word in words if word]


def _metrics(track: str, before: Sequence[EventDict], after: Sequence[EventDict]) -> Iterator[Row]:
    one, two = _last_metrics(before), _last_metrics(after)
    for group, fallback in (("quantities", OTHERWISE), ("scores", SCORE)):
        for name, value in one.get(group, {}).items():
            again = two.get(group, {}).get(name)
            tolerance = QUANTITIES.get(name, fallback)
            yield Row(track, name, value, again, tolerance, tolerance.allows(value, again))


def _last_metrics(events: Sequence[EventDict]) -> dict[str, Any]:
    metrics = [event["data"] for event in events if event["type"] == "metrics"]
    return metrics[-1] if metrics else {}


def _cues(track: str, before: Sequence[EventDict], after: Sequence[EventDict]) -> Iterator[Row]:
    """Each cue of either run with the nearest of its code in the other; their times in ms."""
    twos = [event for event in after if event["type"] == "feedback"]
    for one in before:
        if one["type"] != "feedback":
            continue
        code, t_ms = one["data"]["code"], one["t"]
        same = [
            two for two in twos if two["data"]["code"] == code and CUE_MS.allows(t_ms, two["t"])
        ]
        two = min(same, key=lambda cue: abs(cue["t"] - t_ms), default=None)
        if two is not None:
            twos.remove(two)
        yield Row(track, code, t_ms, two["t"] if two else None, CUE_MS, two is not None)
    for two in twos:
        yield Row(track, two["data"]["code"], None, two["t"], CUE_MS, False)
