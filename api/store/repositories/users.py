"""People."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from api.store.base import MAX_MANY, Condition, Database, equal, has, has_any, one_of
from api.store.documents import Role, User, UserStatus
from api.store.kinds import USERS
from api.store.repositories.scoped import Now, Page, Scoped, given, utc_now


class Users(Scoped[User, User]):
    SORTS = ("email", "-email", "createdAt", "-createdAt", "role", "-role", "status", "-status")

    def __init__(self, database: Database, now: Now = utc_now) -> None:
        super().__init__(database, USERS, now)

    async def add(self, dealership_id: str, user: User) -> None:
        """Raises `Duplicate` for an e-mail address that anybody has, in any dealership."""
        await self._add(dealership_id, user)

    async def get(self, dealership_id: str, user_id: str) -> User | None:
        return await self._find(dealership_id, equal("id", user_id))

    async def by_email(self, email: str) -> User | None:
        """Of any dealership: who signs in has not said which one."""
        return await self._collection.find([equal("email", email.strip().lower())])

    async def any_admin(self) -> bool:
        """Of any dealership: whether the node has been taken into use."""
        where = [equal("role", "admin"), equal("status", "active")]
        return await self._collection.count(where) > 0

    async def page(
        self,
        dealership_id: str,
        *,
        role: Role | None = None,
        status: UserStatus | None = None,
        team_ids: Sequence[str] | None = None,
        sort: str = "email",
        offset: int = 0,
        limit: int = 50,
    ) -> Page[User]:
        """`team_ids`: who is in one of them. Raises `ValueError` for a sort that is not one of
        `SORTS`."""
        if sort not in self.SORTS:
            raise ValueError(f"people cannot be sorted by {sort}")
        where = [*given("role", role), *given("status", status), *_in_teams(team_ids)]
        return await self._page(dealership_id, where, [sort], offset, limit)

    async def some(self, dealership_id: str, user_ids: Sequence[str]) -> list[User]:
        """Those of `user_ids` that there are, `MAX_MANY` at most."""
        where = [one_of("id", user_ids)]
        return await self._list(dealership_id, where, limit=MAX_MANY)

    async def in_team(self, dealership_id: str, team_id: str) -> list[User]:
        return await self._list(dealership_id, [has("teamIds", team_id)], ["email"], limit=MAX_MANY)

    async def count_active(self, dealership_id: str, role: Role) -> int:
        """How many of a role can sign in: the last admin must stay."""
        where = [equal("role", role), equal("status", "active")]
        return await self._count(dealership_id, where)

    async def save(self, dealership_id: str, changed: User) -> None:
        """Raises `Missing`, `Stale` or `Duplicate`."""
        await self._save(dealership_id, changed)

    async def remove(self, dealership_id: str, user_id: str) -> bool:
        return bool(await self._remove(dealership_id, equal("id", user_id)))

    async def record_failed_sign_in(
        self, dealership_id: str, user_id: str, *, lock_at: int, lock_for: timedelta
    ) -> User | None:
        """One more; every `lock_at`-th locks the account for a while. The person as stored."""

        def fail(user: User) -> User:
            now = self._now()
            failed = user.failed_sign_ins + 1
            locked = now + lock_for if failed % lock_at == 0 else user.locked_until
            return user.changed(now, failed_sign_ins=failed, locked_until=locked)

        return await self._change(dealership_id, [equal("id", user_id)], fail)

    async def forget_failed_sign_ins(self, dealership_id: str, user_id: str) -> None:
        def forget(user: User) -> User | None:
            if not user.failed_sign_ins and user.locked_until is None:
                return None
            return user.changed(self._now(), failed_sign_ins=0, locked_until=None)

        await self._change(dealership_id, [equal("id", user_id)], forget)

    async def end_sessions(self, dealership_id: str, user_id: str) -> bool:
        """Void every token issued until now."""

        def end(user: User) -> User:
            now = self._now()
            return user.changed(now, sessions_valid_from=now)

        return await self._change(dealership_id, [equal("id", user_id)], end) is not None

    async def use_totp_step(self, dealership_id: str, user_id: str, step: int) -> bool:
        """Whether the step is later than all used; then it is used. Once for concurrent callers."""

        def use(user: User) -> User | None:
            if user.totp is None or step <= user.totp.last_step:
                return None
            totp = user.totp.model_copy(update={"last_step": step})
            return user.changed(self._now(), totp=totp)

        return await self._change(dealership_id, [equal("id", user_id)], use) is not None

    async def use_recovery_hash(self, dealership_id: str, user_id: str, used: str) -> bool:
        """Whether it was there; then it no longer is. Once for concurrent callers."""

        def use(user: User) -> User | None:
            if user.totp is None or used not in user.totp.recovery_hashes:
                return None
            left = tuple(one for one in user.totp.recovery_hashes if one != used)
            totp = user.totp.model_copy(update={"recovery_hashes": left})
            return user.changed(self._now(), totp=totp)

        return await self._change(dealership_id, [equal("id", user_id)], use) is not None

    async def every(self, after: str = "", limit: int = MAX_MANY) -> list[User]:
        """Of the operator, who wraps data keys anew; of all dealerships, by id."""
        return await self._collection.scan(after, limit)


def _in_teams(team_ids: Sequence[str] | None) -> list[Condition]:
    return [] if team_ids is None else [has_any("teamIds", team_ids)]
