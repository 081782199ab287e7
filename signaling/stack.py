"""Every private attribute and patch of aiortc and aioice, in one place.

Versions are pinned; `tests/contract/test_stack.py` fails when what is touched here changes shape.

The receive path begins here: `configure` puts a demultiplexer (RFC 7983) below aioice's STUN parser
and `tap_audio` takes a connection's RTP out of it. A datagram is then decrypted and delivered in
the callback that received it: no queue, no task, no jitter buffer and no decoder thread in between.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aioice.ice
import aioice.turn
import aiortc.rtcsctptransport
import pylibsrtp
import structlog
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcdtlstransport import RTCDtlsParameters, State
from aiortc.rtp import RtpPacket

from signaling import gnutls
from signaling.bucket import Bucket
from signaling.packet import parse
from signaling.reception import Reception

log = structlog.get_logger(__name__)

AIORTC = "1.16.0"
AIOICE = "0.13.0"

SCTP_RTO_MIN_S = 0.1
"""aiortc's floor of 1 s makes one lost data-channel packet cost 0.4 s at p95 (5 % loss, 50 ms)."""

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

MAX_LEARNED = 20
"""Addresses of one peer that its checks may teach, beside the candidates it names."""

MAX_RTP_BYTES = 1_356
"""What pylibsrtp's buffer of 1500 bytes takes, its longest trailer deducted."""
MAX_UNSENT_BYTES = 64 * 1024
"""Packets that the kernel does not take at once wait up to this; what comes on top is dropped."""
NTP_EPOCH_S = 2_208_988_800
"""From 1900 to 1970 (RFC 5905, 6)."""

CHECKS_PER_S, CHECKS_AT_ONCE = 200, 400
"""STUN messages that one connection answers: each costs two HMACs."""
RECORDS_PER_S, RECORDS_AT_ONCE = 500, 1_000
"""DTLS records and RTCP packets of one connection; a client that is well sends some 50."""
MAX_CHANNELS = 16
MAX_INBOUND_STREAMS = 64
MAX_FRAGMENTS = 1_024
"""Pieces of unfinished messages on one SCTP stream; ours have at most four."""

_GATE = "_forecourt_gate"
_host_addresses = aioice.ice.get_host_addresses


def _loopback_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return ["127.0.0.1"] if use_ipv4 else []


def use_loopback(enabled: bool) -> None:
    """Offer 127.0.0.1 as the only host candidate (development and tests), or undo that."""
    aioice.ice.get_host_addresses = _loopback_addresses if enabled else _host_addresses


def configure(*, stock: bool = False) -> None:
    """Set the process-wide constants and hooks. Call before the first connection; idempotent.

    With `stock` datagrams stay aioice's own: the fallback for versions that the hook does not fit.
    """
    constants: Any = aiortc.rtcsctptransport
    constants.SCTP_RTO_MIN = SCTP_RTO_MIN_S
    if stock:
        return
    protocol: Any = aioice.ice.StunProtocol
    if protocol.datagram_received is not _demultiplex:
        protocol.datagram_received = _demultiplex


_datagram_received: Any = aioice.ice.StunProtocol.datagram_received


def _demultiplex(protocol: Any, data: bytes, address: tuple[Any, ...]) -> None:
    """Take the place of aioice's `StunProtocol.datagram_received` (RFC 7983, 7).

    Whatever a stranger sends must neither raise here nor wait without bound.
    """
    connection = protocol.receiver
    gate: _Gate | None = getattr(connection, _GATE, None)
    if gate is None:
        gate = _Gate()
        setattr(connection, _GATE, gate)
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
    elif gate.tap is not None and 127 < data[0] < 192 and not _is_rtcp(data):
        if gate.tap.take(data) and gate.address != address:
            _follow(connection, protocol, gate, address)
    elif not (19 < data[0] < 64 or 127 < data[0] < 192):
        refused.unknown += 1
    elif connection._queue.qsize() >= MAX_QUEUED or not gate.records.take(time.monotonic()):
        refused.queued += 1
    else:
        connection.data_received(data, protocol.local_candidate.component)


class _Gate:
    """What stands before one connection: its tap, once it has keys, and its limits."""

    __slots__ = ("address", "checks", "records", "tap")

    def __init__(self) -> None:
        self.address: tuple[Any, ...] | None = None
        self.tap: _Tap | None = None
        self.checks = Bucket(CHECKS_PER_S, CHECKS_AT_ONCE)
        self.records = Bucket(RECORDS_PER_S, RECORDS_AT_ONCE)


def _follow(connection: Any, protocol: Any, gate: _Gate, address: tuple[Any, ...]) -> None:
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


def _is_rtcp(data: bytes) -> bool:
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


class _Tap:
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
        self._faults = 0

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
            self._faults += 1
            if self._faults in (1, 10, 100, 1_000, 10_000):
                log.exception("packet_fault", n=self._faults)

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


