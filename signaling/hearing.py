"""What a person hears: other people's packets as they came, each person on a stream of its own.

Nothing is decoded, mixed or encoded: a packet gets an RTP header of the hearer's own stream, is
encrypted with the hearer's keys and leaves in the callback in which it was played.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Sequence

from engine.clock import RTP_RATE
from engine.session import TRAINEE
from signaling import opus, stack

MAX_LOST_RTP = RTP_RATE // 2
"""A longer hole in session time is a pause, not a loss; it takes no sequence numbers."""

_HEADER = struct.Struct("!BBHLL")


class Numbering:
    """Numbers packets on session time as one RTP stream (RFC 3550, 5.1; RFC 7587, 4.1).

    What the speaker's network lost stays visible: for each packet that is missing a sequence
    number is left out, so that the listener's own decoder recovers or conceals it and reports it.
    What was never sent (a pause, silence under DTX) takes no number; the packet behind it has the
    marker bit (RFC 3551, 4.1).
    """

    def __init__(self) -> None:
        # In the lower half: SRTP's index must not wrap before the listener is in step with it.
        self._sequence = secrets.randbelow(0x8000)
        self._offset_rtp = secrets.randbits(32)
        self._end_rtp: int | None = None
        self._duration_rtp = 0
        self._was_dtx = False

    def push(self, start_rtp: int, payload: bytes) -> tuple[int, int, bool]:
        """(16-bit sequence number, 32-bit timestamp, marker) of the packet at `start_rtp`.

        Raises `OpusError` for a payload that is not Opus.
        """
        duration_rtp = opus.duration_rtp(payload)
        marker = True
        if self._end_rtp is not None:
            hole_rtp = start_rtp - self._end_rtp
            is_pause = hole_rtp > MAX_LOST_RTP
            marker = hole_rtp > 0 and (is_pause or self._was_dtx)
            lost = 0
            if hole_rtp > 0 and not marker:
                lost = (hole_rtp + self._duration_rtp // 2) // self._duration_rtp
            self._sequence = (self._sequence + 1 + lost) & 0xFFFF
        self._end_rtp = start_rtp + duration_rtp
        self._duration_rtp = duration_rtp
        self._was_dtx = opus.announces_silence(payload)
        return self._sequence, (start_rtp + self._offset_rtp) & 0xFFFFFFFF, marker


class _Ear:
    """One stream of a connection; `source` is the track that it carries, if any."""

    __slots__ = ("numbering", "rtp", "source")

    def __init__(self, rtp: stack.RtpSender) -> None:
        self.rtp = rtp
        self.numbering = Numbering()
        self.source: str | None = None


class Hearing:
    """The streams of one connection, as many as its offer would receive.

    The first is kept for the trainee where the hearer is not the trainee; the others go to whoever
    is heard first, until `forget`. Who finds no stream is not heard, and counts as `dropped`.
    """

    def __init__(
        self, senders: Sequence[stack.RtpSender] = (), *, of_trainee: bool = False
    ) -> None:
        self.sent = self.dropped = 0
        self._ears = [_Ear(rtp) for rtp in senders]
        self._by_source: dict[str, _Ear] = {}
        if self._ears and not of_trainee:
            self._give(TRAINEE, self._ears[0])

    @property
    def is_connected(self) -> bool:
        """Whether packets go out: the connection stands, or stood."""
        return any(ear.rtp.payload_type is not None for ear in self._ears)

    def packet(self, source: str, start_rtp: int, payload: bytes) -> None:
        """An Opus packet of the track `source` that starts at `start_rtp`: session time in 48 kHz
        ticks. Raises `OpusError` for a payload that is not Opus."""
        ear = self._by_source.get(source) or self._take(source)
        if ear is None:
            self.dropped += 1
            return
        rtp = ear.rtp
        if rtp.payload_type is None:
            return
        sequence, timestamp, marker = ear.numbering.push(start_rtp, payload)
        kind = rtp.payload_type | (marker << 7)
        header = _HEADER.pack(0x80, kind, sequence, timestamp, rtp.ssrc)
        if rtp.send(header + payload):
            self.sent += 1
        else:
            self.dropped += 1

    def forget(self, source: str) -> None:
        """`source` is not heard any more: its stream may carry somebody else."""
        if source != TRAINEE:
            ear = self._by_source.pop(source, None)
            if ear is not None:
                ear.source = None

    def _take(self, source: str) -> _Ear | None:
        free = next((ear for ear in self._ears if ear.source is None), None)
        return None if free is None else self._give(source, free)

    def _give(self, source: str, ear: _Ear) -> _Ear:
        ear.source = source
        self._by_source[source] = ear
        return ear
