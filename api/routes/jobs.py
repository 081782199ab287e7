"""`/api/v1/jobs`: ask for work on uploads, follow, cancel, retry."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import streaming
from api.accounts.views import IdPath
from api.auth.roles import Owner
from api.endpoint import Answer, endpoint
from api.entity_tags import tagged
from api.identity import identity_of
from api.jobs.desk import desk_of
from api.jobs.news import News
from api.jobs.views import JobBody, JobPage, JobsQuery, JobView, job_view
from api.services import services_of
from api.store.jobs import Job


async def job(request: Request, params: IdPath) -> Owner | None:
    """Whose it is that a path names: `_found` has it afterwards."""
    identity = identity_of(request)
    found = await services_of(request).store.jobs.get(identity.dealership_id, params.id)
    if found is None:
        return None
    request.state.job = found
    return Owner.of(found)


def _found(request: Request) -> Job:
    found: Job = request.state.job
    return found


def _news(request: Request) -> News:
    news: News = request.app.state.job_news
    return news


@endpoint(
    "POST",
    "/jobs",
    "job.create",
    body=JobBody,
    answers={201: JobView},
    errors=[503],
    once=True,
)
async def create_job(request: Request, body: JobBody) -> Response:
    """Have photos enhanced: each of `inputFiles` becomes one of `outputFiles`."""
    made = await desk_of(request).ask(identity_of(request), body)
    return tagged(job_view(made), made.version, 201, {"Location": f"/api/v1/jobs/{made.id}"})


@endpoint(
    "GET",
    "/jobs",
    "job.read",
    query=JobsQuery,
    answers={200: Answer("Jobs; a stream where that is accepted", JobPage)},
    errors=[503],
)
async def list_jobs(request: Request, query: JobsQuery) -> Response | JobPage:
    """The jobs of yourself, your teams or the whole dealership, the newest first.

    With `Accept: text/event-stream`: a `job` each time one of them changes, from now on.
    """
    identity = identity_of(request)
    if streaming.is_wanted(request):
        _news(request).admit()
        return streaming.streamed(_news(request).of_all(identity))
    users, teams = identity.reached("job.read")
    found = await services_of(request).store.jobs.page(
        identity.dealership_id,
        user_ids=users,
        team_ids=teams,
        status=query.status,
        job_type=query.job_type,
        batch_id=query.batch_id,
        offset=query.offset,
        limit=query.limit,
    )
    return JobPage(items=[job_view(each) for each in found.items], total=found.total)


@endpoint(
    "GET",
    "/jobs/{id}",
    "job.read",
    owner=job,
    params=IdPath,
    answers={200: Answer("The job; a stream where that is accepted", JobView)},
    errors=[503],
)
async def get_job(request: Request, params: IdPath) -> Response:
    """One job. With `Accept: text/event-stream`: a `job` each time it changes, until it is over."""
    found = _found(request)
    if streaming.is_wanted(request):
        _news(request).admit()
        return streaming.streamed(_news(request).of_one(identity_of(request), found))
    return tagged(job_view(found), found.version)


@endpoint(
    "POST",
    "/jobs/{id}/cancel",
    "job.cancel",
    owner=job,
    params=IdPath,
    answers={200: JobView},
    errors=[409, 503],
)
async def cancel_job(request: Request, params: IdPath) -> JobView:
    """Cancel a job. One that is worked on is `cancelled` within seconds, and publishes nothing."""
    return job_view(await desk_of(request).cancel(identity_of(request), _found(request)))


@endpoint(
    "POST",
    "/jobs/{id}/retry",
    "job.create",
    owner=job,
    params=IdPath,
    answers={200: JobView},
    errors=[409, 422, 503],
)
async def retry_job(request: Request, params: IdPath) -> JobView:
    """Try a job again that failed, is dead or was cancelled."""
    return job_view(await desk_of(request).retry(identity_of(request), _found(request)))


endpoints = [create_job, list_jobs, get_job, cancel_job, retry_job]
