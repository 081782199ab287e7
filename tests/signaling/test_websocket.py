"""The WebSocket transport on virtual time, with a client at the other end of an in-memory wire."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.events import Error
from signaling import opus, websocket
from signaling.pcm import PcmEncoder
from signaling.websocket import Goodbye, Hello, Socket, greeted, parse_frame, parse_hello
from tests.signaling.packets import encode, voice
from tests.signaling.stage import TOKEN, Stage, on_stage

VOICE = voice(12)
PACKETS = encode(VOICE)
HELLO = {"type": "hello", "token": TOKEN, "format": "opus", "rate": 48_000}


def frame(index: int, payload: bytes, *, kind: int = 0x11, first: int = 0) -> bytes:
    """Frame `index` of 20 ms in a stream whose numbers begin at `first`."""
    sequence, timestamp = (first + index) & 0xFFFF, (first + index * 960) & 0xFFFFFFFF
    return struct.pack("!BBHI", kind, 0, sequence, timestamp) + payload


class Browser:
    """The far end of a socket."""

    def __init__(self, is_reading: bool = True) -> None:
        self.sent: asyncio.Queue[str | bytes | Goodbye] = asyncio.Queue()
        self.received: list[str] = []
        self.ended: tuple[int, str] | None = None
        self.reads = asyncio.Event()
        if is_reading:
            self.reads.set()

    async def receive(self) -> str | bytes:
        message = await self.sent.get()
        if isinstance(message, Goodbye):
            raise message
        return message

    async def send(self, text: str) -> None:
        await self.reads.wait()
        self.received.append(text)

    async def close(self, code: int, reason: str) -> None:
        await self.reads.wait()
        self.ended = (code, reason)

    def say(self, message: str | bytes | dict[str, Any]) -> None:
        self.sent.put_nowait(json.dumps(message) if isinstance(message, dict) else message)

    def leave(self) -> None:
        self.sent.put_nowait(Goodbye(1001, "gone"))

    async def speak(self, indices: range) -> None:
        for index in indices:
            self.say(frame(index, PACKETS[index]))
            await asyncio.sleep(0.02)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for text in self.received for event in json.loads(text)]


@dataclass
class Heard:
    """A listener who counts."""

    packets: list[tuple[int, bytes]] = field(default_factory=list)

    track = None

    def packet(self, source: str, start_rtp: int, payload: bytes) -> None:
        self.packets.append((start_rtp, payload))

    def forget(self, source: str) -> None:
        return

    async def close(self) -> None:
        return

    @property
    def payloads(self) -> list[bytes]:
        return [payload for _, payload in self.packets]

    @property
    def gaps(self) -> set[int]:
        """Steps between packets' starts, in 48 kHz ticks."""
        starts = [start for start, _ in self.packets]
        return {after - before for before, after in pairwise(starts)}


class Line:
    """A browser's socket in a stage's room."""

    def __init__(self, stage: Stage, browser: Browser, audio: str = "opus", rate: int = 48_000):
        self.browser = browser
        self.heard = Heard()
        stage.room.audience.join(self.heard)
        hello = Hello(type="hello", token=TOKEN, format=audio, rate=rate)  # type: ignore[arg-type]
        self.socket = Socket(browser, hello)
        stage.room.attach(self.socket)
        self.carried = asyncio.create_task(self.socket.carry(stage.room))


def on_line(
    scenario: Callable[[Stage, Line], Coroutine[Any, Any, None]],
    audio: str = "opus",
    rate: int = 48_000,
    is_reading: bool = True,
) -> None:
    async def play(stage: Stage) -> None:
        line = Line(stage, Browser(is_reading), audio, rate)
        await scenario(stage, line)
        await stage.room.end("over")
        async with asyncio.timeout(60):
            await line.carried

    on_stage(play)


# hello


def test_a_hello_names_the_token_the_format_and_the_rate() -> None:
    assert parse_hello(json.dumps(HELLO)) == Hello.model_validate(HELLO)
    assert parse_hello('{"type":"hello","token":"x","format":"pcm","rate":16000}').rate == 16_000


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": 7}, 4401),
        ({"token": "x" * 201}, 4401),
        ({"format": "mp3"}, 4400),
        ({"rate": 44_100}, 4400),
        ({"rate": "48000"}, 4400),
        ({"type": "ping"}, 4400),
        ({"more": 1}, 4400),
    ],
)
def test_a_wrong_hello_is_refused_by_the_field(change: dict[str, Any], code: int) -> None:
    with pytest.raises(Goodbye) as refused:
        parse_hello(json.dumps(HELLO | change))
    assert refused.value.code == code
    assert TOKEN not in refused.value.reason


