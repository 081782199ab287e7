"""What strangers and hostile peers send to a connection's UDP port: real sockets, real SRTP."""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiortc import RTCSessionDescription
from aiortc.rtp import RTCP_RR, RtpPacket, pack_rtcp_packet

from signaling import stack
from signaling.peer import IceSettings, Peer
from signaling.stack import Refused, refused
from signaling.stack.datagrams import MAX_QUEUED, PACKETS_AT_ONCE
from tests.signaling.calling import Client, until
from tests.signaling.test_peer import Log, connected

_CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host")


@pytest.fixture(autouse=True)
def hooked() -> Iterator[None]:
    stack.configure()
    stack.use_loopback(True)
    yield
    stack.use_loopback(False)


@asynccontextmanager
async def under_attack(log: Log) -> AsyncIterator[tuple[Peer, Client, socket.socket]]:
    """A connection over which packets flow, and a stranger's socket that reaches its port."""
    async with connected(log) as (peer, client, answer):
        await until(lambda: len(log.packets) > 5)
        found = _CANDIDATE.search(answer)
        assert found is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect((found[1], int(found[2])))
            yield peer, client, stranger


async def goes_on(log: Log) -> None:
    """The call goes on: more packets, none of them a stranger's, no gap in their numbers."""
    count = len(log.packets)
    await until(lambda: len(log.packets) > count + 10)
    assert not log.closed
    assert len({ssrc for ssrc, *_ in log.packets}) == 1
    steps = zip(log.packets, log.packets[1:], strict=False)
    assert {(b[1] - a[1]) & 0xFFFF for a, b in steps} == {1}


def counted(before: Refused, name: str) -> int:
    return int(getattr(refused, name)) - int(getattr(before, name))


def snapshot() -> Refused:
    return Refused(**{name: getattr(refused, name) for name in Refused.__slots__})


async def test_unauthenticated_rtp_carries_no_audio_in() -> None:
    log, before = Log(), snapshot()
    async with under_attack(log) as (_, _, stranger):
        ssrc, seq, timestamp, _ = log.packets[-1]
        forged = RtpPacket(96, 0, (seq + 3) & 0xFFFF, timestamp, ssrc, b"\x08" + bytes(60))
        for payload_type in (96, 111, 0):
            forged.payload_type = payload_type
            for _ in range(20):
                stranger.send(forged.serialize())
        await until(lambda: counted(before, "unauthenticated") >= 60)
        await goes_on(log)
    assert all(payload != forged.payload for *_, payload in log.packets)


async def test_a_replayed_packet_is_not_heard_twice() -> None:
    log, before = Log(), snapshot()
    async with under_attack(log) as (_, client, stranger):
        transport: Any = client.sender.transport
        send = transport.transport._send
        taken: list[bytes] = []

        async def overheard(data: bytes) -> None:
            if 127 < data[0] < 192 and not 192 <= data[1] <= 223:
                taken.append(data)
            await send(data)

        transport.transport._send = overheard
        await until(lambda: len(taken) > 10)
        for data in taken[:10]:
            stranger.send(data)
        await until(lambda: counted(before, "unauthenticated") >= 10)
        await goes_on(log)


@pytest.mark.parametrize("size", [0, 1, 2, 11, 12, 13, 40, 1_499, 1_500, 1_501, 2_100, 60_000])
async def test_a_datagram_of_any_size_and_first_byte_leaves_the_call_alone(size: int) -> None:
    """An empty one, or an RTP packet longer than libsrtp's buffer, ends a stock connection."""
    log = Log()
    random.seed(size)
    async with under_attack(log) as (_, _, stranger):
        for first in (0, 1, 3, 4, 19, 20, 22, 23, 63, 64, 127, 128, 144, 191, 192, 255):
            for second in (0, 96, 111, 192, 200, 223, 239):
                stranger.send((bytes([first, second]) + random.randbytes(max(0, size - 2)))[:size])
        await goes_on(log)


