"""How fast: syllable nuclei in the signal, words in the text."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from analyzers.frame import FRAME_MS, FRAMES_PER_S, FULL_SCALE, Pcm, check
from analyzers.kernel import B1, F8, F8S, I8, I8S, PCM, kernel
from analyzers.pauses import MIN_PAUSE_MS
from analyzers.talk import TURN_PAUSE_MS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Word = tuple[str, int, int, float]
"""(text, start_ms, end_ms, probability 0-1), as in a final transcript."""

DIP_DB = 2.0
"""The intensity falls by more than this between a nucleus and the next (de Jong & Wempe 2009)."""
RANGE_DB = 25.0
"""A nucleus lies less than this below the loudest speech (de Jong & Wempe 2009)."""
NOISE_MARGIN_DB = 3.0

RECENT_S = 15
"""Speaking time that is compared with what was before: shorter, and chance rules the rate."""

_BLOCK = 40
_BLOCKS = 52
_HOP_BLOCKS = 4
_NEW_BLOCKS = 8
_BINS = 200
_BIN_DB = 0.5
_REFERENCE_SHARE = 0.01
_MEMORY_S = 10.0
_GAP_FRAMES = MIN_PAUSE_MS // FRAME_MS
_FLAG_FRAMES = 5


def intensity_window() -> Floats:
    """Weights (52,) of 2.5 ms blocks: Praat's Kaiser-20 window for a pitch floor of 50 Hz.

    It is 6.4 periods long, of which 3.2 count (64 ms); Praat's manual, "Sound: To Intensity".
    """
    weights = np.kaiser(_BLOCKS, 20.0)
    return np.asarray(weights / weights.sum())


# Fields of the kernel's state.
_PEAK, _LAST, _GROWTH, _SCALE = 0, 1, 2, 3
_RISING, _PEAK_OPEN, _GAP, _HEAD, _HELD, _NUCLEI, _FRAMES = 0, 1, 2, 3, 4, 5, 6


@kernel(I8, PCM, B1, B1, F8, F8S, F8S, F8S, F8S, F8S, I8S, I8S, I8S)
def follow_nuclei(
    pcm: Pcm,
    voiced: bool,
    speaking: bool,
    noise_dbfs: float,
    window: Floats,
    means: Floats,
    squares: Floats,
    histogram: Floats,
    values: Floats,
    marks: Ints,
    flags: Ints,
    ring: Ints,
) -> int:
    """Advance the detector by one frame; return how many nuclei it confirmed.

    `means` and `squares` (60,) hold the newest 2.5 ms blocks, `histogram` (200,) the decaying
    distribution of speech intensity in 0.5 dB steps above -100 dBFS, `values` (4,) and `marks` (8,)
    the state named above, `flags` (10,) the last voicing and speech decisions, newest first,
    `ring` the nuclei per frame of speaking time.
    """
    for i in range(_BLOCKS):
        means[i] = means[i + _NEW_BLOCKS]
        squares[i] = squares[i + _NEW_BLOCKS]
    for b in range(_NEW_BLOCKS):
        total = 0.0
        square = 0.0
        for i in range(b * _BLOCK, (b + 1) * _BLOCK):
            x = pcm[i] / FULL_SCALE
            total += x
            square += x * x
        means[_BLOCKS + b] = total / _BLOCK
        squares[_BLOCKS + b] = square / _BLOCK
    for i in range(_FLAG_FRAMES - 1, 0, -1):
        flags[i] = flags[i - 1]
        flags[_FLAG_FRAMES + i] = flags[_FLAG_FRAMES + i - 1]
    flags[0] = 1 if voiced else 0
    flags[_FLAG_FRAMES] = 1 if speaking else 0
    spoke = False
    for i in range(_FLAG_FRAMES):
        spoke = spoke or flags[_FLAG_FRAMES + i] == 1
    # The intensity is 65 ms old, and so are the decided hops of pitch.
    sounded = flags[0] == 1 or flags[1] == 1

    confirmed = 0
    threshold = -100.0
    loudest = -100.0
    for step in range(2):
        first = (step + 1) * _HOP_BLOCKS
        mean = 0.0
        square = 0.0
        for i in range(_BLOCKS):
            mean += window[i] * means[first + i]
            square += window[i] * squares[first + i]
        v = 10.0 * math.log10(max(square - mean * mean, 1e-10))
        loudest = max(loudest, v)
        if spoke:
            # Growing the weight of the new is decaying that of the old.
            values[_SCALE] *= values[_GROWTH]
            histogram[min(max(int((v + 100.0) / _BIN_DB), 0), _BINS - 1)] += values[_SCALE]
            if values[_SCALE] > 1e12:
                for i in range(_BINS):
                    histogram[i] /= values[_SCALE]
                values[_SCALE] = 1.0
        total = 0.0
        for i in range(_BINS):
            total += histogram[i]
        above = 0.0
        reference = -100.0
        for i in range(_BINS - 1, -1, -1):
            above += histogram[i]
            if above > _REFERENCE_SHARE * total:
                reference = -100.0 + (i + 0.5) * _BIN_DB
                break
        threshold = max(reference - RANGE_DB, noise_dbfs + NOISE_MARGIN_DB)

        if v > values[_LAST]:
            marks[_RISING] = 1
        else:
            if marks[_RISING] == 1 and values[_LAST] > threshold:
                values[_PEAK] = values[_LAST]
                marks[_PEAK_OPEN] = 1 if sounded and spoke else 0
            marks[_RISING] = 0
            if marks[_PEAK_OPEN] == 1 and v < values[_PEAK] - DIP_DB:
                confirmed += 1
                marks[_PEAK_OPEN] = 0
        values[_LAST] = v

    # Silence counts as speaking time only once it has turned out to be shorter than a pause.
    if spoke and loudest >= threshold:
        add = 1 + (marks[_GAP] if marks[_GAP] < _GAP_FRAMES else 0)
        marks[_GAP] = 0
        for _ in range(add):
            marks[_HEAD] = (marks[_HEAD] + 1) % ring.size
            ring[marks[_HEAD]] = 0
        marks[_HELD] = min(marks[_HELD] + add, ring.size)
        marks[_FRAMES] += add
    elif marks[_FRAMES] > 0:
        marks[_GAP] += 1
    else:
        marks[_GAP] = _GAP_FRAMES
    ring[marks[_HEAD]] += confirmed
    marks[_NUCLEI] += confirmed
    return confirmed


class SyllableNuclei:
    """Counts syllable nuclei as they sound: articulation rate without a transcript.

    After de Jong & Wempe (Behavior Research Methods 41, 2009), made causal: a nucleus is a peak of
    intensity (Praat's 64 ms window, every 10 ms) that is more than 2 dB above the dip after it,
    lies within 25 dB of the loudest 1 % of the last ~10 s of speech and 3 dB above the noise, and
    is voiced. A nucleus is known 65 ms after it sounded plus the time it takes to fall by 2 dB.

    Speaking time is the time above the same threshold, together with gaps shorter than a pause
    (250 ms), so that a hangover of the voice-activity decision does not count.

    Nuclei are fewer than dictionary syllables: neighbouring vowels without a dip count once.
    """

    MIN_FRAMES = 2 * FRAMES_PER_S

    def __init__(self, seconds: float = 5.0) -> None:
        self._window = intensity_window()
        self._means = np.zeros(_BLOCKS + _NEW_BLOCKS)
        self._squares = np.zeros(_BLOCKS + _NEW_BLOCKS)
        self._histogram = np.zeros(_BINS)
        self._values = np.zeros(4)
        self._marks = np.zeros(8, np.int64)
        self._flags = np.zeros(2 * _FLAG_FRAMES, np.int64)
        self._ring = np.zeros(round(seconds * FRAMES_PER_S), np.int64)
        self._seconds: deque[tuple[int, int]] = deque(maxlen=RECENT_S + 1)
        self.reset()

    def reset(self) -> None:
        for array in (self._means, self._squares, self._histogram):
            array[:] = 0.0
        for counts in (self._marks, self._flags, self._ring):
            counts[:] = 0
        self._values[_PEAK] = -100.0
        self._values[_LAST] = -100.0
        self._values[_GROWTH] = math.exp(1.0 / (2 * FRAMES_PER_S * _MEMORY_S))
        self._values[_SCALE] = 1.0
        self._seconds.clear()
        self._seconds.append((0, 0))

    def push(self, pcm: Pcm, voiced: bool, speaking: bool, noise_dbfs: float = -100.0) -> int:
        """Take one frame int16[320]; return how many nuclei it confirmed.

        `voiced` is `Pitch.decided_voiced` after the same frame, `speaking` the voice-activity
        decision (up to 80 ms late does no harm), `noise_dbfs` the noise floor if known.
        """
        confirmed = follow_nuclei(
            check(pcm),
            voiced,
            speaking,
            noise_dbfs,
            self._window,
            self._means,
            self._squares,
            self._histogram,
            self._values,
            self._marks,
            self._flags,
            self._ring,
        )
        if self._marks[_FRAMES] >= self._seconds[-1][1] + FRAMES_PER_S:
            self._seconds.append((int(self._marks[_NUCLEI]), int(self._marks[_FRAMES])))
        return int(confirmed)

    @property
    def count(self) -> int:
        """Nuclei since the last reset."""
        return int(self._marks[_NUCLEI])

    @property
    def speaking_s(self) -> float:
        """Speaking time without pauses since the last reset, seconds."""
        return int(self._marks[_FRAMES]) / FRAMES_PER_S

    @property
    def articulation_rate(self) -> float | None:
        """Nuclei per second of the last 5 s of speaking time; `None` before 2 s of it."""
        held = int(self._marks[_HELD])
        if held < self.MIN_FRAMES:
            return None
        return int(self._ring.sum()) * FRAMES_PER_S / held

    @property
    def mean_articulation_rate(self) -> float | None:
        """Nuclei per second of all speaking time; `None` before 2 s of it."""
        if self._marks[_FRAMES] < self.MIN_FRAMES:
            return None
        return self.count / self.speaking_s

    @property
    def acceleration(self) -> float | None:
        """Articulation rate of the last 15 s of speaking time against all before it, as a share.

        0.1 is 10 % faster, about the least that is noticed. `None` before 15 s of each.
        """
        count, frames = self._seconds[0]
        if len(self._seconds) <= RECENT_S or frames < RECENT_S * FRAMES_PER_S or count == 0:
            return None
        recent = (self.count - count) / (int(self._marks[_FRAMES]) - frames)
        return recent * frames / count - 1.0


MIN_WORDS = 10
"""Fewer words give no rate."""
MIN_SPOKEN_MS = 2000


def rate_wpm(words: int, duration_ms: int) -> float | None:
    """`words` in `duration_ms` as words per minute; `None` below 10 words or 2 s."""
    if words < MIN_WORDS or duration_ms < MIN_SPOKEN_MS:
        return None
    return words * 60_000.0 / duration_ms


class WordRate:
    """Speech rate of words as they become final, over all of them and over the newest.

    Words / speaking time: pauses up to 2 s count, as they do in published rates of talks; longer
    ones are somebody else's turn. Spans in which nothing was heard are left out as well.
    """

    def __init__(self, at_most: int = 1024) -> None:
        self._words: deque[tuple[float, int, int]] = deque(maxlen=at_most)
        self.reset()

    def reset(self) -> None:
        self._words.clear()
        self._until_ms: int | None = None
        self.count = 0
        self.spoken_ms = 0
        """Speaking time of all words pushed."""

    def push(self, words: Iterable[Word], absent_ms: Sequence[tuple[int, int]] = ()) -> None:
        """Take words in order of time; `absent_ms` are spans (start, end) without audio."""
        for _, start_ms, end_ms, _ in words:
            until = start_ms if self._until_ms is None else self._until_ms
            gap = start_ms - until
            for absent_start, absent_end in absent_ms:
                gap -= max(0, min(start_ms, absent_end) - max(until, absent_start))
            self.spoken_ms += gap if 0 < gap < TURN_PAUSE_MS else 0
            began = self.spoken_ms
            self.spoken_ms += max(0, end_ms - max(start_ms, until))
            self._words.append(((start_ms + end_ms) / 2, began, self.spoken_ms))
            self._until_ms = max(until, end_ms)
            self.count += 1

    @property
    def mean_wpm(self) -> float | None:
        """Rate (words per minute) of all words; `None` below 10 words or 2 s."""
        return rate_wpm(self.count, self.spoken_ms)

    def recent_wpm(self, since_ms: int) -> float | None:
        """Rate of the words whose middle is not before `since_ms`, which must not decrease."""
        while self._words and self._words[0][0] < since_ms:
            self._words.popleft()
        if not self._words:
            return None
        return rate_wpm(len(self._words), self._words[-1][2] - self._words[0][1])

    def acceleration(self, since_ms: int) -> float | None:
        """Rate of the words since `since_ms` against all before them, as a share.

        0.1 is 10 % faster. `None` while either has fewer than 10 words or 2 s.
        """
        recent = self.recent_wpm(since_ms)
        if recent is None:
            return None
        before = rate_wpm(self.count - len(self._words), self._words[0][1])
        return None if before is None else recent / before - 1.0


def words_per_minute(
    words: Sequence[Word],
    window_ms: tuple[int, int],
    absent_ms: Sequence[tuple[int, int]] = (),
) -> float | None:
    """Speech rate (words per minute, see `WordRate`) of the words whose middle is in `window_ms`.

    `words` are in order of time. `None` for fewer than 10 words or less than 2 s of speaking.
    """
    first_ms, last_ms = window_ms
    rate = WordRate(len(words))
    rate.push((word for word in words if first_ms <= (word[1] + word[2]) / 2 <= last_ms), absent_ms)
    return rate.mean_wpm
