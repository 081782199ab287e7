"""The audit log. It can only grow: there is no way here to change or remove an entry."""

from __future__ import annotations

from datetime import datetime

from api.store.base import MAX_MANY, Database, Query, above, at_least, below, equal
from api.store.documents import AuditEntry, Outcome
from api.store.kinds import AUDIT_LOG
from api.store.repositories.scoped import Now, Page, Scoped, given, utc_now


class AuditLog(Scoped[AuditEntry, AuditEntry]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, AUDIT_LOG, now)

    async def append(self, dealership_id: str, entry: AuditEntry) -> None:
        """Raises `Duplicate` if the node's chain has that `seq` already."""
        await self._add(dealership_id, entry)

    async def page(
        self,
        dealership_id: str,
        *,
        actor_id: str | None = None,
        action: str | None = None,
        target_id: str | None = None,
        outcome: Outcome | None = None,
        since: datetime | None = None,
        before: datetime | None = None,
        offset: int = 0,
        limit: int = 50,
    ) -> Page[AuditEntry]:
        """The newest first."""
        where = [
            *given("actorId", actor_id),
            *given("action", action),
            *given("targetId", target_id),
            *given("outcome", outcome),
        ]
        if since is not None:
            where.append(at_least("at", since))
        if before is not None:
            where.append(below("at", before))
        return await self._page(dealership_id, where, ["-at"], offset, limit)

    async def chain(self, node: str, after: int = 0, limit: int = MAX_MANY) -> list[AuditEntry]:
        """Of whoever verifies: a node's entries behind `after`, in order, of all dealerships."""
        where = [equal("node", node), above("seq", after)]
        return await self._collection.page(Query(where, ["seq"], limit=limit))

    async def last(self, node: str) -> AuditEntry | None:
        """Of the node that goes on writing: the end of its chain, of whichever dealership."""
        last = await self._collection.page(Query([equal("node", node)], ["-seq"], limit=1))
        return last[0] if last else None

    async def nodes(self, after: str = "", limit: int = MAX_MANY) -> list[str]:
        """Of whoever verifies: the names of nodes that have a chain, by name."""
        names: list[str] = []
        while len(names) < limit:
            where = [above("node", names[-1] if names else after)]
            found = await self._collection.page(Query(where, ["node"], limit=1))
            if not found:
                break
            names.append(found[0].node)
        return names
