"""People and calls put straight into a running node's store, with tokens that its keys signed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api.accounts.vault import Vault
from api.auth import keys, refresh
from api.auth.roles import Role
from api.auth.tokens import AccessTokens
from api.ids import new_id
from api.services import AUDIENCE, ISSUER
from api.store import open_database
from api.store.documents import Dealership, RefreshToken, Team, TrainingSession, User
from api.store.store import Store
from api.store.teaching import PlaybookVersion


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    dealership_id: str
    token: str
    """Their access token."""
    family: str
    role: Role

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Seeds:
    """Writes beside the node: SQLite's log lets both. Open it as a context."""

    def __init__(self, data: Path) -> None:
        self._secrets = keys.load(data / keys.FILE_NAME)
        self.store = Store(open_database(f"sqlite:///{data / 'store.db'}"))
        self.vault = Vault(self._secrets.masters())
        self.tokens = AccessTokens(
            self._secrets.signing(), issuer=ISSUER, audience=AUDIENCE, now=utc_now
        )

    async def __aenter__(self) -> Seeds:
        await self.store.database.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.store.close()

    async def dealership(self, name: str) -> str:
        own = new_id()
        check = self._secrets.masters().check_value()
        made = Dealership.new(own, utc_now(), id=own, name=name, key_check=check)
        await self.store.dealerships.add(made)
        return own

    async def team(self, dealership_id: str, name: str, managers: Sequence[str] = ()) -> str:
        made = Team.new(dealership_id, utc_now(), name=name, manager_ids=tuple(managers))
        await self.store.teams.add(dealership_id, made)
        return made.id

    async def person(self, dealership_id: str, role: Role, *teams: str) -> Person:
        """Somebody who is signed in."""
        user = User.new(
            dealership_id,
            utc_now(),
            email=f"{secrets.token_hex(8)}@example.org",
            role=role,
            status="active",
            password_hash="!",  # opens to no password
            team_ids=teams,
        )
        _, wrapped = self.vault.new_key(user)
        user = user.model_copy(update={"data_key": wrapped})
        await self.store.users.add(dealership_id, user)
        return await self.signed_in(user)

    async def signed_in(self, user: User) -> Person:
        family = new_id()
        token = RefreshToken.new(
            user.dealership_id,
            utc_now(),
            user_id=user.id,
            family=family,
            digest=refresh.digest_of(refresh.new_token()),
            issued_at=utc_now(),
            expires_at=utc_now() + timedelta(hours=1),
        )
        await self.store.tokens.add(user.dealership_id, token)
        access = self.tokens.issue(
            user_id=user.id, dealership_id=user.dealership_id, role=user.role, family=family
        )
        return Person(user.id, user.dealership_id, access.token, family, user.role)

    async def playbook(self, dealership_id: str) -> None:
        """Number 1 in English: once published, and no longer."""
        made = PlaybookVersion.new(
            dealership_id,
            utc_now(),
            language="en",
            number=1,
            status="retired",
            author_id=new_id(),
            source="",
        )
        await self.store.playbooks.add(dealership_id, made)

    async def session(self, owner: Person, team_id: str | None = None, days_ago: float = 0) -> str:
        """A call that is over and of which nothing was kept."""
        now = utc_now() - timedelta(days=days_ago)
        made = TrainingSession.new(
            owner.dealership_id,
            now,
            user_id=owner.id,
            team_id=team_id,
            session_type="pitch",
            status="completed",
            start_time=now - timedelta(minutes=5),
            end_time=now,
            duration_ms=300_000,
            node="node1",
        )
        _, wrapped = self.vault.new_key(made)
        made = made.model_copy(update={"data_key": wrapped})
        await self.store.sessions.add(owner.dealership_id, made)
        return made.id
