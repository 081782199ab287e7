"""`/api/v1/content`: copy for vehicles, from its first draft to its release."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import Id, IdPath, PageQuery
from api.auth.roles import Owner
from api.content.projects import Projects
from api.content.remarks import Remarks
from api.content.views import (
    AgainBody,
    CommentPage,
    CommentView,
    HeadPage,
    OverrideBody,
    ProjectBody,
    ProjectsQuery,
    ProjectView,
    ReasonBody,
    RemarkBody,
    ResolvedBody,
    TextBody,
    VersionPage,
    VersionView,
    version_head,
    version_view,
)
from api.endpoint import Answer, endpoint
from api.entity_tags import match, tagged
from api.identity import identity_of
from api.problems import Problem
from api.services import services_of
from api.store.content import ContentComment, ContentProject

MAX_BODY_BYTES = 256 * 1024
"""Sixty passages of 4,000 characters."""


class VersionPath(IdPath):
    number: Annotated[int, Field(ge=1, le=1_000)]


class CommentPath(IdPath):
    comment: Id


async def project(request: Request, params: IdPath) -> Owner | None:
    """Whose it is that a path names: `project_of` has it afterwards."""
    identity = identity_of(request)
    found = await services_of(request).store.content.get(identity.dealership_id, params.id)
    if found is None:
        return None
    request.state.project = found
    return Owner.of(found)


def project_of(request: Request) -> ContentProject:
    """The project that a path names."""
    found: ContentProject = request.state.project
    return found


def projects_of(request: Request) -> Projects:
    """Those of the node that serves `request`."""
    projects: Projects = request.app.state.projects
    return projects


async def _shown(request: Request, shown: ContentProject, status: int = 200) -> Response:
    headers = {"Location": f"/api/v1/content/{shown.id}"} if status == 201 else None
    view = await projects_of(request).view(shown)
    return tagged(view, shown.version, status, headers)


@endpoint("GET", "/content", "content.read", query=ProjectsQuery, answers={200: HeadPage})
async def list_projects(request: Request, query: ProjectsQuery) -> HeadPage:
    """Yours, your teams' or the whole dealership's, the newest first."""
    return await projects_of(request).page(identity_of(request), query)


@endpoint(
    "POST",
    "/content",
    "content.create",
    body=ProjectBody,
    answers={201: ProjectView},
    errors=[409, 503],
    once=True,
)
async def create(request: Request, body: ProjectBody) -> Response:
    """Write copy for a vehicle: a draft, from its facts alone."""
    made = await projects_of(request).create(identity_of(request), body)
    return await _shown(request, made, 201)


@endpoint(
    "GET", "/content/{id}", "content.read", owner=project, params=IdPath, answers={200: ProjectView}
)
async def get_project(request: Request, params: IdPath) -> Response:
    """One, with what is wrong with it now."""
    return await _shown(request, project_of(request))


@endpoint(
    "PUT",
    "/content/{id}",
    "content.update",
    owner=project,
    params=IdPath,
    body=TextBody,
    answers={200: ProjectView},
    errors=[409, 412, 428, 503],
    most_bytes=MAX_BODY_BYTES,
)
async def put_project(request: Request, params: IdPath, body: TextBody) -> Response:
    """Edit a draft. What it was before is kept as a version."""
    found = project_of(request)
    match(request, found.version)
    return await _shown(request, await projects_of(request).edit(identity_of(request), found, body))


@endpoint(
    "DELETE",
    "/content/{id}",
    "content.delete",
    owner=project,
    params=IdPath,
    answers={204: Answer("It is gone, with its versions and comments")},
    errors=[503],
)
async def delete_project(request: Request, params: IdPath) -> Response:
    """Delete a project. What went out stays out."""
    await projects_of(request).remove(identity_of(request), project_of(request))
    return Response(status_code=204)


@endpoint(
    "POST",
    "/content/{id}/generate",
    "content.update",
    owner=project,
    params=IdPath,
    body=AgainBody,
    answers={200: ProjectView},
    errors=[409, 412, 503],
)
async def generate(request: Request, params: IdPath, body: AgainBody) -> Response:
    """Write a draft anew: in other words, from the vehicle's facts as they are now."""
    projects, found = projects_of(request), project_of(request)
    changed = await projects.write_again(identity_of(request), found, body.settings)
    return await _shown(request, changed)