def test_a_hello_without_a_token_is_unauthorized() -> None:
    with pytest.raises(Goodbye) as refused:
        parse_hello(json.dumps({k: v for k, v in HELLO.items() if k != "token"}))
    assert refused.value.code == 4401


@given(st.one_of(st.text(), st.binary(), st.dictionaries(st.text(), st.text()).map(json.dumps)))
def test_whatever_comes_first_is_a_hello_or_a_refusal(message: str | bytes) -> None:
    with pytest.raises(Goodbye) as refused:
        parse_hello(message)
    assert refused.value.code in (4400, 4401)
    assert 0 < len(refused.value.reason.encode()) <= 123


def test_an_oversized_hello_is_refused_unread() -> None:
    with pytest.raises(Goodbye, match="4096 bytes"):
        parse_hello(json.dumps(HELLO | {"token": "é" * 2_048}))


def test_who_says_nothing_is_refused_after_five_seconds() -> None:
    async def scenario(stage: Stage) -> None:
        begun_s = stage.loop.time()
        with pytest.raises(Goodbye) as refused:
            await greeted(Browser())
        assert refused.value.code == 4408
        assert stage.loop.time() - begun_s == pytest.approx(5)

    on_stage(scenario)


# frames


@given(st.binary(max_size=40))
def test_a_frame_is_read_or_refused_with_a_sentence(message: bytes) -> None:
    if len(message) <= 8 or message[:2] not in (b"\x11\x00", b"\x12\x00"):
        with pytest.raises(ValueError, match=r"\.$"):
            parse_frame(message)
        return
    parsed = parse_frame(message)
    assert message.endswith(parsed.payload)
    assert (parsed.sequence, parsed.timestamp) == struct.unpack("!HI", message[2:8])


def test_opus_packets_reach_the_listeners_untouched_and_in_time() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(100))
        assert line.heard.payloads == PACKETS[:100]
        assert line.heard.gaps == {960}
        assert stage.session.t_ms == 2_000
        assert stage.states == [("active", None)]

    on_line(scenario)


@pytest.mark.parametrize("rate", [48_000, 16_000])
@pytest.mark.parametrize("frame_ms", [5, 10, 20, 30, 60])
def test_pcm_becomes_opus_packets_of_20_ms(rate: int, frame_ms: int) -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        pcm = VOICE[: 48_000 * 3 : 48_000 // rate]
        size = rate * frame_ms // 1000
        for index, at in enumerate(range(0, len(pcm), size)):
            header = struct.pack("!BBHI", 0x12, 0, index, at * 48_000 // rate)
            line.browser.say(header + pcm[at : at + size].tobytes())
            await asyncio.sleep(frame_ms / 1000)
        assert {opus.duration_rtp(payload) for payload in line.heard.payloads} == {960}
        assert len(line.heard.packets) == 150
        assert line.heard.gaps == {960}
        assert stage.session.t_ms == 3_000

    on_line(scenario, "pcm", rate)


def test_a_gap_in_pcm_is_a_gap_in_the_packets() -> None:
    encoder = PcmEncoder(16_000)
    silence = bytes(640)
    packets = [encoder.push(index, index * 960, silence) for index in (0, 1, 5, 6)]
    assert [p[:2] for full in packets for p in full] == [(0, 0), (1, 960), (5, 4_800), (6, 5_760)]


def test_numbers_of_pcm_frames_wrap() -> None:
    encoder = PcmEncoder(48_000)
    silence = bytes(1_920)
    last = 2**32 - 960
    packets = encoder.push(0xFFFF, last, silence) + encoder.push(0, 0, silence)
    assert [(sequence, timestamp) for sequence, timestamp, _ in packets] == [(0, last), (1, 0)]


@pytest.mark.parametrize("size", [0, 1, 641, 1_922, 8_192])
def test_a_pcm_frame_of_a_wrong_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 bits"):
        PcmEncoder(16_000).push(0, 0, bytes(size))


def test_frames_that_the_client_left_out_count_as_lost() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(40))
        await asyncio.sleep(0.2)
        await line.browser.speak(range(50, 120))
        assert line.heard.gaps == {960, 11 * 960}
        assert stage.room.counts.lost == 10
        assert stage.session.t_ms == 2_400

    on_line(scenario)


# a network that stalls


@pytest.mark.parametrize("stall_s", [0.5, 1.0, 2.9])
def test_what_a_stall_held_back_is_neither_lost_nor_moved(stall_s: float) -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(100))
        held = int(stall_s * 50)
        await asyncio.sleep(held / 50)
        for index in range(100, 100 + held):
            line.browser.say(frame(index, PACKETS[index]))
        await line.browser.speak(range(100 + held, 200 + held))
        assert line.heard.payloads == PACKETS[: 200 + held]
        assert line.heard.gaps == {960}
        assert stage.session.t_ms == (200 + held) * 20
        anchors = [r["reason"] for r in stage.session.journal.records() if r["k"] == "anchor"]
        assert anchors == ["first"]
        assert stage.states == [("active", None)]

    on_line(scenario)


