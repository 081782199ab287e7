"""What a node is built on: its secrets, its store, who signs in, what is written down.

`open_services` opens them in order and `close` closes them in the other; the application gets the
whole as `app.state.services`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog
from starlette.requests import Request

from api.accounts.account import Account
from api.accounts.entrance import Entrance
from api.accounts.links import Links
from api.accounts.people import People
from api.accounts.post import Post
from api.accounts.profile import Profiles
from api.accounts.second_factor import SecondFactor
from api.accounts.sign_in import SignIns
from api.accounts.vault import Vault
from api.audit.record import Audit
from api.auth import keys
from api.auth.limits import Limits
from api.auth.media import MediaCookies
from api.auth.passwords import Passwords
from api.auth.refresh import Lifetimes
from api.auth.tokens import AccessTokens
from api.content.outlets import Outlets
from api.guard import Guard
from api.mail import Folder, Mail, Smtp, Transport
from api.settings import Settings
from api.store import open_database
from api.store.blobs import Blobs, open_blobs
from api.store.crypto import DataKey, MasterKeys
from api.store.store import Store
from api.uploads import Uploading
from processing.scan import Clamd

log = structlog.get_logger(__name__)

ISSUER = "forecourt"
AUDIENCE = "forecourt-api"


@dataclass(slots=True)
class Services:
    store: Store
    blobs: Blobs
    vault: Vault
    audit: Audit
    mail: Mail
    limits: Limits
    profiles: Profiles
    links: Links
    sign_ins: SignIns
    entrance: Entrance
    account: Account
    people: People
    post: Post
    uploading: Uploading
    outlets: Outlets
    cookies: MediaCookies
    guard: Guard
    node: str
    key_check: str
    now: Callable[[], datetime]
    _opened: AsyncExitStack = field(repr=False)

    async def close(self) -> None:
        await self._opened.aclose()


def utc_now() -> datetime:
    return datetime.now(UTC)


async def open_services(
    settings: Settings, address: Callable[[], str], now: Callable[[], datetime] = utc_now
) -> Services:
    """Open everything. `address` is where people reach the node, for links in mails.

    Raises `BadSecrets`, `WrongKey`, `StoreError` or `BadTail`, each with a sentence for the
    operator.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    secrets, is_new = keys.load_or_create(settings.data / keys.FILE_NAME, now())
    if is_new:
        log.info("secrets_made", file=str(settings.data / keys.FILE_NAME))
    masters = secrets.masters()
    store = Store(open_database(settings.store_url), now)
    blobs = open_blobs(settings.blobs_url)
    async with AsyncExitStack() as opening:
        opening.push_async_callback(store.close)
        await store.open()
        await _check_keys(store, masters)
        await blobs.open()
        audit = Audit(store.audit, secrets.audit_key, settings.node, settings.data, now)
        await audit.open()
        opening.push_async_callback(audit.close)
        mail = Mail(_transport(settings), settings.mail_from)
        mail.start()
        opening.push_async_callback(mail.stop)
        redis_url = settings.redis.get_secret_value() or None
        limits = Limits(
            secrets.derived("limits"),
            redis_url=redis_url,
            per_address=settings.sign_ins_per_address,
            publishes_per_minute=settings.publishes_per_minute,
            now=now,
        )
        opening.push_async_callback(limits.close)
        passwords = Passwords()
        opening.callback(passwords.close)
        vault, key_check = Vault(masters), masters.check_value()
        profiles = Profiles(vault)
        second_factor = SecondFactor(store, vault, passwords, now)
        sign_ins = SignIns(
            store,
            passwords,
            second_factor,
            AccessTokens(secrets.signing(), issuer=ISSUER, audience=AUDIENCE, now=now),
            limits,
            audit,
            refresh_key=secrets.derived("refresh"),
            device_key=secrets.derived("device"),
            lifetimes=Lifetimes(settings.sign_in_idle, settings.sign_in_lasts),
            now=now,
        )
        links = Links(store, secrets.derived("links"), now)
        post = Post(store, mail, profiles, address, now)
        cookies = MediaCookies(secrets.derived("media"), now)
        scanner = Clamd(settings.clamd) if settings.clamd else None
        answers_key = DataKey(secrets.derived("idempotency"))
        return Services(
            store,
            blobs,
            vault,
            audit,
            mail,
            limits,
            profiles,
            links,
            sign_ins,
            Entrance(
                store,
                vault,
                profiles,
                passwords,
                links,
                sign_ins,
                second_factor,
                post,
                audit,
                key_check,
                now,
            ),
            Account(
                store,
                profiles,
                passwords,
                second_factor,
                links,
                sign_ins,
                post,
                limits,
                audit,
                now,
            ),
            People(store, vault, profiles, links, sign_ins, post, audit, now),
            post,
            Uploading(store, blobs, vault, scanner, now),
            Outlets(
                store, DataKey(secrets.derived("webhooks")), secrets.derived("unsubscribe"), now
            ),
            cookies,
            Guard(sign_ins, cookies, store, answers_key, now),
            settings.node,
            key_check,
            now,
            opening.pop_all(),
        )


async def _check_keys(store: Store, masters: MasterKeys) -> None:
    """Raises `WrongKey` where secrets.toml is not the one that the data was written with."""
    for dealership in await store.dealerships.every(limit=1):
        if dealership.key_check is not None:
            masters.verify(dealership.key_check)


def _transport(settings: Settings) -> Transport:
    if settings.smtp_host:
        return Smtp(
            settings.smtp_host,
            settings.smtp_port,
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value(),
            tls=settings.smtp_tls,
        )
    folder: Path = settings.data / "mail"
    log.info("mails_go_to_a_folder", folder=str(folder), set="FORECOURT_SMTP_HOST")
    return Folder(folder)


def services_of(request: Request) -> Services:
    """The services of the node that serves `request`."""
    services: Services = request.app.state.services
    return services
