"""What voice activity decided, as the journal keeps it.

One record a run of alike chunks (speech, quiet, unknown) inside an utterance, and one where voice
activity begins or ends it: some four a second of speech. `TracedVoice` decides again as they say,
without audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from engine.frames import Frame
from engine.silero import CHUNK
from engine.vad import Edge, VoiceActivity

Run = Literal["start", "speech", "quiet", "unknown", "end"]


class VoiceTrace:
    """Watches one track's voice activity: call `push` behind each of its frames."""

    def __init__(self) -> None:
        self._chunk_end = 0
        self._run: Run = "quiet"
        self._voiced_end = 0
        self._quiet_from = 0
        self._pauses = 0

    def push(self, vad: VoiceActivity, edge: Edge | None) -> dict[str, Any] | None:
        """The record to write behind this frame, if there is one: `run` and what belongs to it.

        A ``start`` has the `start` and `onset` samples, a ``speech`` the `pause` (start, end) that
        it ended where voice activity took it for one.
        """
        is_chunk = vad.end_sample - self._chunk_end >= CHUNK
        if is_chunk:
            self._chunk_end += CHUNK
        if edge is Edge.END:
            return {"run": "end"}
        if edge is Edge.START:
            self._look(vad)
            self._run = "speech"
            return {"run": "start", "start": vad.start_sample, "onset": vad.onset_sample}
        if not is_chunk or not vad.speaking:
            return None
        return self._judged(vad)

    def skip(self, to_sample: int) -> None:
        """As `VoiceActivity.skip`."""
        self._chunk_end = to_sample

    def _judged(self, vad: VoiceActivity) -> dict[str, Any] | None:
        run, before = self._run, (self._voiced_end, self._quiet_from, self._pauses)
        self._look(vad)
        if self._voiced_end != before[0]:
            self._run = "speech"
        elif self._quiet_from != before[1]:
            self._run = "unknown"
        else:
            self._run = "quiet"
        if self._run == run:
            return None
        if self._pauses != before[2]:
            return {"run": self._run, "pause": vad.pauses[-1]}
        return {"run": self._run}

    def _look(self, vad: VoiceActivity) -> None:
        self._voiced_end = vad.voiced_end_sample
        self._quiet_from = vad.end_sample - vad.silence_samples
        self._pauses = len(vad.pauses)


class TracedVoice(VoiceActivity):
    """Decides what `records` say, which are those of a `VoiceTrace` by the end of their frame."""

    def __init__(self, records: Mapping[int, Mapping[str, Any]]) -> None:
        super().__init__()
        self._records = records
        self._run: Run = "quiet"

    def push(self, frame: Frame) -> Edge | None:
        self.end_sample = frame.end_sample
        is_chunk = self.end_sample - self._chunk_end >= CHUNK
        if is_chunk:
            self._chunk_end += CHUNK
        record = self._records.get(self.end_sample)
        if record is not None:
            self._run = record["run"]
            if self._run == "end":
                return self.stop()
            if self._run == "start":
                self._begin(record)
                return Edge.START
            if "pause" in record:
                start, end = record["pause"]
                self.pauses.append((start, end))
        if is_chunk and self.speaking:
            if self._run == "speech":
                self._voiced()
            elif self._run == "unknown":
                self._excused += CHUNK
        return None

    def _begin(self, record: Mapping[str, Any]) -> None:
        self.speaking = True
        self.pauses = []
        self.start_sample, self.onset_sample = record["start"], record["onset"]
        self._run = "speech"
        self._voiced()
