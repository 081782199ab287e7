"""A room: who is there, who is lost, who comes back. On virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from engine.events import Event, Meters
from engine.session import TRAINEE
from signaling.channel import MAX_MESSAGE_BYTES
from signaling.commands import AT_ONCE, PER_S
from signaling.ending import FINALS_WITHIN_S
from signaling.recorder import Recorder, Writer
from signaling.room import (
    CLOSED_AFTER_S,
    CONNECT_WITHIN_S,
    LOST_AFTER_S,
    RESUME_WITHIN_S,
    Busy,
)
from signaling.sdp import BadOffer
from tests.signaling.offers import CHROMIUM
from tests.signaling.stage import PACKETS, TOKEN, BrokenJournal, Stage, on_stage
from tests.signaling.virtual_loop import run

NOWHERE = Path("/nonexistent/trainee.ogg")


def test_the_first_packet_begins_the_session() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(5)
        assert stage.states == []
        await stage.speak(1)
        assert stage.begun == 1
        assert stage.states == [("active", None)]
        assert stage.session.t_ms == 1_000

    on_stage(scenario)


def test_a_silent_client_is_interrupted_at_three_seconds_and_dropped_at_ten() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        await stage.vanish(LOST_AFTER_S - 0.5)
        assert stage.states == [("active", None)]
        await stage.vanish(1)
        assert stage.states[-1] == ("interrupted", "client_lost")
        await stage.vanish(CLOSED_AFTER_S - LOST_AFTER_S - 1)
        assert stage.connection.closures == 0
        await stage.vanish(1.5)
        assert stage.connection.closures == 1
        assert stage.closed == []

    on_stage(scenario)


def test_an_interrupted_call_is_completed_after_a_minute() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        await stage.vanish(LOST_AFTER_S + RESUME_WITHIN_S - 1)
        assert stage.session.state == "interrupted"
        await stage.vanish(2 + FINALS_WITHIN_S)
        assert stage.states[-1] == ("completed", "client_lost")
        assert stage.closed == ["completed"]
        assert stage.session.t_ms == 1_000

    on_stage(scenario)


@pytest.mark.parametrize("away_s", [LOST_AFTER_S + 1, CLOSED_AFTER_S + 1, RESUME_WITHIN_S - 1])
def test_whoever_shows_the_token_within_a_minute_goes_on_in_the_same_call(away_s: float) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        await asyncio.sleep(away_s)
        stage.room.admit(TOKEN)
        stage.connection = stage.connect()
        for packet in PACKETS[:50]:
            stage.packet(replace(packet, ssrc=packet.ssrc + 1))
            await asyncio.sleep(0.02)
        interruption = [("interrupted", "client_lost"), ("active", "resumed")]
        assert stage.states == [("active", None), *interruption]
        assert stage.session.t_ms == pytest.approx(1_000 * (2 + away_s), abs=40)

    on_stage(scenario)


def test_after_a_minute_the_token_opens_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        await stage.vanish(LOST_AFTER_S + RESUME_WITHIN_S + 1)
        with pytest.raises(Busy):
            stage.room.admit(TOKEN)

    on_stage(scenario)


def test_a_client_that_comes_back_goes_on_at_the_right_time() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(2)
        await stage.vanish(5)
        await stage.speak(2)
        assert [state for state, _ in stage.states] == ["active", "interrupted", "active"]
        assert stage.session.t_ms == pytest.approx(9_000, abs=20)

    on_stage(scenario)


def test_speech_that_the_network_held_up_keeps_its_place_and_time_does_not_lead() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(2)
        held = PACKETS[stage.sent : stage.sent + 200]
        await stage.vanish(4)
        for packet in held:
            stage.packet(packet)
        assert stage.states[-1] == ("active", "resumed")
        assert stage.session.t_ms == 6_000
        await stage.speak(2)
        assert stage.session.t_ms == pytest.approx(stage.now_s() * 1_000, abs=40)
        anchors = [r for r in stage.session.journal.records() if r["k"] == "anchor"]
        assert len(anchors) == 1

    on_stage(scenario)


def test_a_client_that_was_cut_off_while_paused_comes_back_paused() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        stage.say("pause")
        await stage.vanish(5)
        assert stage.states[-1] == ("interrupted", "client_lost")
        await stage.speak(1)
        assert [state for state, _ in stage.states] == [
            "active",
            "paused",
            "interrupted",
            "active",
            "paused",
        ]
        stage.say("resume")
        await stage.speak(1)
        assert stage.session.state == "active"
        assert stage.session.t_ms == pytest.approx(8_000, abs=40)

    on_stage(scenario)


def test_messages_alone_keep_a_call_alive_and_its_time_runs_on() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        for _ in range(20):
            stage.say("ping")
            await stage.vanish(1)
        assert stage.states == [("active", None)]
        assert stage.session.t_ms == pytest.approx(21_000, abs=200)
        await stage.speak(1)
        assert stage.session.t_ms == pytest.approx(22_000, abs=100)

    on_stage(scenario)


def test_a_message_is_enough_to_come_back() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        stage.say("pause")
        await stage.vanish(5)
        stage.say("ping")
        assert [state for state, _ in stage.states[-2:]] == ["active", "paused"]
        for _ in range(70):
            stage.say("ping")
            await stage.vanish(1)
        assert stage.session.state == "paused"

    on_stage(scenario)


def test_session_time_runs_on_during_a_pause_and_no_loss_is_reported_after_it() -> None:
    links: list[float] = []

    def take(track: str, t_ms: int, meters: Meters) -> None:
        if meters.link is not None:
            links.append(meters.link.lost_pct)

    async def scenario(stage: Stage) -> None:
        stage.session.subscribe_meters(take)
        await stage.speak(2)
        stage.say("pause")
        await stage.speak(4)  # enabled=false: packets run on
        assert stage.session.t_ms == pytest.approx(6_000, abs=120)
        stage.say("resume")
        await stage.speak(4)
        assert stage.session.t_ms == pytest.approx(10_000, abs=40)
        assert [state for state, _ in stage.states] == ["active", "paused", "active"]

    on_stage(scenario)
    assert links
    assert max(links) == 0


def test_loss_is_measured_every_second() -> None:
    async def scenario(stage: Stage) -> None:
        for index, packet in enumerate(PACKETS[:150]):
            if index % 10 != 3:
                stage.packet(packet)
            await asyncio.sleep(0.02)
        link = stage.session.tracks[TRAINEE].link
        assert link is not None
        assert link.lost_pct == pytest.approx(10, abs=2)

    on_stage(scenario)


def test_a_publisher_that_never_comes_through_frees_the_session() -> None:
    async def scenario(stage: Stage) -> None:
        await asyncio.sleep(CONNECT_WITHIN_S + 1)
        assert stage.closed == ["created"]
        assert stage.connection.closures == 1
        assert stage.events("session.state") == []

    on_stage(scenario)


def test_a_publisher_whose_connection_fails_at_once_frees_the_session() -> None:
    async def scenario(stage: Stage) -> None:
        stage.room.transport_closed(stage.connection, "failed")
        await asyncio.sleep(0.1)
        assert stage.closed == ["created"]

    on_stage(scenario)


def test_a_connection_that_closes_interrupts_the_call_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        stage.room.transport_closed(stage.connection, "closed")
        assert stage.states[-1] == ("interrupted", "connection_closed")

    on_stage(scenario)


def test_what_a_replaced_connection_still_sends_is_ignored() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        old, stage.connection = stage.connection, stage.connect()
        await stage.speak(1)
        stage.packet(PACKETS[500], old)
        stage.room.take_message(old, '{"type":"end"}')
        stage.room.transport_closed(old, "closed")
        await asyncio.sleep(0.5)
        assert stage.session.state == "active"
        assert stage.session.t_ms == 2_000

    on_stage(scenario)


@pytest.mark.parametrize("token", [None, "", "guess", TOKEN + " ", "\u00fc"])
def test_a_stranger_is_refused(token: str | None) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        with pytest.raises(Busy):
            await stage.room.publish(CHROMIUM, token)
        assert stage.room._trainee.transport is stage.connection

    on_stage(scenario)


def test_a_bad_offer_frees_a_session_that_nobody_holds() -> None:
    async def scenario(stage: Stage) -> None:
        stage.room._trainee.transport = None
        with pytest.raises(BadOffer):
            await stage.room.publish("v=0\r\n", None)
        assert stage.closed == ["created"]

    on_stage(scenario)


def test_a_bad_offer_with_the_token_leaves_the_call_as_it_is() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        with pytest.raises(BadOffer):
            await stage.room.publish("v=0\r\n", TOKEN)
        await stage.speak(1)
        assert stage.states == [("active", None)]

    on_stage(scenario)


def test_commands_are_obeyed_and_journalled() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        stage.say("bookmark", label="here")
        stage.say("device", label="USB", settings={"autoGainControl": True})
        await stage.speak(1)
        (bookmark,) = stage.events("bookmark")
        assert bookmark["data"] == {"atMs": 1_000, "label": "here", "author": None}
        records = list(stage.session.journal.records())
        commands = [record["command"] for record in records if record["k"] == "command"]
        assert [command["type"] for command in commands] == ["bookmark", "device"]
        assert commands[1]["settings"] == {"autoGainControl": True}
        anchors = [record["reason"] for record in records if record["k"] == "anchor"]
        assert anchors == ["first", "device"]

    on_stage(scenario)


def test_commands_that_do_not_fit_the_state_change_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        stage.say("resume")
        stage.say("pause")
        stage.say("pause")
        stage.say("dance")
        await asyncio.sleep(0.5)
        assert [state for state, _ in stage.states] == ["active", "paused"]
        assert stage.session.malformed_commands == 0

    on_stage(scenario)


@pytest.mark.parametrize(
    "message", ["", "nonsense", "[1]", b"\xff", '{"type":1}', " " * (MAX_MESSAGE_BYTES + 1)]
)
def test_a_malformed_message_is_told_and_counted_and_the_call_goes_on(message: str | bytes) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        stage.message(message)
        await stage.speak(1)
        (error,) = stage.events("error")
        assert error["data"]["code"] == "bad_message"
        assert error["data"]["detail"].endswith(".")
        assert stage.session.malformed_commands == 1
        assert stage.states == [("active", None)]

    on_stage(scenario)


def test_a_full_disk_does_not_reach_the_connection_and_the_call_goes_on() -> None:
    journal = BrokenJournal()
    heard: list[Event] = []

    async def scenario(stage: Stage) -> None:
        stage.session.subscribe(heard.append)
        await stage.speak(1)
        journal.is_full = True
        await stage.speak(1)
        stage.say("bookmark")
        journal.is_full = False
        await stage.speak(2)
        stage.say("bookmark")
        assert len(stage.events("bookmark")) == 1
        assert stage.session.t_ms == 4_000
        told = [event.type for event in heard]
        assert told.count("bookmark") == 2
        reduced = [event.data["what"] for event in heard if event.type == "degraded"]
        assert reduced.count("journal") == 1

    on_stage(scenario, journal=journal)


def test_a_call_whose_journal_fails_at_the_end_is_let_go_of() -> None:
    journal = BrokenJournal()

    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        journal.is_full = True
        await stage.room.end("ended")
        assert len(stage.closed) == 1
        assert stage.connection.closures == 1

    on_stage(scenario, journal=journal)


def test_the_end_waits_some_seconds_for_final_words_and_no_longer() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        stage.session.tracks[TRAINEE]._utterances.finals_due = 1
        begun_s = stage.loop.time()
        stage.say("end")
        while not stage.states or stage.states[-1][0] != "completed":
            await asyncio.sleep(0.01)
        assert stage.loop.time() - begun_s == pytest.approx(FINALS_WITHIN_S, abs=0.05)
        assert stage.states[-1] == ("completed", "ended")
        assert stage.recognizer.forgotten == [stage.session.id]

    on_stage(scenario)


def test_a_suspended_call_is_interrupted_and_its_room_closed() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        await stage.room.suspend("node_stopped")
        assert stage.states == [("active", None), ("interrupted", "node_stopped")]
        assert stage.closed == ["interrupted"]
        assert stage.connection.closures == 1
        assert len(stage.events("metrics")) == 1
        stage.packet(PACKETS[100])
        assert stage.session.t_ms == 1_000
        with pytest.raises(Busy):
            await stage.room.publish(CHROMIUM, TOKEN)

    on_stage(scenario)


def test_a_call_whose_client_is_away_is_suspended_as_it_is() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        await stage.vanish(LOST_AFTER_S + 1)
        await stage.room.suspend("node_stopped")
        assert stage.states == [("active", None), ("interrupted", "client_lost")]

    on_stage(scenario)


def test_session_time_runs_to_the_end_of_a_pause_that_is_suspended() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        stage.say("pause")
        for _ in range(5):
            stage.say("ping")
            await stage.vanish(1)
        await stage.room.suspend("node_stopped")
        assert [state for state, _ in stage.states] == ["active", "paused", "interrupted"]
        assert stage.session.t_ms == pytest.approx(6_000, abs=100)

    on_stage(scenario)


@pytest.mark.parametrize("message", ['{"type":"bookmark"}', "nonsense", '{"type":"device"}'])
def test_a_flood_of_messages_is_told_once_and_leaves_a_bounded_trace(message: str) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        for _ in range(100):
            for _ in range(10):
                stage.message(message)
            await stage.speak(0.1)
        traces = [r for r in stage.session.journal.records() if r["k"] in ("event", "command")]
        mine = [r for r in traces if r["k"] == "command" or r["e"]["type"] in ("bookmark", "error")]
        assert len(mine) < 2 * (AT_ONCE + 11 * PER_S + 1)
        codes = [event["data"]["code"] for event in stage.events("error")]
        assert codes.count("too_many_messages") == 1
        assert stage.room.dropped_commands == pytest.approx(1_000 - AT_ONCE - 10 * PER_S, abs=2)
        assert stage.states == [("active", None)]
        assert stage.session.t_ms == 11_000

    on_stage(scenario)


def test_after_a_flood_a_client_is_taken_at_its_word_again() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        for _ in range(1_000):
            stage.say("bookmark", label="flood")
        await stage.speak(3)
        stage.say("bookmark", label="meant")
        assert stage.events("bookmark")[-1]["data"]["label"] == "meant"

    on_stage(scenario)


def test_a_pause_and_an_end_are_obeyed_in_a_flood() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        for _ in range(1_000):
            stage.say("bookmark")
        stage.say("pause")
        assert stage.session.state == "paused"
        for _ in range(1_000):
            stage.say("pause")
        commands = [r for r in stage.session.journal.records() if r["k"] == "command"]
        assert len(commands) <= AT_ONCE + 1
        stage.say("end")
        await stage.room.end("over")
        assert stage.states[-1] == ("completed", "ended")

    on_stage(scenario)


def test_ending_twice_ends_once() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        stage.say("end")
        stage.say("end")
        await asyncio.gather(stage.room.end("deleted"), stage.room.end("node_stopped"))
        assert stage.states == [("active", None), ("completed", "ended")]
        assert stage.closed == ["completed"]

    on_stage(scenario)


def test_after_the_end_nothing_of_the_room_runs_on() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.speak(1)
        await stage.room.end("ended")
        await asyncio.sleep(0)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not [name for name in names if stage.session.id in name]
        stage.packet(PACKETS[100])
        stage.say("bookmark")
        assert stage.session.t_ms == 1_000
        assert stage.events("bookmark") == []

    on_stage(scenario)


def test_a_recording_that_fails_is_told_as_degraded_once() -> None:
    async def play() -> None:
        writer = Writer()  # its thread never starts: its jobs are done by hand
        recorder = Recorder(writer, NOWHERE)
        stage = Stage(recorder=recorder)
        await stage.speak(1)
        while (job := writer._jobs.get_nowait()) is not None:
            job()
            if writer._jobs.empty():
                break
        await stage.speak(1)
        (degraded,) = stage.events("degraded")
        assert degraded["data"]["what"] == "recording"
        assert degraded["data"]["why"] == "No such file or directory"
        assert stage.states == [("active", None)]
        stage.room._trainee._recorder = None
        await stage.room.end("ended")

    run(play())
