"""RTP that was made elsewhere, sent at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aioice.turn
from aiortc import RTCRtpSender
from aiortc.rtcdtlstransport import State

from signaling.stack.datagrams import is_rtcp
from signaling.stack.receiving import guard_rtcp

MAX_RTP_BYTES = 1_356
"""What pylibsrtp's buffer of 1500 bytes takes, its longest trailer deducted."""
MAX_UNSENT_BYTES = 64 * 1024
"""Packets that the kernel does not take at once wait up to this; what comes on top is dropped."""
NTP_EPOCH_S = 2_208_988_800
"""From 1900 to 1970 (RFC 5905, 6)."""


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
            guard_rtcp(dtls)
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
        if not is_rtcp(data):
            sent(int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big"))
        await send(data)

    transport._send_rtp = stamped