@endpoint(
    "POST",
    "/content/{id}/rewrite",
    "content.update",
    owner=project,
    params=IdPath,
    answers={200: ProjectView},
    errors=[409, 412, 503],
)
async def rewrite(request: Request, params: IdPath) -> Response:
    """Have a draft said in other words by a language model, where one is set up.

    What it returns is taken only if it states what the facts hold and nothing else; otherwise the
    text stays as it is, and `fallback` says why.
    """
    projects = projects_of(request)
    return await _shown(request, await projects.rewrite(identity_of(request), project_of(request)))


@endpoint(
    "POST",
    "/content/{id}/submit",
    "content.update",
    owner=project,
    params=IdPath,
    answers={200: ProjectView},
    errors=[409, 412, 503],
)
async def submit(request: Request, params: IdPath) -> Response:
    """Send a draft to review: whoever may publish it is told."""
    projects = projects_of(request)
    return await _shown(request, await projects.submit(identity_of(request), project_of(request)))


@endpoint(
    "POST",
    "/content/{id}/return",
    "content.publish",
    owner=project,
    params=IdPath,
    body=ReasonBody,
    answers={200: ProjectView},
    errors=[409, 412, 503],
)
async def send_back(request: Request, params: IdPath, body: ReasonBody) -> Response:
    """Send what waits for review back into a draft; the reason becomes a comment."""
    projects, by, found = projects_of(request), identity_of(request), project_of(request)
    changed = await projects.send_back(by, found, body.reason)
    await Remarks(services_of(request)).add(by, changed, body.reason)
    return await _shown(request, changed)


@endpoint(
    "POST",
    "/content/{id}/approve",
    "content.publish",
    owner=project,
    params=IdPath,
    answers={200: ProjectView},
    errors=[409, 412, 503],
)
async def approve(request: Request, params: IdPath) -> Response:
    """Release what waits for review. 409 while a finding blocks that nobody overrode."""
    projects = projects_of(request)
    return await _shown(request, await projects.approve(identity_of(request), project_of(request)))


@endpoint(
    "POST",
    "/content/{id}/revise",
    "content.update",
    owner=project,
    params=IdPath,
    answers={200: ProjectView},
    errors=[409, 412, 503],
)
async def revise(request: Request, params: IdPath) -> Response:
    """Take it back into a draft, from review or after its release."""
    projects = projects_of(request)
    return await _shown(
        request, await projects.take_back(identity_of(request), project_of(request))
    )


@endpoint(
    "POST",
    "/content/{id}/overrides",
    "content.publish",
    owner=project,
    params=IdPath,
    body=OverrideBody,
    answers={200: ProjectView},
    errors=[409, 412, 503],
)
async def override(request: Request, params: IdPath, body: OverrideBody) -> Response:
    """Accept a finding that blocks, and say why. It is audited, and holds until the text that it is
    about changes."""
    projects = projects_of(request)
    changed = await projects.override(identity_of(request), project_of(request), body)
    return await _shown(request, changed)


@endpoint(
    "GET",
    "/content/{id}/versions",
    "content.read",
    owner=project,
    params=IdPath,
    query=PageQuery,
    answers={200: VersionPage},
)
async def list_versions(request: Request, params: IdPath, query: PageQuery) -> VersionPage:
    """What it was, the newest first."""
    services, found = services_of(request), project_of(request)
    page = await services.store.content_versions.page(
        found.dealership_id, found.id, query.offset, query.limit
    )
    authors = {each.author_id for each in page.items}
    names = await services.people.names(found.dealership_id, authors)
    items = [version_head(each, names.get(each.author_id or "", "")) for each in page.items]
    return VersionPage(items=items, total=page.total)


