"""`/api/v1/playbooks`: those there are, one by its content, and the shipped ones to begin with."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.auth.roles import Owner
from api.endpoint import Answer, endpoint
from api.identity import identity_of
from api.playbook_editing import editing_of
from api.playbook_views import HeadList, LanguagePath, PlaybookBody, PlaybookPath, ShippedView
from api.playbooks import Playbooks
from api.problems import Problem

POSTED = frozenset({"drafts", "check", "try"})
"""What stands in the place of a digest below `/playbooks`, for POST alone."""


def books_of(request: Request) -> Playbooks:
    books: Playbooks = request.app.state.playbooks
    return books


async def held(request: Request, params: PlaybookPath) -> Owner | None:
    """The playbook that a path names by its digest."""
    if params.digest in POSTED:
        raise Problem(405, "This address takes POST alone.", headers={"Allow": "POST"})
    identity = identity_of(request)
    found = await books_of(request).find(identity.dealership_id, params.digest)
    if found is None:
        return None
    request.state.playbook = found
    return Owner(identity.dealership_id)


async def shipped(request: Request, params: LanguagePath) -> Owner | None:
    """The shipped playbook of a language."""
    for each in books_of(request).shipped:
        if each.language == params.language:
            request.state.playbook = each
            return Owner(identity_of(request).dealership_id)
    return None


@endpoint("GET", "/playbooks", "playbook.read", answers={200: HeadList})
async def list_playbooks(request: Request) -> HeadList:
    """The dealership's own, the newest first (200 at most), and the shipped ones behind them.

    Drafts are told to who may write them.
    """
    return HeadList(items=await editing_of(request).list(identity_of(request)))


@endpoint(
    "GET",
    "/playbooks/shipped/{language}",
    "playbook.read",
    owner=shipped,
    params=LanguagePath,
    answers={200: ShippedView},
)
async def get_shipped(request: Request, params: LanguagePath) -> ShippedView:
    """What is shipped for a language, as it was written: a beginning for one's own."""
    found = request.state.playbook
    source = await books_of(request).shipped_source(params.language)
    assert source is not None
    return ShippedView(
        language=found.language,
        title=found.title,
        digest=found.digest,
        source=source,
        domain_words=[],
    )


@endpoint(
    "GET",
    "/playbooks/{digest}",
    "playbook.read",
    owner=held,
    params=PlaybookPath,
    answers={200: Answer("For ever the same", PlaybookBody)},
)
async def get_playbook(request: Request, params: PlaybookPath) -> Response:
    """What a page shows of the playbook that a call is held with, by its digest.

    404 for one that is neither shipped nor the dealership's own.
    """
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    shown = PlaybookBody.of(request.state.playbook)
    return Response(shown.model_dump_json(by_alias=True), 200, headers, "application/json")


endpoints = [list_playbooks, get_shipped, get_playbook]
