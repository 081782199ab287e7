"""`/api/v1/assignments`: what people are to practise."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import IdPath
from api.auth.roles import Owner
from api.coaching.assignments import (
    Assigning,
    AssignmentBody,
    AssignmentChange,
    AssignmentPage,
    AssignmentQuery,
    AssignmentView,
    GivenView,
)
from api.endpoint import endpoint
from api.entity_tags import match, tagged
from api.identity import identity_of
from api.services import services_of
from api.store.coaching import Assignment


async def assignment(request: Request, params: IdPath) -> Owner | None:
    """Whose it is that a path names: `_found` has it afterwards."""
    identity = identity_of(request)
    found = await services_of(request).store.assignments.get(identity.dealership_id, params.id)
    if found is None:
        return None
    request.state.assignment = found
    return Owner.of(found)


def _found(request: Request) -> Assignment:
    found: Assignment = request.state.assignment
    return found


async def _shown(request: Request, shown: Assignment) -> Response:
    (view,) = await Assigning(services_of(request)).views([shown])
    return tagged(view, shown.version)


@endpoint(
    "GET",
    "/assignments",
    "assignment.read",
    query=AssignmentQuery,
    answers={200: AssignmentPage},
)
async def list_assignments(request: Request, query: AssignmentQuery) -> AssignmentPage:
    """What you, your teams or the whole dealership are to practise."""
    return await Assigning(services_of(request)).page(identity_of(request), query)


@endpoint(
    "POST",
    "/assignments",
    "assignment.create",
    body=AssignmentBody,
    answers={201: GivenView},
    errors=[503],
    once=True,
)
async def create_assignments(request: Request, body: AssignmentBody) -> GivenView:
    """Give people something to practise: one assignment each; they are told."""
    assigning = Assigning(services_of(request))
    made = await assigning.give(identity_of(request), body)
    return GivenView(items=await assigning.views(made))


@endpoint(
    "GET",
    "/assignments/{id}",
    "assignment.read",
    owner=assignment,
    params=IdPath,
    answers={200: AssignmentView},
)
async def get_assignment(request: Request, params: IdPath) -> Response:
    """One, with its attempts."""
    return await _shown(request, _found(request))


@endpoint(
    "PUT",
    "/assignments/{id}",
    "assignment.update",
    owner=assignment,
    params=IdPath,
    body=AssignmentChange,
    answers={200: AssignmentView},
    errors=[409, 412, 428, 503],
)
async def put_assignment(request: Request, params: IdPath, body: AssignmentChange) -> Response:
    """Give more time or attempts, another mark, or cancel it. Its attempts are judged anew."""
    found = _found(request)
    match(request, found.version)
    changed = await Assigning(services_of(request)).change(identity_of(request), found, body)
    return await _shown(request, changed)


endpoints = [list_assignments, create_assignments, get_assignment, put_assignment]
