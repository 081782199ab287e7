"""Signing in, staying signed in, signing out."""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final

import structlog

from api.accounts.second_factor import SecondFactor
from api.audit.record import Audit
from api.auth import refresh
from api.auth.limits import Limits
from api.auth.passwords import Passwords
from api.auth.refresh import Lifetimes
from api.auth.tokens import AccessTokens, Claims, Issued, Refused
from api.identity import Identity
from api.ids import new_id
from api.problems import Problem
from api.store.documents import Outcome, RefreshToken, User
from api.store.store import Store

log = structlog.get_logger(__name__)

KNOWN_FOR_S: Final = 1.5
"""How long a look into the store is good for: with the watch on live calls, whoever is shut out is
out within 2 s."""
MAX_KNOWN: Final = 4_096
"""People whose standing is remembered; the one longest unused goes first."""
MAX_RECORDING: Final = 256
"""Refusals that wait to be written down."""
_AGENT_LETTERS: Final = 200
_WAITS_S: Final = (0.02, 0.05, 0.1, 0.3, 0.5)


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of who sends a request before they sign in."""

    address: str
    user_agent: str = ""
    device: str = ""
    """The value of its device cookie."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a client gets: keep `refresh_token` out of scripts' reach."""

    access: Issued
    refresh_token: str
    expires_at: datetime
    """When the refresh token ends, unused."""
    user: User


@dataclass(frozen=True, slots=True)
class CodeNeeded:
    """The password is right; a code has to come with it."""


@dataclass(frozen=True, slots=True)
class EnrolmentNeeded:
    """The password is right; the dealership wants a second factor of this role."""

    user: User


def wrong_credentials() -> Problem:
    return Problem(401, "The e-mail address or the password is wrong.", code="wrong_credentials")


def signed_out() -> Problem:
    detail = "You are not signed in any more; sign in again."
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"}, code="signed_out")


