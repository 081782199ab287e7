"""A listener hears what the trainee sent, byte for byte: real ICE, DTLS, SRTP and data channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate, pairwise
from typing import Any

import pytest
from aiortc import RTCRtpSender
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from engine.frames import SAMPLE_RATE
from signaling import opus, whep
from signaling.audience import Audience, Full
from signaling.hearing import Numbering
from signaling.ice import IceSettings
from signaling.publisher import _Voice
from signaling.sdp import BadOffer
from signaling.whep import Listener
from tests.signaling.calling import Client, until
from tests.signaling.listening import ListeningClient
from tests.signaling.packets import kept, voice
from tests.signaling.stage import PACKETS, TOKEN, Stage

pytestmark = pytest.mark.slow

PACKET_RTP = 960
VOICE = PACKETS[0].payload
DTX = VOICE[:1]


@asynccontextmanager
async def call() -> AsyncIterator[Stage]:
    """A live call, of which nothing has been heard yet."""
    stage = Stage()
    yield stage
    await stage.room.end("over")


@asynccontextmanager
async def listening(
    stage: Stage, *, channels: bool = True
) -> AsyncIterator[tuple[Listener, ListeningClient]]:
    listener = Listener(stage.session, stage.room.audience, IceSettings(), lambda listener: None)
    client = ListeningClient(channels=channels)
    try:
        await client.connect(listener.answer)
        await until(lambda: listener.is_connected)
        yield listener, client
    finally:
        await client.close()
        await listener.leave()


def sent_by(sender: RTCRtpSender) -> list[bytes]:
    """The payload of every RTP packet that leaves `sender` from now on."""
    payloads: list[bytes] = []
    transport: Any = sender.transport
    send = transport._send_rtp

    async def noted(data: bytes) -> None:
        if not 192 <= data[1] <= 223:
            payloads.append(RtpPacket.parse(data).payload)
        await send(data)

    transport._send_rtp = noted
    return payloads


# what is heard


async def test_three_listeners_hear_the_bytes_that_the_publisher_sent() -> None:
    """From another peer connection's encoder, over the network twice, through the whole room."""
    stage = Stage()
    publisher = Client()
    publisher.sender.replaceTrack(_Voice(voice(20)))
    sent = sent_by(publisher.sender)
    await publisher.connect(lambda offer: stage.room.publish(offer, TOKEN))
    async with (
        listening(stage) as (_, first),
        listening(stage) as (_, second),
        listening(stage, channels=False) as (_, third),
    ):
        clients = (first, second, third)
        await until(lambda: all(len(client.heard) >= 50 for client in clients))
        for client in clients:
            at = sent.index(client.payloads[0])
            assert len(set(client.payloads)) > 40
            assert client.payloads == sent[at : at + len(client.payloads)]
            assert set(client.sequence_steps) == {1}
            assert set(client.timestamp_steps) == {PACKET_RTP}
        assert len({client.heard[0].ssrc for client in clients}) == 3
    await publisher.close()
    await stage.room.end("over")


async def test_real_speech_arrives_untouched_and_in_order() -> None:
    async with call() as stage, listening(stage) as (listener, client):
        await stage.speak(1.5)
        await until(lambda: len(client.heard) == 75)
        assert client.payloads == [packet.payload for packet in PACKETS[:75]]
        assert (listener.sent, listener.dropped) == (75, 0)


async def test_timestamps_are_session_time() -> None:
    """Two listeners' clocks differ by a constant: both count the session's 48 kHz ticks."""
    starts: list[int] = []

    class Ruler:
        track = None

        def packet(self, source: str, start_rtp: int, payload: bytes) -> None:
            starts.append(start_rtp)

        def forget(self, source: str) -> None:
            pass

        async def close(self) -> None:
            pass

    async with call() as stage:
        await stage.speak(0.5)
        stage.room.audience.join(Ruler())
        async with listening(stage) as (_, client), listening(stage) as (_, other):
            del starts[:]
            await stage.speak(0.4)
            stage.say("pause")
            await asyncio.sleep(1.0)
            stage.say("resume")
            await stage.speak(0.4)
            await until(lambda: len(client.heard) == len(other.heard) == 40)
        for heard in (client.heard, other.heard):
            offsets = {
                (packet.timestamp - start) & 0xFFFFFFFF
                for packet, start in zip(heard, starts, strict=True)
            }
            assert len(offsets) == 1
        ends = starts[-1] / 48_000 * SAMPLE_RATE + 320
        assert ends == stage.session.tracks["trainee"].end_sample


