"""Other recognizers' messages, recorded in real calls, mean what our own events mean.

`messages/NAME.json` holds what NAME's server answered to one LibriVox clip, and when; repetitions
are left out. Its times count from the first piece of audio.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from benchmarks import cpu, latency, scatter
from benchmarks.asr_peers import (
    SYSTEMS,
    Run,
    changed,
    main,
    middle,
    report,
    scored,
    text,
)
from benchmarks.latency import Observation
from benchmarks.peers import RECOGNIZERS
from benchmarks.peers.microphone import LEAD_MS, PIECE_MS, Heard, speak
from benchmarks.peers.protocols import Moonshine, WhisperLive, WhisperLiveKit
from benchmarks.reading import Reading, clips, load
from benchmarks.wer import word_error_rate

MESSAGES = Path(__file__).with_name("messages")
PEERS = [peer.name for peer in RECOGNIZERS]
SPEECH = {one.peer: one.speech for one in SYSTEMS}
NAMES = [one.name for one in SYSTEMS]
GOOD = Run(0.02, 250.0, 700.0, 800.0, 1700.0, 0.15)
BAD = Run(0.2, 1200.0, math.inf, 2100.0, math.inf, 0.9)


def recorded(name: str) -> tuple[Reading, Heard]:
    """A recorded call: what was said, and what came back."""
    call = json.loads((MESSAGES / f"{name}.json").read_text())
    reading = load(call["clip"], clips()[call["clip"]])
    return reading, Heard(call["sent_s"], [(at_s, message) for at_s, message in call["messages"]])


def seen(name: str, heard: Heard) -> list[Observation]:
    speech = SPEECH[name]()
    return [one for at_s, message in heard.messages for one in speech.observed(at_s, message)]


def test_every_peer_that_is_installed_can_be_understood():
    assert list(SPEECH) == PEERS
    assert list(scatter.LABELS) == ["ours", *NAMES]


@pytest.mark.parametrize("name", PEERS)
def test_a_recorded_call_ends_with_what_was_said(name):
    reading, heard = recorded(name)
    rate, words = word_error_rate(reading.text, text(seen(name, heard)))
    assert words == 22
    assert rate <= 1 / 22


@pytest.mark.parametrize("name", PEERS)
def test_no_word_of_a_recorded_call_is_committed_before_it_is_seen(name):
    reading, heard = recorded(name)
    latencies = latency.score(reading.words, heard.sent_at, seen(name, heard))
    pairs = list(zip(latencies.first_ms, latencies.commit_ms, strict=True))
    assert all(first <= commit for first, commit in pairs)
    assert sum(math.isfinite(first) for first, _ in pairs) >= 21


def test_whisperlivekit_commits_lines_and_shows_its_buffer_besides():
    _, heard = recorded("whisperlivekit")
    (shown,) = WhisperLiveKit().observed(*heard.messages[3])
    assert shown.committed == "Mr. John Dashwood had"
    assert shown.tentative == "then lee-jered-"
    assert not shown.is_final


def test_whisperlivekit_says_when_it_is_over():
    _, heard = recorded("whisperlivekit")
    over = [WhisperLiveKit().is_over(message) for _, message in heard.messages]
    assert over == [False] * (len(over) - 1) + [True]
    assert WhisperLiveKit().observed(*heard.messages[-1]) == []


def test_a_word_of_moonshine_is_committed_when_its_line_is_done():
    reading, heard = recorded("moonshine")
    latencies = latency.score(reading.words, heard.sent_at, seen("moonshine", heard))
    done_s = heard.messages[-1][0]
    ends_s = [heard.sent_at(word.end_ms - 1) for word in reading.words]
    expected = [(done_s - end_s) * 1000 for end_s in ends_s]
    assert sorted(latencies.commit_ms)[:21] == pytest.approx(sorted(expected)[:21])


def test_lines_of_moonshine_follow_one_another_as_they_came():
    speech = Moonshine()
    speech.observed(1.0, [{"id": 9_000, "text": "One", "done": False}])
    shown = speech.observed(
        2.0, [{"id": 9_000, "text": "One.", "done": True}, {"id": 17, "text": "Two", "done": False}]
    )
    assert shown == [
        Observation(2.0, 0, "One.", is_final=True),
        Observation(2.0, 1, "", "Two"),
    ]


def whisperlive_segments() -> list[tuple[float, Any]]:
    """Part of a longer recorded call, in which segments are completed."""
    call = json.loads((MESSAGES / "whisperlive_segments.json").read_text())
    return [(at_s, message) for at_s, message in call["messages"]]


def test_whisperlive_commits_completed_segments():
    speech = WhisperLive()
    shown = [one for message in whisperlive_segments() for one in speech.observed(*message)]
    assert [len(one.committed.split()) for one in shown] == [0, 20, 20, 20, 38, 38]
    assert shown[1].tentative == "the age of foolishness, it was the..."


def test_a_completed_segment_stays_when_whisperlive_no_longer_repeats_it():
    speech = WhisperLive()
    *before, (at_s, last) = whisperlive_segments()
    for message in before:
        speech.observed(*message)
    (shown,) = speech.observed(at_s, last | {"segments": last["segments"][1:]})
    (whole,) = speech.observed(at_s, last)
    assert shown == whole


def test_a_call_that_whisperlive_refuses_is_an_error():
    with pytest.raises(ConnectionError, match="WAIT"):
        WhisperLive().is_ready({"uid": "benchmark", "status": "WAIT", "message": 1.5})
    assert WhisperLive().is_ready({"uid": "benchmark", "message": "SERVER_READY"})


def test_repetitions_are_left_out_and_the_last_text_of_each_utterance_counts():
    stream = [
        Observation(1.0, 0, "", "one two"),
        Observation(1.1, 0, "", "one two"),
        Observation(1.2, 0, "one", "two"),
        Observation(1.3, 1, "", "three"),
        Observation(1.4, 0, "one two", is_final=True),
    ]
    assert [one.at_s for one in changed(stream)] == [1.0, 1.2, 1.3, 1.4]
    assert text(stream).split() == ["one", "two", "three"]


@pytest.mark.parametrize("name", PEERS)
def test_a_recorded_call_is_scored_per_second_of_its_speech(name):
    reading, heard = recorded(name)
    run = scored(reading, heard.sent_at, seen(name, heard), 2 * reading.speech_s)
    assert run.cpu_per_speech_s == pytest.approx(2.0)
    assert 0 <= run.wer <= 1 / 22
    assert run.first_p50_ms <= run.commit_p50_ms


async def test_the_microphone_sends_lead_speech_and_tail_in_order_and_says_when():
    pieces: list[bytes] = []

    async def server(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "config"}))
        async for piece in connection:
            pieces.append(piece)
            if not piece:
                break
            await connection.send(json.dumps({"lines": [], "buffer_transcription": "hm"}))
        await connection.send(json.dumps({"type": "ready_to_stop"}))
        await connection.wait_closed()

    pcm = np.arange(1, 8_001, dtype=np.int16)
    async with serve(server, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        begun_s = time.monotonic()
        heard = await speak(f"ws://127.0.0.1:{port}", pcm, 0.2, WhisperLiveKit())
    *sent, end = pieces
    assert end == b""
    expected = np.concatenate([np.zeros(16 * LEAD_MS, np.int16), pcm, np.zeros(3_200, np.int16)])
    assert np.array_equal(np.frombuffer(b"".join(sent), np.int16), expected)
    assert len(heard.sent_s) == len(sent)
    # A piece leaves once its last sample has been spoken, and not before.
    for at, sent_s in enumerate(heard.sent_s, 1):
        assert sent_s - begun_s >= at * PIECE_MS / 1000 - 0.001
    assert heard.sent_at(0) == heard.sent_s[LEAD_MS // PIECE_MS]
    assert heard.sent_at(PIECE_MS - 1) == heard.sent_at(0) < heard.sent_at(PIECE_MS)
    assert heard.ended
    assert heard.messages[-1][1] == {"type": "ready_to_stop"}
    assert len(heard.messages) == len(sent) + 1


async def test_a_server_that_does_not_come_to_the_end_is_hung_up_on_and_its_words_count():
    shown = {"lines": [], "buffer_transcription": "one"}

    async def server(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "config"}))
        await connection.send(json.dumps(shown))
        await connection.wait_closed()

    async with serve(server, "127.0.0.1", 0) as listening:
        url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        heard = await speak(url, np.zeros(160, np.int16), 0.0, WhisperLiveKit(), end_within_s=0.1)
    assert not heard.ended
    assert [message for _, message in heard.messages] == [shown]


def test_the_whole_tree_of_processes_is_counted():
    busy = "import time\nwhile time.process_time() < 0.3: pass\n"
    below = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])\n"
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {below!r}])\ninput()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as process:
        while cpu.tree_s(process.pid) < 0.3 and process.poll() is None:
            time.sleep(0.05)
        assert process.poll() is None
        assert cpu.used_s(process.pid) < 0.3
        assert process.stdin is not None
        process.stdin.write(b"\n")


def test_the_middle_of_runs_is_taken_figure_by_figure():
    runs = [Run(0.1, 3, 1, 1, 1, 1), Run(0.3, 2, 1, 1, math.inf, 1, 1), Run(0.2, 1, 1, 1, 5, 1)]
    assert middle(runs) == Run(0.2, 2, 1, 1, 5, 1, 1)


def test_figures_name_every_system_and_an_infinite_latency_is_null():
    reading, _ = recorded("moonshine")
    results = {"ours": GOOD} | dict.fromkeys(NAMES, BAD)
    figures = report(results, reading, 3, 0.5).figures
    for name in NAMES:
        assert figures[f"cpu_ratio_{name}"] == 6.0
        assert figures[f"{name}_first_p95_ms"] is None
        assert figures[f"{name}_commit_p50_ms"] == 2100
    assert figures["ours_wer"] == 0.02
    assert figures["ours_cpu_per_speech_s"] == 0.15
    assert "cpu_ratio_ours" not in figures
    assert figures["words"] == 22


def test_the_plot_has_a_named_point_for_each_system_that_commits_words(tmp_path: Path):
    reading, _ = recorded("moonshine")
    results = {"ours": GOOD} | dict.fromkeys(NAMES, BAD)
    results["whisperlive"] = Run(0.3, 4000.0, math.inf, math.inf, math.inf, 1.0)
    log, plot = tmp_path / "log", tmp_path / "plot.svg"
    log.write_text("a table\n" + json.dumps(report(results, reading, 3, 0.5).figures) + "\n")
    main(str(log), str(plot))
    root = ET.fromstring(plot.read_text())
    space = "{http://www.w3.org/2000/svg}"
    circles = {
        (float(one.get("cx", "nan")), float(one.get("cy", "nan")))
        for one in root.iter(f"{space}circle")
    }
    texts = [one.text or "" for one in root.iter(f"{space}text")]
    assert len(circles) == 2, "those of three systems are equal"
    cheapest = min(circles)
    assert cheapest[1] == max(y for _, y in circles), "ours is to the left and below"
    assert {"Forecourt", "WhisperLiveKit (SimulStreaming)", "Moonshine"} <= set(texts)
    assert any("half of the words: WhisperLive" in one for one in texts)
