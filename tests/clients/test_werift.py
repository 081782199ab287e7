"""npm's werift, WebRTC in TypeScript alone, publishes a whole practice call."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.clients.call import Call, Speech, assert_recorded_whole, assert_understood

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def call(calls: dict[str, Future[Call]]) -> Call:
    return calls["werift"].result()


def test_its_command_ends_the_call(call: Call) -> None:
    assert call.states == [("active", None), ("completed", "ended")]
    assert call.view["status"] == "completed"


def test_it_is_understood(call: Call, speech: Speech) -> None:
    assert_understood(call, speech)


def test_it_is_recorded_packet_for_packet(call: Call, speech: Speech) -> None:
    assert_recorded_whole(call, speech)


def test_its_data_channel_brings_every_event_in_order(call: Call) -> None:
    kept = {event["type"] for event in call.events}
    assert [event for event in call.seen if event["type"] in kept] == call.events
    assert {"transcript.partial", "transcript.final"} <= {event["type"] for event in call.seen}


def test_its_meters_show_a_link_that_loses_nothing(call: Call) -> None:
    links = [event["data"]["link"] for event in call.seen if event["type"] == "meters"]
    known = [link for link in links if link is not None]
    assert len(known) > 20
    assert {(link["lostPct"], link["concealedPct"]) for link in known} == {(0.0, 0.0)}
