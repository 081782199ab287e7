"""A lane on a store, blobs and workers of its own, without a node around it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from api.accounts.vault import Vault
from api.jobs.lane import Crew, Labour, Lane
from api.jobs.shelf import UploadShelf
from api.store import open_database
from api.store.blobs import open_blobs
from api.store.crypto import MasterKeys
from api.store.jobs import Job, JobStatus, JobType
from api.store.store import Store
from api.store.uploads import Upload
from api.uploads import Uploading
from processing.process import Limits
from processing.queue import Queue

MASTERS = MasterKeys({"k1": bytes(range(32))}, "k1")
PNG = b"\x89PNG\r\n\x1a\n"
DEALER, USER = "5f0000000000000000000001", "5f0000000000000000000002"
KIND: JobType = "call_analysis"
"""Its settings are the work's own affair: those of photos name further uploads."""


COPY: Mapping[JobType, Labour] = {KIND: Labour("tests.processing.works:copy", 60)}


def uploading(folder: Path, store: Store, now: Callable[[], datetime]) -> Uploading:
    blobs = open_blobs((folder / "blobs").as_uri())
    return Uploading(store, blobs, Vault(MASTERS), None, now)


class Clock:
    """The time of day, moved on at will."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Yard:
    """Makes uploads and jobs, and looks at what became of them."""

    def __init__(self, folder: Path, store: Store, clock: Clock) -> None:
        self.folder = folder
        self.store = store
        self.clock = clock
        self.uploading = uploading(folder, store, clock)

    def lane(
        self, work: str = "copy", *, slots: int = 1, node: str = "here", within_s: float = 60
    ) -> Lane:
        works: Mapping[JobType, Labour] = {KIND: Labour(f"tests.processing.works:{work}", within_s)}
        crew = Crew(self.folder / f"work-{node}", slots, Limits(), works)
        shelf = UploadShelf(self.store, self.uploading)
        return Lane(self.store.jobs, dict.fromkeys(works, shelf), Queue(), crew, node, self.clock)

    async def upload(self) -> Upload:
        async def content() -> AsyncIterator[bytes]:
            yield PNG + os.urandom(64)

        source = Upload.new(
            DEALER,
            self.clock(),
            user_id=USER,
            kind="picture",
            name="",
            media_type="image/png",
            size_bytes=0,
            data_key="",
            expires_at=self.clock() + timedelta(days=30),
        )
        made = await self.uploading.keep_result(source, "0" * 24, "car.png", "image/png", content())
        # What a person sent is no result of a job.
        theirs = made.changed(self.clock(), kind="picture", job_id=None)
        await self.store.uploads.save(DEALER, theirs)
        return theirs

    async def job(self, inputs: int = 1, **fields: Any) -> Job:
        files = [(await self.upload()).id for _ in range(inputs)]
        now = self.clock()
        known = {"user_id": USER, "job_type": KIND, "input_files": files, "due_at": now}
        made = Job.new(DEALER, now, **(known | fields))
        await self.store.jobs.add(DEALER, made)
        return made

    async def now(self, job: Job) -> Job:
        found = await self.store.jobs.get(DEALER, job.id)
        assert found is not None
        return found

    async def results(self, job: Job) -> list[str]:
        """Ids of all that was ever kept of it and is still there."""
        return sorted(each.id for each in await self.store.uploads.of_job(DEALER, job.id))

    async def until(self, job: Job, holds: Callable[[Job], bool], within_s: float = 60) -> Job:
        async with asyncio.timeout(within_s):
            while not holds(found := await self.now(job)):
                await asyncio.sleep(0.05)
        return found

    async def until_is(self, job: Job, status: JobStatus) -> Job:
        return await self.until(job, lambda found: found.status == status)


@asynccontextmanager
async def opened(folder: Path, store_url: str = "") -> AsyncIterator[Yard]:
    clock = Clock()
    url = store_url or f"sqlite:///{folder / 'store.db'}"
    store = Store(open_database(url), clock)
    await store.open()
    try:
        yield Yard(folder, store, clock)
    finally:
        await store.close()


@asynccontextmanager
async def working(lane: Lane) -> AsyncIterator[Lane]:
    await lane.start()
    try:
        yield lane
    finally:
        await lane.stop()
