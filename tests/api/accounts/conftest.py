"""A node's services without the node: a real store, real keys, a clock of the test's own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from api.accounts.entrance import Newcomer
from api.accounts.sign_in import Client, SignedIn
from api.auth.roles import Role
from api.identity import Identity
from api.services import Services, open_services
from api.settings import Settings
from api.store.documents import User
from tests.api.store.people import Clock

PASSWORD = "a horse with nine lives"
HERE = Client("192.0.2.7", "Mozilla/5.0")


@dataclass
class House:
    """One dealership and the ways into it."""

    services: Services
    clock: Clock
    data: Path
    printed: list[str] = field(default_factory=list)

    async def admin(self, email: str = "ada@north.example") -> SignedIn:
        """The first one of a new node."""
        secret = await self.services.links.first_admin()
        assert secret is not None
        newcomer = Newcomer(PASSWORD, email, "North Motors", "Ada", "Field")
        signed_in = await self.services.entrance.accept(secret, newcomer, HERE)
        assert isinstance(signed_in, SignedIn)
        return signed_in

    async def identity(self, signed_in: SignedIn) -> Identity:
        return await self.services.sign_ins.identify(signed_in.access.token)

    async def joined(
        self, by: SignedIn, email: str, role: Role = "salesperson", *teams: str
    ) -> SignedIn:
        """Somebody who was invited and has come."""
        people = self.services.people
        await people.invite(await self.identity(by), email, role, teams, "en")
        newcomer = Newcomer(PASSWORD, first_name="Bo", last_name="Lund")
        secret = await self.mailed_to(email)
        signed_in = await self.services.entrance.accept(secret, newcomer, HERE)
        assert isinstance(signed_in, SignedIn)
        return signed_in

    async def person(self, signed_in: SignedIn) -> User:
        """As the store has them now."""
        user = signed_in.user
        found = await self.services.store.users.get(user.dealership_id, user.id)
        assert found is not None
        return found

    async def sign_in(self, email: str, password: str = PASSWORD, code: str = "") -> object:
        return await self.services.sign_ins.with_password(email, password, code, HERE)

    async def mails(self) -> list[tuple[str, str]]:
        """(to, text) of all that were sent, the oldest first."""
        await self.services.mail.stop()
        self.services.mail.start()
        found = []
        for path in sorted((self.data / "mail").glob("*.eml")):
            message = message_from_bytes(path.read_bytes(), policy=policy.default)
            body = message.get_body(("plain",))
            assert body is not None
            found.append((str(message["To"]), str(body.get_content())))
        return found

    async def mailed_to(self, email: str) -> str:
        """The secret in the newest mail to an address."""
        text = [text for to, text in await self.mails() if to == email][-1]
        link = re.search(r"http://node\.example/link#(\S+)", text)
        assert link is not None
        return link[1]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    clock = Clock()
    settings = Settings(data=tmp_path / "data", sign_ins_per_address=1000)
    services = await open_services(settings, lambda: "http://node.example", clock)
    try:
        yield House(services, clock, settings.data)
    finally:
        await services.close()
