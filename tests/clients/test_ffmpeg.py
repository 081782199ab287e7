"""FFmpeg's WHIP muxer, as PyAV brings it, publishes a whole practice call."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.clients.call import Call, Speech, assert_recorded_whole, assert_understood

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def call(calls: dict[str, Future[Call]]) -> Call:
    return calls["ffmpeg"].result()


def test_its_delete_ends_the_call(call: Call) -> None:
    assert call.states == [("active", None), ("completed", "deleted")]
    assert call.view["status"] == "completed"


def test_it_is_understood(call: Call, speech: Speech) -> None:
    assert_understood(call, speech)


def test_it_is_recorded_packet_for_packet(call: Call, speech: Speech) -> None:
    assert_recorded_whole(call, speech)


def test_its_events_can_be_read_as_a_stream(call: Call) -> None:
    """It has no data channels; what comes over them alone, as partials do, it goes without."""
    kept = {event["type"] for event in call.events}
    assert [event for event in call.seen if event["type"] in kept] == call.events
    assert "transcript.final" in kept
