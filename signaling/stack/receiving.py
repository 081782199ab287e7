"""A publisher's receiver: RTP by the tap, RTCP and keys as aiortc has them."""

from __future__ import annotations

import asyncio
import struct
import time
from typing import Any

import structlog
from aiortc import RTCRtpReceiver, RTCRtpTransceiver
from aiortc.rtcdtlstransport import RTCDtlsParameters
from aiortc.rtp import RtpPacket

from signaling import gnutls
from signaling.stack.datagrams import GATE, Gate, OnPacket, Tap, refused

log = structlog.get_logger(__name__)


def tap_audio(receiver: RTCRtpReceiver, on_packet: OnPacket) -> None:
    """Deliver `receiver`'s RTP packets to `on_packet` in the callback that received them.

    RTCP stays aiortc's, fed with `Reception`. Call between `setRemoteDescription` and
    `setLocalDescription`; needs `configure`.
    """
    # name-mangled privates of RTCRtpReceiver
    inner: Any = receiver
    prefix = "_RTCRtpReceiver__"
    tap: Tap | None = None

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
        tap = Tap(dtls, on_packet, getattr(inner, prefix + "remote_streams"), types)
        connection = dtls.transport._connection
        gate = getattr(connection, GATE, None) or Gate()
        gate.tap = tap
        setattr(connection, GATE, gate)
        guard_rtcp(dtls)
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


def guard_rtcp(dtls: Any) -> None:
    """A report that aiortc cannot read must not end the connection."""
    handle = dtls._handle_rtcp_data

    async def guarded(data: bytes) -> None:
        try:
            await handle(data)
        except (LookupError, ValueError, struct.error) as error:
            refused.rtcp += 1
            log.debug("rtcp_refused", error=repr(error))

    dtls._handle_rtcp_data = guarded


def keep_only_opus(transceiver: RTCRtpTransceiver) -> None:
    """Answer with Opus alone, whatever else the offer and aiortc have in common."""
    inner: Any = transceiver
    inner._codecs = [c for c in inner._codecs if c.mimeType.lower() == "audio/opus"]


def drop_header_extensions(transceiver: RTCRtpTransceiver) -> None:
    """Answer without RTP header extensions: what is sent carries none."""
    inner: Any = transceiver
    inner._headerExtensions = []
