"""Whole calls through a real node, with what goes wrong in them."""

from __future__ import annotations

import re

import pytest

from tests.faults.conftest import BrokenNodes
from tests.faults.scenarios import Outcome, Together
from tests.node import Node
from tests.recording import length_ms

pytestmark = pytest.mark.slow


def assert_recorded_in_full(call: Outcome) -> None:
    """The decoded recording is as long as the session, within 50 ms."""
    assert call.recording.status_code == 200
    assert call.recording.headers["content-type"] == "audio/ogg"
    assert length_ms(call.recording.content) == pytest.approx(call.view["durationMs"], abs=50)


def assert_numbered_without_gaps(call: Outcome) -> None:
    assert [event["seq"] for event in call.events] == list(range(1, len(call.events) + 1))


class TestLossAndPause:
    @pytest.fixture
    def call(self, first_calls: Together) -> Outcome:
        outcome: Outcome = first_calls["lossy"]
        return outcome

    def test_media_was_lost_on_the_way_and_the_meters_say_so(self, call: Outcome) -> None:
        assert call.seen["lost"] > 0.04 * call.seen["media"]
        assert max(call.seen["lost_pct"]) > 2

    def test_the_recording_is_as_long_as_the_session(self, call: Outcome) -> None:
        assert call.view["durationMs"] > 14_000
        assert_recorded_in_full(call)

    def test_the_pause_is_in_the_events(self, call: Outcome) -> None:
        assert [state for state, _ in call.states] == ["active", "paused", "active", "completed"]
        paused, active = call.of("session.state")[1:3]
        assert 1_900 < active["t"] - paused["t"] < 4_000

    def test_the_words_still_come(self, call: Outcome) -> None:
        assert "the best of times" in call.text
        assert len(call.text.split()) > 15

    def test_nothing_is_numbered_twice_or_missing(self, call: Outcome) -> None:
        assert_numbered_without_gaps(call)


class TestEventStream:
    @pytest.fixture
    def call(self, first_calls: Together) -> Outcome:
        outcome: Outcome = first_calls["streamed"]
        return outcome

    def test_a_stream_that_broke_off_goes_on_without_a_gap_or_a_repeat(self, call: Outcome) -> None:
        first, rest = call.seen["first"], call.seen["rest"]
        assert [event["data"] for event in first + rest] == call.events
        assert [int(event["id"]) for event in first + rest] == [e["seq"] for e in call.events]
        assert {event["event"] for event in first + rest} >= {"session.state", "transcript.final"}

    def test_the_stream_ends_with_the_call_and_says_not_to_come_back(self, call: Outcome) -> None:
        assert call.seen["rest"][-1]["data"]["data"]["state"] == "completed"
        assert call.seen["after"] == 204

    def test_the_channel_brought_the_same_events(self, call: Outcome) -> None:
        assert [r.event.model_dump() for r in call.received] == call.events

    def test_the_call_is_listed_as_its_own_page_shows_it(self, call: Outcome) -> None:
        (listed,) = [item for item in call.seen["listed"] if item["id"] == call.view["id"]]
        assert listed == call.view
        assert call.view["status"] == "completed"
        assert call.view["hasRecording"] is True
        assert call.view["metrics"]["quantities"]["words"] > 10
        assert call.view["startTime"] < call.view["endTime"]

    def test_the_recording_is_as_long_as_the_session(self, call: Outcome) -> None:
        assert_recorded_in_full(call)

    def test_a_part_of_the_recording_can_be_asked_for(self, call: Outcome, node: Node) -> None:
        path = f"/sessions/{call.view['id']}/recording"
        part = node.get(path, headers={"Range": "bytes=100-199"})
        assert part.status_code == 206
        assert part.content == call.recording.content[100:200]


class TestCommands:
    @pytest.fixture
    def call(self, first_calls: Together) -> Outcome:
        outcome: Outcome = first_calls["commanded"]
        return outcome

    def test_every_command_had_its_effect(self, call: Outcome) -> None:
        assert [state for state, _ in call.states] == ["active", "paused", "active", "completed"]
        assert [event["data"]["label"] for event in call.of("bookmark")] == ["first", "last"]

    def test_each_bad_message_got_one_error_and_the_call_went_on(self, call: Outcome) -> None:
        errors = call.of("error")
        assert [event["data"]["code"] for event in errors] == ["bad_message"] * 5
        assert all(len(event["data"]["detail"]) < 400 for event in errors)

    def test_only_the_resource_of_this_call_ends_it_and_only_once(self, call: Outcome) -> None:
        assert call.seen["codes"] == [404, 200, 404]
        assert call.states[-1] == ("completed", "deleted")

    def test_a_silent_call_is_recorded_in_full(self, call: Outcome) -> None:
        assert_recorded_in_full(call)


