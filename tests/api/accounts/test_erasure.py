"""Nothing is made any more of what is kept of a person who is erased."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from api.accounts.sign_in import SignedIn
from api.jobs import own
from api.jobs.lane import LEASE, Crew, Lane
from api.jobs.shelf import UploadShelf
from api.problems import Problem
from api.store.jobs import Job, JobStatus
from api.store.uploads import Upload
from api.uploads import Sent
from processing.queue import Queue
from tests.api.accounts.conftest import House
from tests.api.jobs.yard import COPY, KIND, PNG, working

WITHIN_S = 60


class Pausing(UploadShelf):
    """Waits until `goes_on` before it keeps what was made."""

    def __init__(self, house: House) -> None:
        super().__init__(house.services.store, house.services.uploading)
        self.has_kept = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def keep(self, job: Job, files: Sequence[Path]) -> list[str]:
        kept = await super().keep(job, files)
        self.has_kept.set()
        await self.goes_on.wait()
        return kept


def laned(house: House, shelf: UploadShelf) -> Lane:
    services = house.services
    crew = Crew(house.data / "work", works=COPY)
    return Lane(services.store.jobs, {KIND: shelf}, Queue(), crew, "here", services.now)


async def recorded(house: House, who: SignedIn) -> Upload:
    content = PNG + os.urandom(64)

    async def sent() -> AsyncIterator[bytes]:
        yield content

    by = await house.identity(who)
    return await house.services.uploading.receive(by, Sent("car.png", len(content)), sent())


async def job(house: House, who: SignedIn, upload: Upload | None = None, **settings: Any) -> Job:
    now, given = house.services.now(), upload or await recorded(house, who)
    known = {"user_id": who.user.id, "job_type": KIND, "input_files": [given.id], "due_at": now}
    made = Job.new(who.user.dealership_id, now, **known, settings=settings)
    await house.services.store.jobs.add(made.dealership_id, made)
    return made


async def status(house: House, job: Job) -> JobStatus | None:
    found = await house.services.store.jobs.get(job.dealership_id, job.id)
    return None if found is None else found.status


async def until_is(house: House, job: Job, wanted: JobStatus) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await status(house, job) != wanted:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "is_own",
    [
        pytest.param(True, id="own"),
        pytest.param(False, id="of a colleague", marks=pytest.mark.slow),
    ],
)
async def test_a_job_that_is_about_to_be_published_leaves_nothing(
    house: House, is_own: bool
) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example")
    shelf, store = Pausing(house), house.services.store
    theirs = await job(house, bo if is_own else admin, await recorded(house, bo))
    async with working(laned(house, shelf)) as lane:
        async with asyncio.timeout(WITHIN_S):
            await shelf.has_kept.wait()
        (result,) = await store.uploads.of_job(theirs.dealership_id, theirs.id)
        await own.erase_of(house.services, await house.identity(admin), bo.user.id)
        # Nobody works on it any more, so that nothing comes after this moment.
        assert lane.busy == 0
        assert await status(house, theirs) == (None if is_own else "cancelled")
        await house.services.uploading.forget_of(theirs.dealership_id, bo.user.id)
        shelf.goes_on.set()
        after = await job(house, admin)
        await until_is(house, after, "completed")
    assert await store.uploads.get(theirs.dealership_id, result.id) is None
    assert await store.uploads.of_user(theirs.dealership_id, bo.user.id) == []


async def test_what_colleagues_uploaded_of_a_person_goes_with_them_and_nothing_else(
    house: House,
) -> None:
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example")
    store = house.services.store
    about = await job(house, admin, userId=bo.user.id)
    failed = await job(house, admin, userId=bo.user.id)
    await store.jobs.save(failed.dealership_id, failed.changed(house.clock(), status="failed"))
    other = await job(house, admin, userId=admin.user.id)
    await own.erase_of(house.services, await house.identity(admin), bo.user.id)
    for gone in (about, failed):
        assert await status(house, gone) is None
        assert await store.uploads.get(gone.dealership_id, gone.input_files[0]) is None
    assert await status(house, other) == "pending"
    assert await store.uploads.get(other.dealership_id, other.input_files[0]) is not None


async def test_who_asks_while_a_lost_worker_has_a_claim_is_to_ask_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "LET_GO_WITHIN_S", 0.3)
    admin = await house.admin()
    bo = await house.joined(admin, "bo@north.example")
    theirs, by = await job(house, bo), await house.identity(admin)
    assert await house.services.store.jobs.claim(theirs, "elsewhere", LEASE) is not None
    with pytest.raises(Problem, match="erase them again") as found:
        await own.erase_of(house.services, by, bo.user.id)
    assert (found.value.status, found.value.headers) == (503, {"Retry-After": "30"})
    assert await status(house, theirs) == "processing"
    house.clock.pass_by(seconds=LEASE.total_seconds() + 1)
    await own.erase_of(house.services, by, bo.user.id)
    assert await status(house, theirs) is None
