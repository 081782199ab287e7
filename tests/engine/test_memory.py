"""What was freed goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHURN = """
import sys
import numpy as np
from engine import memory

def resident_mb():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmRSS"].split()[0]) / 1024

if sys.argv[1] == "set":
    assert memory.return_large_blocks()
np.ones(30_000_000, np.int8)  # the largest block freed so far: what raises glibc's threshold
small, rings = [], []
before = resident_mb()
for _ in range(100):
    rings.append(np.ones(1_000_000, np.int8))
    small.append(np.ones(20_000, np.int8))
held = resident_mb()
rings.clear()
print(held - before, resident_mb() - before)
"""
RINGS_MB = 100 * 1_000_000 / (1 << 20)


@pytest.fixture(scope="module", params=["set", "unset"])
def churned(request: pytest.FixtureRequest) -> tuple[str, float, float]:
    """(which, MB that 100 rings took, MB left once they were freed), in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CHURN, request.param], capture_output=True, text=True, check=True
    )
    held, left = map(float, done.stdout.split())
    return request.param, held, left


def test_rings_between_small_objects_are_given_back(churned: tuple[str, float, float]) -> None:
    which, held, left = churned
    assert held > RINGS_MB
    if which == "set":
        assert left < 0.1 * RINGS_MB
    else:
        assert left > 0.5 * RINGS_MB


def test_what_is_free_can_be_given_back() -> None:
    shreds = """
import numpy as np
from engine import memory

def resident_mb():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["VmRSS"].split()[0]) / 1024

blocks = [np.ones(100_000, np.int8) for _ in range(1_000)]
keep = blocks[::10]
del blocks
before = resident_mb()
memory.give_back()
print(before - resident_mb(), len(keep))
"""
    done = subprocess.run(
        [sys.executable, "-c", shreds], capture_output=True, text=True, check=True
    )
    assert float(done.stdout.split()[0]) > 50
