"""The second factor of a person: set up, asked for, taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from api.accounts.vault import Vault
from api.auth import totp
from api.auth.passwords import Passwords
from api.problems import Problem
from api.store.crypto import Damaged, DataKey
from api.store.documents import Totp, User
from api.store.rewrapping import place
from api.store.store import Store


@dataclass(frozen=True, slots=True)
class SetUp:
    """What an authenticator app is told, as text, address and picture. Shown once."""

    secret: str
    uri: str
    qr_svg: str


class SecondFactor:
    """Codes of an app (TOTP), and recovery codes for who has lost it."""

    def __init__(
        self, store: Store, vault: Vault, passwords: Passwords, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._vault = vault
        self._passwords = passwords
        self._now = now

    async def is_required(self, user: User) -> bool:
        """Whether the dealership wants one of everybody in the person's role."""
        dealership = await self._store.dealerships.get(user.dealership_id)
        return dealership is not None and user.role in dealership.policy.totp_required

    async def accepts(self, user: User, code: str) -> bool:
        """Whether `code` is right now; then it is used. Raises `Problem` (503)."""
        if user.totp is None or not user.totp.enabled:
            return False
        users, dealership_id = self._store.users, user.dealership_id
        last_step = user.totp.last_step
        step = totp.accepted_step(self._secret(user, user.totp), code, self._now(), last_step)
        if step is not None:
            return await users.use_totp_step(dealership_id, user.id, step)
        if len("".join(code.split())) <= 6:
            return False
        unspent = user.totp.recovery_hashes
        left = await totp.spent_recovery_code(self._passwords, code, unspent)
        if left is None:
            return False
        (spent,) = set(unspent) - set(left)
        return await users.use_recovery_hash(dealership_id, user.id, spent)

    async def set_up(self, user: User) -> SetUp:
        """A new secret, which counts once `confirm` got a code of it. 409 where one counts now."""
        if user.totp is not None and user.totp.enabled:
            raise Problem(
                409, "A second factor is set up already: remove it first.", code="enabled"
            )
        secret = totp.new_secret()
        changed = self._with(
            user, Totp(secret=self._key(user).seal(secret.encode(), place=_place(user)))
        )
        await self._store.users.save(user.dealership_id, changed)
        uri = totp.uri(secret, user.email)
        return SetUp(secret, uri, totp.qr_svg(uri))

    async def confirm(self, user: User, code: str) -> list[str]:
        """Make the secret count; the recovery codes, which are told this once. Raises `Problem`."""
        if user.totp is None or user.totp.enabled:
            raise Problem(409, "There is no second factor to confirm: set one up first.")
        step = totp.accepted_step(self._secret(user, user.totp), code, self._now(), None)
        if step is None:
            raise Problem(
                422,
                "This code is wrong. Look that the phone's clock is right, and try the next one.",
                code="wrong_code",
            )
        codes = totp.new_recovery_codes()
        hashes = await totp.hash_recovery_codes(self._passwords, codes)
        given = {"enabled": True, "last_step": step, "recovery_hashes": hashes}
        changed = self._with(user, user.totp.model_copy(update=given))
        await self._store.users.save(user.dealership_id, changed)
        return codes

    async def renew_recovery_codes(self, user: User) -> list[str]:
        """New ones in the place of all that are left. 409 without a second factor."""
        if user.totp is None or not user.totp.enabled:
            raise Problem(409, "No second factor is set up, so there are no recovery codes.")
        codes = totp.new_recovery_codes()
        hashes = await totp.hash_recovery_codes(self._passwords, codes)
        changed = self._with(user, user.totp.model_copy(update={"recovery_hashes": hashes}))
        await self._store.users.save(user.dealership_id, changed)
        return codes

    async def remove(self, user: User) -> None:
        """It is asked for no longer."""
        if user.totp is not None:
            await self._store.users.save(user.dealership_id, self._with(user, None))

    def _with(self, user: User, second_factor: Totp | None) -> User:
        return user.changed(self._now(), totp=second_factor)

    def _secret(self, user: User, second_factor: Totp) -> str:
        return self._key(user).open(second_factor.secret, place=_place(user)).decode()

    def _key(self, user: User) -> DataKey:
        key = self._vault.key_of(user)
        if key is None:
            raise Damaged(f"{user.id} has no data key")
        return key


def _place(user: User) -> str:
    return f"{place(user)}:totp"
