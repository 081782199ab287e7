"""CPU time of processes, from Linux's /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def used_s(pid: int) -> float:
    """User and system seconds that process `pid` has used, its dead children excluded."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def children(pid: int) -> list[int]:
    """Process ids of the direct children of `pid`."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def recognizer_of(node_pid: int) -> int:
    """The recognizer's worker process of a node. Raises `LookupError`."""
    for child in children(node_pid):
        if b"engine.asr.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise LookupError(f"process {node_pid} has no recognizer worker")
