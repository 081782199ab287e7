"""A node that is stopped leaves nobody's call behind: it ends cleanly or can be taken up again."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator

import pytest

from signaling.publisher import Publisher
from tests.faults import stops
from tests.faults.scenarios import Json, Outcome, Pcm, Together
from tests.faults.stops import Stopped
from tests.node import Node
from tests.recording import length_ms

pytestmark = pytest.mark.slow

LONG_S = "300"


@pytest.fixture(scope="module")
def stopping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("stopping") / "node", FORECOURT_LOG_LEVEL="debug")
    yield node
    node.stop()


@pytest.fixture(scope="module")
def draining(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node = Node(tmp_path_factory.mktemp("draining") / "node", FORECOURT_DRAIN_S=LONG_S)
    yield node
    node.kill()


@pytest.fixture(scope="module")
def call(stopping: Node, speech: Pcm) -> Outcome:
    stopping.start()
    outcome: Outcome = Together(call=stops.restarted(stopping, speech))["call"]
    return outcome


def events_in(journal: str) -> list[Json]:
    records = [json.loads(line)[1] for line in journal.splitlines()]
    return [record["e"] for record in records if record["k"] == "event"]


class TestStopAndStart:
    def test_a_stopped_node_leaves_its_call_interrupted(self, call: Outcome) -> None:
        stopped: Stopped = call.seen["stopped"]
        events = events_in(stopped.journal)
        assert stopped.exit_code in (0, -15)
        assert events[-1]["data"] == {"state": "interrupted", "reason": "node_stopped"}
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))

    def test_whoever_was_there_was_told_every_event_in_time(self, call: Outcome) -> None:
        events = events_in(call.seen["stopped"].journal)
        assert call.seen["told"] == events
        assert [event["data"] for event in call.seen["streamed"]] == events

    def test_what_was_said_until_then_is_in_final_words(self, call: Outcome) -> None:
        told = call.seen["told"]
        starts = [e["data"]["utterance"] for e in told if e["type"] == "speech.start"]
        finals = [e["data"]["utterance"] for e in told if e["type"] == "transcript.final"]
        assert starts
        assert finals == starts
        assert "best of times" in Outcome([], {}, told, call.recording).text

    def test_its_recording_is_whole_and_plays(self, call: Outcome) -> None:
        stopped: Stopped = call.seen["stopped"]
        last = events_in(stopped.journal)[-1]
        assert length_ms(stopped.recording) == pytest.approx(last["t"], abs=50)

    def test_the_new_node_holds_the_call_for_its_client(self, call: Outcome) -> None:
        between: Outcome = call.seen["between"]
        assert between.view["status"] == "interrupted"
        assert between.states[-1] == ("interrupted", "node_restarted")

    def test_the_token_takes_the_call_up_again(self, call: Outcome) -> None:
        assert call.states == [
            ("active", None),
            ("interrupted", "node_stopped"),
            ("interrupted", "node_restarted"),
            ("active", "resumed"),
            ("completed", "ended"),
        ]
        assert call.view["status"] == "completed"

    def test_the_journal_is_continuous_and_no_number_is_used_twice(self, call: Outcome) -> None:
        stopped = events_in(call.seen["stopped"].journal)
        assert call.events[: len(stopped)] == stopped
        assert [event["seq"] for event in call.events] == list(range(1, len(call.events) + 1))
        utterances = [event["data"]["utterance"] for event in call.of("speech.start")]
        assert utterances == list(range(1, len(utterances) + 1))

    def test_the_recording_covers_both_parts_and_the_time_away(self, call: Outcome) -> None:
        before_ms = length_ms(call.seen["stopped"].recording)
        last = call.of("transcript.final")[-1]["data"]
        assert last["startMs"] > before_ms + 1_000 * stops.AWAY_S
        assert length_ms(call.recording.content) == pytest.approx(call.view["durationMs"], abs=50)

    def test_the_node_complains_of_nothing_and_logs_no_secret(
        self, call: Outcome, stopping: Node
    ) -> None:
        log = stopping.log
        assert "Traceback" not in log
        assert '"level": "error"' not in log
        assert call.view["id"] in log
        for secret in (*call.seen["secrets"], "Bearer", "ice-pwd", "fingerprint"):
            assert secret not in log


@pytest.fixture(scope="module")
def drained(draining: Node, speech: Pcm) -> Outcome:
    draining.start()
    outcome: Outcome = Together(call=stops.drained(draining, speech))["call"]
    return outcome


class TestDrain:
    def test_a_draining_node_refuses_new_calls_and_says_when_to_come_back(
        self, drained: Outcome
    ) -> None:
        for refusal in drained.seen["refusals"]:
            assert refusal.status_code == 503
            assert refusal.headers["content-type"] == "application/problem+json"
            assert int(refusal.headers["Retry-After"]) > 0

    def test_it_says_that_it_drains(self, drained: Outcome) -> None:
        health = drained.seen["health"]
        assert health.status_code == 503
        assert health.json()["status"] == "draining"
        assert health.json()["liveCalls"] == 1
        assert "\nforecourt_draining 1.0\n" in drained.seen["metrics"]

    def test_its_call_goes_on_comes_back_and_ends_by_itself(self, drained: Outcome) -> None:
        assert drained.states == [("active", None), ("completed", "ended")]
        assert length_ms(drained.recording.content) > 6_000

    def test_the_node_ends_with_its_last_call(self, drained: Outcome) -> None:
        assert drained.seen["exit_code"] in (0, -15)


def last_state(publisher: Publisher) -> tuple[str, str]:
    states = [r.event.data for r in publisher.received if r.event.type == "session.state"]
    return states[-1]["state"], states[-1]["reason"]


@pytest.mark.parametrize(
    ("how", "left"),
    [(signal.SIGTERM, "interrupted"), (signal.SIGINT, "completed")],
    ids=["sigterm-again", "sigint"],
)
def test_a_draining_node_can_be_hurried(
    draining: Node, speech: Pcm, how: signal.Signals, left: str
) -> None:
    draining.start()
    kept, refused, seen = asyncio.run(stops.hurried(draining, speech, how))
    assert seen["before"] == [{"state": "active", "reason": None}]
    assert last_state(kept) == (left, "node_stopped")
    # Nothing of it is on disk, so nobody could take it up again.
    assert last_state(refused) == ("completed", "node_stopped")
    assert seen["exit_code"] in (0, -how, 128 + how)
    stopped = stops.left_on_disk(draining, kept.session_id, seen["exit_code"])
    events = events_in(stopped.journal)
    assert events[-1]["data"] == {"state": left, "reason": "node_stopped"}
    assert length_ms(stopped.recording) == pytest.approx(events[-1]["t"], abs=50)
