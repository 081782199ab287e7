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


def _of(pid: int) -> Vitals:
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return Vitals(
        int(status["VmRSS"].split()[0]) / KIB_PER_MB,
        int(status["Threads"]),
        sum(1 for _ in (process / "fd").iterdir()),
    )
