"""Who asks: what a request's token came down to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from api.auth.roles import Actor, Owner, Reach, Role, reach


@dataclass(frozen=True, slots=True)
class Identity:
    """A person who is signed in. `role` and `team_ids` are what the store says now, and not what
    the token said; `team_ids` are the teams the person is in or manages."""

    user_id: str
    dealership_id: str
    role: Role
    team_ids: frozenset[str]
    family: str
    """The sign-in: what it began, a sign-out ends."""
    issued_at: datetime

    @property
    def actor(self) -> Actor:
        return Actor(self.user_id, self.dealership_id, self.team_ids)

    @property
    def own(self) -> Owner:
        """What belongs to the person."""
        return Owner(self.dealership_id, self.user_id, self.team_ids)

    def reach(self, action: str) -> Reach:
        return reach(self.role, action)

    def reached(self, action: str) -> tuple[list[str] | None, list[str] | None]:
        """(user ids, team ids) that a list is kept to; None: not by these."""
        how_far = self.reach(action)
        if how_far == "D":
            return None, None
        if how_far == "T" and self.team_ids:
            return None, sorted(self.team_ids)
        return [self.user_id], None


def identity_of(request: Request) -> Identity:
    """Whoever sent `request`, to an endpoint that is not open."""
    identity: Identity = request.state.identity
    return identity
