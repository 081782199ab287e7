"""Remarks on content projects: what reviewers and authors say to each other."""

from __future__ import annotations

from typing import Final

from api.accounts.views import PageQuery
from api.content.views import CommentPage, CommentView, comment_view
from api.identity import Identity
from api.problems import Problem
from api.services import Services
from api.store.content import ContentComment, ContentProject

MAX_REMARKS: Final = 500
"""On a project."""


class Remarks:
    """Raises `Problem` for what cannot be done, and `StoreError`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._comments = services.store.content_comments

    async def page(self, project: ContentProject, query: PageQuery) -> CommentPage:
        found = await self._comments.page(
            project.dealership_id, project.id, query.offset, query.limit
        )
        authors = {each.author_id for each in found.items}
        names = await self._services.people.names(project.dealership_id, authors)
        items = [comment_view(each, names.get(each.author_id or "", "")) for each in found.items]
        return CommentPage(items=items, total=found.total)

    async def view(self, comment: ContentComment) -> CommentView:
        names = await self._services.people.names(comment.dealership_id, [comment.author_id])
        return comment_view(comment, names.get(comment.author_id or "", ""))

    async def add(
        self, by: Identity, project: ContentProject, text: str, passage: int | None = None
    ) -> ContentComment:
        """Raises `Problem`: 409 beyond `MAX_REMARKS`, 422 for a passage that is not there."""
        if passage is not None and passage >= len(project.content.text):
            errors = [{"field": "passage", "message": "the text has no such passage"}]
            raise Problem(422, "passage: the text has no such passage.", errors=errors)
        if (await self._comments.page(by.dealership_id, project.id, limit=0)).total >= MAX_REMARKS:
            detail = f"There are {MAX_REMARKS} remarks on this project already."
            raise Problem(409, detail, code="too_many_remarks")
        made = ContentComment.new(
            by.dealership_id,
            self._services.now(),
            project_id=project.id,
            author_id=by.user_id,
            revision=project.revision,
            passage=passage,
            text=text,
        )
        await self._comments.add(by.dealership_id, made)
        return made

    async def resolve(self, comment: ContentComment, *, resolved: bool) -> ContentComment:
        """Raises `Stale`."""
        now = self._services.now()
        changed = comment.changed(now, resolved_at=now if resolved else None)
        await self._comments.save(comment.dealership_id, changed)
        return changed
