"""One's own account: password, e-mail address and second factor, each after the password again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from api.accounts.entrance import taken, weak
from api.accounts.links import Links
from api.accounts.post import Post
from api.accounts.profile import Profiles
from api.accounts.second_factor import SecondFactor, SetUp
from api.accounts.sign_in import Client, SignIns
from api.audit.record import Audit
from api.auth.limits import Limits
from api.auth.passwords import Passwords, WeakPassword
from api.identity import Identity
from api.problems import Problem
from api.store.documents import Outcome, User
from api.store.store import Store


class Account:
    def __init__(
        self,
        store: Store,
        profiles: Profiles,
        passwords: Passwords,
        second_factor: SecondFactor,
        links: Links,
        sign_ins: SignIns,
        post: Post,
        limits: Limits,
        audit: Audit,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._passwords = passwords
        self._second_factor = second_factor
        self._links = links
        self._sign_ins = sign_ins
        self._post = post
        self._limits = limits
        self._audit = audit
        self._now = now

    async def of(self, identity: Identity) -> User:
        user = await self._store.users.get(identity.dealership_id, identity.user_id)
        if user is None:
            raise Problem(404, "This account was removed.")
        return user

    async def change_password(
        self, identity: Identity, current: str, new: str, client: Client
    ) -> None:
        """Every other sign-in ends. Raises `Problem`: 403, 422, 429."""
        user = await self._proved(identity, current, client)
        profile = self._profiles.of(user)
        context = [user.email, profile.first_name, profile.last_name]
        try:
            password_hash = await self._passwords.hash(new, [text for text in context if text])
        except WeakPassword as error:
            raise weak(error) from error
        await self._save(identity, "account.password", user, password_hash=password_hash)
        await self._sign_ins.end_all(user.dealership_id, user.id, but=identity.family)
        await self._post.warn(user, "password_changed")

    async def change_email(
        self, identity: Identity, email: str, password: str, client: Client
    ) -> None:
        """Mail a link to the new address, which takes its place once it is followed."""
        user = await self._proved(identity, password, client)
        if await self._store.users.by_email(email) is not None:
            raise taken()
        secret = await self._links.make(user, "verify", email)
        await self._record(identity, "account.email_asked")
        await self._post.send_link(user, "verify", secret, to=email)

    async def set_up_second_factor(
        self, identity: Identity, password: str, client: Client
    ) -> SetUp:
        user = await self._proved(identity, password, client)
        return await self._second_factor.set_up(user)

    async def confirm_second_factor(
        self, identity: Identity, code: str, client: Client
    ) -> list[str]:
        user = await self.of(identity)
        await self._limits.check("second_factor", address=client.address, account=user.email)
        codes = await self._second_factor.confirm(user, code)
        await self._record(identity, "account.second_factor_on")
        await self._sign_ins.end_all(user.dealership_id, user.id, but=identity.family)
        await self._post.warn(user, "second_factor_on")
        return codes

    async def remove_second_factor(self, identity: Identity, password: str, client: Client) -> None:
        """409 where the role must have one."""
        user = await self._proved(identity, password, client)
        if await self._second_factor.is_required(user):
            detail = "Your dealership asks for a second factor in your role, so it stays."
            raise Problem(409, detail, code="required")
        await self._record(identity, "account.second_factor_off")
        await self._second_factor.remove(user)
        await self._post.warn(user, "second_factor_off")

    async def renew_recovery_codes(
        self, identity: Identity, password: str, client: Client
    ) -> list[str]:
        user = await self._proved(identity, password, client)
        codes = await self._second_factor.renew_recovery_codes(user)
        await self._record(identity, "account.recovery_codes")
        return codes

    async def reset_second_factor(self, by: Identity, user: User) -> None:
        """Of an admin, for somebody who has lost the phone and the recovery codes."""
        await self._record(by, "user.reset_totp", user.id)
        await self._second_factor.remove(user)
        await self._sign_ins.end_all(user.dealership_id, user.id)
        await self._post.warn(user, "second_factor_off")

    async def _proved(self, identity: Identity, password: str, client: Client) -> User:
        """The person, who has given their password again. Raises `Problem`: 403, 429, 503."""
        user = await self.of(identity)
        address, email = client.address, user.email
        await self._limits.check("sign_in", address=address, account=email)
        if not (await self._passwords.verify(password, user.password_hash)).matches:
            await self._record(identity, "account.password_check", outcome="refused")
            errors = [{"field": "password", "message": "This is not your password"}]
            raise Problem(403, "This is not your password.", errors=errors, code="wrong_password")
        await self._limits.succeeded("sign_in", address=address, account=email)
        return user

    async def _save(self, identity: Identity, action: str, user: User, **fields: object) -> None:
        await self._record(identity, action)
        await self._store.users.save(user.dealership_id, user.changed(self._now(), **fields))

    async def _record(
        self, by: Identity, action: str, user_id: str = "", outcome: Outcome = "allowed"
    ) -> None:
        await self._audit.about_person(
            action,
            user_id or by.user_id,
            dealership_id=by.dealership_id,
            actor_id=by.user_id,
            outcome=outcome,
        )
