"""What links open: a first dealership, an account, a new password, a confirmed address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from api.accounts.links import Links, gone
from api.accounts.post import Post
from api.accounts.profile import Profile, Profiles
from api.accounts.second_factor import SecondFactor, SetUp
from api.accounts.sign_in import Client, CodeNeeded, EnrolmentNeeded, SignedIn, SignIns
from api.accounts.vault import Vault
from api.audit.record import Audit
from api.auth.passwords import Passwords, WeakPassword
from api.problems import Problem
from api.store.base import Duplicate
from api.store.documents import Dealership, Link, User
from api.store.store import Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What somebody says of themselves when a link lets them in; what a purpose does not need is
    left empty."""

    password: str = ""
    email: str = ""
    dealership: str = ""
    first_name: str = ""
    last_name: str = ""
    language: str = "en"


def weak(error: WeakPassword) -> Problem:
    where = [{"field": "password", "message": str(error)}]
    return Problem(422, str(error), errors=where, code="weak_password")


def taken() -> Problem:
    detail = "Somebody has an account with this e-mail address already."
    return Problem(409, detail, code="email_taken")


class Entrance:
    def __init__(
        self,
        store: Store,
        vault: Vault,
        profiles: Profiles,
        passwords: Passwords,
        links: Links,
        sign_ins: SignIns,
        second_factor: SecondFactor,
        post: Post,
        audit: Audit,
        key_check: str,
        now: Callable[[], datetime],
    ) -> None:
        """`key_check` is stored with each new dealership (`MasterKeys.check_value`)."""
        self._store = store
        self._vault = vault
        self._profiles = profiles
        self._passwords = passwords
        self._links = links
        self._sign_ins = sign_ins
        self._second_factor = second_factor
        self._post = post
        self._audit = audit
        self._key_check = key_check
        self._now = now

    async def look(self, secret: str) -> tuple[Link, User | None, Dealership | None]:
        """What a link is for, before it is spent. Raises `Problem`: 410."""
        link = await self._links.find(secret)
        if link.purpose == "first_admin":
            return link, None, None
        user = await self._user_of(link)
        return link, user, await self._store.dealerships.get(link.dealership_id)

    async def accept(
        self, secret: str, newcomer: Newcomer, client: Client
    ) -> SignedIn | CodeNeeded | EnrolmentNeeded | None:
        """Spend a link; None where nobody is signed in by it. Raises `Problem`: 410, 409, 422."""
        link = await self._links.find(secret)
        match link.purpose:
            case "first_admin":
                user = await self._first_admin(link, newcomer)
            case "invite":
                user = await self._join(link, newcomer)
            case "reset":
                user = await self._reset(link, newcomer.password)
            case "verify":
                await self._verify(link)
                return None
            case _:
                raise gone()
        if user.totp is not None and user.totp.enabled:
            return CodeNeeded()
        if await self._second_factor.is_required(user):
            return EnrolmentNeeded(user)
        return await self._sign_ins.begin(user, client)

    async def ask_for_reset(self, email: str) -> None:
        """Mail a link, if there is somebody of this address who can sign in."""
        user = await self._store.users.by_email(email)
        if user is None or user.status != "active":
            log.info("reset_for_nobody")
            return
        secret = await self._links.make(user, "reset")
        await self._post.send_link(user, "reset", secret)
        await self._record(user, "auth.reset_asked")

    # second factor, where the dealership wants one before the first sign-in

    async def enrolment(self, user: User) -> str:
        """The secret that `set_up` and `confirm` take."""
        return await self._links.make(user, "enrol")

    async def set_up(self, secret: str) -> SetUp:
        """What the app is told. May be asked again until it is confirmed. Raises `Problem`: 410."""
        _, user = await self._enrolling(secret)
        return await self._second_factor.set_up(user)

    async def confirm(self, secret: str, code: str, client: Client) -> tuple[SignedIn, list[str]]:
        """Sign in, and recovery codes to keep. Raises `Problem`: 410, 422."""
        link, user = await self._enrolling(secret)
        codes = await self._second_factor.confirm(user, code)
        await self._links.spend(link)
        await self._record(user, "account.second_factor_on")
        return await self._sign_ins.begin(await self._user_of(link), client), codes

    async def _enrolling(self, secret: str) -> tuple[Link, User]:
        link = await self._links.find(secret)
        if link.purpose != "enrol":
            raise gone()
        user = await self._user_of(link)
        if user.totp is not None and user.totp.enabled:
            raise gone()
        return link, user

    # the purposes

    async def _first_admin(self, link: Link, newcomer: Newcomer) -> User:
        _required(newcomer, "email", "dealership", "password")
        now = self._now()
        context = (newcomer.email, newcomer.dealership, newcomer.first_name, newcomer.last_name)
        password_hash = await self._hashed(newcomer.password, context)
        if await self._store.users.by_email(newcomer.email) is not None:
            raise taken()
        dealership = Dealership.new(
            link.dealership_id,
            now,
            id=link.dealership_id,
            name=newcomer.dealership,
            language=newcomer.language,
            key_check=self._key_check,
        )
        user = User.new(
            dealership.id,
            now,
            id=link.user_id,
            email=newcomer.email,
            role="admin",
            status="active",
            password_hash=password_hash,
        )
        user = self._sealed(user, newcomer, now)
        await self._links.spend(link)
        try:
            await self._store.dealerships.add(dealership)
            await self._store.users.add(dealership.id, user)
        except Duplicate as error:
            raise taken() from error
        await self._record(user, "dealership.create")
        return user

    async def _join(self, link: Link, newcomer: Newcomer) -> User:
        user = await self._user_of(link)
        if user.status != "invited":
            raise gone()
        _required(newcomer, "password")
        context = (user.email, newcomer.first_name, newcomer.last_name)
        password_hash = await self._hashed(newcomer.password, context)
        await self._links.spend(link)
        now = self._now()
        preferences = user.preferences.model_copy(update={"language": newcomer.language})
        joined = user.model_copy(
            update={
                "status": "active",
                "email_verified": True,
                "password_hash": password_hash,
                "preferences": preferences,
            }
        )
        joined = self._sealed(joined, newcomer, now)
        await self._store.users.save(joined.dealership_id, joined)
        await self._record(joined, "user.join")
        return joined

    async def _reset(self, link: Link, password: str) -> User:
        user = await self._user_of(link)
        if user.status != "active":
            raise gone()
        profile = self._profiles.of(user)
        context = (user.email, profile.first_name, profile.last_name)
        password_hash = await self._hashed(password, context)
        await self._links.spend(link)
        # Who reads the mail has proved the address too.
        changed = user.changed(self._now(), password_hash=password_hash, email_verified=True)
        await self._store.users.save(user.dealership_id, changed)
        await self._sign_ins.end_all(user.dealership_id, user.id)
        await self._record(changed, "auth.reset")
        await self._post.warn(changed, "password_changed")
        return await self._user_of(link)

    async def _verify(self, link: Link) -> None:
        user = await self._user_of(link)
        await self._links.spend(link)
        changed = user.changed(self._now(), email=link.email or user.email, email_verified=True)
        try:
            await self._store.users.save(user.dealership_id, changed)
        except Duplicate as error:
            raise taken() from error
        await self._record(changed, "user.verify_email")

    async def _user_of(self, link: Link) -> User:
        user = await self._store.users.get(link.dealership_id, link.user_id)
        if user is None or user.status == "disabled":
            raise gone()
        return user

    def _sealed(self, user: User, newcomer: Newcomer, now: datetime) -> User:
        """The next version of `user`, with what they are called, under a key of their own."""
        if user.data_key is None:
            _, wrapped = self._vault.new_key(user)
            user = user.model_copy(update={"data_key": wrapped})
        profile = Profile(
            first_name=newcomer.first_name,
            last_name=newcomer.last_name,
            phone=self._profiles.of(user).phone,
            dealership=newcomer.dealership,
        )
        return user.changed(now, profile=self._profiles.sealed(user, profile))

    async def _hashed(self, password: str, context: tuple[str, ...]) -> str:
        try:
            return await self._passwords.hash(password, [text for text in context if text])
        except WeakPassword as error:
            raise weak(error) from error

    async def _record(self, user: User, action: str) -> None:
        await self._audit.about_person(
            action, user.id, dealership_id=user.dealership_id, actor_id=user.id
        )


def _required(newcomer: Newcomer, *names: str) -> None:
    missing = [name for name in names if not getattr(newcomer, name)]
    if missing:
        errors = [{"field": name, "message": "Field required"} for name in missing]
        raise Problem(422, f"{missing[0]}: this link needs it.", errors=errors)
