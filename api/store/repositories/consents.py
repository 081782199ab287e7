"""Consent of every recorded person, one for each person and call."""

from __future__ import annotations

from api.store.base import MAX_MANY, Database, equal
from api.store.documents import Consent
from api.store.kinds import CONSENTS
from api.store.repositories.scoped import Now, Scoped, utc_now


class Consents(Scoped[Consent, Consent]):
    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, CONSENTS, now)

    async def add(self, dealership_id: str, consent: Consent) -> None:
        """Raises `Duplicate` if the person has said something about this call already."""
        await self._add(dealership_id, consent)

    async def get(self, dealership_id: str, session_id: str, user_id: str) -> Consent | None:
        where = [equal("sessionId", session_id), equal("userId", user_id)]
        return await self._find(dealership_id, *where)

    async def save(self, dealership_id: str, changed: Consent) -> None:
        """Raises `Missing` or `Stale`."""
        await self._save(dealership_id, changed)

    async def of_session(self, dealership_id: str, session_id: str) -> list[Consent]:
        where = [equal("sessionId", session_id)]
        return await self._list(dealership_id, where, ["createdAt"], limit=MAX_MANY)

    async def of_user(self, dealership_id: str, user_id: str, after: str = "") -> list[Consent]:
        """Those behind the id `after`, by id, at most `WALKED`."""
        return await self._after(dealership_id, after, equal("userId", user_id))

    async def withdraw(self, dealership_id: str, session_id: str, user_id: str) -> bool:
        """Whether there was one to withdraw."""

        def withdraw(consent: Consent) -> Consent | None:
            now = self._now()
            return None if consent.withdrawn_at else consent.changed(now, withdrawn_at=now)

        where = [equal("sessionId", session_id), equal("userId", user_id)]
        return await self._change(dealership_id, where, withdraw) is not None

    async def remove_of(self, dealership_id: str, session_id: str) -> int:
        return await self._remove(dealership_id, equal("sessionId", session_id))
