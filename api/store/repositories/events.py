"""Events of calls: the truth that everything else is made from."""

from __future__ import annotations

from collections.abc import Sequence

from api.store.base import MAX_MANY, Database, Missing, above, equal, one_of
from api.store.documents import Event
from api.store.kinds import EVENTS
from api.store.repositories.scoped import Now, Scoped, utc_now


class Events(Scoped[Event, Event]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, EVENTS, now)

    async def append(self, dealership_id: str, session_id: str, events: Sequence[Event]) -> int:
        """Those whose `seq` the session lacks, in order; returns how many.

        Appending the same again, after `Unavailable` say, adds nothing twice. Raises `Missing` for
        events of another session or dealership.
        """
        for event in events:
            self._refuse_foreign(dealership_id, event)
            if event.session_id != session_id:
                raise Missing(f"{event.id} is no event of {session_id}")
        added = 0
        for start in range(0, len(events), MAX_MANY):
            added += await self._collection.insert_new(events[start : start + MAX_MANY])
        return added

    async def after(
        self,
        dealership_id: str,
        session_id: str,
        seq: int = 0,
        limit: int = MAX_MANY,
        types: Sequence[str] = (),
    ) -> list[Event]:
        """What follows `seq`, in order; with `types` only what is of one of them."""
        where = [equal("sessionId", session_id), above("seq", seq)]
        if types:
            where.append(one_of("type", types))
        return await self._list(dealership_id, where, ["seq"], limit=limit)

    async def last_seq(self, dealership_id: str, session_id: str) -> int:
        """0 if there is none."""
        where = [equal("sessionId", session_id)]
        last = await self._list(dealership_id, where, ["-seq"], limit=1)
        return last[0].seq if last else 0

    async def count(self, dealership_id: str, session_id: str) -> int:
        return await self._count(dealership_id, [equal("sessionId", session_id)])

    async def remove_of(self, dealership_id: str, session_id: str) -> int:
        return await self._remove(dealership_id, equal("sessionId", session_id))
