"""OpenAI's transcription API on the wire: what is sent for a window, what words an answer holds.

`POST {base}/audio/transcriptions`, multipart, `response_format=verbose_json`. Many servers speak
it, each a little differently: word times, segments and their probabilities may be missing.
"""

from __future__ import annotations

import io
import math
import wave
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from engine.asr.window import Hypothesis, SpokenWord, Window
from engine.frames import SAMPLE_RATE, Pcm, ms_of

MAX_WORDS = 1_000
MAX_CHARACTERS = 10_000
"""28 s of speech hold some 150 words."""

Seconds = Annotated[float, Field(ge=-60, le=3_600)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]


class _Word(BaseModel):
    word: Text
    start: Seconds
    end: Seconds
    probability: Number | None = None


class _Segment(BaseModel):
    text: Text
    start: Seconds
    end: Seconds
    avg_logprob: Number | None = None
    no_speech_prob: Number | None = None
    words: Annotated[list[_Word], Field(max_length=MAX_WORDS)] | None = None


class Answer(BaseModel):
    """What is read of an answer (`verbose_json`, or `json`, which is its text alone)."""

    text: Text
    words: Annotated[list[_Word], Field(max_length=MAX_WORDS)] | None = None
    segments: Annotated[list[_Segment], Field(max_length=MAX_WORDS)] | None = None


def form(window: Window, model: str) -> dict[str, str | list[str]]:
    """The fields beside the file.

    Segments carry the probabilities, so they are always asked for. Word times are only where they
    are wanted: most servers have to align for them.
    """
    granularities = ["segment", "word"] if window.wants_times else ["segment"]
    return {
        "model": model,
        "language": window.language,
        "response_format": "verbose_json",
        "temperature": "0",
        "timestamp_granularities[]": granularities,
    }


def wav(pcm: Pcm) -> bytes:
    """int16 samples at 16 kHz as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(pcm.astype("<i2", copy=False).tobytes())
    return file.getvalue()


def hypothesis(window: Window, body: bytes) -> Hypothesis:
    """The answer in `body` to `window`. Raises `ValueError` (pydantic's) for anything else.

    Words without times are spread over what was voiced, in proportion to their length. A word
    without a probability has that of its average token.
    """
    answer = Answer.model_validate_json(body)
    segments = answer.segments or []
    score = min(0.0, _average([(s, s.avg_logprob) for s in segments]))
    silent = _share(_average([(s, s.no_speech_prob) for s in segments]))
    words = _Words(window, math.exp(score))
    timed = answer.words or [word for s in segments for word in s.words or []]
    if not window.wants_times:
        for text in answer.text.split():
            words.add(text, 0.0, 0.0)
    elif timed:
        for text, word in zip(_written(answer.text, timed), timed, strict=True):
            words.add(text, word.start, word.end, word.probability)
    elif segments:
        for segment in segments:
            words.spread(segment.text, segment.start, segment.end)
    else:
        voiced = window.voiced_end_sample - window.start_sample
        words.spread(answer.text, 0.0, voiced / SAMPLE_RATE)
    return Hypothesis(window, words.spoken, score, silent)


class _Words:
    """Words in order: printable, and within the window, none before the one ahead of it."""

    def __init__(self, window: Window, probability: float) -> None:
        self.spoken: list[SpokenWord] = []
        self._length_ms = ms_of(len(window.pcm))
        self._probability = probability

    def add(
        self, text: str, start_s: float, end_s: float, probability: float | None = None
    ) -> None:
        text = "".join(c for c in text.strip() if c.isprintable())
        if not text:
            return
        before_ms = self.spoken[-1].start_ms if self.spoken else 0
        start_ms = max(before_ms, self._ms(start_s))
        end_ms = max(start_ms, self._ms(end_s))
        certain = self._probability if probability is None else _share(probability)
        self.spoken.append(SpokenWord(text, start_ms, end_ms, round(certain, 3)))

    def spread(self, text: str, start_s: float, end_s: float) -> None:
        # Whisper's own segments may end behind the audio.
        start_s, end_s = self._ms(start_s) / 1000, self._ms(end_s) / 1000
        texts = text.split()
        per_letter_s = (end_s - start_s) / max(1, sum(map(len, texts)))
        for each in texts:
            self.add(each, start_s, start_s + per_letter_s * len(each))
            start_s += per_letter_s * len(each)

    def _ms(self, seconds: float) -> int:
        return round(min(max(0.0, seconds * 1000), self._length_ms))


def _written(text: str, words: list[_Word]) -> list[str]:
    """The words as the text writes them: OpenAI's own server times them without punctuation."""
    spoken, written = [word.word for word in words], text.split()
    return written if list(map(_letters, written)) == list(map(_letters, spoken)) else spoken


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _share(value: float) -> float:
    return min(max(0.0, value), 1.0)


def _average(values: list[tuple[_Segment, float | None]]) -> float:
    """The mean over segments, each weighted by its length; 0 where none has a value."""
    total = weights = 0.0
    for segment, value in values:
        if value is not None:
            weight = max(segment.end - segment.start, 0.01)
            total, weights = total + weight * max(min(value, 1.0), -100.0), weights + weight
    return total / weights if weights else 0.0
