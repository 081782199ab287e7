"""Speech that is known word for word: voice activity and a recognizer that follow a script."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.asr.window import Hypothesis, SpokenWord, Window
from engine.frames import SAMPLE_RATE, Frame, ms_of
from engine.vad import END_PAD, ENDPOINT, Edge
from tests.engine.timeline import Delayed, Line, frames_of

WORD_S = 0.4
FIRST_S = 1.0

Script = list[tuple[str, float, float]]
"""(word, start s, end s) on session time."""


class ScriptedVoice:
    """Voice activity that knows what is said: the attributes that `Utterances` reads."""

    def __init__(self, spans_s: list[tuple[float, float]]) -> None:
        self._spans = [(int(a * SAMPLE_RATE), int(b * SAMPLE_RATE)) for a, b in spans_s]
        self.speaking = False
        self._floor_sample = 0
        self.start_sample = self.onset_sample = self.voiced_end_sample = self.end_sample = 0
        self.pauses: list[tuple[int, int]] = []

    @property
    def silence_samples(self) -> int:
        return self.end_sample - self.voiced_end_sample

    def push(self, frame: Frame) -> Edge | None:
        self.end_sample = frame.end_sample
        voiced = [span for span in self._spans if span[0] < frame.end_sample <= span[1]]
        if voiced:
            if not self.speaking:
                self.speaking = True
                self.pauses = []
                self.onset_sample = max(voiced[0][0], frame.start_sample - 5_000)
                self.start_sample = max(self._floor_sample, self.onset_sample - 8_000)
                self.voiced_end_sample = frame.end_sample
                return Edge.START
            if frame.end_sample - self.voiced_end_sample > SAMPLE_RATE // 5:
                self.pauses.append((self.voiced_end_sample, frame.start_sample))
            self.voiced_end_sample = frame.end_sample
        elif self.speaking and self.silence_samples >= ENDPOINT:
            return self.stop()
        return None

    def stop(self) -> Edge:
        self.speaking = False
        self._floor_sample = min(self.end_sample, self.voiced_end_sample + END_PAD)
        return Edge.END


def said(seconds: float, first_s: float = FIRST_S) -> Script:
    """A word every `WORD_S`."""
    return [
        (f"w{n}", first_s + n * WORD_S, first_s + (n + 1) * WORD_S)
        for n in range(int(seconds / WORD_S))
    ]


def hears(script: Script, probability: float = 0.8) -> Callable[[Window], Hypothesis]:
    """The words whose middle lies inside a window; not sure enough to be kept at first sight."""

    def answer(window: Window) -> Hypothesis:
        start_ms, end_ms = ms_of(window.start_sample), ms_of(window.end_sample)
        words = []
        for text, begin_s, end_s in script:
            begin, end = round(begin_s * 1000), round(end_s * 1000)
            if start_ms <= (begin + end) / 2 < end_ms:
                times = (max(begin, start_ms) - start_ms, min(end, end_ms) - start_ms)
                words.append(
                    SpokenWord(text, *(times if window.wants_times else (0, 0)), probability)
                )
        return Hypothesis(window, words)

    return answer


def call(script: Script, recognizer: Delayed | None = None) -> Line:
    """A line on which `script` is said: words less than 50 ms apart are one span of voice."""
    spans: list[tuple[float, float]] = []
    for _, begin_s, end_s in script:
        if spans and begin_s - spans[-1][1] < 0.05:
            spans[-1] = spans[-1][0], end_s
        else:
            spans.append((begin_s, end_s))
    return Line(recognizer or Delayed(hears(script)), ScriptedVoice(spans))


def run(line: Line, until_s: float) -> None:
    """More audio, up to `until_s`: noise, which is quieter between two words."""
    begin = line.ring.end_sample
    count = int(until_s * SAMPLE_RATE) - begin
    at = np.arange(begin, begin + count) / SAMPLE_RATE
    inside = np.abs((at - FIRST_S) / WORD_S - np.round((at - FIRST_S) / WORD_S)) > 0.05
    noise = np.random.default_rng(begin).normal(0, 1_000, count) * np.where(inside, 1.0, 0.05)
    line.push(frames_of(noise.astype(np.int16), begin))


def texts(script: Script) -> str:
    return " ".join(word for word, _, _ in script)
