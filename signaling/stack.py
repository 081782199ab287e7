"""Every private attribute and patch of aiortc and aioice, in one place.

Versions are pinned; `tests/contract/test_stack.py` fails when what is touched here changes shape.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aioice.ice
import aiortc.rtcsctptransport
from aiortc import RTCRtpReceiver, RTCRtpSender, RTCRtpTransceiver
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import RtpPacket

AIORTC = "1.16.0"
AIOICE = "0.13.0"

SCTP_RTO_MIN_S = 0.1
"""aiortc's floor of 1 s makes one lost data-channel packet cost 0.4 s at p95 (5 % loss, 50 ms)."""

MAX_STREAMS = 16
"""SSRCs of one receiver that are reported on; more would overflow an RTCP receiver report."""

OnPacket = Callable[[int, int, int, bytes], None]
"""(ssrc, sequence number, RTP timestamp, payload)"""

_host_addresses = aioice.ice.get_host_addresses


def _loopback_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return ["127.0.0.1"] if use_ipv4 else []


def use_loopback(enabled: bool) -> None:
    """Offer 127.0.0.1 as the only host candidate (development and tests), or undo that."""
    aioice.ice.get_host_addresses = _loopback_addresses if enabled else _host_addresses


def configure() -> None:
    """Set the process-wide constants. Call once, before the first connection."""
    constants: Any = aiortc.rtcsctptransport
    constants.SCTP_RTO_MIN = SCTP_RTO_MIN_S


def tap_audio(receiver: RTCRtpReceiver, on_packet: OnPacket) -> None:
    """Deliver `receiver`'s RTP packets to `on_packet`: no jitter buffer, no decoder thread.

    RTCP stays aiortc's, fed with the same statistics, so receiver reports are right. Call between
    `setRemoteDescription` and `setLocalDescription`.
    """
    # name-mangled privates of RTCRtpReceiver
    inner: Any = receiver
    prefix = "_RTCRtpReceiver__"

    async def receive(parameters: Any) -> None:
        if getattr(inner, prefix + "started"):
            return
        codecs = getattr(inner, prefix + "codecs")
        for codec in parameters.codecs:
            codecs[codec.payloadType] = codec
        getattr(inner, prefix + "transport")._register_rtp_receiver(inner, parameters)
        setattr(inner, prefix + "rtcp_task", asyncio.ensure_future(inner._run_rtcp()))
        setattr(inner, prefix + "started", True)

    async def handle(packet: RtpPacket, arrival_time_ms: int) -> None:
        codec = getattr(inner, prefix + "codecs").get(packet.payload_type)
        if codec is None or codec.name.lower() != "opus":
            return
        streams = getattr(inner, prefix + "remote_streams")
        statistics = streams.get(packet.ssrc)
        if statistics is None:
            if len(streams) >= MAX_STREAMS:
                del streams[next(iter(streams))]
            statistics = streams[packet.ssrc] = StreamStatistics(codec.clockRate)
        statistics.add(packet)
        if packet.payload:
            on_packet(packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload)

    inner.receive = receive
    inner._handle_rtp_packet = handle


def keep_only_opus(transceiver: RTCRtpTransceiver) -> None:
    """Answer with Opus alone, whatever else the offer and aiortc have in common."""
    inner: Any = transceiver
    inner._codecs = [c for c in inner._codecs if c.mimeType.lower() == "audio/opus"]


def on_rtp_sent(sender: RTCRtpSender, sent: Callable[[int, int], None]) -> None:
    """Call `sent(sequence number, RTP timestamp)` right before each RTP packet leaves `sender`."""
    transport: Any = sender.transport
    send = transport._send_rtp

    async def stamped(data: bytes) -> None:
        if len(data) >= 12 and not 192 <= data[1] <= 223:
            sent(int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big"))
        await send(data)

    transport._send_rtp = stamped
