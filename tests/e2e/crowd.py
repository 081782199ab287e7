"""Many calls at once on a real node: each begins with its first sound, over a WebSocket."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
from websockets.sync.client import ClientConnection, connect

from api.account_client import Account
from tests.e2e.node import Node

CONSENT = {"coaching": True, "recording": False, "textVersion": "test"}
PCM = 0x12
FRAME_16_KHZ = bytes(640)
HEARD_EVERY_S = 0.5
"""A call of which nothing comes for 3 s is cut off, and a busy machine may stall for seconds."""


class Crowd:
    """Ids of the calls, in the order they began."""

    def __init__(self, node: Node, open_lines: ExitStack) -> None:
        self._node = node
        self._open = open_lines
        self._lines: dict[str, tuple[ClientConnection, float]] = {}

    @property
    def ids(self) -> list[str]:
        return list(self._lines)

    def call(self, who: Account, kind: str = "pitch") -> str:
        """One more, of which little is heard, so that a machine carries many."""
        with self._node.client(who) as api:
            made = api.post("/sessions", json={"sessionType": kind}).raise_for_status().json()
            _consent(api, made["id"])
        line = self._open.enter_context(
            connect(
                self._node.url.replace("http", "ws") + made["socketUrl"],
                subprotocols=["forecourt.v1"],  # type: ignore[list-item]
                max_queue=None,
            )
        )
        hello = {"type": "hello", "token": made["resumeToken"], "format": "pcm", "rate": 16_000}
        line.send(json.dumps(hello))
        assert json.loads(line.recv(30)) == []
        line.send(_frame(0))
        self._lines[made["id"]] = line, time.monotonic()
        return str(made["id"])

    def end(self, session_id: str) -> None:
        """Their caller hangs up."""
        line, _ = self._lines.pop(session_id)
        line.send(json.dumps({"type": "end"}))

    def be_heard(self) -> None:
        """20 ms of each call, at the time that it is."""
        for line, begun_s in list(self._lines.values()):
            line.send(_frame(int((time.monotonic() - begun_s) * 50)))


@contextmanager
def crowd_on(node: Node) -> Iterator[Crowd]:
    """Calls are hung up at the end."""
    is_over = threading.Event()
    with ExitStack() as lines:
        crowd = Crowd(node, lines)

        def last() -> None:
            while not is_over.wait(HEARD_EVERY_S):
                crowd.be_heard()

        thread = threading.Thread(target=last, name="crowd")
        thread.start()
        try:
            yield crowd
        finally:
            is_over.set()
            thread.join()


def _frame(index: int) -> bytes:
    return struct.pack("!BBHI", PCM, 0, index & 0xFFFF, index * 960) + FRAME_16_KHZ


def _consent(api: httpx.Client, session_id: str) -> None:
    api.put(f"/sessions/{session_id}/consent", json=CONSENT).raise_for_status()
