"""Jobs of one person: those that they asked for, and analyses of their calls that others did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from api.identity import Identity
from api.problems import Problem
from api.services import Services
from api.store.jobs import OPEN, Job, JobStatus, JobType
from api.store.repositories.jobs import Jobs
from api.store.repositories.scoped import walk

ANALYSIS: Final[JobType] = "call_analysis"
WORKED_ON: Final[JobStatus] = "processing"
LET_GO_WITHIN_S: Final = 15.0
"""A worker sees a cancellation within a second or two; whoever is lost, their claim runs out."""
LOOK_EVERY_S: Final = 0.2
RETRY_AFTER_S: Final = 30


async def of_person(jobs: Jobs, dealership_id: str, user_id: str) -> AsyncIterator[Job]:
    """Raises `StoreError`."""
    async for job in walk(jobs.of_user, dealership_id, user_id):
        yield job
    async for job in walk(jobs.of_type, dealership_id, ANALYSIS):
        if job.user_id != user_id and job.settings.get("userId") == user_id:
            yield job


async def erase_of(services: Services, by: Identity, user_id: str) -> None:
    """Destroy them, and the recordings that others uploaded of the person. What is under way is
    cancelled first, jobs of others with files of the person among it: when this returns, nothing is
    being made that would have to be erased.

    Raises `Problem` (503) where a worker does not let go of one, and `StoreError`; ask again then.
    """
    store, dealership_id = services.store, by.dealership_id
    found = [job async for job in of_person(store.jobs, dealership_id, user_id)]
    under_way = [job for job in found if job.status in OPEN]
    under_way += await _made_of_files(services, dealership_id, user_id)
    for job in under_way:
        await store.jobs.cancel(dealership_id, job.id, by.user_id)
    await _let_go(services, under_way)
    for job in found:
        if job.user_id != user_id:
            await _remove_recordings(services, job)
            await store.jobs.remove(dealership_id, job.id)
    await store.jobs.remove_of_user(dealership_id, user_id)


async def _made_of_files(services: Services, dealership_id: str, user_id: str) -> list[Job]:
    """Jobs that are worked on now and have files of the person as inputs."""
    jobs, uploads = services.store.jobs, services.store.uploads
    found = []
    async for job in walk(jobs.of_status, dealership_id, WORKED_ON):
        inputs = [await uploads.get(dealership_id, each) for each in job.input_files]
        if any(upload is not None and upload.user_id == user_id for upload in inputs):
            found.append(job)
    return found


async def _let_go(services: Services, jobs: Sequence[Job]) -> None:
    """Wait until nobody works on them. Raises `Problem` (503)."""
    try:
        async with asyncio.timeout(LET_GO_WITHIN_S):
            for job in jobs:
                while await _is_held(services, job):
                    await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        detail = "A job of this person is still being worked on; erase them again in a minute."
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise Problem(503, detail, headers=headers) from error


async def _is_held(services: Services, job: Job) -> bool:
    found = await services.store.jobs.get(job.dealership_id, job.id)
    if found is None or found.status != WORKED_ON or found.lease_until is None:
        return False
    return found.lease_until > services.now()


async def _remove_recordings(services: Services, job: Job) -> None:
    for upload_id in job.input_files:
        upload = await services.store.uploads.get(job.dealership_id, upload_id)
        if upload is not None:
            await services.uploading.remove(upload)
