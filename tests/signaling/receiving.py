"""A receive path on virtual time, and what it delivers."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from numpy.typing import NDArray

from engine.clock import Anchor, TrackClock
from engine.frames import FRAME_SAMPLES, Frame, Source
from signaling import opus
from signaling.rtp import Receiver
from tests.signaling.packets import Rtp

STEP_S = 0.02


@dataclass(slots=True)
class Timer:
    callback: Callable[[], None] | None

    def cancel(self) -> None:
        self.callback = None


@dataclass(slots=True)
class Heard:
    """Everything a `Sink` is told, with the virtual time of each frame."""

    clock: Callable[[], float]
    got: list[Frame] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    packets: list[tuple[int, bytes]] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    skips: list[int] = field(default_factory=list)

    def frames(self, frames: list[Frame]) -> None:
        self.got += frames
        self.at_s += [self.clock()] * len(frames)

    def packet(self, start_rtp: int, payload: bytes) -> None:
        self.packets.append((start_rtp, payload))

    def anchored(self, anchor: Anchor) -> None:
        self.anchors.append(anchor)

    def skipped(self, to_sample: int) -> None:
        self.skips.append(to_sample)


class Line:
    """Delivers packets at virtual times to a `Receiver` and runs its timers."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = count()
        self.heard = Heard(lambda: self.now_s)
        self.receiver = Receiver(
            "trainee", TrackClock(), self.heard, lambda: self.now_s, self._call_later
        )

    def _call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._timers, (self.now_s + delay_s, next(self._order), timer))
        return timer

    def wait_until(self, now_s: float) -> None:
        """Let virtual time pass."""
        while self._timers and self._timers[0][0] <= now_s:
            due_s, _, timer = heapq.heappop(self._timers)
            self.now_s = max(self.now_s, due_s)
            if timer.callback is not None:
                timer.callback()
        self.now_s = max(self.now_s, now_s)

    def send(self, packet: Rtp, at_s: float | None = None) -> None:
        if at_s is not None:
            self.wait_until(at_s)
        self.receiver.push(packet.ssrc, packet.seq, packet.timestamp, packet.payload)

    def send_all(
        self, packets: Iterable[Rtp], first_s: float = 0.0, step_s: float = STEP_S
    ) -> None:
        """One packet every `step_s`, then time enough for whatever is still held."""
        for index, packet in enumerate(packets):
            self.send(packet, first_s + index * step_s)
        self.wait_until(self.now_s + 1.0)

    def send_numbered(self, packets: Iterable[Rtp], origin: Rtp, step_s: float = STEP_S) -> None:
        """Each packet at the time its number asks for: losses leave holes in time."""
        for packet in packets:
            index = (packet.seq - origin.seq) & 0xFFFF
            self.send(packet, index * step_s)
        self.wait_until(self.now_s + 1.0)

    @property
    def sources(self) -> list[Source]:
        return [frame.source for frame in self.heard.got]

    @property
    def pcm(self) -> NDArray[np.int16]:
        return np.concatenate([frame.pcm for frame in self.heard.got])


def decoded(payloads: list[bytes]) -> NDArray[np.int16]:
    """What one decoder makes of `payloads` in order: int16, 16 kHz."""
    decoder = opus.Decoder()
    return np.concatenate([decoder.decode(payload) for payload in payloads])


def assert_contiguous(frames: list[Frame], start_sample: int = 0) -> None:
    """Frames lie on the 20 ms grid without a hole or an overlap."""
    starts = [frame.start_sample for frame in frames]
    expected = [start_sample + index * FRAME_SAMPLES for index in range(len(frames))]
    assert starts == expected
    assert all(frame.pcm.shape == (FRAME_SAMPLES,) for frame in frames)
    assert all(frame.pcm.dtype == np.int16 for frame in frames)
