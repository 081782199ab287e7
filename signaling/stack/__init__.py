"""Every private attribute and patch of aiortc and aioice, in one place.

Versions are pinned; `tests/contract/test_stack.py` fails when what is touched here changes shape.

The receive path begins here: `configure` puts a demultiplexer (RFC 7983) below aioice's STUN parser
and `tap_audio` takes a connection's RTP out of it. A datagram is then decrypted and delivered in
the callback that received it: no queue, no task, no jitter buffer and no decoder thread in between.
"""

from __future__ import annotations

from typing import Any

import aioice.ice
import aiortc.rtcsctptransport

from signaling.stack.candidates import limit_learned, use_loopback
from signaling.stack.channels import bound_channels, is_delivered
from signaling.stack.datagrams import OnPacket, Refused, demultiplex, refused
from signaling.stack.receiving import drop_header_extensions, keep_only_opus, tap_audio
from signaling.stack.sending import RtpSender, on_rtp_sent

__all__ = [
    "AIOICE",
    "AIORTC",
    "SCTP_RTO_MIN_S",
    "OnPacket",
    "Refused",
    "RtpSender",
    "bound_channels",
    "configure",
    "drop_header_extensions",
    "is_delivered",
    "keep_only_opus",
    "limit_learned",
    "on_rtp_sent",
    "refused",
    "tap_audio",
    "use_loopback",
]

AIORTC = "1.16.0"
AIOICE = "0.13.0"

SCTP_RTO_MIN_S = 0.1
"""aiortc's floor of 1 s makes one lost data-channel packet cost 0.4 s at p95 (5 % loss, 50 ms)."""


def configure(*, stock: bool = False) -> None:
    """Set the process-wide constants and hooks. Call before the first connection; idempotent.

    With `stock` datagrams stay aioice's own: the fallback for versions that the hook does not fit.
    """
    constants: Any = aiortc.rtcsctptransport
    constants.SCTP_RTO_MIN = SCTP_RTO_MIN_S
    if stock:
        return
    protocol: Any = aioice.ice.StunProtocol
    if protocol.datagram_received is not demultiplex:
        protocol.datagram_received = demultiplex
