"""Links that are mailed (or printed, for the first admin): a secret that works once.

The secret stands in the fragment of an address, which browsers send to nobody. The store has a
keyed digest of it (ASVS 5.0: 6.4.1, 6.4.2, 11.4.2).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from api.ids import new_id
from api.problems import Problem
from api.store.documents import Link, LinkPurpose, User
from api.store.store import Store

LIFETIMES: Final[dict[LinkPurpose, timedelta]] = {
    "invite": timedelta(hours=72),
    "verify": timedelta(hours=24),
    "reset": timedelta(minutes=30),
    "first_admin": timedelta(hours=24),
    "enrol": timedelta(minutes=15),
}
MAX_SECRET = 100
"""Letters of a secret; ours have 43."""


def gone() -> Problem:
    detail = "This link does not work any more: it was used, is too old, or is not whole."
    return Problem(410, detail, code="link_gone")


class Links:
    """`key` has 32 bytes and no other purpose."""

    def __init__(self, store: Store, key: bytes, now: Callable[[], datetime]) -> None:
        self._store = store
        self._key = key
        self._now = now

    async def make(self, user: User, purpose: LinkPurpose, email: str | None = None) -> str:
        """A secret for `user`; what they were sent before for this purpose works no longer."""
        await self._store.links.cancel(user.dealership_id, user.id, purpose)
        return await self._made(user.dealership_id, user.id, purpose, email)

    async def first_admin(self) -> str | None:
        """A secret that makes the first dealership and its admin; None once there is an admin."""
        if await self._store.users.any_admin():
            return None
        await self._store.links.cancel_first_admin()
        return await self._made(new_id(), new_id(), "first_admin", None)

    async def find(self, secret: str) -> Link:
        """The link of a secret that still works. Raises `Problem`: 410."""
        link = None
        if len(secret) <= MAX_SECRET:
            link = await self._store.links.by_digest(self._digest(secret))
        if link is None or link.used_at is not None or link.expires_at <= self._now():
            raise gone()
        if link.purpose == "first_admin" and await self._store.users.any_admin():
            raise gone()
        return link

    async def spend(self, link: Link) -> None:
        """Raises `Problem`: 410 for all but one of those who spend it at once."""
        if not await self._store.links.use(link.dealership_id, link.id):
            raise gone()

    async def _made(
        self, dealership_id: str, user_id: str, purpose: LinkPurpose, email: str | None
    ) -> str:
        secret = secrets.token_urlsafe(32)
        now = self._now()
        link = Link.new(
            dealership_id,
            now,
            purpose=purpose,
            digest=self._digest(secret),
            user_id=user_id,
            email=email,
            expires_at=now + LIFETIMES[purpose],
        )
        await self._store.links.add(dealership_id, link)
        return secret

    def _digest(self, secret: str) -> str:
        return hmac.digest(self._key, secret.encode(errors="surrogatepass"), "sha256").hex()
