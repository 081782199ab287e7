"""Pictures and pages made at once, in a process of their own, for whoever waits for them.

What people send is decoded under that process's limits, and never in the node's.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from api.ids import new_id
from api.jobs.scratch import emptied
from api.problems import Problem
from api.store.uploads import Upload
from api.uploads import Uploading
from processing.process import Broken, Limits, WorkerProcess
from processing.work import Refused

WITHIN_S: Final = 30.0
MAX_WAITING: Final = 64
"""One thing is made at a time; who comes when so many wait is sent away for `RETRY_AFTER_S`."""
RETRY_AFTER_S: Final = 3


class Workbench:
    """That of one node, in `folder`."""

    def __init__(self, uploading: Uploading, folder: Path, limits: Limits | None = None) -> None:
        self._uploading = uploading
        self._folder = folder
        self._worker = WorkerProcess(limits)
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def start(self) -> None:
        """Begin with an empty folder: what a crash left in it came from sealed blobs."""
        await asyncio.to_thread(emptied, self._folder)

    async def stop(self) -> None:
        await self._worker.end()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def made(
        self, work: str, uploads: Sequence[Upload], settings: Mapping[str, Any]
    ) -> list[bytes]:
        """What `work` ("module:function") makes of uploads. Raises `Problem`: 422 for what cannot
        be worked on, 503 where it is to be asked for again; and `StoreError`."""
        if self._waiting >= MAX_WAITING:
            raise _later("Many pictures are being made just now")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._work(work, uploads, settings)
        except Refused as refused:
            raise Problem(422, refused.sentence, code=refused.code) from refused
        except (Broken, OSError) as error:
            raise _later("This could not be made") from error
        finally:
            self._waiting -= 1

    async def _work(
        self, work: str, uploads: Sequence[Upload], settings: Mapping[str, Any]
    ) -> list[bytes]:
        folder = self._folder / new_id()
        outputs = folder / "out"
        try:
            await asyncio.to_thread(outputs.mkdir, 0o700, parents=True)
            sources = [folder / f"{number:03d}" for number in range(len(uploads))]
            for upload, source in zip(uploads, sources, strict=True):
                await self._uploading.copy(upload, source)
            made = await self._worker.work(work, sources, outputs, settings, _untold, WITHIN_S)
            return [await asyncio.to_thread(each.read_bytes) for each in made]
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _untold(stage: str, percent: int) -> None:
    """Nobody watches how far it is."""


def _later(why: str) -> Problem:
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return Problem(503, f"{why}; ask again in a moment.", headers=headers)
