"""The inbox of each person."""

from __future__ import annotations

from datetime import datetime

from api.store.base import Database, below, equal
from api.store.documents import Notification
from api.store.kinds import NOTIFICATIONS
from api.store.repositories.scoped import Now, Page, Scoped, utc_now


class Inbox(Scoped[Notification, Notification]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, NOTIFICATIONS, now)

    async def add(self, dealership_id: str, notification: Notification) -> None:
        await self._add(dealership_id, notification)

    async def page(
        self,
        dealership_id: str,
        user_id: str,
        *,
        only_unread: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> Page[Notification]:
        """The newest first."""
        where = [equal("userId", user_id)]
        if only_unread:
            where.append(equal("readAt", None))
        return await self._page(dealership_id, where, ["-createdAt"], offset, limit)

    async def of_user(
        self, dealership_id: str, user_id: str, after: str = ""
    ) -> list[Notification]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("userId", user_id))

    async def count_unread(self, dealership_id: str, user_id: str) -> int:
        where = [equal("userId", user_id), equal("readAt", None)]
        return await self._count(dealership_id, where)

    async def mark_read(self, dealership_id: str, user_id: str, notification_id: str) -> bool:
        """Whether the person has such a notification; one that was read stays so."""
        where = [equal("userId", user_id), equal("id", notification_id)]
        await self._change(dealership_id, where, self._read)
        return await self._find(dealership_id, *where) is not None

    async def mark_all_read(self, dealership_id: str, user_id: str) -> int:
        """The newest 500 at most; returns how many."""
        where = [equal("userId", user_id), equal("readAt", None)]
        return await self._change_all(dealership_id, where, self._read)

    def _read(self, notification: Notification) -> Notification | None:
        now = self._now()
        return None if notification.read_at else notification.changed(now, read_at=now)

    async def remove(self, dealership_id: str, user_id: str, notification_id: str) -> bool:
        """Whether the person had such a notification."""
        where = [equal("userId", user_id), equal("id", notification_id)]
        return bool(await self._remove(dealership_id, *where))

    async def forget_before(self, dealership_id: str, before: datetime) -> int:
        return await self._remove(dealership_id, below("createdAt", before))

    async def remove_of_user(self, dealership_id: str, user_id: str) -> int:
        return await self._remove(dealership_id, equal("userId", user_id))
