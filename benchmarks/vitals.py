"""What a process holds: memory, threads and descriptors, from Linux's /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KIB_PER_MB = 1_000_000 / 1024


@dataclass(frozen=True, slots=True)
class Vitals:
    """`rss_mb` is resident memory in 10^6 bytes; `threads` counts native ones too."""

    rss_mb: float
    threads: int
    descriptors: int


def of(*pids: int) -> Vitals:
    """Of processes `pids` together. Raises `FileNotFoundError` when one is gone."""
    each = [_of(pid) for pid in pids]
    return Vitals(
        sum(one.rss_mb for one in each),
        sum(one.threads for one in each),
        sum(one.descriptors for one in each),
    )


def peak_mb(pid: int) -> float:
    """The most that process `pid` has ever held. Raises `FileNotFoundError` when it is gone."""
    return int(_status(pid)["VmHWM"].split()[0]) / KIB_PER_MB


def _of(pid: int) -> Vitals:
    status = _status(pid)
    return Vitals(
        int(status["VmRSS"].split()[0]) / KIB_PER_MB,
        int(status["Threads"]),
        sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
    )


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)
