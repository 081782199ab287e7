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

from engine.asr.scheduler import Scheduler
from engine.asr.window import Hypothesis, Kind, Window
from engine.frames import SAMPLE_RATE
from tests.engine import obedient_worker

FAKE = (sys.executable, obedient_worker.__file__)


def window(
    order: int, kind: Kind = Kind.REFRESH, *, utterance: int = 1, session: str = "", s: float = 1.0
) -> Window:
    """A window of `s` seconds whose first sample is `order`; each order is another session."""
    pcm = np.zeros(int(s * SAMPLE_RATE), np.int16)
    pcm[0] = order
    return Window(session or f"s{order}", "trainee", utterance, kind, 0, len(pcm), len(pcm), pcm)


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
        path = self.folder / "batches"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def close(self) -> None:
        """Keep the worker busy with one window, so that others wait."""
        (self.folder / "closed").touch()
        seen = len(self.batches)
        self.scheduler.submit(window(1, Kind.FINAL), lambda answer: None)
        await until(lambda: len(self.batches) > seen)

    def open(self) -> None:
        (self.folder / "closed").unlink()


@asynccontextmanager
async def open_desk(folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    scheduler = Scheduler(folder, worker=FAKE, **settings)
    await scheduler.start()
    try:
        yield Desk(folder, scheduler)
    finally:
        await scheduler.stop()
