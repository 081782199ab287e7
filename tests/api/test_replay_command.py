"""`forecourt replay` and `forecourt reanalyse` on what a real node left of real calls."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.folders import JOURNAL
from engine.feedback import RULES
from signaling import stack
from signaling.publisher import RATE, Publisher, load_audio
from tests.kept import in_the_clear, records_of
from tests.node import Node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BASELINE = {"speechLevelDbfs": -8.0, "noiseFloorDbfs": -60.0}
"""Of somebody much louder: the call is far too quiet for them."""


@dataclass(frozen=True, slots=True)
class Calls:
    """`data` is the node's folder; the node was killed in the middle of `broken`."""

    data: Path
    whole: str
    broken: str
    unrecorded: str


@pytest.fixture(scope="module")
def calls(two_cities: Path, tmp_path_factory: pytest.TempPathFactory) -> Calls:
    stack.configure()
    stack.use_loopback(True)
    speech = load_audio(two_cities)
    node = Node(tmp_path_factory.mktemp("replay") / "node")
    node.start()
    try:
        whole, broken, unrecorded = asyncio.run(_held(node, speech))
    finally:
        node.stop()
        stack.use_loopback(False)
    return Calls(node.data, whole, broken, unrecorded)


async def _held(node: Node, speech: np.ndarray[Any, np.dtype[np.int16]]) -> list[str]:
    quiet = (speech[: 11 * RATE] * 0.4).astype(np.int16)
    whole = Publisher(node.account, quiet, baseline=BASELINE)
    broken = Publisher(node.account, speech, baseline=BASELINE)
    unrecorded = Publisher(node.account, speech[:RATE], recording=False)
    for publisher in (whole, broken, unrecorded):
        await publisher.create()
        await publisher.connect()
    await asyncio.sleep(3)
    whole.command("pause")
    await asyncio.sleep(1)
    whole.command("resume")
    whole.command("bookmark", label="here")
    await unrecorded.play()
    await unrecorded.end()
    await whole.play()
    await asyncio.sleep(1)
    await whole.end()
    await asyncio.to_thread(node.kill)
    await broken.close()
    await asyncio.to_thread(node.start)
    broken.audio = speech[: 3 * RATE]
    await broken.connect(resume=True)
    await broken.play()
    await broken.end()
    return [publisher.session_id for publisher in (whole, broken, unrecorded)]


def forecourt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "120"},
    )


def answer(*arguments: str, code: int) -> dict[str, Any]:
    """What the command prints as JSON, its exit code being `code`."""
    result = forecourt(*arguments, "--json")
    assert result.returncode == code, result.stderr
    body: dict[str, Any] = json.loads(result.stdout)
    return body


def test_a_call_is_replayed_byte_for_byte(calls: Calls, tmp_path: Path) -> None:
    body = answer("replay", calls.whole, "--data", str(calls.data), code=0)
    assert body["identical"] is True
    assert (body["parts"], body["damagedLines"], body["unconfirmedEvents"]) == (1, 0, 0)
    assert body["events"] >= 10
    told = forecourt("replay", str(in_the_clear(calls.data, calls.whole, tmp_path)))
    assert told.returncode == 0
    assert "Identical" in told.stdout


def test_a_call_that_a_crash_broke_is_replayed_byte_for_byte(calls: Calls) -> None:
    body = answer("replay", calls.broken, "--data", str(calls.data), code=0)
    assert body["identical"] is True
    assert body["parts"] == 2


def test_other_rules_give_other_cues(calls: Calls, tmp_path: Path) -> None:
    journal = records_of(calls.data, calls.whole)
    events = [record["e"] for record in journal if record["k"] == "event"]
    given = {event["data"]["code"] for event in events if event["type"] == "feedback"}
    off = given & {rule.code for rule in RULES}
    rules = tmp_path / "rules.toml"
    rules.write_text(
        "[monologue]\nenter = 2\nleave = 1\n" + "".join(f"[{code}]\noff = true\n" for code in off)
    )
    options = ["replay", calls.whole, "--data", str(calls.data), "--rules", str(rules)]
    body = answer(*options, code=1)
    assert "monologue" in {event["data"]["code"] for event in body["appeared"]}
    assert {event["data"]["code"] for event in body["vanished"]} >= off
    told = forecourt(*options)
    assert told.returncode == 1
    assert "+ 00:" in told.stdout
    assert ("- 00:" in told.stdout) == bool(body["vanished"])


def test_a_rules_file_that_is_wrong_is_told_with_its_line(calls: Calls, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("[too_quiet]\nenter = 'low'\n")
    told = forecourt("replay", calls.whole, "--data", str(calls.data), "--rules", str(rules))
    assert told.returncode == 2
    assert f"{rules}, line 2: too_quiet.enter" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_damaged_line_is_told(calls: Calls, tmp_path: Path) -> None:
    folder = in_the_clear(calls.data, calls.whole, tmp_path)
    journal = folder / JOURNAL
    journal.write_bytes(journal.read_bytes().replace(b'"type":"metrics"', b'"type":"metricz"', 1))
    body = answer("replay", str(folder), code=1)
    assert body["damagedLines"] == 1
    (pair,) = body["others"]
    assert pair["before"] is None
    assert pair["after"]["type"] == "metrics"


@pytest.mark.parametrize("command", ["replay", "reanalyse"])
def test_what_is_not_kept_cannot_be_played(calls: Calls, command: str, tmp_path: Path) -> None:
    for session in (calls.unrecorded, "0" * 24, str(tmp_path)):
        told = forecourt(command, session, "--data", str(calls.data))
        assert told.returncode == 2
        assert "Error: " in told.stderr
        assert "Traceback" not in told.stderr


def test_the_recording_gives_the_same_call_again(calls: Calls) -> None:
    """Its words may be beyond their tolerance where a busy machine heard the call in haste."""
    told = forecourt("reanalyse", calls.whole, "--data", str(calls.data), "--json")
    body = json.loads(told.stdout)
    assert told.returncode == (0 if body["within"] else 1)
    rows = {row["what"]: row for row in body["rows"]}
    assert rows["words"]["after"] > 10
    for name in ("speechS", "activeLevelDbfs", "snrDb", "clippedPct"):
        assert rows[name]["within"], name


def test_without_its_recording_a_call_cannot_be_reanalysed(calls: Calls, tmp_path: Path) -> None:
    folder = in_the_clear(calls.data, calls.whole, tmp_path)
    (folder / "trainee.ogg").unlink()
    told = forecourt("reanalyse", str(folder))
    assert told.returncode == 2
    assert "no recording" in told.stderr
    assert forecourt("replay", str(folder)).returncode == 0
