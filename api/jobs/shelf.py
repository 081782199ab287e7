"""Files of jobs: fetched from blobs into a worker's folder, and put into blobs from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from api.problems import Problem
from api.store.jobs import Job
from api.store.store import Store
from api.store.uploads import Upload
from api.uploads import Uploading
from processing.photos import SETTINGS
from processing.sniffing import HEAD_BYTES, media_type
from processing.work import Refused

CHUNK_BYTES = 256 * 1024
GONE = "A file of this job was removed; upload it again and start a new job."


class Shelf(Protocol):
    """Where a job's inputs come from, and where its outputs go."""

    async def fetch(self, job: Job, folder: Path) -> list[Path]:
        """Its inputs, in order, and after them the uploads that its settings name. Raises
        `Refused`, `StoreError`, `OSError`."""
        ...

    async def settings(self, job: Job) -> dict[str, Any]:
        """What its work is told. Raises `StoreError`."""
        ...

    async def keep(self, job: Job, files: Sequence[Path]) -> list[str]:
        """Ids of what is kept, in order: of all `files`, or of none. Raises as `fetch` does."""
        ...

    async def remove(self, job: Job, ids: Iterable[str]) -> None:
        """Some of what was kept. Raises `StoreError`."""

    async def clear(self, job: Job) -> None:
        """Remove whatever earlier attempts left. Raises `StoreError`."""

    async def published(self, job: Job) -> None:
        """The job is completed, and what was kept of it is there to be found."""


class UploadShelf:
    """Uploads in, results beside them out."""

    def __init__(self, store: Store, uploading: Uploading) -> None:
        self._store = store
        self._uploading = uploading

    async def fetch(self, job: Job, folder: Path) -> list[Path]:
        paths = []
        needed = await self._whole(job, (*job.input_files, *further(job)))
        for number, upload in enumerate(needed):
            path = folder / f"{number:03d}"
            try:
                await self._uploading.copy(upload, path)
            except Problem as problem:
                raise Refused("input_unreadable", problem.detail) from problem
            paths.append(path)
        return paths

    async def settings(self, job: Job) -> dict[str, Any]:
        return job.settings

    async def keep(self, job: Job, files: Sequence[Path]) -> list[str]:
        """Output n is taken for what was made of input n, one more for the last one's."""
        inputs = await self._whole(job, job.input_files)
        kept: list[str] = []
        try:
            for number, path in enumerate(files):
                source = inputs[min(number, len(inputs) - 1)]
                kept.append((await self._keep(job, source, path)).id)
        except BaseException:
            await self.remove(job, kept)
            raise
        return kept

    async def remove(self, job: Job, ids: Iterable[str]) -> None:
        for each in ids:
            upload = await self._store.uploads.get(job.dealership_id, each)
            if upload is not None:
                await self._uploading.remove(upload)

    async def clear(self, job: Job) -> None:
        for upload in await self._store.uploads.of_job(job.dealership_id, job.id):
            await self._uploading.remove(upload)

    async def published(self, job: Job) -> None:
        """What went in stays with what came out."""

    async def _keep(self, job: Job, source: Upload, path: Path) -> Upload:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        found = media_type(head)
        if found is None:
            raise ValueError("the work made a file of no known type")
        name = f"{Path(self._uploading.name_of(source)).stem}{path.suffix}"
        return await self._uploading.keep_result(source, job.id, name, found, chunks(path))

    async def _whole(self, job: Job, ids: Iterable[str]) -> list[Upload]:
        found = [await self._store.uploads.get(job.dealership_id, each) for each in ids]
        whole = [each for each in found if each is not None and each.status == "ready"]
        if len(whole) < len(found):
            raise Refused("input_gone", GONE)
        return whole


def further(job: Job) -> list[str]:
    """Ids of uploads that a photo job's settings name: a background, a logo."""
    kind = SETTINGS.get(job.job_type)
    return [] if kind is None else kind.model_validate(job.settings).options.further()


async def chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