def tap_audio(receiver: RTCRtpReceiver, on_packet: OnPacket) -> None:
    """Deliver `receiver`'s RTP packets to `on_packet` in the callback that received them.

    RTCP stays aiortc's, fed with `Reception`. Call between `setRemoteDescription` and
    `setLocalDescription`; needs `configure`.
    """
    # name-mangled privates of RTCRtpReceiver
    inner: Any = receiver
    prefix = "_RTCRtpReceiver__"
    tap: _Tap | None = None

    async def receive(parameters: Any) -> None:
        nonlocal tap
        if getattr(inner, prefix + "started"):
            return
        codecs = getattr(inner, prefix + "codecs")
        for codec in parameters.codecs:
            codecs[codec.payloadType] = codec
        dtls = getattr(inner, prefix + "transport")
        dtls._register_rtp_receiver(inner, parameters)
        types = {number for number, codec in codecs.items() if codec.name.lower() == "opus"}
        tap = _Tap(dtls, on_packet, getattr(inner, prefix + "remote_streams"), types)
        connection = dtls.transport._connection
        gate = getattr(connection, _GATE, None) or _Gate()
        gate.tap = tap
        setattr(connection, _GATE, gate)
        _guard_rtcp(dtls)
        setattr(inner, prefix + "rtcp_task", asyncio.ensure_future(inner._run_rtcp()))
        setattr(inner, prefix + "started", True)

    async def handle(packet: RtpPacket, arrival_time_ms: int) -> None:
        # what was queued before the tap was there
        if tap is not None:
            head = packet.payload_type, packet.sequence_number, packet.timestamp, packet.ssrc
            tap.deliver(*head, packet.payload, time.monotonic())

    inner.receive = receive
    inner._handle_rtp_packet = handle
    _shake_hands_by_gnutls(inner.transport)


def _shake_hands_by_gnutls(transport: Any) -> None:
    """Give DTLS to GnuTLS where the offer fixes its own role, as FFmpeg's does (`gnutls.py`).

    An offer should leave the role open (`a=setup:actpass`: RFC 8842, 5.2), and browsers do. The
    certificate, which is what OpenSSL minds, is not known before the handshake. `a=fingerprint` is
    compared by aiortc as ever, after the handshake and before there are SRTP keys.
    """
    start = transport.start

    async def started(remote: RTCDtlsParameters) -> None:
        if remote.role != "auto":
            if gnutls.is_available():
                transport._do_handshake = by_gnutls
            else:
                log.warning("gnutls_missing", consequence="FFmpeg needs a P-256 certificate")
        await start(remote)

    async def by_gnutls() -> None:
        mine = transport._RTCDtlsTransport__local_certificate
        is_server = transport._role == "server"
        transport._ssl = gnutls.Connection(mine._key, mine._cert, is_server=is_server)
        await type(transport)._do_handshake(transport)

    transport.start = started


def _guard_rtcp(dtls: Any) -> None:
    """A report that aiortc cannot read must not end the connection."""
    handle = dtls._handle_rtcp_data

    async def guarded(data: bytes) -> None:
        try:
            await handle(data)
        except (LookupError, ValueError, struct.error) as error:
            refused.rtcp += 1
            log.debug("rtcp_refused", error=repr(error))

    dtls._handle_rtcp_data = guarded


def bound_channels(pc: RTCPeerConnection) -> None:
    """Hold a client's data channels to `MAX_CHANNELS`, and its unfinished messages to the window
    that aiortc advertises but does not enforce. What it cannot read must not end the connection.
    """
    sctp: Any = pc.sctp
    if sctp is None:
        return
    handle, take, open_channel = (
        sctp._handle_data,
        sctp._receive_data_chunk,
        sctp._data_channel_receive,
    )

    async def handled(data: bytes) -> None:
        try:
            await handle(data)
        except (AssertionError, LookupError, ValueError, struct.error) as error:
            refused.sctp += 1
            log.debug("sctp_refused", error=repr(error))

    async def taken(chunk: Any) -> None:
        stream = sctp._inbound_streams.get(chunk.stream_id)
        if (
            sctp._advertised_rwnd <= 0
            or (stream is None and len(sctp._inbound_streams) >= MAX_INBOUND_STREAMS)
            or (stream is not None and len(stream.reassembly) >= MAX_FRAGMENTS)
        ):
            refused.sctp += 1
            return
        await take(chunk)

    async def opened(stream_id: int, pp_id: int, data: bytes) -> None:
        new = stream_id not in sctp._data_channels
        if new and len(sctp._data_channels) >= MAX_CHANNELS:
            refused.sctp += 1
            return
        await open_channel(stream_id, pp_id, data)

    sctp._handle_data, sctp._receive_data_chunk = handled, taken
    sctp._data_channel_receive = opened


def limit_learned(pc: RTCPeerConnection) -> None:
    """Let checks teach each of `pc`'s ICE transports at most `MAX_LEARNED` addresses.

    A client can sign checks that seem to come from anywhere; aioice answers each such address with
    up to seven checks of its own. Call after `setRemoteDescription`.
    """
    inner: Any = pc
    for transport in inner._RTCPeerConnection__iceTransports:
        _limit_learned(transport._connection)


