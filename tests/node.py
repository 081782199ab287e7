"""A real `forecourt serve` on a free loopback port, in a process of its own."""

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

import httpx

ROOT = Path(__file__).parents[1]
READY_WITHIN_S = 90.0
STOPS_WITHIN_S = 30.0


class Node:
    """`data` is the node's folder; it outlives a restart, and so do the port and the log."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.port = free_port()
        self._environment = environment
        self._log = data.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything that the node has written to its output."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def worker_pid(self) -> int:
        """The speech recognizer's process."""
        (pid,) = [pid for pid in children(self.pid) if "engine.asr.worker" in command_line(pid)]
        return pid

    @property
    def sessions(self) -> Path:
        return self.data / "sessions"

    def start(self) -> None:
        """Start and wait until the node is ready. Raises `RuntimeError` with its log if not."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                serve_command("--port", str(self.port), "--data", str(self.data)),
                cwd=ROOT,
                env=os.environ
                | {"FORECOURT_ICE_LOOPBACK": "1", "FORECOURT_ASR_WORKERS": "1"}
                | {"FORECOURT_OBJECTIONS": "phrases"}
                | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until_s and self._process.poll() is None:
            if _answers(f"{self.url}/healthz"):
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"The node did not become ready:\n{self.log[-4000:]}")

    def stop(self) -> int | None:
        """End the node as an operator would; its exit code, None where it does not run."""
        return self._end(signal.SIGTERM)

    def tell(self, how: signal.Signals) -> None:
        """Send the node's own process a signal and go on."""
        assert self._process is not None
        self._process.send_signal(how)

    def wait(self) -> int:
        """Wait until the node ends by itself; its exit code."""
        assert self._process is not None
        process, self._process = self._process, None
        return process.wait(STOPS_WITHIN_S)

    def kill(self) -> None:
        """End the node's own process at once, as the kernel would when memory is short."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(how)
        try:
            return process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


@contextmanager
def running(data: Path, **environment: str) -> Iterator[Node]:
    """A node that is ready, stopped at the end."""
    node = Node(data, **environment)
    node.start()
    try:
        yield node
    finally:
        node.stop()


def serve_command(*options: str) -> list[str]:
    return [sys.executable, "-m", "api.cli", "serve", *options]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def children(pid: int) -> list[int]:
    """Direct child processes of `pid`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(folder.name))
    return found


def command_line(pid: int) -> str:
    """The command of process `pid`; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
