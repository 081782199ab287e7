"""CPU time of processes, from Linux's /proc."""

from __future__ import annotations

import contextlib
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


def recognizers_of(node_pid: int) -> list[int]:
    """The recognizer's worker processes of a node. Raises `LookupError` when there is none."""
    found = [
        child
        for child in children(node_pid)
        if b"engine.asr.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    if not found:
        raise LookupError(f"process {node_pid} has no recognizer worker")
    return found


def tree_s(pid: int) -> float:
    """User and system seconds of `pid`, of all processes below it and of their ended children."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # One that ends while we look: its parent has its time.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(folder.name)] = int(fields[1])
            ticks[int(folder.name)] = sum(int(field) for field in fields[11:15])
    tree = [pid]
    for one in tree:
        tree += [child for child, parent in parents.items() if parent == one]
    return sum(ticks[one] for one in tree) / _TICKS


def keep_on(pid: int, *cores: int) -> None:
    """Process `pid`, all threads it has and will have, stays on `cores`."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)