def _limit_learned(connection: Any) -> None:
    check_incoming = connection.check_incoming

    def check(message: Any, address: tuple[str, int], protocol: Any) -> None:
        known = {(c.host, c.port): c.type for c in connection._remote_candidates}
        if address in known or list(known.values()).count("prflx") < MAX_LEARNED:
            check_incoming(message, address, protocol)

    connection.check_incoming = check


def keep_only_opus(transceiver: RTCRtpTransceiver) -> None:
    """Answer with Opus alone, whatever else the offer and aiortc have in common."""
    inner: Any = transceiver
    inner._codecs = [c for c in inner._codecs if c.mimeType.lower() == "audio/opus"]


def drop_header_extensions(transceiver: RTCRtpTransceiver) -> None:
    """Answer without RTP header extensions: what is sent carries none."""
    inner: Any = transceiver
    inner._headerExtensions = []


class RtpSender:
    """Sends RTP packets made elsewhere, at once: no encoder, no task, no `await` for a packet.

    aiortc's own sender lends its SSRC and its RTCP: sender reports begin with the first packet and
    count what went out; `on_rtcp` is called with every report of the receiver. Make it between
    `setRemoteDescription` and `setLocalDescription`. `payload_type` is None until it connects.
    """

    __slots__ = ("_inner", "_path", "payload_type", "ssrc")

    def __init__(self, sender: RTCRtpSender, on_rtcp: Callable[[], None]) -> None:
        inner: Any = sender
        self.ssrc: int = inner._ssrc
        self.payload_type: int | None = None
        self._inner = inner
        self._path: tuple[Any, Any, Callable[[], bool]] | None = None
        handle = inner._handle_rtcp_packet

        async def heard(packet: Any) -> None:
            on_rtcp()
            await handle(packet)

        inner.send = self._connected
        inner._handle_rtcp_packet = heard

    async def _connected(self, parameters: Any) -> None:
        """Takes the place of `RTCRtpSender.send`, which would start an encoder's loop."""
        if self.payload_type is None:
            dtls = self._inner.transport
            dtls._register_rtp_sender(self._inner, parameters)
            _guard_rtcp(dtls)
            self._set("cname", parameters.rtcp.cname)
            self.payload_type = parameters.codecs[0].payloadType

    def send(self, packet: bytes) -> bool:
        """Encrypt and send a whole RTP packet. False: no connection (any more), or no room."""
        dtls = self._inner.transport
        if dtls._state is not State.CONNECTED or len(packet) > MAX_RTP_BYTES:
            return False
        pair = dtls.transport._connection._nominated.get(1)
        if pair is None:
            return False
        if self._path is None or self._path[0] is not pair:
            self._path = (pair, pair.protocol.transport, _room_in(pair.protocol.transport))
        _, socket, has_room = self._path
        if not has_room():
            return False
        socket.sendto(dtls._tx_srtp.protect(packet), pair.remote_addr)
        self._count(packet)
        return True

    def _count(self, packet: bytes) -> None:
        # the pair of times and the counts of a sender report (RFC 3550, 6.4.1)
        inner = self._inner
        inner._RTCRtpSender__ntp_timestamp = int((time.time() + NTP_EPOCH_S) * 0x1_0000_0000)
        inner._RTCRtpSender__rtp_timestamp = int.from_bytes(packet[4:8], "big")
        inner._RTCRtpSender__octet_count += len(packet) - 12
        inner._RTCRtpSender__packet_count += 1
        if not inner._RTCRtpSender__started:
            self._start_reports()

    def _start_reports(self) -> None:
        # `stop` waits for both loops; the one that would encode has ended before it began
        inner = self._inner
        for name in ("rtp_started", "rtp_exited"):
            getattr(inner, "_RTCRtpSender__" + name).set()
        self._set("rtp_task", asyncio.get_running_loop().create_future())
        self._set("rtcp_task", asyncio.ensure_future(inner._run_rtcp()))
        self._set("started", True)

    def _set(self, name: str, value: Any) -> None:
        setattr(self._inner, "_RTCRtpSender__" + name, value)


def _room_in(socket: Any) -> Callable[[], bool]:
    """Whether a datagram transport is open and keeps up, a TURN allocation's among them."""
    if isinstance(socket, aioice.turn.TurnTransport):
        inner: Any = socket
        relay = inner._TurnTransport__inner_protocol.transport
        tasks = inner._TurnTransport__send_tasks
        most = MAX_UNSENT_BYTES // MAX_RTP_BYTES
        return lambda: not relay.is_closing() and len(tasks) <= most
    return lambda: not socket.is_closing() and socket.get_write_buffer_size() <= MAX_UNSENT_BYTES


def on_rtp_sent(sender: RTCRtpSender, sent: Callable[[int, int], None]) -> None:
    """Call `sent(sequence number, RTP timestamp)` right before each RTP packet leaves `sender`."""
    transport: Any = sender.transport
    send = transport._send_rtp

    async def stamped(data: bytes) -> None:
        if len(data) >= 12 and not 192 <= data[1] <= 223:
            sent(int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big"))
        await send(data)

    transport._send_rtp = stamped
