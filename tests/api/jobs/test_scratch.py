"""Folders of workers: those of the dead are removed, those of the living are not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.jobs.scratch import scratch

HOLD = """
import sys
from pathlib import Path
from api.jobs.scratch import scratch
with scratch(Path(sys.argv[1]), sys.argv[2]) as folder:
    folder.mkdir()
    (folder / "photo").write_bytes(b"of a vehicle")
    print(flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(parent: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLD, str(parent), name]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def names(parent: Path) -> set[str]:
    return {each.name for each in parent.iterdir()}


def test_what_a_killed_worker_left_is_removed_by_the_next_and_a_living_ones_stays(
    tmp_path: Path,
) -> None:
    with holder(tmp_path, "node.a-1") as killed, holder(tmp_path, "node.a-2") as living:
        killed.kill()
        killed.wait()
        assert (tmp_path / "node.a-1" / "photo").exists()
        with scratch(tmp_path, "node.a-3") as folder:
            folder.mkdir()
            assert names(tmp_path) == {
                "node.a-2",
                "node.a-2.lock",
                "node.a-3",
                "node.a-3.lock",
            }
        assert living.poll() is None
        assert names(tmp_path) == {"node.a-2", "node.a-2.lock"}
        living.communicate()
    assert names(tmp_path) == set()