class SignIns:
    """All sign-ins of a node. `on_ended` is told of each family, or of all of a person's
    (family None), that this node ends."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        second_factor: SecondFactor,
        access: AccessTokens,
        limits: Limits,
        audit: Audit,
        *,
        refresh_key: bytes,
        device_key: bytes,
        lifetimes: Lifetimes,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._second_factor = second_factor
        self._access = access
        self._limits = limits
        self._audit = audit
        self._refresh_key = refresh_key
        self._device_key = device_key
        self._lifetimes = lifetimes
        self._now = now
        self._known: OrderedDict[tuple[str, str], tuple[float, Identity | None]] = OrderedDict()
        self._recording: set[asyncio.Task[None]] = set()
        self.on_ended: Callable[[str, str | None], None] = lambda user_id, family: None

    # coming in

    async def with_password(
        self, email: str, password: str, code: str, client: Client
    ) -> SignedIn | CodeNeeded | EnrolmentNeeded:
        """Raises `Problem`: 401, 429, 503."""
        found = await self._store.users.by_email(email)
        is_known = self._is_known(client.device, email)
        attempt = {"address": client.address, "account": email}
        await self._limits.check("sign_in", **attempt, known_device=is_known)
        verdict = await self._passwords.verify(password, found.password_hash if found else None)
        if found is None or not verdict.matches or found.status != "active":
            self._record_later(found)
            raise wrong_credentials()
        if verdict.needs_rehash:
            found = await self._rehashed(found, password)
        if found.totp is not None and found.totp.enabled:
            if not code:
                return CodeNeeded()
            await self._limits.check("second_factor", **attempt, known_device=is_known)
            if not await self._second_factor.accepts(found, code):
                await self._record(found, "auth.second_factor", "refused")
                raise Problem(401, "This code is wrong, or was used already.", code="wrong_code")
            await self._limits.succeeded("second_factor", **attempt)
        elif await self._second_factor.is_required(found):
            return EnrolmentNeeded(found)
        await self._limits.succeeded("sign_in", **attempt)
        return await self.begin(found, client)

    async def begin(self, user: User, client: Client) -> SignedIn:
        """Sign in who has just proved to be `user`."""
        now = self._now()
        family = f"{int(now.timestamp()):08x}{new_id()[8:]}"
        token = refresh.new_token()
        stored = self._stored(user, family, token, client.user_agent)
        await self._record(user, "auth.sign_in", "allowed")
        await self._store.tokens.add(user.dealership_id, stored)
        return self._given(user, family, token, stored)

    async def renew(self, token: str, client: Client) -> SignedIn:
        """A new access token for a refresh token, which is used up by it. Raises `Problem`: 401."""
        stored = None
        if refresh.is_token(token):
            stored = await self._store.tokens.by_digest(refresh.digest_of(token))
        known = None
        if stored is not None:
            began_at = refresh.began_at(stored.family)
            known = refresh.Stored(began_at, stored.expires_at, stored.used_at, stored.revoked_at)
        outcome = refresh.decide(known, self._now(), self._lifetimes)
        if stored is None or outcome not in ("rotate", "grace", "reuse"):
            raise signed_out()
        user = await self._store.users.get(stored.dealership_id, stored.user_id)
        if user is None or user.status != "active" or _is_before(stored.issued_at, user):
            raise signed_out()
        if outcome == "reuse":
            log.warning("refresh_token_reused", user=user.id, family=stored.family)
            await self._record(user, "auth.reuse", "refused")
            await self.end(user.dealership_id, user.id, stored.family)
            raise signed_out()
        successor = refresh.successor_of(token, self._refresh_key)
        if outcome == "rotate":
            fresh = self._stored(user, stored.family, successor, client.user_agent)
            if await self._rotated(stored, fresh):
                return self._given(user, stored.family, successor, fresh)
        # Another tab was first: both get the same successor, once the store has it.
        for wait_s in _WAITS_S:
            after = await self._store.tokens.by_digest(refresh.digest_of(successor))
            if after is not None and after.revoked_at is None:
                return self._given(user, stored.family, successor, after)
            await asyncio.sleep(wait_s)
        raise signed_out()

    async def _rotated(self, stored: RefreshToken, fresh: RefreshToken) -> bool:
        tokens = self._store.tokens
        if not await tokens.rotate(stored.dealership_id, stored, fresh):
            return False
        now = await tokens.by_digest(stored.digest)
        if now is None or now.revoked_at is not None:
            # The sign-in was ended between the two writes: its new token must not outlive it.
            await tokens.revoke_family(stored.dealership_id, stored.family)
            raise signed_out()
        return True

    # going out

    async def sign_out(self, token: str) -> None:
        """End the sign-in that `token` belongs to, if it is one."""
        if not refresh.is_token(token):
            return
        stored = await self._store.tokens.by_digest(refresh.digest_of(token))
        if stored is not None:
            await self.end(stored.dealership_id, stored.user_id, stored.family)

    async def end(self, dealership_id: str, user_id: str, family: str) -> bool:
        """End one sign-in of a person; whether there was one to end."""
        ended = await self._store.tokens.revoke_family_of(dealership_id, user_id, family)
        self.forget(user_id)
        self.on_ended(user_id, family)
        return ended > 0

    async def end_all(self, dealership_id: str, user_id: str, *, but: str = "") -> None:
        """End every sign-in of a person, but perhaps the family `but`."""
        if but:
            for token in await self._store.tokens.live_of_user(dealership_id, user_id):
                if token.family != but:
                    await self.end(dealership_id, user_id, token.family)
            return
        await self._store.users.end_sessions(dealership_id, user_id)
        await self._store.tokens.revoke_of_user(dealership_id, user_id)
        self.forget(user_id)
        self.on_ended(user_id, None)

    # being in

    async def identify(self, token: str) -> Identity:
        """Whose access token this is, as they stand now. Raises `Problem`: 401."""
        try:
            claims = self._access.verify(token)
        except Refused as refused:
            log.info("token_refused", reason=refused.reason)
            raise signed_out() from refused
        identity = await self.standing(claims.dealershipId, claims.sub, claims.family)
        if identity is None or _issued_at(claims) < identity.issued_at:
            raise signed_out()
        return identity

    async def standing(self, dealership_id: str, user_id: str, family: str) -> Identity | None:
        """Who is signed in with `family`; None once they are not. At most `KNOWN_FOR_S` old.

        Its `issued_at` is from when on tokens are good.
        """
        key = user_id, family
        known = self._known.get(key)
        if known is not None and monotonic() - known[0] < KNOWN_FOR_S:
            self._known.move_to_end(key)
            return known[1]
        identity = await self._looked_up(dealership_id, user_id, family)
        self._known[key] = monotonic(), identity
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return identity

    def forget(self, user_id: str) -> None:
        """Look at the person anew: something of them has changed."""
        for key in [key for key in self._known if key[0] == user_id]:
            del self._known[key]

    def device_cookie(self, user: User) -> str:
        """Shows later that this person has signed in on this device."""
        return self._device_mark(user.email)

    async def _looked_up(self, dealership_id: str, user_id: str, family: str) -> Identity | None:
        user = await self._store.users.get(dealership_id, user_id)
        if user is None or user.status != "active":
            return None
        if not await self._store.tokens.is_live(dealership_id, user_id, family):
            return None
        managed = await self._store.teams.managed_by(dealership_id, user_id)
        teams = frozenset(user.team_ids) | {team.id for team in managed}
        valid_from = user.sessions_valid_from or datetime.fromtimestamp(0, UTC)
        # An access token tells its time in whole seconds, rounded down.
        valid_from = valid_from.replace(microsecond=0)
        return Identity(user.id, dealership_id, user.role, teams, family, valid_from)

    def _stored(self, user: User, family: str, token: str, agent: str) -> RefreshToken:
        now = self._now()
        return RefreshToken.new(
            user.dealership_id,
            now,
            user_id=user.id,
            family=family,
            digest=refresh.digest_of(token),
            issued_at=now,
            expires_at=self._lifetimes.expires_at(refresh.began_at(family), now),
            user_agent="".join(filter(str.isprintable, agent))[:_AGENT_LETTERS],
        )

    def _given(self, user: User, family: str, token: str, stored: RefreshToken) -> SignedIn:
        access = self._access.issue(
            user_id=user.id, dealership_id=user.dealership_id, role=user.role, family=family
        )
        return SignedIn(access, token, stored.expires_at, user)

    async def _rehashed(self, user: User, password: str) -> User:
        changed = user.changed(self._now(), password_hash=await self._passwords.rehash(password))
        await self._store.users.save(user.dealership_id, changed)
        return changed

    def _is_known(self, device: str, email: str) -> bool:
        return hmac.compare_digest(device.encode(), self._device_mark(email).encode())

    def _device_mark(self, email: str) -> str:
        return hmac.digest(self._device_key, email.strip().lower().encode(), "sha256").hex()

    def _record_later(self, found: User | None) -> None:
        """Write a refusal down once it was told: the time it takes must not tell whether there is
        such a person. Beyond `MAX_RECORDING` the log alone has it."""
        if found is None or len(self._recording) >= MAX_RECORDING:
            log.warning("sign_in_refused", user=found.id if found else None)
            return
        task = asyncio.create_task(self._record(found, "auth.sign_in", "refused"))
        self._recording.add(task)
        task.add_done_callback(self._recorded)

    def _recorded(self, task: asyncio.Task[None]) -> None:
        self._recording.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("sign_in_refusal_not_recorded", error=repr(error))

    async def _record(self, user: User, action: str, outcome: Outcome) -> None:
        await self._audit.about_person(
            action, user.id, dealership_id=user.dealership_id, actor_id=user.id, outcome=outcome
        )


def _issued_at(claims: Claims) -> datetime:
    return datetime.fromtimestamp(claims.iat, UTC)


def _is_before(issued_at: datetime, user: User) -> bool:
    return user.sessions_valid_from is not None and issued_at < user.sessions_valid_from
