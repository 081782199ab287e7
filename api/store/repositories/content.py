"""Content projects, what they were before, and what was remarked on them."""

from __future__ import annotations

from collections.abc import Sequence

from api.store.base import Database, equal, one_of
from api.store.content import (
    ContentComment,
    ContentHead,
    ContentProject,
    ContentType,
    ContentVersion,
    ProjectStatus,
)
from api.store.kinds import CONTENT_COMMENTS, CONTENT_PROJECTS, CONTENT_VERSIONS
from api.store.repositories.scoped import Now, Page, Scoped, among, given, utc_now


class ContentProjects(Scoped[ContentProject, ContentHead]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, CONTENT_PROJECTS, now)

    async def add(self, dealership_id: str, project: ContentProject) -> None:
        await self._add(dealership_id, project)

    async def get(self, dealership_id: str, project_id: str) -> ContentProject | None:
        return await self._find(dealership_id, equal("id", project_id))

    async def page(
        self,
        dealership_id: str,
        *,
        user_ids: Sequence[str] | None = None,
        team_ids: Sequence[str] | None = None,
        status: ProjectStatus | None = None,
        type_: ContentType | None = None,
        vehicle_id: str | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> Page[ContentHead]:
        """Those that meet all that is given, the newest first."""
        where = [
            *among("userId", user_ids),
            *among("teamId", team_ids),
            *given("status", status),
            *given("type", type_),
            *given("vehicleId", vehicle_id),
        ]
        return await self._page(dealership_id, where, ["-createdAt"], offset, limit)

    async def of_user(self, dealership_id: str, user_id: str, after: str = "") -> list[ContentHead]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("userId", user_id))

    async def save(self, dealership_id: str, changed: ContentProject) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def remove(self, dealership_id: str, project_id: str) -> bool:
        """Whether there was one."""
        return bool(await self._remove(dealership_id, equal("id", project_id)))

    async def hand_over(self, dealership_id: str, from_id: str, to_id: str) -> int:
        """What a person published belongs to `to_id` from now on; returns how many."""

        def handed(project: ContentProject) -> ContentProject:
            approver = None if project.approved_by == from_id else project.approved_by
            return project.changed(self._now(), user_id=to_id, approved_by=approver)

        moved = 0
        where = [equal("userId", from_id), equal("status", "published")]
        while some := await self._change_all(dealership_id, where, handed):
            moved += some
        return moved


class ContentVersions(Scoped[ContentVersion, ContentVersion]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, CONTENT_VERSIONS, now)

    async def add(self, dealership_id: str, version: ContentVersion) -> None:
        """Raises `Duplicate` for a number that the project has."""
        await self._add(dealership_id, version)

    async def get(self, dealership_id: str, project_id: str, number: int) -> ContentVersion | None:
        return await self._find(
            dealership_id, equal("projectId", project_id), equal("number", number)
        )

    async def page(
        self, dealership_id: str, project_id: str, offset: int = 0, limit: int = 50
    ) -> Page[ContentVersion]:
        """The newest first."""
        where = [equal("projectId", project_id)]
        return await self._page(dealership_id, where, ["-number"], offset, limit)

    async def remove_of(self, dealership_id: str, project_ids: Sequence[str]) -> int:
        return await self._remove(dealership_id, one_of("projectId", project_ids))

    async def disown(self, dealership_id: str, author_id: str) -> int:
        """Of a person who is erased: what they wrote into others' projects stays without them."""

        def without(version: ContentVersion) -> ContentVersion:
            return version.changed(self._now(), author_id=None)

        touched = 0
        where = [equal("authorId", author_id)]
        while some := await self._change_all(dealership_id, where, without):
            touched += some
        return touched


class ContentComments(Scoped[ContentComment, ContentComment]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, CONTENT_COMMENTS, now)

    async def add(self, dealership_id: str, comment: ContentComment) -> None:
        await self._add(dealership_id, comment)

    async def get(self, dealership_id: str, comment_id: str) -> ContentComment | None:
        return await self._find(dealership_id, equal("id", comment_id))

    async def page(
        self, dealership_id: str, project_id: str, offset: int = 0, limit: int = 50
    ) -> Page[ContentComment]:
        """In the order of their making."""
        where = [equal("projectId", project_id)]
        return await self._page(dealership_id, where, ["createdAt"], offset, limit)

    async def of_author(
        self, dealership_id: str, user_id: str, after: str = ""
    ) -> list[ContentComment]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("authorId", user_id))

    async def save(self, dealership_id: str, changed: ContentComment) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def remove(self, dealership_id: str, comment_id: str) -> bool:
        """Whether there was one."""
        return bool(await self._remove(dealership_id, equal("id", comment_id)))

    async def remove_of(self, dealership_id: str, project_ids: Sequence[str]) -> int:
        return await self._remove(dealership_id, one_of("projectId", project_ids))

    async def remove_of_author(self, dealership_id: str, author_id: str) -> int:
        return await self._remove(dealership_id, equal("authorId", author_id))
