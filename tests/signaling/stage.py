"""A room with a client in it, on virtual time: no network, no recognizer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.server import NoWords
from engine.asr.window import Hypothesis, Window
from engine.journal import Journal, MemoryJournal
from engine.session import TRAINEE, Session, SessionConfig
from signaling.grant import token_digest
from signaling.peer import IceSettings
from signaling.recorder import Recorder
from signaling.room import Beginning, Room
from tests.signaling.packets import Rtp, encode, stream, voice
from tests.signaling.virtual_loop import run

PACKETS = stream(encode(voice(30)))
TOKEN = "the browser's own"


class Recognizer(NoWords):
    """Answers nothing, ever."""

    def __init__(self) -> None:
        self.asked: list[Window] = []
        self.forgotten: list[str] = []

    def submit(self, window: Window, done: Callable[[Hypothesis], None]) -> None:
        self.asked.append(window)

    def forget(self, session: str) -> None:
        self.forgotten.append(session)


class BrokenJournal(MemoryJournal):
    """A full disk, for as long as `is_full`."""

    is_full = False

    def append(self, kind: str, /, **fields: Any) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        super().append(kind, **fields)


class Connection:
    """Stands in for a peer: what it would do to the network is not the room's business."""

    def __init__(self) -> None:
        self.closures = 0

    async def close(self) -> None:
        self.closures += 1


class Stage:
    """A room with a connection in it."""

    def __init__(
        self,
        journal: Journal | None = None,
        recorder: Recorder | None = None,
        recorder_of: Callable[[str], Recorder | None] | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.beginning = Beginning()
        self.recognizer = Recognizer()
        self.session = Session(
            "5f43a1" * 4,
            SessionConfig("pitch", None, False),
            self.recognizer,
            journal or MemoryJournal(),
            self.now_s,
        )
        self.begun = 0
        self.closed: list[str] = []
        self.room = Room(
            self.session,
            self.beginning,
            token_digest(TOKEN),
            recorder_of or (lambda track: recorder if track == TRAINEE else None),
            IceSettings(),
            on_begun=self._count,
            on_closed=lambda room: self.closed.append(room.session.state),
        )
        self.connection = self.connect()
        self.sent = 0

    def _count(self) -> None:
        self.begun += 1

    def now_s(self) -> float:
        return 0.0 if self.beginning.at_s is None else self.loop.time() - self.beginning.at_s

    def connect(self) -> Connection:
        connection = Connection()
        self.room.attach(connection)
        return connection

    def packet(self, packet: Rtp, connection: Connection | None = None) -> None:
        sender = connection or self.connection
        self.room.take_packet(sender, packet.ssrc, packet.seq, packet.timestamp, packet.payload)

    async def speak(self, seconds: float) -> None:
        for packet in PACKETS[self.sent : self.sent + int(seconds * 50)]:
            self.packet(packet)
            await asyncio.sleep(0.02)
        self.sent += int(seconds * 50)

    async def vanish(self, seconds: float) -> None:
        """What is sent meanwhile is lost on the way."""
        await asyncio.sleep(seconds)
        self.sent += int(seconds * 50)

    def say(self, kind: str, **fields: Any) -> None:
        self.message(json.dumps({"type": kind, **fields}))

    def message(self, message: str | bytes) -> None:
        self.room.take_message(self.connection, message)

    @property
    def states(self) -> list[tuple[str, str | None]]:
        return [(e["data"]["state"], e["data"]["reason"]) for e in self.events("session.state")]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.session.events() if event["type"] == kind]


def on_stage(scenario: Callable[[Stage], Coroutine[Any, Any, None]], **arguments: Any) -> None:
    async def play() -> None:
        stage = Stage(**arguments)
        await scenario(stage)
        await stage.room.end("over")

    run(play())
