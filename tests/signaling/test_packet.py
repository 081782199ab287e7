"""RTP parsing against aiortc's own writer, and against anything at all."""

from __future__ import annotations

import struct

import pytest
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from signaling.packet import parse


@given(
    st.integers(0, 127),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.integers(0, 0xFFFFFFFF), max_size=15),
    st.binary(max_size=200),
    st.booleans(),
)
def test_what_aiortc_writes_is_read_back(
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    contributors: list[int],
    payload: bytes,
    marker: bool,
) -> None:
    packet = RtpPacket(payload_type, int(marker), sequence, timestamp, ssrc, payload)
    packet.csrc = contributors
    assert parse(packet.serialize()) == (payload_type, sequence, timestamp, ssrc, payload)


def test_a_header_extension_and_padding_are_no_payload() -> None:
    head = bytes.fromhex("b06f0001000000020000000a")
    extension = bytes.fromhex("bede0001") + b"\x10\xff\x00\x00"
    data = head + extension + b"opus" + b"\x00\x00\x03"
    assert parse(data) == (111, 1, 2, 10, b"opus")
    assert RtpPacket.parse(data, HeaderExtensionsMap()).payload == b"opus"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x6f\x00\x01",
        bytes.fromhex("406f0001000000020000000a"),  # version 1
        bytes.fromhex("8f6f0001000000020000000a"),  # 15 contributors, none there
        bytes.fromhex("906f0001000000020000000abede00ff"),  # an extension of 1 kB, not there
        bytes.fromhex("906f0001000000020000000a"),  # an extension, not there
        bytes.fromhex("a06f0001000000020000000a00"),  # padding of 0 bytes
        bytes.fromhex("a06f0001000000020000000aff"),  # padding of 255 bytes
    ],
)
def test_what_is_no_rtp_packet_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, struct.error)):
        parse(data)


@given(st.binary(max_size=64))
def test_no_bytes_make_the_parser_fail_otherwise(data: bytes) -> None:
    try:
        payload_type, sequence, timestamp, ssrc, payload = parse(data)
    except (ValueError, struct.error):
        return
    assert payload_type < 128
    assert sequence < 1 << 16
    assert timestamp < 1 << 32
    assert ssrc < 1 << 32
    assert payload in data
