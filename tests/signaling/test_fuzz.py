"""Hostile clients: whatever an authenticated peer sends, its call survives or ends cleanly and
memory stays bounded. Examples that once failed are kept as `@example`s."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

import pylibsrtp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtcsctptransport import DataChunk, serialize_packet
from aiortc.rtp import RtpPacket
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.clock import TrackClock
from engine.frames import Frame
from signaling.rtp import Receiver
from signaling.stack.channels import MAX_CHANNELS, MAX_FRAGMENTS, MAX_INBOUND_STREAMS
from signaling.stack.datagrams import MAX_STREAMS, Tap
from signaling.stack.receiving import guard_rtcp
from tests.signaling.calling import until
from tests.signaling.packets import encode, voice
from tests.signaling.receiving import Line
from tests.signaling.test_peer import Log, connected

KEY = os.urandom(30)


class Transport:
    """As much of a DTLS transport as the tap looks at, with a real SRTP session."""

    def __init__(self) -> None:
        inbound = pylibsrtp.Policy(KEY, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND)
        outbound = pylibsrtp.Policy(KEY, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._rx_srtp = pylibsrtp.Session(inbound)
        self.tx_srtp = pylibsrtp.Session(outbound)
        self._rtp_router = self
        self.receivers = {object()}
        self.ssrc_table: dict[int, object] = {}


SPEECH = encode(voice(1))

datagrams = st.lists(
    st.tuples(
        st.integers(0, 15),  # contributing sources
        st.booleans(),  # header extension
        st.booleans(),  # padding
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.sampled_from([1, 1, 1, 2, 0xFFFFFFFF]),
        st.one_of(st.binary(max_size=120), st.sampled_from(SPEECH)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(datagrams)
@example([(0, False, True, 1, 0, 1, b"\x00")])
@example([(0, True, False, 1, 0, 1, b"\xbe\xde\xff\xff")])
def test_no_rtp_packet_that_was_really_encrypted_raises_or_turns_time_back(
    packets: list[tuple[int, bool, bool, int, int, int, bytes]],
) -> None:
    transport, line = Transport(), Line()
    ends: list[int] = []
    tap = Tap(transport, line.receiver.push, {}, {96})
    for sources, extension, padding, sequence, timestamp, ssrc, payload in packets:
        first = 0x80 | sources | (0x10 if extension else 0) | (0x20 if padding else 0)
        head = RtpPacket(96, 0, sequence, timestamp, ssrc).serialize()
        try:
            data = transport.tx_srtp.protect(bytes([first]) + head[1:] + payload)
        except pylibsrtp.Error:
            continue  # libsrtp refuses to send what is no RTP packet, or to send backwards
        line.now_s += 0.02
        tap.take(data)
        ends.append(line.receiver.end_sample)
    line.wait_until(line.now_s + 1)
    assert ends == sorted(ends)
    assert len(transport.ssrc_table) <= MAX_STREAMS


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF), st.integers(0, 3)),
        min_size=1,
        max_size=60,
    )
)
def test_any_numbers_at_all_keep_frames_bounded(numbers: list[tuple[int, int, int]]) -> None:
    frames: list[Frame] = []
    line = Line()
    receiver = Receiver("trainee", TrackClock(), line.heard, lambda: line.now_s, line._call_later)
    for index, (sequence, timestamp, ssrc) in enumerate(numbers):
        line.now_s = index * 0.02
        receiver.push(ssrc, sequence, timestamp, SPEECH[index % len(SPEECH)])
        receiver.idle()
    receiver.close()
    frames = line.heard.got
    # At most 2 s of absence may be filled in for each anchor or jump, and time is skipped beyond.
    assert len(frames) <= 110 * len(numbers)
    starts = [frame.start_sample for frame in frames]
    assert starts == sorted(set(starts))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
@example(b"\x81\xc9\x00\x07" + bytes(10))
@example(b"\x80\xc8\x00\x01" + bytes(4))
@example(b"\x8f\xce\x00\x02" + bytes(8))
def test_no_report_raises(data: bytes) -> None:
    async def scenario() -> None:
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        dtls: Any = pc.addTransceiver("audio").receiver.transport
        guard_rtcp(dtls)
        await dtls._handle_rtcp_data(data)
        await pc.close()

    asyncio.run(scenario())


def chunk_of(sctp: Any, tsn: int, stream: int, flags: int, data: bytes) -> bytes:
    chunk = DataChunk(flags=flags)
    chunk.tsn, chunk.stream_id, chunk.stream_seq = tsn & 0xFFFFFFFF, stream, 0
    chunk.protocol, chunk.user_data = 51, data
    return serialize_packet(5000, 5000, sctp._remote_verification_tag, chunk)


async def test_messages_that_never_end_are_held_to_a_bound() -> None:
    log = Log()
    async with connected(log) as (peer, client, _):
        theirs: Any = client.pc.sctp
        ours: Any = peer._pc.sctp
        tsn = theirs._local_tsn
        for index in range(3_000):
            # first fragments without a last one: on few streams, and on ever more
            stream = 1 if index % 2 else index
            flags = 2 if index < 2 else 0
            await theirs.transport._send_data(
                chunk_of(theirs, tsn + index, stream, flags, bytes(1_000))
            )
            if index % 20 == 0:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.2)
        held = [len(stream.reassembly) for stream in ours._inbound_streams.values()]
        assert sum(held) > 100
        assert max(held) <= MAX_FRAGMENTS
        assert len(held) <= MAX_INBOUND_STREAMS
        size = sum(
            len(chunk.user_data)
            for stream in ours._inbound_streams.values()
            for chunk in stream.reassembly
        )
        assert size <= 1024 * 1024 + 1_000
        count = len(log.packets)
        await until(lambda: len(log.packets) > count + 10)
        assert not log.closed


async def test_channels_beyond_the_limit_are_not_opened() -> None:
    log = Log()
    async with connected(log) as (peer, client, _):
        for index in range(60):
            client.pc.createDataChannel(f"more-{index}")
        await asyncio.sleep(0.5)
        ours: Any = peer._pc.sctp
        assert len(ours._data_channels) == MAX_CHANNELS
        client.events.send('{"type":"ping"}')
        await until(lambda: log.messages)


@pytest.mark.parametrize("seed", range(8))
async def test_random_sctp_leaves_the_sound_alone(seed: int) -> None:
    """Chunks of every kind with random bodies, checksums right: at worst the channels are lost."""
    log = Log()
    dice = random.Random(seed)
    async with connected(log) as (_, client, _):
        theirs: Any = client.pc.sctp

        class Anything:
            def __init__(self, kind: int, body: bytes) -> None:
                self.data = bytes([kind, dice.randrange(256)])
                self.data += (4 + len(body)).to_bytes(2, "big") + body + bytes(-len(body) % 4)

            def __bytes__(self) -> bytes:
                return self.data

        for _ in range(150):
            # never 6, 7, 14: to abort or shut down is a client's good right
            kind = dice.choice([0, 0, 0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 130, 192, 200, 255])
            tag = theirs._remote_verification_tag if dice.random() < 0.9 else 0
            body = dice.randbytes(dice.choice([0, 1, 3, 4, 8, 12, 16, 40]))
            chunk: Any = Anything(kind, body)
            await theirs.transport._send_data(serialize_packet(5000, 5000, tag, chunk))
            await asyncio.sleep(0)
        count = len(log.packets)
        await until(lambda: len(log.packets) > count + 10)
        assert not log.closed
