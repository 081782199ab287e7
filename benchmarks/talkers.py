"""The trainees of `benchmarks.live`: calls that say their packets once and keep what they hear.

As a process (`python -m benchmarks.talkers CORE URL FOLDER`, with the environment of
`benchmarks.admin`) it is asked, see `benchmarks.child`: `connect` (call), whose packets lie in
FOLDER/CALL.npz; `talk`, which all that are connected do at once, and which ends when their calls
have ended. What call CALL heard is then in FOLDER/CALL.json: see `Outcome`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvloop

from benchmarks import admin, child
from benchmarks.caller import Caller, CallError
from benchmarks.fec import Packets
from benchmarks.generator import offset_ns
from signaling import stack
from signaling.publisher import PublishError, Server

REFUSED = "503"
END_WITHIN_S = 30.0
"""A node that is far behind ends a call late; the benchmark still wants its finals."""
WANTED = ("transcript.partial", "transcript.final", "degraded")
HANDSHAKES = 4
"""Handshakes at a time."""


@dataclass(slots=True)
class Outcome:
    """What a call saw. `sent_s` is when each packet left, `events` are (when, type, data)."""

    session: str = ""
    sent_s: list[float] = field(default_factory=list)
    events: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Outcome:
        return cls(**json.loads(path.read_text()))


def save_packets(path: Path, payloads: Sequence[bytes]) -> None:
    """Write `payloads` for another process to `load_packets`."""
    sizes = np.array([len(payload) for payload in payloads], np.int64)
    np.savez(path, sizes=sizes, data=np.frombuffer(b"".join(payloads), np.uint8))


def load_packets(path: Path) -> list[bytes]:
    with np.load(path) as stored:
        data, ends = stored["data"].tobytes(), np.cumsum(stored["sizes"])
    return [
        data[end - size : end] for size, end in zip(np.diff(ends, prepend=0), ends, strict=True)
    ]


class Talker(Caller):
    """One call."""

    def __init__(self, server: Server, http: httpx.AsyncClient, payloads: Sequence[bytes]) -> None:
        super().__init__(server, http)
        self._payloads = payloads
        self._voice: Packets | None = None
        self.outcome = Outcome()

    async def join(self) -> None:
        """Create the session and connect."""
        await self.create()
        self._voice = await self.prepare(self._payloads)
        assert self._sender is not None
        stack.on_rtp_sent(self._sender, self._sent)
        self.outcome.session = self.session_id

    async def talk(self) -> None:
        """Say everything and end the call."""
        assert self._voice is not None
        self._voice.go.set()
        await self._voice.finished.wait()
        await self.end(END_WITHIN_S)

    def _sent(self, sequence: int, timestamp: int) -> None:
        self.outcome.sent_s.append(time.monotonic())

    def _take(self, message: str) -> None:
        now_s = time.monotonic()
        super()._take(message)
        self.outcome.events += [
            (now_s, event["type"], event["data"])
            for event in json.loads(message)
            if event["type"] in WANTED
        ]


class Talkers:
    """All calls of one run."""

    def __init__(self, server: Server, folder: Path, http: httpx.AsyncClient) -> None:
        self._server = server
        self._folder = folder
        self._http = http
        self._handshakes = asyncio.Semaphore(HANDSHAKES)
        self._talkers: dict[int, Talker] = {}

    async def connect(self, call: int) -> child.Reply:
        """`admitted` tells whether the node took the call; `session` its id."""
        talker = Talker(self._server, self._http, load_packets(self._folder / f"{call}.npz"))
        async with self._handshakes:
            try:
                await talker.join()
            except (CallError, PublishError) as error:
                if REFUSED not in str(error):
                    raise
                await talker.leave()
                return {"admitted": False}
        self._talkers[call] = talker
        return {"admitted": True}

    async def talk(self) -> child.Reply:
        gc.collect()
        gc.freeze()
        await asyncio.gather(*(self._one(call) for call in self._talkers))
        gc.unfreeze()
        self._talkers.clear()
        return {}

    async def _one(self, call: int) -> None:
        await asyncio.sleep(offset_ns(call) / 1e9)
        talker = self._talkers[call]
        await talker.talk()
        talker.outcome.save(self._folder / f"{call}.json")


async def _main(url: str, folder: Path) -> None:
    stack.use_loopback(True)
    account = admin.in_child(url)
    async with httpx.AsyncClient(base_url=url, auth=account, timeout=15) as http:
        talkers = Talkers(account, folder, http)
        await child.serve({"connect": talkers.connect, "talk": talkers.talk})


if __name__ == "__main__":
    base_url, data = child.pin()
    uvloop.run(_main(base_url, Path(data)))
