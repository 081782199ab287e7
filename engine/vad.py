"""Voice activity: a webrtcvad gate that costs microseconds, Silero behind it to confirm.

Silero runs only while the gate has been open within the last 0.3 s, on 32 ms chunks with its state
carried along. Speech starts when two chunks in a row are likely speech and ends (`Edge.END`) after
0.5 s without any. What was not received says nothing: for at most 1 s at a time such chunks are
neither speech nor silence, so a hole in the network is never taken for a pause of the speaker.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import webrtcvad

from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Source
from engine.silero import CHUNK, Chunk, Silero

PREROLL_CHUNKS = 6
GATE_HOLD_FRAMES = 15
GATE_MODE = 1
SPEECH = 0.5
NO_SPEECH = 0.35
START_CHUNKS = 2
START_PAD = SAMPLE_RATE * 500 // 1000
"""Audio handed over ahead of the first likely chunk: unstressed first words ("we were …") hardly
register, and losing them costs more than encoding half a second of silence."""
ONSET_PAD = SAMPLE_RATE * 160 // 1000
"""How far ahead of the first likely chunk speech is said to begin."""
END_PAD = SAMPLE_RATE * 100 // 1000
ENDPOINT = SAMPLE_RATE // 2
UNKNOWN_LIMIT = SAMPLE_RATE
PAUSE = SAMPLE_RATE // 5


class Edge(Enum):
    START = "start"
    END = "end"


class VoiceActivity:
    """One track's voice activity. Feed every frame in order; read the attributes after each.

    `speaking`: inside an utterance. `start_sample`: where its audio begins,
    padded by `START_PAD`; `onset_sample`: where speech is taken to begin.
    `voiced_end_sample`: end of the newest chunk that was speech. `pauses`: silent spans of at least
    `PAUSE` samples inside the utterance, as (start, end) session samples, oldest first.
    """

    def __init__(self) -> None:
        self._gate = webrtcvad.Vad(GATE_MODE)
        self._silero = Silero()
        self._pending = np.zeros(CHUNK + FRAME_SAMPLES, np.float32)
        self._filled = 0
        self._unknown = 0
        self._past = np.zeros((PREROLL_CHUNKS, CHUNK), np.float32)
        self._chunk_end = 0
        self._gate_open_frames = 0
        self._was_open = False
        self._likely = 0
        self._first_likely = 0
        self._unknown_run = 0
        self._excused = 0
        self._floor_sample = 0
        self.speaking = False
        self.start_sample = 0
        self.onset_sample = 0
        self.voiced_end_sample = 0
        self.end_sample = 0
        self.pauses: list[tuple[int, int]] = []

    @property
    def silence_samples(self) -> int:
        """Samples since the last chunk of speech, those of which nothing is known left out."""
        return self.end_sample - self.voiced_end_sample - self._excused

    def push(self, frame: Frame) -> Edge | None:
        """Take the next frame; return START or END when an utterance begins or ends with it."""
        self.end_sample = frame.end_sample
        known = frame.source.measured
        if frame.source is Source.PAUSED:
            self._gate_open_frames = 0
        elif known and self._gate.is_speech(frame.pcm.tobytes(), SAMPLE_RATE):
            self._gate_open_frames = GATE_HOLD_FRAMES
        elif self._gate_open_frames > 0 and known:
            self._gate_open_frames -= 1
        self._pending[self._filled : self._filled + FRAME_SAMPLES] = frame.pcm
        self._filled += FRAME_SAMPLES
        self._unknown += 0 if known or frame.source is Source.PAUSED else FRAME_SAMPLES
        edge = None
        if self._filled >= CHUNK:
            edge = self._take_chunk()
        if edge is None and self.speaking and self.silence_samples >= ENDPOINT:
            edge = self.stop()
        return edge

    def stop(self) -> Edge:
        """End the utterance now (end of the call, pause, or a cut)."""
        self.speaking = False
        self._likely = 0
        self._floor_sample = min(self.end_sample, self.voiced_end_sample + END_PAD)
        return Edge.END

    def skip(self, to_sample: int) -> None:
        """The time line goes on at `to_sample`; no utterance reaches back over the jump."""
        self.speaking = False
        self._filled = self._unknown = self._likely = self._gate_open_frames = 0
        self._unknown_run = self._excused = 0
        self._was_open = False
        self._past[:] = 0
        self.pauses = []
        self._chunk_end = self._floor_sample = self.end_sample = to_sample
        self.voiced_end_sample = to_sample

    def _take_chunk(self) -> Edge | None:
        chunk = self._pending[:CHUNK] / 32768.0
        self._filled -= CHUNK
        self._pending[: self._filled] = self._pending[CHUNK : CHUNK + self._filled]
        unknown = self._unknown > CHUNK // 2
        self._unknown = min(self._unknown, self._filled)
        self._chunk_end += CHUNK
        edge = None
        if not unknown:
            self._unknown_run = 0
            edge = self._judge(self._probability(chunk))
        elif self._unknown_run < UNKNOWN_LIMIT:
            self._unknown_run += CHUNK
            self._excused += CHUNK
        else:
            self._was_open = False
            edge = self._judge(0.0)
        self._past[:-1] = self._past[1:]
        self._past[-1] = chunk
        return edge

    def _probability(self, chunk: Chunk) -> float:
        is_open = self._gate_open_frames > 0 or self.speaking
        probability = 0.0
        if is_open:
            if not self._was_open:
                self._silero.reset()
                for past in self._past:
                    self._silero.push(past)
            probability = self._silero.push(chunk)
        self._was_open = is_open
        return probability

    def _judge(self, probability: float) -> Edge | None:
        if self.speaking:
            if probability >= NO_SPEECH:
                begun = self._chunk_end - CHUNK
                if begun - self.voiced_end_sample - self._excused >= PAUSE:
                    self.pauses.append((self.voiced_end_sample, begun))
                self._voiced()
            return None
        if probability < SPEECH:
            self._likely = 0
            return None
        if self._likely == 0:
            self._first_likely = self._chunk_end - CHUNK
        self._likely += 1
        if self._likely < START_CHUNKS:
            return None
        self.speaking = True
        self.pauses = []
        self.start_sample = max(self._first_likely - START_PAD, self._floor_sample, 0)
        self.onset_sample = max(self._first_likely - ONSET_PAD, self.start_sample)
        self._voiced()
        return Edge.START

    def _voiced(self) -> None:
        self.voiced_end_sample = self._chunk_end
        self._excused = 0