def test_a_long_stall_interrupts_the_call_and_its_sound_still_comes() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(100))
        await asyncio.sleep(6)
        for index in range(100, 400):
            line.browser.say(frame(index, PACKETS[index]))
        await line.browser.speak(range(400, 500))
        assert line.heard.payloads == PACKETS[:500]
        assert line.heard.gaps == {960}
        assert stage.session.t_ms == 10_000
        assert [state for state, _ in stage.states] == ["active", "interrupted", "active"]

    on_line(scenario)


def test_a_burst_lets_other_calls_run_between_its_frames() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        turns = 0

        async def other_call() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(other_call())
        for index in range(400):
            line.browser.say(frame(index, PACKETS[index]))
        while line.socket.traffic.frames < 400:
            await asyncio.sleep(0)
        other.cancel()
        assert turns >= 400

    on_line(scenario)


# down


def test_the_hello_is_answered_and_events_and_meters_follow_as_arrays() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await asyncio.sleep(0)
        await line.browser.speak(range(100))
        assert line.browser.received[0] == "[]"
        kinds = {event["type"] for event in line.browser.events}
        assert {"session.state", "meters"} <= kinds
        assert all(event["v"] == 1 for event in line.browser.events)

    on_line(scenario)


def test_every_command_is_obeyed_and_a_ping_is_answered() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(50))
        before = len(line.browser.received)
        line.browser.say({"type": "ping"})
        await asyncio.sleep(0.05)
        assert "[]" in line.browser.received[before:]
        line.browser.say({"type": "bookmark", "label": "here"})
        line.browser.say({"type": "pause"})
        await asyncio.sleep(1)
        line.browser.say({"type": "resume"})
        await line.browser.speak(range(100, 150))
        assert [e["data"]["label"] for e in line.browser.events if e["type"] == "bookmark"] == [
            "here"
        ]
        assert [state for state, _ in stage.states] == ["active", "paused", "active"]
        line.browser.say({"type": "end"})
        await asyncio.sleep(6)
        assert line.browser.events[-1]["data"]["state"] == "completed"
        assert line.browser.ended is not None
        assert line.browser.ended[0] == 1000

    on_line(scenario)


def test_a_client_that_does_not_read_is_bounded_then_closed() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(50))
        most = 0
        for second in range(8):
            for _ in range(100):
                stage.session.emit(Error(code="much", detail="é" * 1_000))
            await line.browser.speak(range(50 + 50 * second, 100 + 50 * second))
            most = max(most, line.socket.queued_bytes)
        assert 400_000 < most < 600_000
        await asyncio.sleep(2)
        assert line.socket.is_over
        line.browser.reads.set()
        goodbye = await line.carried
        assert goodbye.code == 4408
        assert stage.states[-1] == ("interrupted", "connection_closed")

    on_line(scenario, is_reading=False)


def test_meters_are_left_out_while_events_wait() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        line.browser.say(frame(0, PACKETS[0]))
        await asyncio.sleep(0.02)
        for _ in range(200):
            stage.session.emit(Error(code="much", detail="x" * 400))
        await line.browser.speak(range(1, 150))
        line.browser.reads.set()
        await asyncio.sleep(0.1)
        meters = [event for event in line.browser.events if event["type"] == "meters"]
        assert len(meters) < 5
        assert len([e for e in line.browser.events if e["type"] == "error"]) == 200

    on_line(scenario, is_reading=False)


