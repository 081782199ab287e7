"""Debian's coturn on loopback, in a process of its own, with credentials of a shared secret."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.node import free_port

READY_WITHIN_S = 20.0
READY = "Total General servers"


@dataclass(frozen=True, slots=True)
class Coturn:
    port: int
    secret: str
    _log: Path

    @property
    def url(self) -> str:
        return f"turn:127.0.0.1:{self.port}?transport=udp"

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def relayed_packets(self, session_id: str) -> int:
        """Datagrams that went through relays allocated with the credentials of `session_id`.

        coturn writes the sums (rp received, sp sent) when a relay is given up.
        """
        sums = re.findall(
            rf": usage: .*username=<\d+:{session_id}>, rp=(\d+),.* sp=(\d+)", self.log
        )
        return sum(int(received) + int(sent) for received, sent in sums)

    def environment(self) -> dict[str, str]:
        """What a node must be told to use it."""
        return {"FORECOURT_TURN_URLS": f'["{self.url}"]', "FORECOURT_TURN_SECRET": self.secret}


def executable() -> str:
    """Path of the server. Raises `RuntimeError` when there is none."""
    path = shutil.which("turnserver")
    if path is None:
        raise RuntimeError("coturn is not installed. On Debian: apt-get install coturn")
    return path


@contextmanager
def running(folder: Path, secret: str = "north by north-west") -> Iterator[Coturn]:
    """A server that is ready; it keeps what it writes in `folder` and is ended at the end."""
    server = Coturn(free_port(), secret, folder / "coturn.log")
    with (folder / "coturn.log").open("wb") as log:
        process = subprocess.Popen(
            [
                executable(),
                "-n",
                "--verbose",
                "--log-file=stdout",
                "--simple-log",
                "--listening-ip=127.0.0.1",
                "--relay-ip=127.0.0.1",
                f"--listening-port={server.port}",
                "--allow-loopback-peers",
                "--use-auth-secret",
                f"--static-auth-secret={secret}",
                "--realm=forecourt",
                "--no-cli",
                "--no-tls",
                "--no-dtls",
                f"--userdb={folder / 'turndb'}",
                f"--pidfile={folder / 'coturn.pid'}",
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until_s = time.monotonic() + READY_WITHIN_S
        while READY not in server.log:
            if process.poll() is not None or time.monotonic() > until_s:
                raise RuntimeError(f"coturn did not become ready:\n{server.log[-4000:]}")
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