@endpoint(
    "GET",
    "/content/{id}/versions/{number}",
    "content.read",
    owner=project,
    params=VersionPath,
    answers={200: VersionView},
)
async def get_version(request: Request, params: VersionPath) -> VersionView:
    """One of them, whole."""
    services, found = services_of(request), project_of(request)
    version = await services.store.content_versions.get(
        found.dealership_id, found.id, params.number
    )
    if version is None:
        raise _no_version()
    names = await services.people.names(found.dealership_id, [version.author_id])
    return version_view(version, names.get(version.author_id or "", ""))


@endpoint(
    "POST",
    "/content/{id}/versions/{number}/restore",
    "content.update",
    owner=project,
    params=VersionPath,
    answers={200: ProjectView},
    errors=[409, 412, 503],
)
async def restore(request: Request, params: VersionPath) -> Response:
    """Make a draft what it was: a new version like that one."""
    services, found = services_of(request), project_of(request)
    version = await services.store.content_versions.get(
        found.dealership_id, found.id, params.number
    )
    if version is None:
        raise _no_version()
    projects = projects_of(request)
    return await _shown(request, await projects.restore(identity_of(request), found, version))


@endpoint(
    "GET",
    "/content/{id}/comments",
    "content.comment",
    owner=project,
    params=IdPath,
    query=PageQuery,
    answers={200: CommentPage},
)
async def list_comments(request: Request, params: IdPath, query: PageQuery) -> CommentPage:
    """What was remarked on it, the oldest first."""
    return await Remarks(services_of(request)).page(project_of(request), query)


@endpoint(
    "POST",
    "/content/{id}/comments",
    "content.comment",
    owner=project,
    params=IdPath,
    body=RemarkBody,
    answers={201: CommentView},
    errors=[409, 503],
    once=True,
)
async def create_comment(request: Request, params: IdPath, body: RemarkBody) -> Response:
    """Remark on it, or on one passage of its text."""
    remarks, by = Remarks(services_of(request)), identity_of(request)
    made = await remarks.add(by, project_of(request), body.text, body.passage)
    return tagged(await remarks.view(made), made.version, 201)


@endpoint(
    "PUT",
    "/content/{id}/comments/{comment}",
    "content.comment",
    owner=project,
    params=CommentPath,
    body=ResolvedBody,
    answers={200: CommentView},
    errors=[412, 503],
)
async def put_comment(request: Request, params: CommentPath, body: ResolvedBody) -> Response:
    """Say that a remark is dealt with, or that it is not."""
    remarks = Remarks(services_of(request))
    found = await _comment(request, params)
    changed = await remarks.resolve(found, resolved=body.resolved)
    return tagged(await remarks.view(changed), changed.version)


@endpoint(
    "DELETE",
    "/content/{id}/comments/{comment}",
    "content.comment",
    owner=project,
    params=CommentPath,
    answers={204: Answer("It is gone")},
)
async def delete_comment(request: Request, params: CommentPath) -> Response:
    """Take a remark of one's own back."""
    found = await _comment(request, params)
    if found.author_id != identity_of(request).user_id:
        raise Problem(403, "Only who wrote a remark may take it back.", code="forbidden")
    await services_of(request).store.content_comments.remove(found.dealership_id, found.id)
    return Response(status_code=204)


async def _comment(request: Request, params: CommentPath) -> ContentComment:
    found = await services_of(request).store.content_comments.get(
        identity_of(request).dealership_id, params.comment
    )
    if found is None or found.project_id != params.id:
        raise Problem(404, "There is no such remark on this project.")
    return found


def _no_version() -> Problem:
    return Problem(404, "There is no such version of this project.")


endpoints = [
    list_projects,
    create,
    get_project,
    put_project,
    delete_project,
    generate,
    rewrite,
    submit,
    send_back,
    approve,
    revise,
    override,
    list_versions,
    get_version,
    restore,
    list_comments,
    create_comment,
    put_comment,
    delete_comment,
]
