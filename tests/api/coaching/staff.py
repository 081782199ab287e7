"""People of one dealership and calls that they have had, put straight into a node's services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from api.accounts.profile import Profile
from api.auth.roles import Role
from api.ids import new_id
from api.payloads import sealed_field
from api.services import Services, open_services
from api.settings import Settings
from api.store.documents import (
    Dealership,
    Notifications,
    Preferences,
    SessionMetrics,
    Team,
    TrainingSession,
    User,
)
from tests.api.store.people import Clock

ADDRESS = "http://node.example"
PRAISE = {
    "timestamp": None,
    "t": 65_000,
    "type": "praise",
    "severity": "low",
    "code": "steady_delivery",
    "parameters": {},
    "message": "Steady and clear",
    "evidence": "",
    "spanMs": [61_000, 65_000],
}
NUDGE = {**PRAISE, "t": 90_000, "type": "suggestion", "code": "too_fast", "message": "Slow down"}
SUMMARY = {
    "strengths": [
        {"code": "pace", "parameters": {}, "message": "A calm pace", "moments": [[20_000, 40_000]]}
    ],
    "workOn": [
        {"code": "fillers", "parameters": {}, "message": "Fewer fillers", "moments": [[5, 9]]}
    ],
}


@dataclass
class Staff:
    """One dealership."""

    services: Services
    id: str

    @classmethod
    async def new(cls, services: Services, name: str = "North Motors") -> Staff:
        own = new_id()
        check = services.key_check
        made = Dealership.new(own, services.now(), id=own, name=name, key_check=check)
        await services.store.dealerships.add(made)
        return cls(services, own)

    async def team(self, name: str, *managers: User) -> str:
        ids = tuple(user.id for user in managers)
        made = Team.new(self.id, self.services.now(), name=name, manager_ids=ids)
        await self.services.store.teams.add(self.id, made)
        return made.id

    async def person(
        self,
        name: str,
        *teams: str,
        role: Role = "salesperson",
        language: str = "en",
        notifications: Notifications = Notifications(),  # noqa: B008
        joined: datetime | None = None,
    ) -> User:
        first, _, last = name.partition(" ")
        preferences = Preferences(language=language, notifications=notifications)
        user = User.new(
            self.id,
            joined or self.services.now() - timedelta(days=60),
            email=f"{new_id()}@north.example",
            role=role,
            status="active",
            team_ids=teams,
            preferences=preferences,
        )
        _, wrapped = self.services.vault.new_key(user)
        user = user.model_copy(update={"data_key": wrapped})
        profile = Profile(first_name=first, last_name=last)
        sealed = self.services.profiles.sealed(user, profile)
        user = user.model_copy(update={"profile": sealed})
        await self.services.store.users.add(self.id, user)
        return user

    async def call(
        self,
        user: User,
        at: datetime,
        scores: Sequence[int | None] = (None, None, None, None),
        *,
        team: str | None = None,
        minutes: float = 5,
        feedback: Sequence[dict[str, Any]] | None = None,
        summary: dict[str, Any] | None = None,
        is_kept: bool = True,
    ) -> str:
        """One that is over; `scores` are confidence, clarity, pace and volume."""
        names = ("confidence", "clarity", "pace", "volume")
        counts: dict[str, int] = {}
        for cue in feedback or ():
            counts[cue["code"]] = counts.get(cue["code"], 0) + 1
        made = TrainingSession.new(
            self.id,
            at,
            user_id=user.id,
            team_id=team or next(iter(user.team_ids), None),
            session_type="pitch",
            status="completed",
            start_time=at,
            end_time=at + timedelta(minutes=minutes),
            duration_ms=round(minutes * 60_000),
            metrics=SessionMetrics(**dict(zip(names, scores, strict=True))),
            feedback_counts=counts,
            node="node1",
        )
        key, wrapped = self.services.vault.new_key(made)
        if is_kept:
            fields: dict[str, object] = {"data_key": wrapped}
            if feedback is not None:
                fields["feedback"] = sealed_field(key, made, "feedback", list(feedback))
            if summary is not None:
                fields["summary"] = sealed_field(key, made, "summary", summary)
            made = made.model_copy(update=fields)
        await self.services.store.sessions.add(self.id, made)
        return made.id


@asynccontextmanager
async def serving(data: Path, clock: Clock, **settings: Any) -> AsyncIterator[Services]:
    services = await open_services(Settings(data=data, **settings), lambda: ADDRESS, clock)
    try:
        yield services
    finally:
        await services.close()
