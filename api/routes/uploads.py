"""`/api/v1/uploads`: send a file, list, get, download, remove."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api import previews
from api.accounts.views import Id, IdPath, PageQuery
from api.attachments import disposition
from api.auth.roles import Owner
from api.batches import Batches
from api.endpoint import Answer, Media, endpoint
from api.entity_tags import tagged
from api.identity import identity_of
from api.problems import Problem
from api.ranges import ranged
from api.services import services_of
from api.store.uploads import MAX_SHOT, Upload, UploadKind
from api.upload_views import UploadPage, UploadView, upload_view
from api.uploads import Sent, check_size

MEDIA_TYPE = "application/octet-stream"
PART_WITHIN_S = 30.0
"""Between two parts of a body."""
GRACE_S = 60.0
LEAST_BYTES_PER_S = 64 * 1024
"""A body that comes slower than that, beyond `GRACE_S`, is given up."""

KEPT_S = 24 * 3600
"""A preview by the browser that asked for it: an upload never changes."""


class SendQuery(BaseModel):
    """What the file is called, and which shot of which batch it is."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=255)] = ""
    batch_id: Annotated[Id | None, Field(alias="batchId")] = None
    shot: Annotated[int | None, Field(ge=1, le=MAX_SHOT)] = None


class UploadsQuery(PageQuery):
    kind: UploadKind | None = None
    batch_id: Annotated[Id | None, Field(alias="batchId")] = None


async def upload(request: Request, params: IdPath) -> Owner | None:
    """Whose it is that a path names: `_found` has it afterwards."""
    identity = identity_of(request)
    found = await services_of(request).store.uploads.get(identity.dealership_id, params.id)
    if found is None or found.status != "ready":
        return None
    request.state.upload = found
    return Owner.of(found)


def _found(request: Request) -> Upload:
    found: Upload = request.state.upload
    return found


@endpoint(
    "POST",
    "/uploads",
    "upload.create",
    query=SendQuery,
    body=Media(MEDIA_TYPE, "The file itself; what it is, is told by its first bytes"),
    answers={201: UploadView},
    errors=[400, 409, 411, 422, 503, 507],
)
async def send(request: Request, query: SendQuery) -> Response:
    """Upload a photo (JPEG, PNG, WebP, GIF, TIFF, HEIC, AVIF) or a recording (WAV, MP3, M4A, Ogg).

    A shot of a batch that was uploaded before is replaced, with what was made of it.
    """
    identity, services = identity_of(request), services_of(request)
    size = _declared(request)
    batch = await Batches(services).place(identity, query.batch_id, query.shot)
    sent = Sent(query.name, size, batch, query.shot)
    made = await services.uploading.receive(identity, sent, _parts(request, size))
    headers = {"Location": f"/api/v1/uploads/{made.id}"}
    return tagged(upload_view(services.uploading, made), made.version, 201, headers)


@endpoint("GET", "/uploads", "upload.read", query=UploadsQuery, answers={200: UploadPage})
async def list_uploads(request: Request, query: UploadsQuery) -> UploadPage:
    """What you, your teams or the whole dealership uploaded, the newest first."""
    identity, services = identity_of(request), services_of(request)
    user_ids, team_ids = identity.reached("upload.read")
    found = await services.store.uploads.page(
        identity.dealership_id,
        user_ids=user_ids,
        team_ids=team_ids,
        kind=query.kind,
        batch_id=query.batch_id,
        offset=query.offset,
        limit=query.limit,
    )
    items = [upload_view(services.uploading, each) for each in found.items]
    return UploadPage(items=items, total=found.total)


@endpoint(
    "GET",
    "/uploads/{id}",
    "upload.read",
    owner=upload,
    params=IdPath,
    answers={200: UploadView},
)
async def get_upload(request: Request, params: IdPath) -> Response:
    """One upload."""
    found = _found(request)
    return tagged(upload_view(services_of(request).uploading, found), found.version)


@endpoint(
    "GET",
    "/uploads/{id}/file",
    "upload.read",
    owner=upload,
    params=IdPath,
    answers={
        200: Answer("The file", media_type=MEDIA_TYPE),
        206: Answer("The range that was asked for", media_type=MEDIA_TYPE),
    },
    errors=[400, 416],
)
async def get_file(request: Request, params: IdPath) -> Response:
    """The file, in whole or in ranges, to be saved: never as a type that a browser would run."""
    found, uploading = _found(request), services_of(request).uploading
    response = ranged(request, await uploading.open(found), MEDIA_TYPE)
    response.headers["Content-Disposition"] = disposition(uploading.name_of(found))
    return response


@endpoint(
    "GET",
    "/uploads/{id}/preview",
    "upload.read",
    owner=upload,
    params=IdPath,
    answers={200: Answer("A small picture of it", media_type=previews.MEDIA_TYPE)},
    errors=[422, 503],
)
async def get_preview(request: Request, params: IdPath) -> Response:
    """A photo or a result, at most 960 pixels wide and high, for a page to show."""
    made: previews.Previews = request.app.state.previews
    headers = {
        "Cache-Control": f"private, max-age={KEPT_S}, immutable",
        "Content-Security-Policy": "default-src 'none'",
    }
    content = await made.of(_found(request))
    return Response(content, headers=headers, media_type=previews.MEDIA_TYPE)


@endpoint(
    "DELETE",
    "/uploads/{id}",
    "upload.delete",
    owner=upload,
    params=IdPath,
    answers={204: Answer("It is gone")},
)
async def delete_upload(request: Request, params: IdPath) -> Response:
    """Destroy an upload; what was made of it stays."""
    services = services_of(request)
    await services.audit.allowed(identity_of(request), "upload.delete", "upload", params.id)
    await services.uploading.remove(_found(request))
    return Response(status_code=204)


def _declared(request: Request) -> int:
    """The body's size. Raises `Problem`: 415, 411, 413."""
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given != MEDIA_TYPE:
        raise Problem(415, f"Send the file as {MEDIA_TYPE}, not {given or 'without a type'}.")
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or len(length) > 16:
        raise Problem(411, "Send Content-Length: what is too large is then refused at once.")
    check_size("recording", int(length))
    return int(length)


async def _parts(request: Request, size_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes. Raises `Problem`: 408 where it comes too slowly, 400 where it ends."""
    until_s = asyncio.get_running_loop().time() + GRACE_S + size_bytes / LEAST_BYTES_PER_S
    stream = request.stream()
    try:
        while True:
            left_s = until_s - asyncio.get_running_loop().time()
            yield await asyncio.wait_for(anext(stream), min(PART_WITHIN_S, left_s))
    except StopAsyncIteration:
        return
    except TimeoutError as error:
        detail = "The file comes too slowly; send it again over a better connection."
        raise Problem(408, detail, headers={"Connection": "close"}) from error
    except ClientDisconnect as error:
        raise Problem(400, "The connection ended before the file did; send it again.") from error


endpoints = [send, list_uploads, get_upload, get_file, get_preview, delete_upload]
