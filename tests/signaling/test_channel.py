"""Data channels: what goes out in which order, and what comes in."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import (
    COMMANDS,
    Error,
    Event,
    Meters,
    SpeechStart,
    StateChanged,
    TranscriptFinal,
    TranscriptPartial,
    Wire,
)
from signaling.channel import (
    MAX_BUFFERED_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_PENDING,
    BadMessage,
    Outbox,
    parse_command,
)
from signaling.load import Load

METERS = Meters(
    level_dbfs=-30,
    lufs_momentary=None,
    pitch_hz=None,
    syllables_per_s=None,
    speaking=False,
    snr_db=None,
    link=None,
)


class VirtualLoop:
    """The part of an event loop that an outbox uses, on virtual time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Any, Any]] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, due_s: float, callback: Any) -> Any:
        timer = (due_s, callback, self)
        self.timers.append(timer)
        loop = self

        class Handle:
            def cancel(self) -> None:
                if timer in loop.timers:
                    loop.timers.remove(timer)

        return Handle()

    def advance(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while due := sorted(timer for timer in self.timers if timer[0] <= until_s):
            self.timers.remove(due[0])
            self.now_s = due[0][0]
            due[0][1]()
        self.now_s = until_s


@dataclass
class Channel:
    label: str = "events"
    readyState: str = "open"
    bufferedAmount: int = 0
    sent: list[str] = field(default_factory=list)

    def send(self, data: str) -> None:
        self.sent.append(data)

    @property
    def batches(self) -> list[list[int]]:
        return [[event["seq"] for event in json.loads(message)] for message in self.sent]


class Setup:
    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.load = Load()
        self.load.measured(0.1)
        self.outbox = Outbox(cast(asyncio.AbstractEventLoop, self.loop), load=self.load)
        self.channel = Channel()
        self.outbox.events_channel = self.channel
        self.seq = 0

    def push(self, data: Wire) -> int:
        self.seq += 1
        self.outbox.push(Event.of(self.seq, 0, "trainee", data))
        return self.seq


@pytest.fixture
def setup() -> Setup:
    return Setup()


PARTIAL = TranscriptPartial(utterance=1, committed="", tentative="so")
SLOW = StateChanged(state="active")


@pytest.mark.parametrize(
    "urgent",
    [
        PARTIAL,
        SpeechStart(utterance=1, start_ms=0),
        TranscriptFinal(utterance=1, start_ms=0, end_ms=1, words=[]),
    ],
)
def test_what_is_urgent_leaves_within_20_ms(setup: Setup, urgent: Wire) -> None:
    setup.push(urgent)
    setup.loop.advance(0.02)
    assert setup.channel.batches == [[1]]


def test_the_rest_leaves_in_batches_ten_times_a_second(setup: Setup) -> None:
    for _ in range(3):
        setup.push(SLOW)
        setup.loop.advance(0.03)
    assert setup.channel.sent == []
    setup.loop.advance(0.02)
    assert setup.channel.batches == [[1, 2, 3]]


def test_nothing_overtakes_anything(setup: Setup) -> None:
    for data in (SLOW, PARTIAL, SLOW, PARTIAL):
        setup.push(data)
    setup.loop.advance(0.02)
    assert setup.channel.batches == [[1, 2, 3, 4]]
    setup.loop.advance(1.0)
    assert setup.channel.batches == [[1, 2, 3, 4]]


def test_a_message_is_always_an_array_of_envelopes(setup: Setup) -> None:
    setup.push(StateChanged(state="paused", reason="ü"))
    setup.loop.advance(0.1)
    assert json.loads(setup.channel.sent[0]) == [
        {
            "v": 1,
            "seq": 1,
            "t": 0,
            "track": "trainee",
            "type": "session.state",
            "data": {"state": "paused", "reason": "ü"},
        }
    ]


def test_events_wait_for_a_channel_and_leave_when_it_opens(setup: Setup) -> None:
    setup.outbox.events_channel = None
    setup.push(PARTIAL)
    setup.loop.advance(1)
    setup.outbox.events_channel = Channel(readyState="connecting")
    setup.outbox.flush()
    assert setup.outbox.depth == 1
    setup.outbox.events_channel = setup.channel
    setup.outbox.flush()
    assert setup.channel.batches == [[1]]


def test_a_slow_channel_is_waited_for(setup: Setup) -> None:
    setup.channel.bufferedAmount = MAX_BUFFERED_BYTES + 1
    setup.push(PARTIAL)
    setup.loop.advance(1)
    assert setup.channel.sent == []
    setup.channel.bufferedAmount = 0
    setup.loop.advance(0.2)
    assert setup.channel.batches == [[1]]


def test_waiting_events_are_bounded_and_partials_go_first(setup: Setup) -> None:
    setup.outbox.events_channel = None
    states = [setup.push(SLOW) for _ in range(MAX_PENDING - 1)]
    setup.push(PARTIAL)
    extra = [setup.push(SLOW) for _ in range(3)]
    assert setup.outbox.depth == MAX_PENDING
    assert setup.outbox.dropped == 3
    setup.outbox.events_channel = setup.channel
    setup.loop.advance(10)
    sent = [seq for batch in setup.channel.batches for seq in batch]
    assert sent == states[2:] + extra


def test_no_message_is_larger_than_any_peer_takes(setup: Setup) -> None:
    setup.outbox.events_channel = None
    words = [("word", 0, 1, 0.5)] * 60
    for _ in range(100):
        setup.push(TranscriptFinal(utterance=1, start_ms=0, end_ms=1, words=words))
    setup.outbox.events_channel = setup.channel
    setup.loop.advance(10)
    assert [seq for batch in setup.channel.batches for seq in batch] == list(range(1, 101))
    assert max(len(message.encode()) for message in setup.channel.sent) < 65_536


def test_meters_leave_at_once_with_a_counter_of_their_own(setup: Setup) -> None:
    meters = Channel("meters")
    setup.outbox.meters_channel = meters
    setup.outbox.push_meters("trainee", 100, METERS)
    setup.outbox.push_meters("trainee", 200, METERS)
    assert meters.batches == [[1], [2]]
    assert json.loads(meters.sent[0])[0]["data"]["levelDbfs"] == -30


@pytest.mark.parametrize(
    "channel", [None, Channel(readyState="closing"), Channel(bufferedAmount=MAX_BUFFERED_BYTES)]
)
def test_meters_that_cannot_leave_are_gone(setup: Setup, channel: Channel | None) -> None:
    setup.outbox.meters_channel = channel
    setup.outbox.push_meters("trainee", 100, METERS)
    assert setup.outbox.depth == 0
    assert channel is None or channel.sent == []


def test_a_closed_outbox_sends_nothing_more(setup: Setup) -> None:
    setup.push(PARTIAL)
    setup.outbox.close()
    setup.loop.advance(1)
    assert setup.channel.sent == []
    assert setup.loop.timers == []


@pytest.mark.parametrize("kind", sorted(COMMANDS))
def test_every_command_is_understood(kind: str) -> None:
    command = parse_command(json.dumps({"type": kind, "later": "ignored"}))
    assert command is not None
    assert command.type == kind


def test_a_device_and_a_bookmark_carry_what_they_say() -> None:
    device = parse_command('{"type":"device","label":"USB","settings":{"autoGainControl":false}}')
    assert device is not None
    assert (device.label, device.settings) == ("USB", {"autoGainControl": False})
    bookmark = parse_command(b'{"type":"bookmark","label":"here"}')
    assert bookmark is not None
    assert bookmark.label == "here"


def test_an_unknown_type_is_ignored() -> None:
    assert parse_command('{"type":"dance"}') is None


BAD = [
    "",
    "pause",
    "null",
    "[]",
    "{}",
    '{"type":1}',
    '{"type":"' + "x" * 33 + '"}',
    '{"type":"bookmark","label":5}',
    '{"type":"bookmark","label":"' + "x" * 201 + '"}',
    '{"type":"device","settings":{"a":[1]}}',
    json.dumps({"type": "device", "settings": {str(i): i for i in range(33)}}),
    '{"type":"pause"' + " " * MAX_MESSAGE_BYTES + "}",
    "[" * 2_000,
    '{"type":"bookmark","label":"\\ud800"}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("message", BAD)
def test_a_bad_message_is_refused_with_a_sentence_that_fits_an_event(message: str | bytes) -> None:
    with pytest.raises(BadMessage) as refusal:
        parse_command(message)
    detail = str(refusal.value)
    assert detail.endswith(".")
    assert len(detail) < 400
    Event.of(1, 0, None, Error(code="bad_message", detail=detail))


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_no_message_raises_anything_else(message: str | bytes) -> None:
    with suppress(BadMessage):
        command = parse_command(message)
        assert command is None or command.type in COMMANDS


def test_in_a_busy_process_every_second_meter_is_left_out(setup: Setup) -> None:
    setup.outbox.meters_channel = meters = Channel()
    for is_busy, sent in ((False, 10), (True, 15), (False, 25)):
        setup.load.measured(0.9 if is_busy else 0.1)
        for _ in range(10):
            setup.outbox.push_meters("trainee", 100, METERS)
        assert len(meters.sent) == sent


@pytest.mark.parametrize("is_busy", [False, True])
def test_an_outbox_of_half_the_meters_sends_half_of_them_busy_or_not(is_busy: bool) -> None:
    loop, load = VirtualLoop(), Load()
    load.measured(0.9 if is_busy else 0.1)
    outbox = Outbox(cast(asyncio.AbstractEventLoop, loop), load=load, half_meters=True)
    outbox.meters_channel = meters = Channel()
    for _ in range(20):
        outbox.push_meters("trainee", 100, METERS)
    assert len(meters.sent) == 10
