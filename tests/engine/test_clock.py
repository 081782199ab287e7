"""RTP time is placed on session time by anchors, laid when the design says and at no other time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import Anchor, Reason, RtpTime, TrackClock
from engine.frames import FRAME_SAMPLES

PACKET = 960
PACKET_S = 0.02


class Stream:
    """Packets of 20 ms into a clock; the track's frames end where the last packet does."""

    def __init__(self, first_rtp: int = 5_000, now_s: float = 0.0) -> None:
        self.clock = TrackClock()
        self.rtp = first_rtp
        self.now_s = now_s
        self.end_sample = 0
        self.anchors: list[tuple[float, Anchor]] = []

    def send(self, seconds: float, delay_s: float = 0.0, rate: float = 1.0) -> None:
        """`seconds` of packets that arrive `delay_s` late from a sender whose clock is `rate`."""
        for _ in range(round(seconds / PACKET_S)):
            self.packet(delay_s)
            self.now_s += PACKET_S / rate

    def packet(self, delay_s: float = 0.0) -> int:
        start, anchor = self.clock.place(self.rtp, self.now_s + delay_s, self.end_sample)
        if anchor is not None:
            self.anchors.append((self.now_s + delay_s, anchor))
        self.end_sample = max(self.end_sample, start + FRAME_SAMPLES)
        self.rtp += PACKET
        return start

    @property
    def reasons(self) -> list[Reason]:
        return [anchor.reason for _, anchor in self.anchors]


def test_the_first_packet_is_anchored_at_now_on_the_frame_grid() -> None:
    start, anchor = TrackClock().place(123_456, 0.0301, 0)
    assert anchor == Anchor("first", 123_456, 640)
    assert start == 640


def test_between_anchors_rtp_time_rules_whenever_packets_arrive() -> None:
    stream = Stream()
    stream.send(1.0)
    for delay_s in (0.2, 0.0, 0.25, 0.1):
        before = stream.end_sample
        assert stream.packet(delay_s) == before
        stream.now_s += PACKET_S
    assert stream.reasons == ["first"]


@pytest.mark.parametrize("reason", ["ssrc", "resume", "pause", "device"])
def test_an_announced_change_lays_an_anchor_at_the_next_packet(reason: Reason) -> None:
    stream = Stream()
    stream.send(1.0)
    stream.now_s += 5.0
    stream.clock.expect(reason)
    start = stream.packet()
    assert stream.reasons == ["first", reason]
    assert start == 6 * 16_000


def test_an_anchor_never_reaches_behind_frames_already_delivered() -> None:
    clock = TrackClock()
    clock.place(0, 0.0, 0)
    clock.expect("device")
    start, anchor = clock.place(90_000, 1.0, 16_500)
    assert start == 16_640
    assert anchor == Anchor("device", 90_000, 16_640)


def test_a_lag_above_the_limit_is_anchored_after_two_seconds() -> None:
    stream = Stream()
    stream.send(5.0)
    lagging_from_s = stream.now_s + 0.35
    stream.send(3.0, delay_s=0.35)
    assert stream.reasons == ["first", "lag"]
    at_s, anchor = stream.anchors[1]
    assert at_s == pytest.approx(lagging_from_s + 2.0, abs=PACKET_S)
    assert anchor.sample >= at_s * 16_000


def test_a_lag_below_the_limit_is_never_anchored() -> None:
    stream = Stream()
    stream.send(5.0)
    stream.send(30.0, delay_s=0.29)
    assert stream.reasons == ["first"]


def test_a_lag_that_recovers_within_two_seconds_is_not_anchored() -> None:
    stream = Stream()
    stream.send(5.0)
    for _ in range(10):
        stream.send(1.9, delay_s=1.0)
        stream.send(0.1)
    assert stream.reasons == ["first"]


@pytest.mark.parametrize("rate", [1.0002, 0.9998])
def test_a_drifting_sender_is_absorbed_without_an_anchor(rate: float) -> None:
    stream = Stream()
    stream.send(1_800.0, rate=rate)
    assert stream.reasons == ["first"]
    assert abs(stream.now_s - stream.end_sample / 16_000) > 0.3


