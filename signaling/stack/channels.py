"""Data channels, held to what a client of ours needs."""

from __future__ import annotations

import struct
from typing import Any

import structlog
from aiortc import RTCDataChannel, RTCPeerConnection

from signaling.stack.datagrams import refused

log = structlog.get_logger(__name__)

MAX_CHANNELS = 16
MAX_INBOUND_STREAMS = 64
MAX_FRAGMENTS = 1_024
"""Pieces of unfinished messages on one SCTP stream; ours have at most four."""


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


def is_delivered(channel: RTCDataChannel) -> bool:
    """Whether all that was sent over a channel's association has been acknowledged.

    `bufferedAmount` falls to 0 when aiortc has sent a message once; on a bad network that is not
    the end of it.
    """
    sctp: Any = channel.transport
    return not (sctp._data_channel_queue or sctp._outbound_queue or sctp._sent_queue)
