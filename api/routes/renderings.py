"""`/api/v1/content/{id}/preview` and the like: what a project becomes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.accounts.views import IdPath
from api.attachments import disposition
from api.auth.media import Pass
from api.content.renderings import Renderings
from api.endpoint import Answer, endpoint
from api.identity import identity_of
from api.routes.content import project, project_of, projects_of
from api.services import services_of

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
)
"""A preview shows what people typed: it runs nothing and loads nothing."""


def renderings_of(request: Request) -> Renderings:
    """Those of the node that serves `request`."""
    renderings: Renderings = request.app.state.renderings
    return renderings


@endpoint(
    "POST",
    "/content/{id}/media",
    "content.read",
    owner=project,
    params=IdPath,
    answers={204: Answer("With a cookie for GET below this project, for 10 minutes")},
)
async def allow(request: Request, params: IdPath) -> Response:
    """Let a page frame a project's preview and link its files, which send no bearer token."""
    by = identity_of(request)
    shown = Pass(by.user_id, by.dealership_id, by.family, params.id)
    path = f"/api/v1/content/{params.id}/"
    cookie = services_of(request).cookies.set_cookie(shown, path)
    return Response(status_code=204, headers={"Set-Cookie": cookie, "Cache-Control": "no-store"})


@endpoint(
    "GET",
    "/content/{id}/preview",
    "content.read",
    owner=project,
    params=IdPath,
    answers={200: Answer("HTML", media_type="text/html")},
    errors=[422, 503],
    media=True,
)
async def preview(request: Request, params: IdPath) -> Response:
    """A project as it will look on its platform."""
    found = project_of(request)
    dealer = await projects_of(request).dealer(found.dealership_id)
    shown = await renderings_of(request).preview(found, dealer)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return Response(shown, 200, headers, "text/html; charset=utf-8")


@endpoint(
    "GET",
    "/content/{id}/sheet",
    "content.read",
    owner=project,
    params=IdPath,
    answers={200: Answer("PDF", media_type="application/pdf")},
    errors=[409, 422, 503],
    media=True,
)
async def sheet(request: Request, params: IdPath) -> Response:
    """A flyer or a window sheet as PDF."""
    found = project_of(request)
    dealer = await projects_of(request).dealer(found.dealership_id)
    made = await renderings_of(request).sheet(found, dealer)
    headers = {"Content-Disposition": disposition("sheet.pdf"), "Cache-Control": "no-store"}
    return Response(made, 200, headers, "application/pdf")


@endpoint(
    "GET",
    "/content/{id}/download",
    "content.read",
    owner=project,
    params=IdPath,
    answers={200: Answer("A ZIP", media_type="application/zip")},
    errors=[422, 503],
    media=True,
)
async def download(request: Request, params: IdPath) -> Response:
    """All that is needed to publish it by hand: texts, a page to print, pictures of the platform's
    size."""
    found = project_of(request)
    dealer = await projects_of(request).dealer(found.dealership_id)
    made = await renderings_of(request).archive(found, dealer)
    name = f"{found.settings.platform}-{found.facts.vin}.zip"
    headers = {"Content-Disposition": disposition(name), "Cache-Control": "no-store"}
    return Response(made, 200, headers, "application/zip")


endpoints = [allow, preview, sheet, download]
