"""RTP packets, decrypted (RFC 3550, 5.1 and 5.3.1)."""

from __future__ import annotations

import struct

_HEADER = struct.Struct("!BBHII")

Packet = tuple[int, int, int, int, bytes]
"""(payload type, 16-bit sequence number, 32-bit timestamp, 32-bit SSRC, payload)"""


def parse(data: bytes) -> Packet:
    """The fields of an RTP packet, header extension and padding removed.

    Raises `ValueError` or `struct.error` for what is no RTP packet.
    """
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise ValueError("RTP version 2 is expected")
    start = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        (words,) = struct.unpack_from("!H", data, start + 2)
        start += 4 + 4 * words
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        if padding == 0:
            raise ValueError("padding of 0 bytes")
        end -= padding
    if start > end:
        raise ValueError("the header or the padding is longer than the packet")
    return second & 0x7F, sequence, timestamp, ssrc, data[start:end]