async def test_what_the_network_lost_is_missing_for_the_listener_too() -> None:
    async with call() as stage, listening(stage) as (_, client):
        given = kept(PACKETS[:50], "....x...xx")
        for packet in given:
            stage.packet(packet)
            await asyncio.sleep(0.02)
        await until(lambda: len(client.heard) == len(given))
        assert client.payloads == [packet.payload for packet in given]
        steps = [b.seq - a.seq for a, b in pairwise(given)]
        assert {1, 2, 3} == set(steps)
        assert client.sequence_steps == steps
        assert client.timestamp_steps == [step * PACKET_RTP for step in steps]


async def test_a_pause_is_not_a_loss() -> None:
    async with call() as stage, listening(stage) as (_, client):
        await stage.speak(0.2)
        stage.say("pause")
        await asyncio.sleep(1.0)
        stage.say("resume")
        await stage.speak(0.2)
        await until(lambda: len(client.heard) == 20)
        assert set(client.sequence_steps) == {1}
        assert max(client.timestamp_steps) >= 48_000


async def test_sender_reports_tell_the_listener_how_much_was_sent() -> None:
    async with call() as stage, listening(stage, channels=False) as (listener, client):
        reports: list[Any] = []

        while not reports:
            await stage.speak(0.2)
            entries = (await client.receiver.getStats()).values()
            reports += [entry for entry in entries if entry.type == "remote-outbound-rtp"]
        assert 0 < reports[-1].packetsSent <= listener.sent
        assert reports[-1].ssrc == client.heard[0].ssrc


# events


async def test_events_and_meters_reach_a_listener_and_its_commands_change_nothing() -> None:
    async with call() as stage, listening(stage) as (listener, client):
        assert client.channel is not None
        for message in ('{"type":"end"}', '{"type":"pause"}', "no json", '{"type":"bookmark"}'):
            client.channel.send(message)
        client.channel.send('{"type":"ping"}')
        await stage.speak(1.0)
        await until(lambda: client.meters and listener.ignored == 4)
        assert stage.session.state == "active"
        kinds = [event["type"] for event in client.events]
        assert kinds[0] == "session.state"
        assert not {"bookmark", "error"} & set(kinds)
        assert stage.session.malformed_commands == 0
        assert {meter["type"] for meter in client.meters} == {"meters"}


async def test_meters_come_five_times_a_second_and_in_order() -> None:
    async with call() as stage, listening(stage) as (_, client):
        await stage.speak(2.0)
        await until(lambda: len(client.meters) >= 8)
        assert [meter["seq"] for meter in client.meters] == list(range(1, len(client.meters) + 1))
        times = [meter["t"] for meter in client.meters]
        assert {b - a for a, b in pairwise(times)} == {200}


async def test_the_end_of_the_call_is_told_before_the_connection_closes() -> None:
    async with call() as stage, listening(stage) as (_, client):
        await stage.speak(0.2)
        await stage.room.end("ended")
        await until(lambda: client.pc.connectionState == "closed")
        assert client.events[-1]["data"]["state"] == "completed"
        assert client.events[-1]["seq"] == stage.session.last_seq
        assert len(stage.room.audience) == 0


# who leaves, who is refused


