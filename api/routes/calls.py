"""`/api/v1/calls`: recordings of conversations that were held elsewhere become sessions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.endpoint import endpoint
from api.entity_tags import tagged
from api.identity import identity_of
from api.jobs.calls import CallBody
from api.jobs.desk import desk_of
from api.jobs.views import JobView, job_view


@endpoint(
    "POST",
    "/calls",
    "session.upload",
    body=CallBody,
    answers={201: JobView},
    errors=[503],
    once=True,
)
async def upload_call(request: Request, body: CallBody) -> Response:
    """Have a recording that was uploaded analysed as a live call would have been.

    It answers with the job (`/jobs/{id}`), which names the session once that is there. The upload
    is removed then: its sound is in the session.
    """
    made = await desk_of(request).ask_call(identity_of(request), body)
    return tagged(job_view(made), made.version, 201, {"Location": f"/api/v1/jobs/{made.id}"})


endpoints = [upload_call]
