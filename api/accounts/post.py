"""What people are told: by e-mail, and in their inbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from api.accounts.links import LIFETIMES
from api.accounts.profile import Profiles
from api.mail import Letter, Mail
from api.store.documents import LinkPurpose, Notification, User
from api.store.store import Store

LINK_PAGE = "/link"
Address = Callable[[], str]
"""Where people reach the node: scheme, host and port."""


class Post:
    """`address` is asked when a link is written: a free port is known only then."""

    def __init__(
        self,
        store: Store,
        mail: Mail,
        profiles: Profiles,
        address: Address,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._mail = mail
        self._profiles = profiles
        self._address = address
        self._now = now

    def link(self, secret: str) -> str:
        """The address of the page that takes `secret`, which stands in the fragment."""
        return f"{self._address()}{LINK_PAGE}#{secret}"

    async def send_link(
        self, user: User, purpose: LinkPurpose, secret: str, *, inviter: str = "", to: str = ""
    ) -> None:
        """Mail a link to `user`, or to the address `to` that is yet to be theirs."""
        lifetime_s = LIFETIMES[purpose].total_seconds()
        dealership = await self._store.dealerships.get(user.dealership_id)
        told: dict[str, str | int | float] = {
            "link": self.link(secret),
            "inviter": inviter,
            "dealership": dealership.name if dealership else "",
            "hours": lifetime_s / 3600,
            "minutes": lifetime_s / 60,
        }
        self._send(user, purpose, told, to)

    async def tell(
        self, user: User, kind: str, *, path: str = "", **parameters: str | int | float
    ) -> None:
        """Put a notice into the person's inbox, and mail it unless they want none of its kind; the
        mail's `link` leads to the page at `path`."""
        notice = Notification.new(
            user.dealership_id, self._now(), user_id=user.id, kind=kind, parameters=parameters
        )
        await self._store.notifications.add(user.dealership_id, notice)
        if wants(user, kind):
            link = {"link": self.page(path)} if path else {}
            self._send(user, kind, {**link, **parameters})

    async def warn(self, user: User, kind: str, **parameters: str | int | float) -> None:
        """As `tell`, but mailed whatever they want: it is about their account's safety."""
        notice = Notification.new(
            user.dealership_id, self._now(), user_id=user.id, kind=kind, parameters=parameters
        )
        await self._store.notifications.add(user.dealership_id, notice)
        self._send(user, kind, {"link": f"{self._address()}/sign-in", **parameters})

    async def mail(self, user: User, kind: str, **parameters: str | int | float) -> bool:
        """A mail alone, now; whether the server took it."""
        return await self._mail.deliver(self._letter(user, kind, parameters))

    def page(self, path: str) -> str:
        """The address of a page."""
        return f"{self._address()}{path}"

    def _send(
        self, user: User, kind: str, parameters: Mapping[str, str | int | float], to: str = ""
    ) -> None:
        self._mail.send(self._letter(user, kind, parameters, to))

    def _letter(
        self, user: User, kind: str, parameters: Mapping[str, str | int | float], to: str = ""
    ) -> Letter:
        told = {"name": self._profiles.name(user), **parameters}
        return Letter(user.id, to or user.email, kind, user.preferences.language, told)


def wants(user: User, kind: str) -> bool:
    """Whether the person wants mails of this kind."""
    wanted = user.preferences.notifications
    return wanted.email and kind not in wanted.muted