@pytest.mark.parametrize("silent_s", [2.5, 9.0, 12.0, 60.0])
def test_a_stream_that_stood_still_while_its_rtp_time_did_is_brought_back_to_now(
    silent_s: float,
) -> None:
    """`replaceTrack(null)` stops packets and RTP time alike. Packets of more than 10 s ago had
    left the sliding minimum, so the stream stayed behind session time for good."""
    stream = Stream()
    stream.send(3.0)
    stream.now_s += silent_s
    stream.send(3.0)
    assert stream.reasons == ["first", "lag"]
    assert stream.end_sample / 16_000 == pytest.approx(stream.now_s, abs=2 * PACKET_S)


def test_a_stream_that_stopped_after_one_packet_is_brought_back_to_now() -> None:
    stream = Stream()
    stream.packet()
    stream.now_s += 4.0
    stream.send(3.0)
    assert stream.reasons == ["first", "lag"]


def test_an_outage_during_which_rtp_time_ran_on_needs_no_anchor() -> None:
    stream = Stream()
    stream.send(3.0)
    stream.now_s += 12.0
    stream.rtp += 12 * 48_000
    stream.send(3.0)
    assert stream.reasons == ["first"]
    assert stream.end_sample / 16_000 == pytest.approx(stream.now_s, abs=2 * PACKET_S)


def test_a_jump_ahead_is_another_time_line_not_hours_of_absence() -> None:
    stream = Stream()
    stream.send(3.0)
    stream.rtp += 3_600 * 48_000
    start = stream.packet()
    assert stream.reasons == ["first", "jump"]
    assert start <= stream.now_s * 16_000 + FRAME_SAMPLES


def test_lag_is_told_against_the_least_delayed_packet() -> None:
    stream = Stream(now_s=1.0)
    stream.send(2.0, delay_s=0.05)
    stream.packet(delay_s=0.25)
    assert stream.clock.lag_s() == pytest.approx(0.2, abs=0.001)


@given(st.lists(st.floats(0.0, 2.0), min_size=1, max_size=300))
def test_session_time_never_runs_backwards_across_anchors(delays_s: list[float]) -> None:
    stream = Stream()
    ends = []
    for delay_s in delays_s:
        stream.packet(delay_s)
        stream.now_s += PACKET_S
        ends.append(stream.end_sample)
    assert ends == sorted(ends)
    positions = [anchor.sample for _, anchor in stream.anchors]
    assert positions == sorted(positions)
    assert all(position % FRAME_SAMPLES == 0 for position in positions)


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=50),
)
def test_rtp_times_unwrap_to_where_they_came_from(first: int, steps: list[int]) -> None:
    time = RtpTime()
    true = newest = first
    assert time.unwrap(first) == first
    for step in steps:
        true = newest + step
        assert time.unwrap(true % 2**32) == true
        newest = max(newest, true)


def test_rtp_time_wraps_without_a_seam() -> None:
    time = RtpTime()
    times = [time.unwrap((2**32 - 2 * PACKET + n * PACKET) % 2**32) for n in range(5)]
    assert [b - a for a, b in itertools.pairwise(times)] == [PACKET] * 4


def test_a_backlog_that_drains_slowly_is_caught_up_with_and_not_anchored_anew() -> None:
    """A stall of 3 s over TCP, after which packets come at twice their pace."""
    clock = TrackClock()
    anchors = []
    for index in range(500):
        at_s = index * 0.02
        if index >= 100:
            at_s = max(at_s, 2.0 + 3.0 + (index - 100) * 0.01)
        _, anchor = clock.place(index * 960, at_s, index * 320)
        anchors += [anchor] if anchor else []
    assert [anchor.reason for anchor in anchors] == ["first"]
    assert clock.lag_s() < 0.3


def test_the_session_begins_with_its_first_packet_whatever_that_took() -> None:
    sample, anchor = TrackClock().place(77, 0.004, 0)
    assert sample == 0
    assert anchor is not None
    assert anchor.sample == 0
