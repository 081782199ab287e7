"""A listener who speaks: to the trainee alone (whisper), or to all (barge)."""

from __future__ import annotations

from engine.clock import Anchor
from engine.events import Mode
from engine.frames import Frame
from engine.session import Session
from signaling.recorder import Recorder
from signaling.rtp import ReceiveSettings
from signaling.voice import Others, Voice


class Coach(Voice):
    """A seat from which one listener speaks. `owner` is the person who has, or had, it.

    What a monitor sends is dropped as it comes. A whisper is neither recorded nor analysed; it
    leaves no trace but who whispered, and when.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        others: Others,
        recorder: Recorder | None,
        receive: ReceiveSettings,
        owner: str,
    ) -> None:
        super().__init__(name, session, self, recorder, receive)
        self.owner = owner
        self.mode: Mode = "monitor"
        self._others = others

    def switch(self, mode: Mode) -> None:
        """From the next packet on the coach is heard by those whom `mode` means."""
        before, self.mode = self.mode, mode
        if before == mode:
            return
        self.receiver.close()
        if before == "monitor":
            self.receiver.rejoin()
        else:
            self._others.forget(self.name)
        if before == "barge":
            track = self._session.tracks.get(self.name)
            if track is not None:
                # It ends what was being said.
                self._session.skip(self.name, track.end_sample)

    def push(self, ssrc: int, sequence: int, timestamp: int, payload: bytes) -> None:
        """One RTP packet of the listener's microphone."""
        if self.mode != "monitor" and self._session.state == "active":
            self.receiver.push(ssrc, sequence, timestamp, payload)

    def tick(self, now_s: float) -> None:
        if self.mode == "barge" and self._session.state == "active":
            super().tick(now_s)

    # signaling.rtp.Sink

    def frames(self, frames: list[Frame]) -> None:
        if self.mode == "barge":
            self._analyse(frames)
        self._others.heard(self.name, frames)

    def packet(self, start_rtp: int, payload: bytes) -> None:
        if self.mode == "whisper":
            self._others.whisper(self.name, start_rtp, payload)
        elif self.mode == "barge":
            self.record(start_rtp, payload)
            self._others.forward(self.name, start_rtp, payload)

    def anchored(self, anchor: Anchor) -> None:
        if self.name in self._session.tracks:
            self._session.anchored(self.name, anchor)

    def skipped(self, to_sample: int) -> None:
        """The track follows with the next frame that it gets."""

    def _analyse(self, frames: list[Frame]) -> None:
        track = self._session.add_track(self.name)
        if track.end_sample < frames[0].start_sample:
            # What was said between was not for all.
            self._session.skip(self.name, frames[0].start_sample)
        self._session.push(frames)
