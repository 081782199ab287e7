"""`/api/v1/batches`: the photos of one vehicle."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.accounts.views import IdPath, PageQuery
from api.attachments import disposition
from api.auth.roles import Owner
from api.batches import Batches, Look
from api.endpoint import Answer, endpoint
from api.entity_tags import match, tagged
from api.identity import identity_of
from api.jobs.desk import desk_of
from api.jobs.views import JobView, job_view
from api.problems import Problem
from api.services import services_of
from api.store.uploads import MAX_SHOT, Batch
from api.store.uploads import Shot as ShotNumber
from api.upload_views import (
    BatchPage,
    BatchView,
    BatchWithShots,
    batch_view,
    batch_with_shots,
)
from engine.events import Wire

VinText = Annotated[str, StringConstraints(max_length=40)]


class BatchBody(Wire):
    """`vin` may have spaces and small letters."""

    vin: VinText
    look: Look = Look()


class LookBody(Wire):
    look: Look


class WorkBody(Wire):
    """`shots`: their numbers; without them all that nothing was made of. `takenFor` is what they
    show, where vehicles are to be cut out and that was not recognized rightly: an exterior is cut
    out, an interior and a detail are not."""

    shots: Annotated[list[ShotNumber], Field(min_length=1, max_length=MAX_SHOT)] | None = None
    taken_for: Literal["exterior", "interior", "detail"] | None = None


class BatchJobs(Wire):
    items: list[JobView]


class BatchesQuery(PageQuery):
    vin: Annotated[str | None, StringConstraints(max_length=40)] = None


async def batch(request: Request, params: IdPath) -> Owner | None:
    """Whose it is that a path names: `_found` has it afterwards."""
    identity = identity_of(request)
    found = await services_of(request).store.batches.get(identity.dealership_id, params.id)
    if found is None:
        return None
    request.state.batch = found
    return Owner.of(found)


def _found(request: Request) -> Batch:
    found: Batch = request.state.batch
    return found


@endpoint(
    "POST",
    "/batches",
    "upload.create",
    body=BatchBody,
    answers={201: BatchView},
    errors=[409, 503],
    once=True,
)
async def begin(request: Request, body: BatchBody) -> Response:
    """Begin the photos of a vehicle. A dealership has one batch of each."""
    made = await Batches(services_of(request)).begin(identity_of(request), body.vin, body.look)
    headers = {"Location": f"/api/v1/batches/{made.id}"}
    return tagged(batch_view(made), made.version, 201, headers)


@endpoint("GET", "/batches", "upload.read", query=BatchesQuery, answers={200: BatchPage})
async def list_batches(request: Request, query: BatchesQuery) -> BatchPage:
    """Yours, your teams' or the whole dealership's, the newest first."""
    identity = identity_of(request)
    user_ids, team_ids = identity.reached("upload.read")
    found = await services_of(request).store.batches.page(
        identity.dealership_id,
        user_ids=user_ids,
        team_ids=team_ids,
        vin=None if query.vin is None else query.vin.upper(),
        offset=query.offset,
        limit=query.limit,
    )
    return BatchPage(items=[batch_view(each) for each in found.items], total=found.total)


@endpoint(
    "GET",
    "/batches/{id}",
    "upload.read",
    owner=batch,
    params=IdPath,
    answers={200: BatchWithShots},
)
async def get_batch(request: Request, params: IdPath) -> Response:
    """One, with its shots and what was made of them."""
    services, found = services_of(request), _found(request)
    shots = await Batches(services).shots(found)
    return tagged(batch_with_shots(services.uploading, found, shots), found.version)


@endpoint(
    "PUT",
    "/batches/{id}",
    "upload.update",
    owner=batch,
    params=IdPath,
    body=LookBody,
    answers={200: BatchView},
    errors=[409, 412, 428, 503],
)
async def put_batch(request: Request, params: IdPath, body: LookBody) -> Response:
    """Give it another look. What was made before stays as it is."""
    found = _found(request)
    match(request, found.version)
    changed = await Batches(services_of(request)).restyle(found, body.look)
    return tagged(batch_view(changed), changed.version)


@endpoint(
    "POST",
    "/batches/{id}/jobs",
    "job.create",
    owner=batch,
    params=IdPath,
    body=WorkBody,
    answers={201: BatchJobs},
    errors=[409, 503],
    once=True,
)
async def create_jobs(request: Request, params: IdPath, body: WorkBody) -> BatchJobs:
    """Have its look given to shots: those named, or all that nothing was made of; a job for each.

    Where the quota ends it, the jobs that were begun before stay.
    """
    found, identity = _found(request), identity_of(request)
    desk = desk_of(request)
    due = await Batches(services_of(request)).due(found, body.shots)
    look = Look.model_validate(found.look).taking_for(body.taken_for)
    jobs = [await desk.ask(identity, look.job([each.id])) for each in due]
    return BatchJobs(items=[job_view(each) for each in jobs])


@endpoint(
    "GET",
    "/batches/{id}/archive",
    "upload.read",
    owner=batch,
    params=IdPath,
    answers={200: Answer("A ZIP of the results", media_type="application/zip")},
    errors=[409],
)
async def get_archive(request: Request, params: IdPath) -> Response:
    """What was made of its shots, in a ZIP: the newest of each, by VIN and number."""
    batches, found = Batches(services_of(request)), _found(request)
    results = await batches.results(found)
    if not results:
        raise Problem(409, "Nothing is made of these photos yet; come back when a job is done.")
    headers = {
        "Content-Disposition": disposition(f"{found.vin}.zip"),
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        batches.archive(results), headers=headers, media_type="application/zip"
    )


@endpoint(
    "DELETE",
    "/batches/{id}",
    "upload.delete",
    owner=batch,
    params=IdPath,
    answers={204: Answer("It is gone")},
)
async def delete_batch(request: Request, params: IdPath) -> Response:
    """Destroy a batch with its shots and all that was made of them."""
    services = services_of(request)
    await services.audit.allowed(identity_of(request), "upload.delete", "batch", params.id)
    await Batches(services).remove(_found(request))
    return Response(status_code=204)


endpoints = [begin, list_batches, get_batch, put_batch, create_jobs, get_archive, delete_batch]
