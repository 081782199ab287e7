"""Works that a worker can be made to do: right ones, and each way to go wrong."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from processing.work import Made, Note, Refused, Tell


def copy(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """Copies its inputs, `settings["for_s"]` each; prints, as libraries do."""
    made = []
    for number, path in enumerate(inputs):
        tell("copying", 100 * number // len(inputs))
        time.sleep(settings.get("for_s", 0))
        print("a library talks")
        target = outputs / f"{number}.png"
        target.write_bytes(path.read_bytes())
        made.append(target)
    tell("writing", 99)
    return made


def who(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """Tells of the process that does it."""
    told = outputs / "who"
    scores = Path("/proc/self/oom_score_adj").read_text().strip()
    session = Path("/proc/self/autogroup")
    shares = session.read_text().split()[-1] if session.exists() else "19"
    told.write_text(f"{os.getpid()} {os.nice(0)} {os.sched_getscheduler(0)} {shares} {scores}")
    return [told]


def refuse(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    raise Refused("no_car", "There is no car in this photo; send another.")


def fail(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    raise RuntimeError("somebody's secret")


def die(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    tell("dying", 50)
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def grow(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """Takes `settings["mib"]` of memory, and leaves them taken."""
    taken.append(bytearray(b"x" * 2**20 * settings["mib"]))
    return []


def chatter(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """As a library that warns of each pixel, from C."""
    for _ in range(settings["lines"]):
        os.write(2, b"a pixel is odd\n")
    return []


def remark(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    return Made(copy(inputs, outputs, settings, tell), [Note(1, "no_vehicle")])


def fill(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    (outputs / "large").write_bytes(bytes(settings["bytes"]))
    return [outputs / "large"]


def stray(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """Names what is not there, and a link to what is elsewhere."""
    link = outputs / "link"
    link.symlink_to(sys.executable)
    return [link]


def child(
    inputs: Sequence[Path], outputs: Path, settings: Mapping[str, Any], tell: Tell
) -> list[Path]:
    """Starts a process of its own and hangs."""
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    tell("hanging", 10)
    time.sleep(60)
    return []


taken: list[bytearray] = []