async def test_stun_of_any_kind_leaves_the_call_alone() -> None:
    log, before = Log(), snapshot()
    random.seed(3)
    async with under_attack(log) as (_, _, stranger):
        for method in (0x0001, 0x0101, 0x0111, 0x0003, 0x3FFF):
            for attribute in (0x0006, 0x0008, 0x0009, 0x0020, 0x0024, 0x8028, 0x802A, 0x7777):
                for size in (0, 1, 3, 4, 7, 8, 20, 200):
                    body = attribute.to_bytes(2, "big") + size.to_bytes(2, "big")
                    body += random.randbytes(size + -size % 4)
                    head = method.to_bytes(2, "big") + len(body).to_bytes(2, "big")
                    stranger.send(head + b"\x21\x12\xa4\x42" + random.randbytes(12) + body)
        await goes_on(log)
    assert counted(before, "stun") > 0


async def test_a_wrong_fingerprint_carries_no_audio_in() -> None:
    log = Log()
    peer, client = Peer(IceSettings(), log.events()), Client()

    def forged(match: re.Match[str]) -> str:
        return match[1] + ("00:" * 32)[:-1]

    offer = re.sub(r"(a=fingerprint:sha-256 )\S+", forged, await client.offer())
    offer = re.sub(r"a=fingerprint:sha-(384|512) \S+\r\n", "", offer)
    try:
        answer = await peer.answer(offer)
        await client.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: log.closed == ["failed"])
    finally:
        await client.close()
        await peer.close()
    assert log.packets == []
    assert log.channels == {}


async def test_a_flood_of_valid_packets_is_cut_to_what_a_microphone_can_send() -> None:
    log, before = Log(), snapshot()
    async with under_attack(log) as (_, client, _):
        transport: Any = client.sender.transport
        payload = log.packets[-1][-1]
        for index in range(PACKETS_AT_ONCE + 1_000):
            packet = RtpPacket(96, 0, index, index * 960, 99, payload)
            await transport._send_rtp(packet.serialize())
            await asyncio.sleep(0)
        await until(lambda: counted(before, "flooded") > 500)
        count = len(log.packets)
        await until(lambda: len(log.packets) > count + 10)
        assert not log.closed


async def test_datagrams_that_wait_for_a_task_are_bounded() -> None:
    log, before = Log(), snapshot()
    async with under_attack(log) as (peer, _, _):
        (transceiver,) = peer._pc.getTransceivers()
        connection: Any = transceiver.receiver.transport.transport._connection
        protocol = next(iter(connection._nominated.values())).protocol
        for _ in range(MAX_QUEUED + 500):
            # What uvloop does when many datagrams have come: no task runs in between.
            protocol.datagram_received(b"\x16" + bytes(40), ("127.0.0.1", 9))
        assert connection._queue.qsize() <= MAX_QUEUED
        assert counted(before, "queued") >= 500
        await goes_on(log)


@pytest.mark.parametrize(
    "body", [bytes(4), bytes(5), bytes(7), bytes(8), bytes(19), b"\xff" * 24, b"\xff" * 44]
)
async def test_a_report_that_cannot_be_read_leaves_its_call_alone(body: bytes) -> None:
    log = Log()
    async with under_attack(log) as (_, client, _):
        transport: Any = client.sender.transport
        for kind in range(RTCP_RR - 1, 207):
            for count in (0, 1, 31):
                await transport._send_rtp(
                    pack_rtcp_packet(kind, count, body + bytes(-len(body) % 4))
                )
                await transport._send_rtp(bytes([0x80 | count, kind, 0xFF, 0xFF]) + body)
        await goes_on(log)


async def test_the_sender_reads_in_our_reports_what_was_lost() -> None:
    """Chromium sends in-band FEC only when reports tell it of loss."""
    log = Log()
    async with connected(log) as (_, client, _):
        transport: Any = client.sender.transport
        send, sent = transport._send_rtp, 0

        async def lossy(data: bytes) -> None:
            nonlocal sent
            if not 192 <= data[1] <= 223:
                sent += 1
                if sent > 10 and sent % 4 == 0:
                    return
            await send(data)

        transport._send_rtp = lossy
        reports: list[Any] = []
        sender: Any = client.sender
        take = sender._handle_rtcp_packet

        async def heard(packet: Any) -> None:
            reports.extend(getattr(packet, "reports", []))
            await take(packet)

        sender._handle_rtcp_packet = heard
        await until(lambda: len(reports) >= 3)
    last = reports[-1]
    assert last.fraction_lost == pytest.approx(64, abs=14)
    assert last.packets_lost == pytest.approx(sent / 4, abs=6)
    assert last.lsr > 0, "the sender's own report did not find its receiver: no round-trip time"
