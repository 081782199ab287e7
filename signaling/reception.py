"""What a receiver report says of one incoming stream (RFC 3550, 6.4.1 and appendix A).

A sender turns its in-band FEC on by these figures, so they must be right over wraps, jumps and
reordering.
"""

from __future__ import annotations

from engine.clock import RTP_RATE, rtp_step

MAX_DROPOUT = 3_000
"""A forward jump beyond this is a restarted sender, once a second packet confirms it (A.1)."""
MAX_MISORDER = 100
_LOST_MAX = 0x7FFFFF


class Reception:
    """Counts one SSRC's packets; starts with the first one's 16-bit sequence number.

    The properties bear the names that aiortc's report writer reads. `max_seq` is the *extended*
    highest sequence number, as the report's field is.
    """

    __slots__ = (
        "_arrival",
        "_bad",
        "_base",
        "_cycles",
        "_expected_before",
        "_jitter_q4",
        "_max",
        "_received_before",
        "_timestamp",
        "packets_received",
    )

    def __init__(self, sequence: int) -> None:
        self._arrival: int | None = None
        self._timestamp = 0
        self._jitter_q4 = 0
        self._begin(sequence)

    def _begin(self, sequence: int) -> None:
        self._base = self._max = sequence
        self._cycles = 0
        self._bad: int | None = None
        self._expected_before = self._received_before = 0
        self.packets_received = 0

    def push(self, sequence: int, timestamp: int, arrival_s: float) -> None:
        """Take a packet: 16-bit `sequence`, 32-bit 48 kHz `timestamp`, monotonic `arrival_s`."""
        ahead = (sequence - self._max) & 0xFFFF
        if ahead < MAX_DROPOUT:
            if sequence < self._max:
                self._cycles += 0x10000
            self._max = sequence
            self._bad = None
            self._measure_jitter(timestamp, int(arrival_s * RTP_RATE))
        elif ahead <= 0x10000 - MAX_MISORDER:
            if sequence != self._bad:
                self._bad = (sequence + 1) & 0xFFFF
                return
            self._begin(sequence)
            self._arrival = None
        self.packets_received += 1

    def _measure_jitter(self, timestamp: int, arrival: int) -> None:
        # A.8, in sixteenths; the difference of timestamps is taken modulo 2^32.
        if self._arrival is not None and timestamp != self._timestamp:
            step = rtp_step(self._timestamp, timestamp)
            late = abs(arrival - self._arrival - step)
            self._jitter_q4 += late - (self._jitter_q4 + 8 >> 4)
        self._arrival, self._timestamp = arrival, timestamp

    @property
    def max_seq(self) -> int:
        return self._cycles + self._max

    @property
    def packets_expected(self) -> int:
        return self.max_seq - self._base + 1

    @property
    def packets_lost(self) -> int:
        """Cumulative, as the report's signed 24 bits hold it; duplicates make it negative."""
        lost = self.packets_expected - self.packets_received
        return max(-_LOST_MAX - 1, min(lost, _LOST_MAX))

    @property
    def fraction_lost(self) -> int:
        """Loss since this was last read, in 1/256 (A.3). Reading it begins a new interval."""
        expected = self.packets_expected - self._expected_before
        received = self.packets_received - self._received_before
        self._expected_before = self.packets_expected
        self._received_before = self.packets_received
        lost = expected - received
        return 0 if expected <= 0 or lost <= 0 else min(255, (lost << 8) // expected)

    @property
    def jitter(self) -> int:
        """Interarrival jitter in 48 kHz ticks."""
        return self._jitter_q4 >> 4
