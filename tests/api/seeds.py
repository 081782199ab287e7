"""People and calls put straight into a running node's store, with tokens that its keys signed."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from api.accounts.vault import Vault
from api.auth import keys, refresh
from api.auth.roles import Role
from api.auth.tokens import AccessTokens
from api.ids import new_id
from api.payloads import sealed_event
from api.services import AUDIENCE, ISSUER
from api.store import open_database
from api.store.coaching import Annotation, Assignment
from api.store.content import (
    Brief,
    Content,
    ContentProject,
    Facts,
    Passage,
    Subscriber,
    Vehicle,
    VehicleKeys,
    Webhook,
)
from api.store.documents import Consent, Dealership, RefreshToken, Team, TrainingSession, User
from api.store.jobs import Job
from api.store.store import Store
from api.store.teaching import PlaybookVersion
from api.store.uploads import Batch, Upload
from engine.events import Event
from engine.events import Playbook as PlaybookHeard


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

    async def consent(self, owner: Person, session_id: str) -> None:
        """To coaching and recording."""
        made = Consent.new(
            owner.dealership_id,
            utc_now(),
            session_id=session_id,
            user_id=owner.id,
            coaching=True,
            recording=True,
            text_version="2026-11",
            given_at=utc_now(),
        )
        await self.store.consents.add(owner.dealership_id, made)

    async def annotation(self, author: Person, session_id: str) -> str:
        made = Annotation.new(
            author.dealership_id,
            utc_now(),
            session_id=session_id,
            author_id=author.id,
            kind="stamp",
            stamp="great",
            at_ms=4_000,
        )
        await self.store.annotations.add(author.dealership_id, made)
        return made.id

    async def assignment(self, owner: Person, team_id: str | None = None, **fields: Any) -> str:
        """Open, due in a week; given by nobody."""
        own = {
            "user_id": owner.id,
            "team_id": team_id,
            "author_id": None,
            "batch_id": new_id(),
            "title": "Too expensive",
            "session_type": "objection",
            "due_at": utc_now() + timedelta(days=7),
            "pass_mark": 70,
        }
        made = Assignment.new(owner.dealership_id, utc_now(), **own | fields)
        await self.store.assignments.add(owner.dealership_id, made)
        return made.id

    async def upload(self, owner: Person, team_id: str | None = None, **fields: Any) -> str:
        """A photo whose bytes were lost."""
        made = Upload.new(
            owner.dealership_id,
            utc_now(),
            user_id=owner.id,
            team_id=team_id,
            status="ready",
            kind="picture",
            name="",
            data_key="",
            media_type="image/jpeg",
            size_bytes=0,
            sha256="0" * 64,
            expires_at=utc_now() + timedelta(days=1),
            **fields,
        )
        _, wrapped = self.vault.new_key(made)
        await self.store.uploads.add(
            owner.dealership_id, made.model_copy(update={"data_key": wrapped})
        )
        return made.id

    async def job(self, owner: Person, team_id: str | None = None, **fields: Any) -> str:
        """One that no worker takes: it failed."""
        known: dict[str, Any] = {
            "user_id": owner.id,
            "team_id": team_id,
            "job_type": "background_removal",
            "input_files": [new_id()],
            "status": "failed",
            "due_at": utc_now(),
        }
        made = Job.new(owner.dealership_id, utc_now(), **(known | fields))
        await self.store.jobs.add(owner.dealership_id, made)
        return made.id

    async def batch(self, owner: Person, team_id: str | None = None) -> str:
        made = Batch.new(
            owner.dealership_id,
            utc_now(),
            user_id=owner.id,
            team_id=team_id,
            vin=f"W{secrets.token_hex(8).upper()}",
            look={},
            expires_at=utc_now() + timedelta(days=1),
        )
        await self.store.batches.add(owner.dealership_id, made)
        return made.id

    async def vehicle(self, owner: Person) -> str:
        vin = f"W{secrets.token_hex(8).upper()}"
        facts = Facts(vin=vin, year=2022, make="Honda", model="Civic")
        made = Vehicle.new(
            owner.dealership_id,
            utc_now(),
            user_id=owner.id,
            vin=vin,
            facts=facts,
            keys=VehicleKeys.of(facts),
        )
        await self.store.vehicles.add(owner.dealership_id, made)
        return made.id

    async def project(self, owner: Person, team_id: str | None = None) -> str:
        """A draft, with its first version."""
        vin = f"W{secrets.token_hex(8).upper()}"
        made = ContentProject.new(
            owner.dealership_id,
            utc_now(),
            user_id=owner.id,
            team_id=team_id,
            title="Civic",
            type="social",
            vehicle_id=new_id(),
            settings=Brief(platform="x"),
            facts=Facts(vin=vin, year=2022, make="Honda", model="Civic"),
            content=Content(text=(Passage(role="body", text="Come and see the Civic."),)),
        )
        await self.store.content.add(owner.dealership_id, made)
        return made.id

    async def subscriber(self, owner: Person) -> str:
        made = Subscriber.new(
            owner.dealership_id, utc_now(), email=f"{new_id()}@example.org", lists=["Weekly"]
        )
        await self.store.subscribers.add(owner.dealership_id, made)
        return made.id

    async def webhook(self, owner: Person) -> str:
        """One whose secret was lost."""
        made = Webhook.new(
            owner.dealership_id,
            utc_now(),
            name=new_id(),
            url="https://site.example/in",
            secret="",
            author_id=owner.id,
        )
        await self.store.webhooks.add(owner.dealership_id, made)
        return made.id

    async def playbook_event(self, owner: Person, session_id: str, seq: int, **data: Any) -> None:
        """What of a playbook was heard in a call, as its events tell it."""
        session = await self.store.sessions.get(owner.dealership_id, session_id)
        assert session is not None
        key = self.vault.key_of(session)
        assert key is not None
        event = Event.of(seq, 1_000 * seq, "trainee", PlaybookHeard(**data)).model_dump()
        sealed = sealed_event(key, owner.dealership_id, session_id, event, utc_now())
        await self.store.events.append(owner.dealership_id, session_id, [sealed])

    async def session(
        self,
        owner: Person,
        team_id: str | None = None,
        days_ago: float = 0,
        **fields: Any,
    ) -> str:
        """A call that is over; nothing was said in it, unless `fields` say otherwise."""
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
        made = made.model_copy(update={"data_key": wrapped} | fields)
        await self.store.sessions.add(owner.dealership_id, made)
        return made.id
