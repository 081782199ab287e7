"""Whoever walks from one network to another keeps the call."""

from __future__ import annotations

import pytest

from tests.faults import networks
from tests.faults.scenarios import Outcome, Pcm, Together
from tests.node import Node
from tests.recording import length_ms

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def calls(node: Node, speech: Pcm) -> Together:
    return Together(
        rebound=networks.rebound(node, speech),
        moved=networks.moved(node, speech),
    )


class TestAnotherAddress:
    """The client's UDP address changes under the connection: a NAT forgot its mapping."""

    @pytest.fixture
    def call(self, calls: Together) -> Outcome:
        outcome: Outcome = calls["rebound"]
        return outcome

    def test_the_call_goes_on_without_an_interruption(self, call: Outcome) -> None:
        assert call.states == [("active", None), ("completed", "ended")]
        assert call.view["durationMs"] == pytest.approx(call.seen["sent_ms"], abs=300)

    def test_no_word_is_lost(self, call: Outcome) -> None:
        assert "the best of times" in call.text
        assert "age of wisdom" in call.text
        assert "age of foolishness" in call.text

    def test_events_find_the_client_at_its_new_address(self, call: Outcome) -> None:
        assert [received.event.model_dump() for received in call.received] == call.events

    def test_the_recording_is_as_long_as_the_session(self, call: Outcome) -> None:
        assert length_ms(call.recording.content) == pytest.approx(call.view["durationMs"], abs=50)


class TestAnotherNetwork:
    """The old path is dead; the client publishes anew with its token."""

    @pytest.fixture
    def call(self, calls: Together) -> Outcome:
        outcome: Outcome = calls["moved"]
        return outcome

    def test_the_call_is_interrupted_and_taken_up_again(self, call: Outcome) -> None:
        assert call.states == [
            ("active", None),
            ("interrupted", "client_lost"),
            ("active", "resumed"),
            ("completed", "ended"),
        ]

    def test_no_more_is_lost_than_the_time_away(self, call: Outcome) -> None:
        finals = call.of("transcript.final")
        before = [final for final in finals if final["data"]["startMs"] < 5_500]
        after = [final for final in finals if final["data"]["startMs"] >= 5_500]
        assert before
        assert after
        away_ms = 1_000 * call.seen["away_s"]
        assert after[0]["data"]["startMs"] - before[-1]["data"]["endMs"] < away_ms + 3_000
        assert after[0]["data"]["startMs"] - before[-1]["data"]["endMs"] > away_ms - 1_000

    def test_what_was_told_meanwhile_can_be_asked_for(self, call: Outcome) -> None:
        seqs = [received.event.seq for received in call.received]
        seqs += [event["seq"] for event in call.seen["missed"]]
        assert set(seqs) == {event["seq"] for event in call.events}

    def test_the_recording_is_on_session_time(self, call: Outcome) -> None:
        assert call.view["durationMs"] > 9_000 + 6_000
        assert length_ms(call.recording.content) == pytest.approx(call.view["durationMs"], abs=50)
