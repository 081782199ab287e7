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
from typing import Any

import httpx

from api.account_client import Account, first_admin
from api.child import FIRST_ADMIN

ROOT = Path(__file__).parents[1]
READY_WITHIN_S = 90.0
STOPS_WITHIN_S = 30.0
ADMIN = "ada@north-motors.example"
PASSWORD = "a horse with nine lives"


class Node:
    """`data` is the node's folder; it outlives a restart, and so do the port and the log.

    With `signs_in` its first admin is made as soon as it is ready.
    """

    def __init__(self, data: Path, *, signs_in: bool = True, **environment: str) -> None:
        self._signs_in = signs_in
        self.data = data
        self.port = free_port()
        self._environment = environment
        self._log = data.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self._account: Account | None = None

    @property
    def account(self) -> Account:
        """The first admin, signed in. Outlives a restart of the node."""
        assert self._account is not None
        return self._account

    @property
    def first_admin_link(self) -> str:
        """What the node printed at its first start."""
        lines = [line for line in self.log.splitlines() if line.startswith(FIRST_ADMIN)]
        return lines[-1].removeprefix(FIRST_ADMIN).strip()

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET below /api/v1, as the admin."""
        return httpx.get(f"{self.url}/api/v1{path}", auth=self.account, **options)

    def client(self, account: Account | None = None) -> httpx.Client:
        """Addresses are below /api/v1; as the admin, unless told otherwise."""
        auth = account or self.account
        return httpx.Client(base_url=f"{self.url}/api/v1", auth=auth, timeout=30)

    def sign_in(self) -> Account:
        """The admin once more: a sign-in of its own, as each browser has."""
        return self.account.again()

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
                | {"FORECOURT_OBJECTIONS": "phrases", "FORECOURT_SIGN_INS_PER_ADDRESS": "100000"}
                | {"FORECOURT_PUBLISHES_PER_MINUTE": "100000"}
                | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until_s and self._process.poll() is None:
            if _answers(f"{self.url}/healthz"):
                if self._signs_in and self._account is None:
                    link = self.first_admin_link
                    self._account = first_admin(self.url, link, ADMIN, PASSWORD)
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
def running(data: Path, *, signs_in: bool = True, **environment: str) -> Iterator[Node]:
    """A node that is ready, stopped at the end."""
    node = Node(data, signs_in=signs_in, **environment)
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