async def test_a_listener_that_leaves_is_gone_from_the_audience() -> None:
    gone: list[Listener] = []
    async with call() as stage:
        listener = Listener(stage.session, stage.room.audience, IceSettings(), gone.append)
        client = ListeningClient()
        await client.connect(listener.answer)
        await client.close()
        await until(lambda: gone)
        assert gone == [listener]
        assert len(stage.room.audience) == 0
        await listener.leave()
        await listener.close()
        assert gone == [listener]


async def test_a_listener_whose_page_has_died_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection still answers; its page neither pings nor reports any more."""
    monkeypatch.setattr(whep, "SILENT_AFTER_S", 2.0)
    monkeypatch.setattr(whep, "TICK_S", 0.1)
    async with call() as stage, listening(stage) as (listener, client):
        await stage.speak(0.1)
        inner: Any = client.receiver
        inner._RTCRtpReceiver__rtcp_task.cancel()
        await until(lambda: len(stage.room.audience) == 0)
        await until(lambda: client.pc.connectionState == "closed")
        assert listener.sent == 5


async def test_a_ping_a_second_keeps_a_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whep, "SILENT_AFTER_S", 1.0)
    monkeypatch.setattr(whep, "TICK_S", 0.1)
    async with call() as stage, listening(stage) as (_, client):
        assert client.channel is not None
        for _ in range(12):
            client.channel.send('{"type":"ping"}')
            await asyncio.sleep(0.2)
        assert len(stage.room.audience) == 1


async def test_without_channels_silence_is_no_reason_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whep, "SILENT_AFTER_S", 0.3)
    monkeypatch.setattr(whep, "TICK_S", 0.1)
    async with call() as stage, listening(stage, channels=False):
        await asyncio.sleep(1.0)
        assert len(stage.room.audience) == 1


async def test_a_client_that_never_connects_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whep, "CONNECT_WITHIN_S", 0.3)
    monkeypatch.setattr(whep, "TICK_S", 0.1)
    async with call() as stage:
        listener = Listener(stage.session, stage.room.audience, IceSettings(), lambda _: None)
        client = ListeningClient()
        await listener.answer(await client.offer())
        assert len(stage.room.audience) == 1
        await until(lambda: len(stage.room.audience) == 0)
        await stage.speak(0.1)
        assert (listener.sent, listener.dropped) == (0, 0)
        await client.close()


async def test_a_full_audience_takes_no_more_and_goes_on() -> None:
    async with call() as stage, listening(stage) as (_, client):
        stage.room.audience.limit = 1
        late = Listener(stage.session, stage.room.audience, IceSettings(), lambda _: None)
        refused = ListeningClient()
        with pytest.raises(Full, match="1 people listen already"):
            await late.answer(await refused.offer())
        await refused.close()
        await stage.speak(0.2)
        await until(lambda: len(client.heard) == 10)


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_an_offer_that_does_not_receive_is_refused(direction: str) -> None:
    async with call() as stage:
        listener = Listener(stage.session, stage.room.audience, IceSettings(), lambda _: None)
        client = ListeningClient()
        offer = (await client.offer()).replace("a=recvonly", f"a={direction}")
        with pytest.raises(BadOffer, match="does not receive"):
            await listener.answer(offer)
        assert len(stage.room.audience) == 0
        await client.close()


async def test_the_answer_sends_opus_alone_with_the_publishers_parameters() -> None:
    async with call() as stage:
        listener = Listener(stage.session, stage.room.audience, IceSettings(), lambda _: None)
        client = ListeningClient()
        lines = (await client.connect(listener.answer)).splitlines()
        await client.close()
        await listener.leave()
    assert "a=sendonly" in lines
    assert len([line for line in lines if line.startswith("a=rtpmap")]) == 1
    assert any("useinbandfec=1" in line for line in lines)
    assert not [line for line in lines if line.startswith("a=extmap")]


async def test_a_closed_socket_drops_and_counts() -> None:
    async with call() as stage, listening(stage) as (listener, client):
        await stage.speak(0.1)
        await client.close()
        rtp: Any = listener._connection.hearing._ears[0].rtp
        rtp._inner.transport.transport._connection._nominated.clear()
        for packet in PACKETS[5:10]:
            listener.packet("trainee", packet.timestamp, packet.payload)
        assert (listener.sent, listener.dropped) == (5, 5)


async def test_one_guests_fault_is_not_the_others() -> None:
    class Broken:
        track = None

        def packet(self, source: str, start_rtp: int, payload: bytes) -> None:
            raise RuntimeError("a fault")

        def forget(self, source: str) -> None:
            pass

        async def close(self) -> None:
            pass

    async with call() as stage:
        stage.room.audience.join(Broken())
        async with listening(stage) as (_, client):
            await stage.speak(0.2)
            await until(lambda: len(client.heard) == 10)
        assert stage.room.audience.faults == 10
        assert stage.session.tracks["trainee"].end_sample >= 10 * 320


# numbers


def numbered(numbering: Numbering, packets: Sequence[tuple[int, bytes]]) -> list[tuple[int, bool]]:
    """(sequence relative to the first, marker) of each packet."""
    numbers = [numbering.push(start_rtp, payload) for start_rtp, payload in packets]
    first = numbers[0][0]
    return [((sequence - first) & 0xFFFF, marker) for sequence, _, marker in numbers]


@pytest.mark.parametrize(
    ("starts_ms", "expected"),
    [
        ([0, 20, 40], [(0, True), (1, False), (2, False)]),
        ([0, 20, 60], [(0, True), (1, False), (3, False)]),
        ([0, 20, 520], [(0, True), (1, False), (26, False)]),
        ([0, 20, 560], [(0, True), (1, False), (2, True)]),
        ([0, 20, 45], [(0, True), (1, False), (2, False)]),
        ([0, 20, 30], [(0, True), (1, False), (2, False)]),
    ],
    ids=["steady", "one lost", "longest loss", "a pause", "a small slip", "an overlap"],
)
def test_holes_in_session_time_are_numbered(
    starts_ms: list[int], expected: list[tuple[int, bool]]
) -> None:
    assert numbered(Numbering(), [(ms * 48, VOICE) for ms in starts_ms]) == expected


def test_silence_that_was_not_sent_is_not_a_loss() -> None:
    """A sender with DTX says so with a packet that holds nothing, then sends one every 400 ms."""
    packets = [(0, VOICE), (960, DTX), (960 + 19_200, DTX), (960 + 24_000, VOICE)]
    assert numbered(Numbering(), packets) == [(0, True), (1, False), (2, True), (3, True)]


@given(st.lists(st.integers(1, 40), max_size=200), st.integers(0, 2**34))
def test_numbers_never_repeat_and_timestamps_are_exact(steps: list[int], first_rtp: int) -> None:
    numbering = Numbering()
    starts = list(accumulate((step * PACKET_RTP for step in steps), initial=first_rtp))
    numbers = [numbering.push(start, VOICE) for start in starts]
    for (a, b), (before, after) in zip(pairwise(starts), pairwise(numbers), strict=True):
        assert 1 <= (after[0] - before[0]) & 0xFFFF <= 26
        assert (after[1] - before[1]) & 0xFFFFFFFF == (b - a) & 0xFFFFFFFF


def test_the_first_number_leaves_room_before_the_wrap() -> None:
    assert all(Numbering().push(0, VOICE)[0] < 0x8000 for _ in range(64))


def test_what_is_not_opus_is_not_numbered() -> None:
    with pytest.raises(opus.OpusError):
        Numbering().push(0, b"")


async def test_an_audience_lets_everybody_go_once() -> None:
    closed: list[int] = []

    class Quiet:
        track = None

        def packet(self, source: str, start_rtp: int, payload: bytes) -> None: ...

        def forget(self, source: str) -> None: ...

        async def close(self) -> None:
            closed.append(1)

    audience = Audience()
    for _ in range(3):
        audience.join(Quiet())
    await audience.close()
    await audience.close()
    assert (len(closed), len(audience)) == (3, 0)
