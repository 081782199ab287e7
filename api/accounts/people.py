"""The people of a dealership: invited, changed, shut out, erased.

Whether whoever asks may do it was decided before (`api.guard`), as far as it depends on roles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime

from api.accounts.entrance import taken
from api.accounts.links import Links
from api.accounts.post import Post
from api.accounts.profile import Profile, Profiles
from api.accounts.sign_in import SignIns
from api.accounts.vault import Vault
from api.audit.record import Audit
from api.auth.roles import Role, invitable
from api.content import own
from api.identity import Identity
from api.problems import Problem
from api.store.base import Duplicate
from api.store.documents import Preferences, User, UserStatus
from api.store.store import Store

EraseFiles = Callable[[str, str], Awaitable[None]]
"""Destroys every job, upload and call of a person: (dealership id, user id)."""


class People:
    def __init__(
        self,
        store: Store,
        vault: Vault,
        profiles: Profiles,
        links: Links,
        sign_ins: SignIns,
        post: Post,
        audit: Audit,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._vault = vault
        self._profiles = profiles
        self._links = links
        self._sign_ins = sign_ins
        self._post = post
        self._audit = audit
        self._now = now
        self._of_admins = asyncio.Lock()

    # in

    async def name_of(self, dealership_id: str, user_id: str) -> str:
        """What others read where a person is named; empty for nobody. Raises `StoreError`."""
        user = await self._store.users.get(dealership_id, user_id)
        return "" if user is None else self._profiles.name(user)

    async def names(self, dealership_id: str, user_ids: Iterable[str | None]) -> dict[str, str]:
        """What people are called, by id; nobody who is not there any more. Raises `StoreError`."""
        wanted = sorted({each for each in user_ids if each is not None})
        users = await self._store.users.some(dealership_id, wanted) if wanted else []
        return {user.id: self._profiles.name(user) for user in users}

    async def invite(
        self,
        by: Identity,
        email: str,
        role: Role,
        team_ids: Sequence[str],
        language: str | None = None,
    ) -> User:
        """Make an account and mail its link, in the dealership's language unless another is given.
        Raises `Problem`: 403, 409."""
        if role not in invitable(by.role):
            raise Problem(403, f"Your role does not let you invite somebody as {role}.")
        await self.check_teams(by, team_ids)
        if by.reach("user.invite") == "T" and not (team_ids and set(team_ids) <= by.team_ids):
            raise Problem(403, "You can invite people into your own teams alone; name one.")
        if language is None:
            dealership = await self._store.dealerships.get(by.dealership_id)
            language = dealership.language if dealership is not None else "en"
        user = User.new(
            by.dealership_id,
            self._now(),
            email=email,
            role=role,
            team_ids=tuple(dict.fromkeys(team_ids)),
            preferences=Preferences(language=language),
        )
        _, wrapped = self._vault.new_key(user)
        user = user.model_copy(update={"data_key": wrapped})
        try:
            await self._store.users.add(by.dealership_id, user)
        except Duplicate as error:
            raise taken() from error
        await self._record(by, "user.invite", user)
        await self._invite(by, user)
        return user

    async def invite_again(self, by: Identity, user: User) -> None:
        """A new link; the old one works no longer. 409 for who has come already."""
        if user.status != "invited":
            raise Problem(409, "This person has accepted the invitation already.")
        await self._record(by, "user.invite", user)
        await self._invite(by, user)

    async def _invite(self, by: Identity, user: User) -> None:
        secret = await self._links.make(user, "invite")
        inviter = await self._store.users.get(by.dealership_id, by.user_id)
        name = self._profiles.name(inviter) if inviter is not None else "Forecourt"
        await self._post.send_link(user, "invite", secret, inviter=name)

    # changed

    async def set_profile(self, by: Identity, user: User, profile: Profile) -> User:
        if user.data_key is None:
            raise Problem(409, "What was kept of this person has been erased.")
        sealed = self._profiles.sealed(user, profile)
        return await self._saved(by, "user.update", user.changed(self._now(), profile=sealed))

    async def set_preferences(self, by: Identity, user: User, wanted: Preferences) -> User:
        changed = user.changed(self._now(), preferences=wanted)
        return await self._saved(by, "preferences.update", changed)

    async def move(self, by: Identity, user: User, team_ids: Sequence[str]) -> User:
        await self.check_teams(by, team_ids)
        changed = user.changed(self._now(), team_ids=tuple(dict.fromkeys(team_ids)))
        return await self._saved(by, "user.move", changed)

    async def change_role(self, by: Identity, user: User, role: Role) -> User:
        changed = user.changed(self._now(), role=role)
        return await self._keeping_an_admin(by, "user.change_role", user, changed)

    async def set_status(self, by: Identity, user: User, status: UserStatus) -> User:
        """Disable, which ends all sign-ins and live calls at once, or enable again."""
        if status == "active" and user.password_hash is None:
            raise Problem(409, "This person has not accepted the invitation yet.")
        changed = user.changed(self._now(), status=status)
        changed = await self._keeping_an_admin(by, "user.disable", user, changed)
        if status == "disabled":
            await self._sign_ins.end_all(user.dealership_id, user.id)
        return await self._again(changed)

    async def end_sign_ins(self, by: Identity, user: User, family: str | None = None) -> None:
        """Of all devices, or of one. 404 for one that is not the person's."""
        if family is None:
            await self._sign_ins.end_all(user.dealership_id, user.id)
        elif not await self._sign_ins.end(user.dealership_id, user.id, family):
            raise Problem(404, "This sign-in has ended already.")
        await self._record(by, "user.end_sign_ins", user)

    async def check_teams(self, by: Identity, team_ids: Sequence[str]) -> None:
        """Raises `Problem` (409) for one that the dealership does not have."""
        for team_id in team_ids:
            if await self._store.teams.get(by.dealership_id, team_id) is None:
                errors = [{"field": "teamIds", "message": f"there is no team {team_id}"}]
                detail = f"There is no team {team_id} in this dealership."
                raise Problem(409, detail, errors=errors, code="no_such_team")

    # out

    async def erase(self, by: Identity, user: User, erase_files: EraseFiles) -> None:
        """Remove a person and all that was kept of them; the audit log keeps their id alone."""
        disabled = user.changed(self._now(), status="disabled", sessions_valid_from=self._now())
        await self._keeping_an_admin(by, "user.erase", user, disabled)
        store, dealership_id = self._store, user.dealership_id
        await self._sign_ins.end_all(dealership_id, user.id)
        await erase_files(dealership_id, user.id)
        await store.links.remove_of_user(dealership_id, user.id)
        await store.notifications.remove_of_user(dealership_id, user.id)
        await store.digests.remove_of_user(dealership_id, user.id)
        await store.assignments.remove_of_user(dealership_id, user.id)
        await store.annotations.forget_user(dealership_id, user.id)
        await store.scorecards.disown(dealership_id, user.id)
        await store.assignments.disown(dealership_id, user.id)
        await own.erase_of(store, dealership_id, user.id, by.user_id)
        await store.webhooks.disown(dealership_id, user.id)
        await store.deliveries.hand_over(dealership_id, user.id, by.user_id)
        await store.idempotency.remove_of_user(dealership_id, user.id)
        await store.tokens.remove_of_user(dealership_id, user.id)
        for team in await store.teams.managed_by(dealership_id, user.id):
            left = tuple(one for one in team.manager_ids if one != user.id)
            await store.teams.save(dealership_id, team.changed(self._now(), manager_ids=left))
        await store.users.remove(dealership_id, user.id)
        self._sign_ins.forget(user.id)

    # the inside

    async def _keeping_an_admin(self, by: Identity, action: str, user: User, changed: User) -> User:
        """Save a change that may take an admin away; 409 if it would be the last one."""
        async with self._of_admins:
            was, stays = _is_admin(user), _is_admin(changed)
            count = self._store.users.count_active
            if was and not stays and await count(user.dealership_id, "admin") <= 1:
                raise _last_admin()
            changed = await self._saved(by, action, changed)
            if was and not stays and await count(user.dealership_id, "admin") == 0:
                # Another node took the other one away at the same moment.
                back = changed.changed(self._now(), role=user.role, status=user.status)
                await self._saved(by, action, back)
                raise _last_admin()
            return changed

    async def _saved(self, by: Identity, action: str, changed: User) -> User:
        """Record, then save. Raises `Stale`."""
        await self._record(by, action, changed)
        await self._store.users.save(changed.dealership_id, changed)
        self._sign_ins.forget(changed.id)
        return changed

    async def _again(self, user: User) -> User:
        return await self._store.users.get(user.dealership_id, user.id) or user

    async def _record(self, by: Identity, action: str, user: User) -> None:
        await self._audit.about_person(
            action, user.id, dealership_id=by.dealership_id, actor_id=by.user_id
        )


def _is_admin(user: User) -> bool:
    return user.role == "admin" and user.status == "active"


def _last_admin() -> Problem:
    detail = "This is the dealership's last admin: make somebody else one first."
    return Problem(409, detail, code="last_admin")
