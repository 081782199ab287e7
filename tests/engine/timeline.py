"""One track in virtual time: real frames, voice activity and utterances, answers after a delay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from engine.asr.whisper import ShortContextWhisper
from engine.asr.window import Hypothesis, Kind, Pressure, Window
from engine.events import TranscriptFinal, TranscriptPartial, Wire
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Pcm, Ring, Source, ms_of
from engine.utterance import Utterances
from engine.vad import VoiceActivity

TRACK = "trainee"

TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age "
    "of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the "
    "season of Light, it was the season of Darkness, it was the spring of hope, it was the winter "
    "of despair, we had everything before us, we had nothing before us, we were all going direct "
    "to Heaven, we were all going direct the other way. In short, the period was so far like the "
    "present period, that some of its noisiest authorities insisted on its being received, for "
    "good or for evil, in the superlative degree of comparison only."
)


def frames_of(pcm: Pcm, start_sample: int = 0, source: Source = Source.RECEIVED) -> Iterator[Frame]:
    """Whole frames of `pcm`, the first at `start_sample`."""
    for at in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        yield Frame(TRACK, start_sample + at, pcm[at : at + FRAME_SAMPLES], source)


def silence(seconds: float) -> Pcm:
    return np.zeros(int(seconds * SAMPLE_RATE), np.int16)


def whisper_answers(model: ShortContextWhisper) -> Callable[[Window], Hypothesis]:
    """Answers of a real model, one window at a time."""

    def answer(window: Window) -> Hypothesis:
        decoded = model.decode([window.pcm], [window.wants_times])[0]
        return Hypothesis(window, decoded.words, decoded.average_log_probability)

    return answer


@dataclass(slots=True)
class Delayed:
    """Decodes one window at a time, the most urgent first, each in `delay_ms` of audio time.

    As the scheduler does, it lets a newer window of an utterance supersede one that waits, unless
    that is final. An `answer` of None is never delivered.
    """

    answer: Callable[[Window], Hypothesis | None]
    delay_ms: int = 200
    step_s: float = 0.5
    pressure: Pressure = Pressure.NONE
    now_ms: int = 0
    asked: list[Window] = field(default_factory=list)
    _waiting: dict[int, tuple[Window, Callable[[Hypothesis], None]]] = field(default_factory=dict)
    _busy: tuple[int, Window, Callable[[Hypothesis], None]] | None = None

    def admit(self, session: str, language: str) -> None:
        """Has room for everybody."""

    def submit(self, window: Window, done: Callable[[Hypothesis], None]) -> None:
        self.asked.append(window)
        before = self._waiting.get(window.utterance)
        if before is None or before[0].kind is not Kind.FINAL:
            self._waiting[window.utterance] = window, done
        self._begin(self.now_ms)

    def forget(self, session: str) -> None:
        self._waiting.clear()

    def advance(self, now_ms: int) -> None:
        """Deliver what is decoded by `now_ms` of session time."""
        while self._busy is not None and self._busy[0] <= now_ms:
            (self.now_ms, window, done), self._busy = self._busy, None
            hypothesis = self.answer(window)
            if hypothesis is not None:
                done(hypothesis)
            self._begin(self.now_ms)
        self.now_ms = now_ms

    def finish(self) -> None:
        """Decode all that waits, however long it takes."""
        while self._busy is not None:
            self.advance(self._busy[0])

    def kinds(self) -> list[Kind]:
        return [window.kind for window in self.asked]

    def _begin(self, now_ms: int) -> None:
        if self._busy is None and self._waiting:
            number = min(self._waiting, key=lambda n: self._waiting[n][0].kind)
            self._busy = now_ms + self.delay_ms, *self._waiting.pop(number)


class Line:
    """A ring, voice activity and utterances, fed with frames; `events` holds (t_ms, data)."""

    def __init__(
        self, recognizer: Delayed, voice: VoiceActivity | None = None, ring_s: float = 30.0
    ) -> None:
        self.recognizer = recognizer
        self.voice = voice or VoiceActivity()
        self.ring = Ring(ring_s)
        self.events: list[tuple[int, Wire]] = []
        self.utterances = Utterances(
            "s", TRACK, self.ring.read, self._ask, self._emit, lambda: self.recognizer.step_s
        )

    def push(self, frames: Iterator[Frame]) -> None:
        for frame in frames:
            self.ring.push(frame)
            edge = self.voice.push(frame)
            self.utterances.push(self.voice, edge)
            self.recognizer.advance(frame.end_ms)

    @property
    def finals(self) -> list[TranscriptFinal]:
        return [data for _, data in self.events if isinstance(data, TranscriptFinal)]

    @property
    def partials(self) -> list[TranscriptPartial]:
        return [data for _, data in self.events if isinstance(data, TranscriptPartial)]

    @property
    def text(self) -> str:
        return " ".join(word[0] for final in self.finals for word in final.words)

    def _ask(self, window: Window) -> None:
        self.recognizer.submit(window, self.utterances.apply)

    def _emit(self, data: Wire) -> None:
        self.events.append((ms_of(self.ring.end_sample), data))
