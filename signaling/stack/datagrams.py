"""Where datagrams come in: the demultiplexer below aioice's STUN parser, and its limits."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aioice.ice
import pylibsrtp
import structlog

from signaling.bucket import Bucket
from signaling.faults import Faults
from signaling.packet import parse
from signaling.reception import Reception

log = structlog.get_logger(__name__)

MAX_STREAMS = 16
"""SSRCs of one receiver that are reported on; more would overflow an RTCP receiver report."""

OnPacket = Callable[[int, int, int, bytes], None]
"""(ssrc, sequence number, RTP timestamp, payload)"""

MAX_DATAGRAM_BYTES = 1_500
MAX_QUEUED = 256
"""Datagrams of one connection (DTLS, RTCP, RTP before its keys) that wait for aiortc's own task;
aioice's queue has no bound. What comes on top is dropped, as a full socket would drop it."""
PACKETS_PER_S = 600
"""What one peer may send for long; 2.5 ms packets, Opus's shortest, make 400."""
PACKETS_AT_ONCE = 1_000
"""What one peer may send at once: 20 s of 20 ms packets that a stalled network held back."""

STUN_REFUSALS = (
    ValueError,
    LookupError,
    struct.error,
    AssertionError,
    asyncio.InvalidStateError,
)
"""What aioice raises on its way through a STUN message that is malformed or out of turn."""

CHECKS_PER_S, CHECKS_AT_ONCE = 200, 400
"""STUN messages that one connection answers: each costs two HMACs."""
RECORDS_PER_S, RECORDS_AT_ONCE = 500, 1_000
"""DTLS records and RTCP packets of one connection; a client that is well sends some 50."""

GATE = "_forecourt_gate"

_datagram_received: Any = aioice.ice.StunProtocol.datagram_received


def demultiplex(protocol: Any, data: bytes, address: tuple[Any, ...]) -> None:
    """Take the place of aioice's `StunProtocol.datagram_received` (RFC 7983, 7).

    Whatever a stranger sends must neither raise here nor wait without bound.
    """
    connection = protocol.receiver
    gate: Gate | None = getattr(connection, GATE, None)
    if gate is None:
        gate = Gate()
        setattr(connection, GATE, gate)
    size = len(data)
    if size == 0 or size > MAX_DATAGRAM_BYTES:
        refused.sizes += 1
    elif data[0] < 4:
        if not gate.checks.take(time.monotonic()):
            refused.flooded += 1
            return
        try:
            _datagram_received(protocol, data, address)
        except STUN_REFUSALS as error:
            refused.stun += 1
            log.debug("stun_refused", error=repr(error))
    elif gate.tap is not None and 127 < data[0] < 192 and not is_rtcp(data):
        if gate.tap.take(data) and gate.address != address:
            _follow(connection, protocol, gate, address)
    elif not (19 < data[0] < 64 or 127 < data[0] < 192):
        refused.unknown += 1
    elif connection._queue.qsize() >= MAX_QUEUED or not gate.records.take(time.monotonic()):
        refused.queued += 1
    else:
        connection.data_received(data, protocol.local_candidate.component)


class Gate:
    """What stands before one connection: its tap, once it has keys, and its limits."""

    __slots__ = ("address", "checks", "records", "tap")

    def __init__(self) -> None:
        self.address: tuple[Any, ...] | None = None
        self.tap: Tap | None = None
        self.checks = Bucket(CHECKS_PER_S, CHECKS_AT_ONCE)
        self.records = Bucket(RECORDS_PER_S, RECORDS_AT_ONCE)


def _follow(connection: Any, protocol: Any, gate: Gate, address: tuple[Any, ...]) -> None:
    """Answer where authenticated sound comes from, once a check there has succeeded.

    A client behind a NAT that has forgotten it appears under another address. Browsers nominate
    that; clients that do not would get nothing back, and lose consent after half a minute.
    """
    for pair in connection._check_list:
        if pair.remote_addr == address[:2] and pair.protocol is protocol:
            if pair.state is aioice.ice.CandidatePair.State.SUCCEEDED:
                connection._nominated[pair.component] = pair
                gate.address = address
            return


def is_rtcp(data: bytes) -> bool:
    # RFC 5761, 4: an RTP payload type with its marker bit never falls into 192-223
    return len(data) < 2 or 192 <= data[1] <= 223


@dataclass(slots=True)
class Refused:
    """Datagrams that this process did not take, by reason, since it began."""

    sizes: int = 0
    stun: int = 0
    unknown: int = 0
    queued: int = 0
    flooded: int = 0
    unauthenticated: int = 0
    malformed: int = 0
    rtcp: int = 0
    sctp: int = 0


refused = Refused()


class Tap:
    """Decrypts, parses and delivers one connection's RTP in the callback that received it."""

    __slots__ = ("_bucket", "_dtls", "_faults", "_on_packet", "_payload_types", "_receptions")

    def __init__(
        self, dtls: Any, on_packet: OnPacket, receptions: dict[int, Reception], types: set[int]
    ) -> None:
        self._dtls = dtls
        self._on_packet = on_packet
        self._receptions = receptions
        self._payload_types = types
        self._bucket = Bucket(PACKETS_PER_S, PACKETS_AT_ONCE)
        self._faults = Faults()

    def take(self, data: bytes) -> bool:
        """An encrypted RTP packet, as it came; whether it is the peer's own."""
        try:
            plain = self._dtls._rx_srtp.unprotect(data)
        except (pylibsrtp.Error, ValueError):
            # a forgery, a replay, or longer than libsrtp's buffer
            refused.unauthenticated += 1
            return False
        # Only now: a stranger's packets must not use up what the peer may send.
        now_s = time.monotonic()
        if not self._bucket.take(now_s):
            refused.flooded += 1
            return True
        try:
            packet = parse(plain)
        except (ValueError, struct.error):
            refused.malformed += 1
        else:
            self.deliver(*packet, now_s)
        return True

    def deliver(
        self,
        payload_type: int,
        sequence: int,
        timestamp: int,
        ssrc: int,
        payload: bytes,
        arrival_s: float,
    ) -> None:
        if payload_type not in self._payload_types:
            refused.malformed += 1
            return
        reception = self._receptions.get(ssrc)
        if reception is None:
            reception = self._admit(ssrc, sequence)
        reception.push(sequence, timestamp, arrival_s)
        if not payload:
            return
        try:
            self._on_packet(ssrc, sequence, timestamp, payload)
        except Exception:
            if self._faults.is_news():
                log.exception("packet_fault", n=self._faults.count)

    def _admit(self, ssrc: int, sequence: int) -> Reception:
        router = self._dtls._rtp_router
        if len(self._receptions) >= MAX_STREAMS:
            oldest = next(iter(self._receptions))
            del self._receptions[oldest]
            router.ssrc_table.pop(oldest, None)
        # So that this SSRC's sender reports find the receiver: its reports then tell the delay.
        (receiver,) = router.receivers
        router.ssrc_table[ssrc] = receiver
        reception = self._receptions[ssrc] = Reception(sequence)
        return reception