@pytest.mark.parametrize(("batch", "name"), [("first_calls", "silent"), ("second_calls", "noisy")])
def test_what_is_not_speech_yields_no_words(
    batch: str, name: str, request: pytest.FixtureRequest
) -> None:
    call: Outcome = request.getfixturevalue(batch)[name]
    assert call.view["durationMs"] > 8_000
    told = {event["type"] for event in call.events}
    # Others talk meanwhile: words may be late for all where the machine is busy.
    assert told <= {"session.state", "metrics", "feedback", "summary", "degraded"}
    assert call.text == ""
    assert call.view["metrics"]["quantities"]["words"] == 0


class TestRecordingRefused:
    @pytest.fixture
    def call(self, second_calls: Together) -> Outcome:
        outcome: Outcome = second_calls["refused"]
        return outcome

    def test_the_call_is_coached_all_the_same(self, call: Outcome) -> None:
        assert "the best of times" in call.text
        assert [r.event.model_dump() for r in call.received] == call.events
        assert call.view["recordingConsent"] is False
        assert call.view["status"] == "completed"

    def test_there_is_no_recording(self, call: Outcome) -> None:
        assert call.recording.status_code == 404
        assert call.recording.json()["detail"] == "No recording is kept of this call."
        assert call.view["hasRecording"] is False

    def test_no_word_and_no_file_of_it_is_on_disk(self, call: Outcome, node: Node) -> None:
        """Its times and scores are in the store."""
        assert call.seen["files"] == []
        for path in node.data.rglob("*"):
            assert call.view["id"] not in path.name
            if path.is_file():
                assert b"best of times" not in path.read_bytes().lower()


class TestVanishedClient:
    @pytest.fixture
    def call(self, second_calls: Together) -> Outcome:
        outcome: Outcome = second_calls["vanished"]
        return outcome

    def test_the_call_is_interrupted_within_ten_seconds(self, call: Outcome) -> None:
        assert call.seen["interrupted_after_s"] <= 10
        assert call.states[:2] == [("active", None), ("interrupted", "client_lost")]

    def test_nothing_that_was_said_before_is_lost(self, call: Outcome) -> None:
        before = call.seen["before"]
        assert call.events[: len(before)] == before
        assert "the best of times" in call.text.partition("it was the best of times")[1]
        assert call.seen["at_interruption"]["durationMs"] > 3_500

    def test_the_token_takes_the_call_up_again(self, call: Outcome) -> None:
        assert call.states[2:] == [("active", "resumed"), ("completed", "ended")]
        finals = call.of("transcript.final")
        assert finals[-1]["data"]["startMs"] > call.seen["at_interruption"]["durationMs"]
        assert_numbered_without_gaps(call)

    def test_session_time_ran_on_and_the_recording_with_it(self, call: Outcome) -> None:
        gone_ms = call.seen["interrupted_after_s"] * 1_000
        assert call.view["durationMs"] > call.seen["at_interruption"]["durationMs"] + gone_ms
        assert_recorded_in_full(call)


class TestNetworkThatComesBack:
    """Nothing passes for 5 s, then everything again, on the same connection."""

    @pytest.fixture
    def call(self, second_calls: Together) -> Outcome:
        outcome: Outcome = second_calls["cut_off"]
        return outcome

    def test_the_call_is_interrupted_and_goes_on_by_itself(self, call: Outcome) -> None:
        assert call.states == [
            ("active", None),
            ("interrupted", "client_lost"),
            ("active", "resumed"),
            ("completed", "ended"),
        ]
        assert_numbered_without_gaps(call)

    def test_words_are_at_their_own_time_before_and_after(self, call: Outcome) -> None:
        sent_ms = call.seen["sent_ms"]
        assert call.view["durationMs"] == pytest.approx(sent_ms, abs=300)
        starts = [event["data"]["startMs"] for event in call.of("transcript.final")]
        assert min(starts) < 3_500
        assert max(starts) > 7_000

    def test_the_recording_is_as_long_as_the_session(self, call: Outcome) -> None:
        assert_recorded_in_full(call)


