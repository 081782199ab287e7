"""The words of a recording: each utterance with Whisper's full 30 s of context, by faster-whisper.

A live call's words are found in a hurry, with a context just long enough and one guess at a time.
Nobody waits for those of a recording, so they are looked for with a beam, and again, less sure of
the most likely, where what came out repeats itself or is unlikely as a whole.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel

from engine.asr.decoded import ATTENTION_LAG_MS, repeats
from engine.asr.window import Hypothesis, Kind, Pressure, SpokenWord, Window

BEAM: Final = 5
TEMPERATURES: Final = (0.0, 0.2, 0.4)
SEED: Final = 7
"""Above a temperature of zero words are drawn: the same recording is to give the same words."""
LOOK_S: Final = 1.0

Decode = Callable[[Window], Hypothesis]


class UnknownLanguage(ValueError):
    """No model knows it."""


class Transcriber:
    """One loaded model; `folder` holds it in CTranslate2's format. Not thread-safe."""

    def __init__(self, folder: Path, language: str, *, threads: int = 1) -> None:
        """Raises `UnknownLanguage`."""
        self._language = language
        self._model = WhisperModel(
            str(folder), device="cpu", compute_type="int8", cpu_threads=threads
        )
        if language not in self._model.supported_languages:
            raise UnknownLanguage(language)

    def decode(self, window: Window) -> Hypothesis:
        """The words of `window`, with times."""
        ctranslate2.set_random_seed(SEED)
        segments, _ = self._model.transcribe(
            window.pcm.astype(np.float32) / np.float32(32_768.0),
            language=self._language,
            beam_size=BEAM,
            temperature=TEMPERATURES,
            condition_on_previous_text=False,
            word_timestamps=True,
        )
        found = list(segments)
        words = [_word(word) for segment in found for word in segment.words or ()]
        tokens = sum(len(segment.tokens) for segment in found)
        score = sum(segment.avg_logprob * len(segment.tokens) for segment in found)
        return Hypothesis(
            window,
            [word for word in words if word.text],
            average_log_probability=score / tokens if tokens else 0.0,
            no_speech_probability=max((one.no_speech_prob for one in found), default=1.0),
            full_context=True,
            ran_away=repeats(" ".join(word.text for word in words)),
        )


class Unhurried:
    """A recognizer for a session that is played from a recording: it has all the time there is.

    It decodes the last words of an utterance alone. Other looks, one in `LOOK_S` of speech, are
    answered with nothing, which tells the session that its speech has been heard and that nobody
    waits for words. Answers come with `answer`, between two frames.
    """

    def __init__(self, decode: Decode) -> None:
        self.step_s = LOOK_S
        self.pressure = Pressure.NONE
        self._decode = decode
        self._waiting: deque[tuple[Window, Callable[[Hypothesis], None]]] = deque()

    def submit(self, window: Window, done: Callable[[Hypothesis], None]) -> None:
        self._waiting.append((window, done))

    def admit(self, session: str, language: str) -> None:
        """Has room for everybody."""

    def forget(self, session: str) -> None:
        self._waiting.clear()

    def answer(self) -> None:
        """Answer all that waits, and what is asked in answer to that."""
        while self._waiting:
            window, done = self._waiting.popleft()
            is_last = window.kind is Kind.FINAL
            done(self._decode(window) if is_last else Hypothesis(window, ran_away=True))


def _word(word: Any) -> SpokenWord:
    """`word` of faster-whisper's, its times as the live path's: see `ATTENTION_LAG_MS`."""
    start_ms, end_ms = (
        max(math.floor(at_s * 1000) - ATTENTION_LAG_MS, 0) for at_s in (word.start, word.end)
    )
    return SpokenWord(word.word.strip(), start_ms, end_ms, round(word.probability, 3))
