"""`/api/v1/playbooks/versions` and what leads there: a dealership's own playbooks are written."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.auth.roles import Owner
from api.endpoint import Answer, endpoint
from api.entity_tags import match, stale, tagged
from api.identity import identity_of
from api.playbook_editing import editing_of
from api.playbook_views import (
    MAX_BODY_BYTES,
    CheckBody,
    CheckView,
    DraftBody,
    FaultView,
    PlaybookBody,
    TryBody,
    TryView,
    VersionBody,
    VersionPath,
    VersionView,
    WordFaultView,
    stored,
)
from api.store.base import Stale
from api.store.teaching import PlaybookVersion
from api.words import faults_of


async def version(request: Request, params: VersionPath) -> Owner | None:
    """The one that a path names: `_found` has it afterwards."""
    identity = identity_of(request)
    found = await editing_of(request).find(identity, params.language, params.number)
    if found is None:
        return None
    request.state.version = found
    return Owner(found.dealership_id)


def _found(request: Request) -> PlaybookVersion:
    found: PlaybookVersion = request.state.version
    return found


async def _shown(request: Request, shown: PlaybookVersion, status: int = 200) -> Response:
    view = await editing_of(request).view(shown)
    headers = {}
    if status == 201:
        where = f"/api/v1/playbooks/versions/{shown.language}/{shown.number}"
        headers = {"Location": where}
    return tagged(view, shown.version, status, headers)


@endpoint(
    "POST",
    "/playbooks/drafts",
    "playbook.write",
    body=DraftBody,
    answers={201: VersionView},
    errors=[409, 429],
    once=True,
    most_bytes=MAX_BODY_BYTES,
)
async def create_draft(request: Request, body: DraftBody) -> Response:
    """Begin a playbook. It may have faults until it is published."""
    made = await editing_of(request).draft(identity_of(request), body.language, body)
    return await _shown(request, made, 201)


@endpoint(
    "GET",
    "/playbooks/versions/{language}/{number}",
    "playbook.read",
    owner=version,
    params=VersionPath,
    answers={200: VersionView},
)
async def get_version(request: Request, params: VersionPath) -> Response:
    """One version, as it was written."""
    return await _shown(request, _found(request))


@endpoint(
    "PUT",
    "/playbooks/versions/{language}/{number}",
    "playbook.write",
    owner=version,
    params=VersionPath,
    body=VersionBody,
    answers={200: VersionView},
    errors=[409, 412, 428, 429],
    most_bytes=MAX_BODY_BYTES,
)
async def put_version(request: Request, params: VersionPath, body: VersionBody) -> Response:
    """Write a draft anew. 409 for what was published: that never changes."""
    found = _found(request)
    match(request, found.version)
    try:
        changed = await editing_of(request).change(identity_of(request), found, body)
    except Stale as error:
        raise stale() from error
    return await _shown(request, changed)


@endpoint(
    "DELETE",
    "/playbooks/versions/{language}/{number}",
    "playbook.write",
    owner=version,
    params=VersionPath,
    answers={204: Answer("It is gone")},
    errors=[409],
)
async def delete_version(request: Request, params: VersionPath) -> Response:
    """Delete a draft."""
    await editing_of(request).remove(identity_of(request), _found(request))
    return Response(status_code=204)


@endpoint(
    "POST",
    "/playbooks/versions/{language}/{number}/publish",
    "playbook.write",
    owner=version,
    params=VersionPath,
    answers={200: VersionView},
    errors=[409, 412, 429],
)
async def publish_version(request: Request, params: VersionPath) -> Response:
    """Hold calls with a draft from now on; what was published before is retired.

    409 with `errors` by line where it has faults.
    """
    found = _found(request)
    if "if-match" in request.headers:
        match(request, found.version)
    try:
        published = await editing_of(request).publish(identity_of(request), found)
    except Stale as error:
        raise stale() from error
    return await _shown(request, published)


@endpoint(
    "POST",
    "/playbooks/versions/{language}/{number}/restore",
    "playbook.write",
    owner=version,
    params=VersionPath,
    answers={201: VersionView},
    errors=[409, 429],
)
async def restore_version(request: Request, params: VersionPath) -> Response:
    """Make a draft like this version."""
    made = await editing_of(request).restore(identity_of(request), _found(request))
    return await _shown(request, made, 201)


@endpoint(
    "POST",
    "/playbooks/check",
    "playbook.write",
    body=CheckBody,
    answers={200: CheckView},
    errors=[429],
    most_bytes=MAX_BODY_BYTES,
)
async def check(request: Request, body: CheckBody) -> CheckView:
    """What is wrong with a playbook, by line, or what calls would show of it. Keeps nothing."""
    found = await editing_of(request).read(body.source)
    preview = None if found.playbook is None else PlaybookBody.of(found.playbook)
    return CheckView(
        faults=[FaultView(line=each.line, message=each.message) for each in found.faults],
        word_faults=[
            WordFaultView(number=number, message=message)
            for number, message in faults_of(stored(body.domain_words))
        ],
        preview=preview,
    )


@endpoint(
    "POST",
    "/playbooks/try",
    "playbook.write",
    body=TryBody,
    answers={200: TryView},
    errors=[404, 409, 429],
    most_bytes=MAX_BODY_BYTES,
)
async def attempt(request: Request, body: TryBody) -> TryView:
    """What a playbook makes of a sentence, as if it were said in a call. Keeps nothing."""
    return await editing_of(request).attempt(identity_of(request), body)


endpoints = [
    create_draft,
    get_version,
    put_version,
    delete_version,
    publish_version,
    restore_version,
    check,
    attempt,
]
