"""Many calls at once, fed straight into their sessions at the pace of speech, without WebRTC."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.reading import Reading, narrowed
from engine.asr.window import Recognizer
from engine.events import Event
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, SILENT_FRAME, Frame, Pcm, Source
from engine.journal import MemoryJournal
from engine.session import Session, SessionConfig

TRACK = "trainee"
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE


@dataclass(slots=True)
class Talker:
    """A call whose trainee says `pcm` (16 kHz) and then nothing; `words` is the text of it."""

    session: Session
    pcm: Pcm
    words: str
    events: list[Event] = field(default_factory=list)
    pushed: int = 0

    def push(self) -> None:
        """The next 20 ms."""
        at = self.pushed * FRAME_SAMPLES
        pcm = self.pcm[at : at + FRAME_SAMPLES]
        frame = pcm if len(pcm) == FRAME_SAMPLES else SILENT_FRAME
        self.session.push([Frame(TRACK, at, frame, Source.RECEIVED)])
        self.pushed += 1

    @property
    def has_spoken(self) -> bool:
        return self.pushed * FRAME_SAMPLES >= len(self.pcm)

    @property
    def text(self) -> str:
        finals = [event.data for event in self.events if event.type == "transcript.final"]
        return " ".join(word[0] for data in finals for word in data["words"])

    def told(self, what: str) -> list[dict[str, object]]:
        """What this call's `degraded` events say of `what`, oldest first."""
        degraded = [event.data for event in self.events if event.type == "degraded"]
        return [data for data in degraded if data["what"] == what]

    def numbers(self, kind: str) -> list[int]:
        """The utterances that events of `kind` are about, sorted."""
        return sorted(event.data["utterance"] for event in self.events if event.type == kind)


class Crowd:
    """Calls on one recognizer, as a node holds them."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._begun_s = time.monotonic()
        self.talkers: list[Talker] = []

    def join(self, name: str, said: Reading) -> Talker:
        """One more call. The recognizer is not asked whether it has room."""
        config = SessionConfig("pitch", None, volume_feedback=False)
        began_s = time.monotonic()
        session = Session(
            name, config, self._recognizer, MemoryJournal(), lambda: time.monotonic() - began_s
        )
        session.add_track(TRACK)
        talker = Talker(session, narrowed(said.audio), said.text)
        session.subscribe(talker.events.append)
        self.talkers.append(talker)
        return talker

    async def talk(self, seconds: float) -> None:
        """Let time pass: every call gets its frames when they are due, or later under load."""
        begun_s = time.monotonic()
        for tick in range(round(seconds / FRAME_S)):
            await asyncio.sleep(max(begun_s + tick * FRAME_S - time.monotonic(), 0))
            for talker in self.talkers:
                talker.push()

    def leave(self) -> None:
        """All calls end."""
        for talker in self.talkers:
            talker.session.complete("ended")
        self.talkers = []

    @property
    def finals_due(self) -> int:
        return sum(talker.session.finals_due for talker in self.talkers)


@asynccontextmanager
async def slowed(pid: int, share: float, period_s: float = 0.1) -> AsyncIterator[None]:
    """Let process `pid` run only `share` of the time, as on a machine so much slower."""

    async def brake() -> None:
        while True:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(period_s * (1 - share))
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(period_s * share)

    task = asyncio.create_task(brake())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.kill(pid, signal.SIGCONT)


def resident_mb(pid: int) -> float:
    """Memory that process `pid` holds."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in status if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024
