"""What the product's recognizer makes of audio that is there already: words, no latency.

Voice activity, utterances and Whisper are the engine's own; the answers come as soon as they are
asked for. Windows that only shape the partial words of a short utterance are left out: they cost
most of the time and change no final word.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path

from engine.asr.weights import options
from engine.asr.whisper import ShortContextWhisper
from engine.asr.window import Hypothesis, Kind, Window
from engine.events import TranscriptFinal, Wire
from engine.frames import SAMPLE_RATE, Frame, Ring
from engine.models import DEFAULT, ensure
from engine.track import RING_S
from engine.utterance import Utterances
from engine.vad import VoiceActivity

AGREED_FROM = 10 * SAMPLE_RATE
"""Of an utterance this long every window is decoded: where two agree decides where it is cut."""


STEP_S = 0.5


class Recognition:
    """One loaded model; `text` may be called for call after call. `decoded` counts its windows."""

    def __init__(self, folder: Path | None = None) -> None:
        self.decoded = 0
        self._model = ShortContextWhisper(folder or ensure(), **options(DEFAULT))

    def text(self, frames: Iterable[Frame]) -> str:
        """The final words of a call's `frames`, which follow one another without a hole."""
        ring, voice = Ring(RING_S), VoiceActivity()
        finals: dict[int, str] = {}
        asked: deque[Window] = deque()

        def emit(data: Wire) -> None:
            if isinstance(data, TranscriptFinal):
                finals[data.utterance] = " ".join(word[0] for word in data.words)

        utterances = Utterances("bench", "bench", ring.read, asked.append, emit, lambda: STEP_S)

        def answer() -> None:
            while asked:
                window = asked.popleft()
                is_long = window.end_sample - window.start_sample >= AGREED_FROM
                if is_long or window.kind in (Kind.FINAL, Kind.SPECULATIVE):
                    utterances.apply(self._decoded(window))

        for frame in frames:
            ring.push(frame)
            utterances.push(voice, voice.push(frame))
            answer()
        utterances.flush(voice)
        answer()
        return " ".join(finals[number] for number in sorted(finals))

    def _decoded(self, window: Window) -> Hypothesis:
        self.decoded += 1
        (decoded,) = self._model.decode([window.pcm], [window.wants_times])
        return Hypothesis(
            window,
            decoded.words,
            decoded.average_log_probability,
            decoded.no_speech_probability,
            decoded.full_context,
        )
