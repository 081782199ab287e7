"""Small pictures of uploads, for pages to show.

What people send is decoded in a process of its own, under its limits, and never in the node's: what
a browser gets are pixels that we wrote. They are kept by the browser that asked, not here.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final

from api.ids import new_id
from api.jobs.scratch import emptied
from api.problems import Problem
from api.store.uploads import Upload
from api.uploads import Uploading
from processing.process import Broken, Limits, WorkerProcess
from processing.work import Refused

WORK: Final = "processing.preview:work_preview"
WITHIN_S: Final = 30.0
MAX_WAITING: Final = 64
"""One is made at a time; who comes when so many wait is sent away for `RETRY_AFTER_S`."""
RETRY_AFTER_S: Final = 3
MEDIA_TYPE: Final = "image/webp"


class Previews:
    """Those of one node, made one after the other in `folder`."""

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

    async def of(self, upload: Upload) -> bytes:
        """A WebP of a picture. Raises `Problem`: 404 for a recording, 422 for what cannot be
        decoded, 503 where it is to be asked for again, and `StoreError`."""
        if not upload.media_type.startswith("image/"):
            raise Problem(404, "A recording has no preview.")
        if self._waiting >= MAX_WAITING:
            raise _later("Many previews are being made just now")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._made(upload)
        except Refused as refused:
            raise Problem(422, refused.sentence, code=refused.code) from refused
        except (Broken, OSError) as error:
            raise _later("The preview could not be made") from error
        finally:
            self._waiting -= 1

    async def _made(self, upload: Upload) -> bytes:
        folder = self._folder / new_id()
        source, outputs = folder / "in", folder / "out"
        try:
            await asyncio.to_thread(outputs.mkdir, 0o700, parents=True)
            await self._uploading.copy(upload, source)
            (made,) = await self._worker.work(WORK, [source], outputs, {}, _untold, WITHIN_S)
            return await asyncio.to_thread(made.read_bytes)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _untold(stage: str, percent: int) -> None:
    """Nobody watches how far a preview is."""


def _later(why: str) -> Problem:
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return Problem(503, f"{why}; ask again in a moment.", headers=headers)
