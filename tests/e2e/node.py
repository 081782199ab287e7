"""A real `forecourt serve` on a free loopback port, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 60
STOPS_WITHIN_S = 15


class Node:
    """`data` is the node's folder; it outlives a restart, and so does the port."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = _free_port()
        self._log = data.parent / f"{data.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until the node is ready. Raises `RuntimeError` with its log if not."""
        command = [sys.executable, "-m", "api.cli", "serve"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port), "--data", str(self.data)],
                cwd=ROOT,
                env=os.environ | {"FORECOURT_ICE_LOOPBACK": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"The node did not become ready:\n{self._log.read_text()[-4000:]}")

    def stop(self) -> None:
        """End the node as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the node and its workers at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if how == signal.SIGKILL:
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        try:
            process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def events(self, session_id: str) -> list[dict[str, Any]]:
        """The session's events, as the API tells them."""
        answer = httpx.get(f"{self.url}/api/v1/sessions/{session_id}/events").raise_for_status()
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
