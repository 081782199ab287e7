"""A scheduler with an obedient worker, and what was answered."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from engine.asr.scheduler import Model, Scheduler
from engine.asr.window import Hypothesis, Kind, Window
from engine.frames import SAMPLE_RATE
from tests.engine import obedient_worker

FAKE = (sys.executable, obedient_worker.__file__)


def window(
    order: int,
    kind: Kind = Kind.REFRESH,
    *,
    utterance: int = 1,
    session: str = "",
    s: float = 1.0,
    language: str = "en",
) -> Window:
    """A window of `s` seconds whose first sample is `order`; each order is another session."""
    pcm = np.zeros(int(s * SAMPLE_RATE), np.int16)
    pcm[0] = order
    end = len(pcm)
    session = session or f"s{order}"
    return Window(session, "trainee", utterance, kind, 0, end, end, pcm, language)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process brings about."""
    while not condition():
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Desk:
    """A scheduler with an obedient worker, and what was answered."""

    def __init__(self, folder: Path, scheduler: Scheduler) -> None:
        self.folder = folder
        self.scheduler = scheduler
        self.answers: list[Hypothesis] = []

    def ask(self, *windows: Window) -> None:
        for each in windows:
            self.scheduler.submit(each, self.answers.append)

    async def answered(self, count: int) -> list[Hypothesis]:
        await until(lambda: len(self.answers) >= count)
        return self.answers

    @property
    def orders(self) -> list[int]:
        return [int(answer.window.pcm[0]) for answer in self.answers]

    @property
    def batches(self) -> list[list[int]]:
        return self._recorded("batches")

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self._recorded("requests")

    @property
    def pid(self) -> int:
        """The only worker's process."""
        (pid,) = self.scheduler.pids
        return pid

    async def replaced(self, pid: int) -> int:
        """Wait until another worker than `pid` is ready; its process."""
        await until(lambda: self.scheduler.ready and self.scheduler.pids not in ([], [pid]))
        return self.pid

    async def close(self) -> None:
        """Keep the worker busy with one window, so that others wait."""
        (self.folder / "closed").touch()
        seen = len(self.batches)
        self.scheduler.submit(window(1, Kind.FINAL), lambda answer: None)
        await until(lambda: len(self.batches) > seen)

    def open(self) -> None:
        (self.folder / "closed").unlink()

    def _recorded(self, name: str) -> list[Any]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@asynccontextmanager
async def open_desk(folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    options = settings.pop("options", {})
    scheduler = Scheduler({"en": Model(folder, options)}, worker=FAKE, **settings)
    await scheduler.start()
    try:
        yield Desk(folder, scheduler)
    finally:
        await scheduler.stop()
