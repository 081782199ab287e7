"""A node in a child process, for the demo, the benchmarks and the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

from api.account_client import Account, first_admin

READY_WITHIN_S = 90.0
STOP_WITHIN_S = 15.0
MARKER = "Forecourt listens on "
FIRST_ADMIN = "First admin, within 24 hours: "


class NodeStartError(RuntimeError):
    """The node did not become ready; its own messages went to stderr."""


class NodeProcess:
    """`forecourt serve` on loopback, with loopback media candidates.

    `environment` is laid over this process's own. The node's messages are passed on to stderr.
    """

    def __init__(
        self, data: Path, *, port: int = 0, environment: dict[str, str] | None = None
    ) -> None:
        self._command = [sys.executable, "-m", "api.cli", "serve"]
        self._command += ["--port", str(port), "--data", str(data)]
        self._environment = {"FORECOURT_LOG_LEVEL": "warning"} | os.environ
        self._environment |= {"FORECOURT_ICE_LOOPBACK": "1"} | (environment or {})
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self._link = ""
        self._has_link = threading.Event()

    def first_admin(self, email: str, password: str) -> Account:
        """Make the first dealership of a new data folder. Raises `NodeStartError`."""
        if not self._has_link.wait(READY_WITHIN_S):
            raise NodeStartError("The node did not ask for a first admin: its folder is in use.")
        return first_admin(self.url, self._link, email, password)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the node and wait until it is ready. Raises `NodeStartError`."""
        # A session of its own: Ctrl-C in the terminal is ours to pass on.
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith(MARKER):
                self.url = line.removeprefix(MARKER).strip()
                break
            sys.stderr.write(line)
        else:
            self._process.wait()
            raise NodeStartError("The node did not start; its messages are above.")
        threading.Thread(target=self._pass_on, name="node-messages", daemon=True).start()
        self._wait_until_ready()

    def wait(self) -> None:
        """Wait until the node ends."""
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """SIGINT, which completes its calls; SIGKILL if that is not in time. Safe to call twice."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL: a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _pass_on(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        with self._process.stderr as messages:
            for line in messages:
                if line.startswith(FIRST_ADMIN):
                    # The link is ours to use; it need not stand in a terminal too.
                    self._link = line.removeprefix(FIRST_ADMIN).strip()
                    self._has_link.set()
                else:
                    sys.stderr.write(line)

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline_s = time.monotonic() + READY_WITHIN_S
        with httpx.Client() as http:
            while time.monotonic() < deadline_s:
                if self._process.poll() is not None:
                    raise NodeStartError("The node ended while starting; its messages are above.")
                try:
                    if http.get(f"{self.url}/healthz").is_success:
                        return
                except httpx.TransportError:
                    # Bound but not serving yet: the application is still loading.
                    pass
                time.sleep(0.1)
        self.stop()
        raise NodeStartError(f"The node was not ready within {READY_WITHIN_S:.0f} s.")
