"""The receive path of one track: RTP packets in any order -> frames on session time.

A packet that arrives in order is decoded at once, so a clean network adds no delay. Behind a hole
packets wait as long as the measured jitter makes it likely that the missing one still comes, at
most `hold_limit_s`; then the hole is filled from the copy inside the next packet (in-band FEC), by
concealment for at most `MAX_CONCEAL_RTP`, faded out where it ends in nothing, and by `absent`
frames beyond that. Time that the sender left out itself (nothing is missing) is `absent`; after a
packet that announces discontinuous transmission it is the decoder's comfort noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engine.clock import RTP_RATE, Anchor, RtpTime, TrackClock
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Framer, Pcm, Source
from signaling import opus
from signaling.bucket import Bucket
from signaling.jitter import Jitter

HOLD_LIMIT_S = 0.06
MAX_CONCEAL_RTP = RTP_RATE // 10
SKIP_SAMPLES = 2 * SAMPLE_RATE
"""A gap longer than this is skipped, not filled with absent frames: filling it would take long."""
ADVANCE_SAMPLES = SAMPLE_RATE // 2
"""Absent time caught up with in one call, so that none takes long."""
MAX_HELD = 64
"""Packets kept behind a hole; one more and the hole is given up at once."""
MAX_STEP = 3000
"""A forward sequence jump beyond this (a minute of 20 ms packets) is a new stream."""
CONCEAL_SAMPLES = SAMPLE_RATE // 50
"""What is played for a packet that libopus refuses."""
FADE_SAMPLES = SAMPLE_RATE // 50
"""Concealment that ends in nothing goes out over this."""
DTX_LIMIT_S = 1.0
"""Comfort noise beyond the newest packet; a sender that is silent refreshes it every 0.4 s."""
DTX_MARGIN_S = 0.06
"""How far comfort noise stays behind the present, for packets that are on their way."""
SWITCH_EVERY_S = 0.5
"""A stream (SSRC) lasts at least this long: late packets of the one before do not bring it back."""
MEDIA_RATE = 1.25
"""Seconds of audio that a peer may send per second for long, and `MEDIA_BURST_S` at once: after a
stall everything comes together, but nobody speaks faster than time passes."""
MEDIA_BURST_S = 12.0
_RTP_PER_SAMPLE = RTP_RATE // SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class ReceiveSettings:
    """`hold_limit_s` is the longest that a packet waits for a missing one; `stock` leaves receiving
    to aiortc."""

    hold_limit_s: float = HOLD_LIMIT_S
    stock: bool = False


class Timer(Protocol):
    def cancel(self) -> None: ...


class Sink(Protocol):
    """Where the receive path delivers; called on the media loop, must not wait."""

    def frames(self, frames: list[Frame]) -> None: ...

    def packet(self, start_rtp: int, payload: bytes) -> None:
        """An untouched Opus packet that starts at `start_rtp`: session time in 48 kHz ticks."""

    def anchored(self, anchor: Anchor) -> None: ...

    def skipped(self, to_sample: int) -> None:
        """The time line jumps ahead to `to_sample`: nobody was there, and no frames fill it."""


@dataclass(slots=True)
class Counts:
    """Packets since the track began; `fec_ms`, `plc_ms`, `absent_ms`, `played_ms` are media time.

    `excess` came faster than time passes, `ignored` while nobody listened or from a stream that
    another has replaced.
    """

    received: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    malformed: int = 0
    ignored: int = 0
    excess: int = 0
    payload_bytes: int = 0
    fec_ms: int = 0
    plc_ms: int = 0
    absent_ms: int = 0
    played_ms: int = 0


class Receiver:
    """Reorders, recovers and decodes one track's packets.

    `now_s()` is seconds since the session began; `call_later(delay_s, callback)` schedules on the
    media loop (both handed in, so that tests run on virtual time). `hold_limit_s` is the longest
    that a packet waits for a missing one.
    """

    def __init__(
        self,
        track: str,
        clock: TrackClock,
        sink: Sink,
        now_s: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], Timer],
        start_sample: int = 0,
        hold_limit_s: float = HOLD_LIMIT_S,
    ) -> None:
        self.counts = Counts()
        self._jitter = Jitter(hold_limit_s)
        self._media = Bucket(MEDIA_RATE, MEDIA_BURST_S)
        self.last_arrival_s = now_s()
        self._framer = Framer(track)
        self._framer.skip(start_sample)
        self._clock = clock
        self._sink = sink
        self._now_s = now_s
        self._call_later = call_later
        self._paused = False
        self._ssrc: int | None = None
        self._switched_s = float("-inf")
        self._timer: Timer | None = None
        self._restart()

    def _restart(self) -> None:
        self._decoder = opus.Decoder()
        self._time = RtpTime()
        self._held: dict[int, tuple[int, bytes, float]] = {}
        self._next_seq: int | None = None
        self._next_rtp: int | None = None
        self._packet_rtp = RTP_RATE // 50
        self._in_dtx = False
        self._jitter.reset()

    @property
    def end_sample(self) -> int:
        """Session sample at which the delivered time line ends."""
        return self._framer.end_sample

    @property
    def lag_s(self) -> float:
        return self._clock.lag_s()

    @property
    def jitter_s(self) -> float:
        """Interarrival jitter (RFC 3550, 6.4.1)."""
        return self._jitter.jitter_s

    @property
    def hold_s(self) -> float:
        """How long a packet would wait now for a missing one before it."""
        return self._jitter.hold_s(self._packet_rtp)

    def pause(self) -> None:
        """Stop listening: packets are ignored until `resume`, session time runs on (`advance`)."""
        self._release_all()
        self._paused = True

    def resume(self) -> None:
        """Listen again; the next packet lays an anchor, and what was not heard was not lost."""
        self.advance()
        self._paused = False
        self._next_seq = None
        self.last_arrival_s = self._now_s()
        self._clock.expect("resume")

    def reanchor(self) -> None:
        """Lay an anchor at the next packet: the client announced another device."""
        self._clock.expect("device")

    def rejoin(self) -> None:
        """Packets were kept away from here for a while: none of them was lost, and the next one
        lays an anchor. Nothing fills the time between but what `skipped` tells."""
        self._release_all()
        self._next_seq = None
        self._clock.expect("resume")

    def advance(self) -> None:
        """Bring the time line up to now while no packet can: `paused` or `absent` frames."""
        to_sample = int(self._now_s() * SAMPLE_RATE)
        source = Source.PAUSED
        if not self._paused:
            self._release_all()
            self._clock.expect("lag")
            source = Source.ABSENT
            to_sample = min(to_sample, self.end_sample + ADVANCE_SAMPLES)
        frames = self._framer.fill(to_sample, source)
        if frames:
            self._sink.frames(frames)

    def close(self) -> None:
        """Deliver what is held and stop the timer."""
        self._release_all()

    def idle(self) -> None:
        """Call ten times a second: comfort noise for a sender that has announced its silence."""
        if not self._in_dtx or self._paused or self._held or self._next_rtp is None:
            return
        silent_s = self._now_s() - self.last_arrival_s
        if silent_s > DTX_LIMIT_S or self._clock.anchor is None:
            return
        anchor = self._clock.anchor
        behind = self._now_s() - self.lag_s - DTX_MARGIN_S
        end_sample = anchor.sample + (self._next_rtp - anchor.rtp) // _RTP_PER_SAMPLE
        samples = min(int(behind * SAMPLE_RATE) - end_sample, SAMPLE_RATE // 10) // 40 * 40
        if samples > 0:
            frames = self._framer.push(end_sample, self._decoder.conceal(samples), Source.RECEIVED)
            self._next_rtp += samples * _RTP_PER_SAMPLE
            if frames:
                self._sink.frames(frames)

    def push(self, ssrc: int, seq: int, timestamp: int, payload: bytes) -> None:
        """Take one RTP packet: 16-bit `seq`, 32-bit `timestamp`, the Opus `payload`."""
        now_s = self._now_s()
        self.last_arrival_s = now_s
        counts = self.counts
        if self._paused:
            counts.ignored += 1
            return
        try:
            duration = opus.duration_rtp(payload)
        except opus.OpusError:
            counts.malformed += 1
            return
        if not self._media.take(now_s, duration / RTP_RATE):
            counts.excess += 1
            return
        if ssrc != self._ssrc and not self._switch(ssrc, now_s):
            counts.ignored += 1
            return
        self._jitter.push(timestamp, now_s)
        self._packet_rtp = duration
        if self._next_seq is None:
            self._next_seq = seq
        ahead = (seq - self._next_seq) & 0xFFFF
        if ahead >= 0x8000:
            counts.late += 1
            return
        if ahead > MAX_STEP:
            self._release_all()
            self._next_seq, self._next_rtp = seq, None
        if seq in self._held:
            counts.duplicate += 1
            return
        counts.received += 1
        counts.payload_bytes += len(payload)
        counts.played_ms += duration * 1000 // RTP_RATE
        if ahead == 0 and not self._held:
            self._next_seq = (seq + 1) & 0xFFFF
            self._play(timestamp, payload, now_s, 0)
            return
        self._held[seq] = (timestamp, payload, now_s)
        self._drain(now_s)

    def _switch(self, ssrc: int, now_s: float) -> bool:
        """Follow another stream, unless the one before has only just begun."""
        if now_s - self._switched_s < SWITCH_EVERY_S:
            return False
        if self._ssrc is not None:
            self._release_all()
            self._restart()
            self._clock.expect("ssrc")
        self._ssrc = ssrc
        self._switched_s = now_s
        return True

    def _drain(self, now_s: float) -> None:
        assert self._next_seq is not None
        while self._held:
            entry = self._held.pop(self._next_seq, None)
            if entry is None:
                oldest_s = min(arrival for _, _, arrival in self._held.values())
                wait_s = oldest_s + self.hold_s - now_s
                if wait_s > 1e-4 and len(self._held) < MAX_HELD:
                    self._wake_in(wait_s)
                    return
                nearest = min(self._held, key=lambda q: (q - self._next_seq) & 0xFFFF)  # type: ignore[operator]
                lost = (nearest - self._next_seq) & 0xFFFF
                self.counts.lost += lost
                entry = self._held.pop(nearest)
                self._next_seq = nearest
            else:
                lost = 0
            self._next_seq = (self._next_seq + 1) & 0xFFFF
            self._play(entry[0], entry[1], now_s, lost)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake_in(self, wait_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._call_later(wait_s, self._hold_expired)

    def _hold_expired(self) -> None:
        self._timer = None
        self._drain(self._now_s())

    def _release_all(self) -> None:
        if self._held:
            self._drain(float("inf"))

    def _play(self, timestamp: int, payload: bytes, now_s: float, lost: int) -> None:
        rtp = self._time.unwrap(timestamp)
        now_s = min(now_s, self._now_s())
        start, anchor = self._clock.place(rtp, now_s, self._framer.end_sample)
        if anchor is not None:
            self._sink.anchored(anchor)
            self._next_rtp = None
        if start - self._framer.end_sample > SKIP_SAMPLES:
            to_sample = start // FRAME_SAMPLES * FRAME_SAMPLES
            self._framer.skip(to_sample)
            self._sink.skipped(to_sample)
            self._next_rtp = None
        frames: list[Frame] = []
        if self._next_rtp is not None and rtp > self._next_rtp:
            self._fill_gap(rtp - self._next_rtp, start, payload, lost, frames)
        try:
            pcm = self._decoder.decode(payload)
        except opus.OpusError:
            self.counts.malformed += 1
            pcm = self._decoder.conceal(CONCEAL_SAMPLES)
            frames += self._framer.push(start, pcm, Source.PLC)
        else:
            frames += self._framer.push(start, pcm, Source.RECEIVED)
            self._sink.packet(start * _RTP_PER_SAMPLE, payload)
        self._in_dtx = opus.announces_silence(payload)
        self._next_rtp = rtp + len(pcm) * _RTP_PER_SAMPLE
        if frames:
            self._sink.frames(frames)

    def _fill_gap(
        self, gap_rtp: int, start: int, payload: bytes, lost: int, frames: list[Frame]
    ) -> None:
        """Fill the `gap_rtp` ticks that end at session sample `start`."""
        if lost == 0:
            if self._in_dtx:
                self._fill_with_comfort_noise(gap_rtp, start, frames)
            else:
                self.counts.absent_ms += gap_rtp * 1000 // RTP_RATE
            return
        at = start - gap_rtp // _RTP_PER_SAMPLE
        fec_rtp = min(gap_rtp, opus.frame_rtp(payload)) if opus.holds_fec(payload) else 0
        conceal_rtp = min(gap_rtp - fec_rtp, MAX_CONCEAL_RTP)
        samples = _decodable(conceal_rtp)
        if samples > 0:
            pcm = self._decoder.conceal(samples)
            if gap_rtp - fec_rtp > conceal_rtp:
                _fade_out(pcm)
                self.counts.absent_ms += (gap_rtp - fec_rtp - conceal_rtp) * 1000 // RTP_RATE
            frames += self._framer.push(at, pcm, Source.PLC)
            self.counts.plc_ms += samples * 1000 // SAMPLE_RATE
        samples = _decodable(fec_rtp)
        if samples > 0:
            pcm = self._decoder.recover(payload, samples)
            frames += self._framer.push(start - samples, pcm, Source.FEC)
            self.counts.fec_ms += samples * 1000 // SAMPLE_RATE

    def _fill_with_comfort_noise(self, gap_rtp: int, start: int, frames: list[Frame]) -> None:
        """The silence that the sender announced: its own, so it counts as received."""
        gap_rtp = min(gap_rtp, int(DTX_LIMIT_S * RTP_RATE))
        at = start - gap_rtp // _RTP_PER_SAMPLE
        while at < start:
            samples = _decodable(min((start - at) * _RTP_PER_SAMPLE, MAX_CONCEAL_RTP))
            if samples == 0:
                return
            frames += self._framer.push(at, self._decoder.conceal(samples), Source.RECEIVED)
            at += samples


def _decodable(rtp: int) -> int:
    """How many of `rtp` ticks libopus can make, in 16 kHz samples: whole steps of 2.5 ms."""
    return rtp // _RTP_PER_SAMPLE // 40 * 40


def _fade_out(pcm: Pcm) -> None:
    count = min(FADE_SAMPLES, len(pcm))
    ramp = np.linspace(1, 0, count, dtype=np.float32)
    pcm[-count:] = (pcm[-count:] * ramp).astype(np.int16)