# those who send what they should not


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x11\x00",
        frame(0, b""),
        frame(0, PACKETS[0], kind=0x21),
        frame(0, PACKETS[0], kind=0x13),
        frame(0, bytes(640), kind=0x12),
        frame(0, bytes(1_501)),
        b"\x11\x01" + frame(0, PACKETS[0])[2:],
    ],
)
def test_a_malformed_frame_is_told_and_too_many_end_the_socket(message: bytes) -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(10))
        for _ in range(websocket.MAX_MALFORMED):
            line.browser.say(message)
        await asyncio.sleep(0.2)
        told = [event for event in line.browser.events if event["type"] == "error"]
        assert [event["data"]["code"] for event in told] == ["bad_message"] * 20
        assert not line.socket.is_over
        assert stage.session.malformed_commands == 20
        line.browser.say(message)
        assert (await line.carried).code == 4400

    on_line(scenario)


@pytest.mark.parametrize("message", [b"x" * 8_000, b"", "x" * 4_000, "x"])
def test_a_flood_is_closed(message: str | bytes) -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(10))
        for _ in range(3_000):
            line.browser.say(message)
        goodbye = await line.carried
        assert goodbye.code in (4400, 4429)
        assert line.socket.traffic.frames + line.socket.traffic.messages <= 1_600

    on_line(scenario)


def test_more_good_frames_than_any_microphone_makes_are_closed() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        for index in range(3_000):
            line.browser.say(frame(index, PACKETS[index % 500]))
        assert (await line.carried).code == 4429
        assert line.browser.ended == (4429, (await line.carried).reason)

    on_line(scenario)


def test_a_replaced_socket_is_closed_and_no_longer_heard() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(50))
        second = Line(stage, Browser())
        assert (await line.carried).code == 1000
        line.browser.say(frame(50, PACKETS[50]))
        await second.browser.speak(range(50, 100))
        assert second.heard.payloads == PACKETS[50:100]
        assert stage.states == [("active", None)]
        await stage.room.end("over")
        await second.carried

    on_line(scenario)


def test_a_client_that_leaves_may_come_back() -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        await line.browser.speak(range(50))
        line.browser.leave()
        assert (await line.carried).code == 1001
        assert stage.states[-1] == ("interrupted", "connection_closed")
        second = Line(stage, Browser())
        await second.browser.speak(range(50, 100))
        assert stage.states[-1] == ("active", "resumed")
        await stage.room.end("over")
        await second.carried

    on_line(scenario)


def test_closing_a_socket_that_nobody_carries_does_not_wait_for_ever() -> None:
    async def scenario(stage: Stage) -> None:
        socket = Socket(Browser(), Hello.model_validate(HELLO))
        async with asyncio.timeout(5):
            await socket.close()
            await socket.close()

    on_stage(scenario)


HEADERS = st.sampled_from([b"\x11\x00", b"\x12\x00", b"\x11\x01", b"\x21\x00"])
MESSAGES = st.one_of(
    st.text(max_size=40),
    st.binary(max_size=60),
    st.builds(bytes.__add__, HEADERS, st.binary(min_size=6, max_size=200)),
    st.sampled_from(["pause", "resume", "device", "ping", "bookmark", "nonsense"]).map(
        lambda kind: json.dumps({"type": kind})
    ),
)


@settings(max_examples=60)
@given(st.lists(MESSAGES, max_size=30), st.sampled_from(["opus", "pcm"]))
def test_no_message_breaks_the_call(messages: list[str | bytes], audio: str) -> None:
    async def scenario(stage: Stage, line: Line) -> None:
        line.browser.say({"type": "ping"})
        for message in messages:
            line.browser.say(message)
            await asyncio.sleep(0.02)
        assert stage.room._faults.count == 0
        assert line.socket.queued_bytes < websocket.MAX_QUEUED_BYTES
        second = Line(stage, Browser())
        await second.browser.speak(range(100))
        assert stage.session.state in ("active", "paused")
        if stage.session.state == "active":
            assert second.heard.payloads[-50:] == PACKETS[50:100]
        await stage.room.end("over")
        await second.carried

    on_line(scenario, audio, 16_000)