class TestStranger:
    @pytest.fixture
    def call(self, second_calls: Together) -> Outcome:
        outcome: Outcome = second_calls["contested"]
        return outcome

    def test_a_stranger_cannot_take_a_live_call(self, call: Outcome) -> None:
        refusals = [refusal[:3] for refusal in call.seen["refusals"]]
        assert refusals == ["409", "403", "401", "401"]

    def test_the_token_replaces_the_connection_and_the_call_stays_active(
        self, call: Outcome
    ) -> None:
        assert [state for state, _ in call.states] == ["active", "completed"]
        assert_recorded_in_full(call)

    def test_the_replaced_connections_resource_ends_nothing(self, call: Outcome) -> None:
        assert call.seen["stale"] == 404
        assert call.states[-1] == ("completed", "ended")


class TestKilledNode:
    @pytest.fixture
    def call(self, broken_nodes: BrokenNodes) -> Outcome:
        outcome: Outcome = broken_nodes.calls["crashed"]
        return outcome

    @pytest.fixture
    def restarted(self, call: Outcome) -> Outcome:
        outcome: Outcome = call.seen["restarted"]
        return outcome

    def test_the_restarted_node_shows_the_call_as_interrupted(self, restarted: Outcome) -> None:
        assert restarted.view["status"] == "interrupted"
        assert restarted.states == [("active", None), ("interrupted", "node_restarted")]
        assert restarted.view["metrics"] is not None
        assert restarted.view["durationMs"] > 6_000

    def test_every_event_that_was_told_is_there(self, call: Outcome, restarted: Outcome) -> None:
        told = call.seen["told"]
        assert len(told) > 5
        assert restarted.events[: len(told)] == told

    def test_numbers_jump_and_none_is_used_twice(self, call: Outcome, restarted: Outcome) -> None:
        numbers = [event["seq"] for event in call.events]
        assert len(set(numbers)) == len(numbers)
        assert numbers == sorted(numbers)
        *_, before, interrupted = [event["seq"] for event in restarted.events]
        assert interrupted == before + 1_000

    def test_the_recording_plays_to_within_half_a_second_of_the_crash(
        self, restarted: Outcome
    ) -> None:
        recorded_ms = length_ms(restarted.recording.content)
        assert recorded_ms == pytest.approx(restarted.view["durationMs"], abs=500)

    def test_the_token_takes_the_call_up_again(self, call: Outcome) -> None:
        assert call.states[2:] == [("active", "resumed"), ("completed", "ended")]
        last = call.of("transcript.final")[-1]["data"]
        assert last["startMs"] > call.seen["restarted"].view["durationMs"]
        utterances = [event["data"]["utterance"] for event in call.of("speech.start")]
        assert len(set(utterances)) == len(utterances)

    def test_the_whole_recording_is_as_long_as_the_session(self, call: Outcome) -> None:
        assert_recorded_in_full(call)


class TestKilledRecognizer:
    @pytest.fixture
    def call(self, broken_nodes: BrokenNodes) -> Outcome:
        outcome: Outcome = broken_nodes.calls["operated"]
        return outcome

    def test_a_killed_recognizer_is_started_again_and_the_words_come(self, call: Outcome) -> None:
        assert call.seen["health"]["status"] == "ok"
        assert call.seen["health"]["recognizer"]["restarts"] == 1
        assert [state for state, _ in call.states] == ["active", "completed"]
        assert "the best of times" in call.text
        last_word_ms = call.of("transcript.final")[-1]["data"]["words"][-1][2]
        assert last_word_ms > call.seen["killed_ms"] + 2_000

    def test_no_word_that_was_spoken_is_in_the_log(
        self, call: Outcome, broken_nodes: BrokenNodes
    ) -> None:
        log = broken_nodes.operated.log
        words = set(re.findall(r"[a-z]{4,}", call.text)) - {"with", "that", "from", "this"}
        assert len(words) >= 4
        assert [word for word in words if re.search(rf"\b{word}\b", log, re.IGNORECASE)] == []
