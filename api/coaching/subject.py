"""The call that coaching is about: whether something may be said of it, and who may read that."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from api.auth.roles import Actor, Owner, allows
from api.bus import Bus
from api.past import unknown
from api.problems import Problem
from api.services import Services
from api.store.crypto import Damaged, DataKey, WrongKey
from api.store.documents import TrainingSession, User
from engine.events import SessionState

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """A call of which something is kept, as it stands now."""

    session: TrainingSession
    key: DataKey = field(repr=False)
    status: SessionState
    duration_ms: int

    @property
    def is_over(self) -> bool:
        return self.status == "completed"


async def subject(services: Services, calls: Bus, dealership_id: str, session_id: str) -> Subject:
    """Raises `Problem`: 404 for an unknown call; 409 for one of which nothing is kept, or that has
    not begun."""
    session = await services.store.sessions.get(dealership_id, session_id)
    if session is None:
        raise unknown()
    view = await calls.view(dealership_id, session_id)
    if session.recording_consent is False:
        detail = "This call is not recorded, so nothing can be kept of what is said about it."
        raise Problem(409, detail, code="unrecorded")
    key = key_of(services, session)
    if key is None:
        raise erased()
    if view.status == "created":
        raise Problem(409, "This call has not begun yet.", code="not_begun")
    return Subject(session, key, view.status, view.duration_ms)


def key_of(services: Services, session: TrainingSession) -> DataKey | None:
    """None where what was said was erased, or the key is damaged, which is logged."""
    try:
        return services.vault.key_of(session)
    except (Damaged, WrongKey) as error:
        log.error("session_locked", session=session.id, error=str(error))
        return None


def erased() -> Problem:
    detail = "What was said in this call has been erased, and with it what was written about it."
    return Problem(409, detail, code="erased")


async def still_kept(services: Services, session: TrainingSession) -> bool:
    """Whether it was not erased while something was written about it."""
    now = await services.store.sessions.get(session.dealership_id, session.id)
    return now is not None and now.data_key is not None


async def readers(services: Services, session: TrainingSession) -> list[User]:
    """Who may read what is said about a call, as far as they can sign in: the trainee, their team's
    coaches and managers, admins."""
    store, dealership_id, team_id = services.store, session.dealership_id, session.team_id
    found = await store.users.some(dealership_id, [session.user_id])
    admins = await store.users.page(dealership_id, role="admin", status="active", limit=500)
    found += admins.items
    teams: frozenset[str] = frozenset()
    near: set[str] = set()
    if team_id is not None:
        members = await store.users.in_team(dealership_id, team_id)
        team = await store.teams.get(dealership_id, team_id)
        manager_ids = () if team is None else team.manager_ids
        found += members
        found += await store.users.some(dealership_id, manager_ids) if manager_ids else []
        teams = frozenset({team_id})
        near = {user.id for user in members} | set(manager_ids)
    owner = Owner.of(session)
    return list(
        {
            user.id: user
            for user in found
            if user.status == "active"
            and allows(
                user.role,
                "note.read",
                actor=Actor(user.id, dealership_id, teams if user.id in near else frozenset()),
                owner=owner,
            )
        }.values()
    )
