"""Annotations of calls."""

from __future__ import annotations

from api.store.base import MAX_MANY, Database, equal, has
from api.store.coaching import Annotation
from api.store.kinds import ANNOTATIONS
from api.store.repositories.scoped import Now, Page, Scoped, utc_now


class Annotations(Scoped[Annotation, Annotation]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, ANNOTATIONS, now)

    async def add(self, dealership_id: str, annotation: Annotation) -> None:
        await self._add(dealership_id, annotation)

    async def get(self, dealership_id: str, annotation_id: str) -> Annotation | None:
        return await self._find(dealership_id, equal("id", annotation_id))

    async def of_session(
        self, dealership_id: str, session_id: str, offset: int = 0, limit: int = 50
    ) -> Page[Annotation]:
        """In the order of their moments, then of their making."""
        where = [equal("sessionId", session_id)]
        return await self._page(dealership_id, where, ["atMs", "createdAt"], offset, limit)

    async def every_of_session(
        self, dealership_id: str, session_id: str, after: str = ""
    ) -> list[Annotation]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("sessionId", session_id))

    async def of_author(
        self, dealership_id: str, user_id: str, after: str = ""
    ) -> list[Annotation]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("authorId", user_id))

    async def count_of_session(self, dealership_id: str, session_id: str) -> int:
        return await self._count(dealership_id, [equal("sessionId", session_id)])

    async def save(self, dealership_id: str, changed: Annotation) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def take_back(self, dealership_id: str, annotation: Annotation) -> None:
        """Remove it; a comment that has answers keeps its place and loses its text.

        It is emptied first: an answer that comes meanwhile finds it so, or is counted. Raises
        `Stale`.
        """
        if annotation.kind == "comment":
            emptied = annotation.changed(self._now(), text=None, mentions=())
            await self._save(dealership_id, emptied)
            if await self._count(dealership_id, [equal("parentId", annotation.id)]):
                return
        await self._remove(dealership_id, equal("id", annotation.id))
        if annotation.parent_id is not None:
            await self._clear_up(dealership_id, annotation.parent_id)

    async def _clear_up(self, dealership_id: str, parent_id: str) -> None:
        """A removed comment needs no place once its last answer is gone."""
        parent = await self.get(dealership_id, parent_id)
        if parent is None or parent.text is not None:
            return
        if not await self._count(dealership_id, [equal("parentId", parent_id)]):
            await self._remove(dealership_id, equal("id", parent_id))

    async def remove_of(self, dealership_id: str, session_id: str) -> int:
        return await self._remove(dealership_id, equal("sessionId", session_id))

    async def forget_user(self, dealership_id: str, user_id: str) -> int:
        """Of a person who is erased: what they wrote goes, and where they were mentioned nobody is
        any more. Returns how many were touched."""
        touched = 0

        def unmention(one: Annotation) -> Annotation:
            left = tuple(each for each in one.mentions if each != user_id)
            return one.changed(self._now(), mentions=left)

        def disown(one: Annotation) -> Annotation:
            return one.changed(self._now(), author_id=None, text=None, mentions=())

        mentioned = [has("mentions", user_id)]
        while some := await self._change_all(dealership_id, mentioned, unmention):
            touched += some
        authored = [equal("authorId", user_id)]
        while found := await self._list(dealership_id, authored, limit=MAX_MANY):
            for one in found:
                # An answer, too, goes; what has answers is disowned.
                where = [equal("id", one.id), *authored]
                changed = await self._change(dealership_id, where, disown)
                answers = await self._count(dealership_id, [equal("parentId", one.id)])
                if not answers:
                    await self._remove(dealership_id, equal("id", one.id))
                    if one.parent_id is not None:
                        await self._clear_up(dealership_id, one.parent_id)
                touched += changed is not None
        return touched
