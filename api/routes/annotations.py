"""`/api/v1/sessions/{id}/annotations` and `/api/v1/annotations`: what people say of moments."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api import ownership
from api.accounts.views import IdPath, PageQuery
from api.auth.roles import Owner
from api.bus import bus_of
from api.coaching.annotations import (
    Annotating,
    AnnotationBody,
    AnnotationChange,
    AnnotationPage,
    AnnotationView,
    ReaderList,
)
from api.endpoint import Answer, endpoint
from api.entity_tags import match, tagged
from api.identity import identity_of
from api.services import services_of
from api.store.coaching import Annotation
from api.views import SessionPath


async def annotation(request: Request, params: IdPath) -> Owner | None:
    """Its author's: `_found` has it afterwards."""
    identity = identity_of(request)
    found = await services_of(request).store.annotations.get(identity.dealership_id, params.id)
    if found is None:
        return None
    request.state.annotation = found
    return Owner(found.dealership_id, found.author_id)


def _found(request: Request) -> Annotation:
    found: Annotation = request.state.annotation
    return found


def _annotating(request: Request) -> Annotating:
    return Annotating(services_of(request), bus_of(request))


@endpoint(
    "GET",
    "/sessions/{id}/annotations",
    "note.read",
    owner=ownership.session,
    params=SessionPath,
    query=PageQuery,
    answers={200: AnnotationPage},
)
async def list_annotations(
    request: Request, params: SessionPath, query: PageQuery
) -> AnnotationPage:
    """What was said of a call, by its moments."""
    by = identity_of(request)
    return await _annotating(request).page(by, params.id, query.offset, query.limit)


@endpoint(
    "POST",
    "/sessions/{id}/annotations",
    "note.create",
    owner=ownership.session,
    params=SessionPath,
    body=AnnotationBody,
    answers={201: AnnotationView},
    errors=[409, 503],
    once=True,
)
async def create_annotation(
    request: Request, params: SessionPath, body: AnnotationBody
) -> Response:
    """Say something of a moment or span; who is mentioned is told of it.

    An answer to an answer joins the same thread. While the call is live, all in it are told.
    """
    by, annotating = identity_of(request), _annotating(request)
    made = await annotating.create(by, params.id, body)
    headers = {"Location": f"/api/v1/annotations/{made.id}"}
    return tagged(await annotating.view(by, made), made.version, 201, headers)


@endpoint(
    "GET",
    "/sessions/{id}/readers",
    "note.read",
    owner=ownership.session,
    params=SessionPath,
    answers={200: ReaderList},
)
async def list_readers(request: Request, params: SessionPath) -> ReaderList:
    """Who may read what is said of a call, and so be mentioned."""
    return await _annotating(request).readers(identity_of(request), params.id)


@endpoint(
    "PUT",
    "/annotations/{id}",
    "note.update",
    owner=annotation,
    params=IdPath,
    body=AnnotationChange,
    answers={200: AnnotationView},
    errors=[409, 412, 428, 503],
)
async def put_annotation(request: Request, params: IdPath, body: AnnotationChange) -> Response:
    """Write it anew; who is mentioned for the first time is told."""
    by, annotating, found = identity_of(request), _annotating(request), _found(request)
    match(request, found.version)
    changed = await annotating.change(by, found, body)
    return tagged(await annotating.view(by, changed), changed.version)


@endpoint(
    "DELETE",
    "/annotations/{id}",
    "note.delete",
    owner=annotation,
    params=IdPath,
    answers={204: Answer("It is gone; a comment with answers keeps its place without a text")},
    errors=[412, 503],
)
async def delete_annotation(request: Request, params: IdPath) -> Response:
    """Remove it."""
    await _annotating(request).remove(identity_of(request), _found(request))
    return Response(status_code=204)


endpoints = [
    list_annotations,
    create_annotation,
    list_readers,
    put_annotation,
    delete_annotation,
]
