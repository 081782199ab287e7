"""What people are given to practise: which objection or session, by when, and what is good enough.

One that passed, or was cancelled, never changes again. One that failed may be opened anew by
allowing more attempts or a lower mark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from api.accounts.views import Id, Title
from api.coaching.attempts import attempts_at, score_of, settle
from api.identity import Identity
from api.ids import new_id
from api.keep import Keep
from api.problems import Problem
from api.services import Services
from api.store.base import MAX_OFFSET
from api.store.coaching import Assignment, AssignmentStatus
from api.store.documents import Name, User
from api.store.teaching import CallFigures
from api.times import JsonTime
from engine.events import Score, SessionType, Wire

MAX_PEOPLE = 100
"""Given something at once; the mails of more would not all fit into the node's queue."""
LATEST = timedelta(days=730)
PAGE = "/assignments"

Allowed = Annotated[int, Field(ge=1, le=50)]


class AssignmentBody(Wire):
    """For the people `userIds`, or for all salespeople of the team `teamId`. With an `objection`
    (its code in the playbook) a call passes only if that objection came up."""

    user_ids: Annotated[list[Id], Field(default_factory=list, max_length=MAX_PEOPLE)]
    team_id: Id | None = None
    title: Title
    objection: Name | None = None
    session_type: SessionType
    due_at: JsonTime
    attempts_allowed: Allowed | None = None
    pass_mark: Score

    @model_validator(mode="after")
    def _for_somebody(self) -> AssignmentBody:
        if bool(self.user_ids) == (self.team_id is not None):
            raise ValueError("name people or a team, one of both")
        return self


class AssignmentChange(Wire):
    """What is left out of `status` stays as it is."""

    due_at: JsonTime
    attempts_allowed: Allowed | None = None
    pass_mark: Score
    status: Literal["cancelled"] | None = None


class AttemptView(Wire):
    """A call of 30 s or more that was held for it."""

    id: str
    start_time: datetime | None
    score: int | None


class AssignmentView(Wire):
    """`sessions`: its attempts, the oldest first. `best`: the best score of any of them."""

    id: str
    user_id: str
    name: str
    team_id: str | None
    author_id: str | None
    author_name: str
    batch_id: str
    title: str
    objection: str | None
    session_type: SessionType
    due_at: datetime
    attempts_allowed: int | None
    pass_mark: int
    status: AssignmentStatus
    is_overdue: bool
    attempts: int
    best: int | None
    sessions: list[AttemptView]
    created_at: datetime
    updated_at: datetime
    version: int


class AssignmentPage(Wire):
    """Some of `total`, what is due first at the top."""

    items: list[AssignmentView]
    total: int


class GivenView(Wire):
    items: list[AssignmentView]


class AssignmentQuery(BaseModel):
    """Those that meet all that is given."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=False)

    user_id: Id | None = None
    team_id: Id | None = None
    status: AssignmentStatus | None = None
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0
    limit: Annotated[int, Field(ge=0, le=200)] = 50


class Assigning:
    """Raises `Problem` for what cannot be done, `StoreError`, and `NotRecorded`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = services.store

    async def page(self, by: Identity, query: AssignmentQuery) -> AssignmentPage:
        """As far as `by` reaches."""
        users = None if query.user_id is None else [query.user_id]
        teams = None if query.team_id is None else [query.team_id]
        reach = by.reach("assignment.read")
        if reach == "T" and by.team_ids:
            teams = sorted(by.team_ids if teams is None else by.team_ids & set(teams))
        elif reach != "D":
            users = [by.user_id] if users in (None, [by.user_id]) else []
        found = await self._store.assignments.page(
            by.dealership_id,
            user_ids=users,
            team_ids=teams,
            status=query.status,
            offset=query.offset,
            limit=query.limit,
        )
        return AssignmentPage(items=await self.views(found.items), total=found.total)

    async def give(self, by: Identity, body: AssignmentBody) -> list[Assignment]:
        """One to each person, who is told. 403 for people out of reach, 422 for nobody."""
        due_at = self._due(body.due_at)
        people = await self._people(by, body)
        batch_id = new_id()
        made = [
            Assignment.new(
                by.dealership_id,
                self._services.now(),
                user_id=user.id,
                team_id=_team_of(user, by, body),
                author_id=by.user_id,
                batch_id=batch_id,
                title=body.title,
                objection=body.objection,
                session_type=body.session_type,
                due_at=due_at,
                attempts_allowed=body.attempts_allowed,
                pass_mark=body.pass_mark,
            )
            for user in people
        ]
        await self._services.audit.allowed(by, "assignment.create", "assignment", batch_id)
        for each in made:
            await self._store.assignments.add(by.dealership_id, each)
        for user, each in zip(people, made, strict=True):
            if user.id != by.user_id:
                await self._services.post.tell(
                    user,
                    "assigned",
                    path=PAGE,
                    assignmentId=each.id,
                    title=" ".join(each.title.split()),
                    due=f"{each.due_at:%Y-%m-%d}",
                )
        return made

    async def change(self, by: Identity, found: Assignment, body: AssignmentChange) -> Assignment:
        """409 for what is closed; raises `Stale`."""
        if found.status in ("passed", "cancelled"):
            detail = "This assignment is closed and does not change any more."
            raise Problem(409, detail, code="closed")
        due_at = found.due_at
        if body.due_at != due_at:
            due_at = self._due(body.due_at)
        changed = found.changed(
            self._services.now(),
            due_at=due_at,
            attempts_allowed=body.attempts_allowed,
            pass_mark=body.pass_mark,
            status=body.status or found.status,
        )
        await self._services.audit.allowed(by, "assignment.update", "assignment", found.id)
        await self._store.assignments.save(by.dealership_id, changed)
        services = self._services
        keep = Keep(services.store, services.blobs, services.vault, services.node)
        return await settle(keep, by.dealership_id, found.id) or changed

    async def views(self, found: Sequence[Assignment]) -> list[AssignmentView]:
        """Of one dealership."""
        if not found:
            return []
        dealership_id, now = found[0].dealership_id, self._services.now()
        ids = [each.id for each in found]
        calls = (await attempts_at(self._store, dealership_id, ids))[::-1]
        people = {each.user_id for each in found} | {each.author_id for each in found}
        called = await self._services.people.names(dealership_id, people)
        return [_view(each, calls, called, now) for each in found]

    # the inside

    def _due(self, due_at: datetime) -> datetime:
        """In UTC. Raises `Problem` (422)."""
        now = self._services.now()
        if not now < due_at < now + LATEST:
            raise _wrong("dueAt", f"a time from now to {LATEST.days} days on")
        return due_at.astimezone(UTC)

    async def _people(self, by: Identity, body: AssignmentBody) -> list[User]:
        everywhere = by.reach("assignment.create") == "D"
        if body.team_id is not None:
            if not everywhere and body.team_id not in by.team_ids:
                raise _out_of_reach()
            members = await self._store.users.in_team(by.dealership_id, body.team_id)
            people = [u for u in members if u.role == "salesperson" and u.status == "active"]
            if not people:
                raise _wrong("teamId", "there is no salesperson in this team who can sign in")
            if len(people) > MAX_PEOPLE:
                raise _wrong("teamId", f"more than {MAX_PEOPLE} people: name some of them")
            return people
        found = await self._store.users.some(by.dealership_id, body.user_ids)
        people = [user for user in found if user.status == "active"]
        missing = set(body.user_ids) - {user.id for user in people}
        if missing:
            raise _wrong("userIds", f"{min(missing)} is nobody here who can sign in")
        for user in people:
            own = user.id == by.user_id
            if not everywhere and not own and not by.team_ids & set(user.team_ids):
                raise _out_of_reach()
        return people


def _team_of(user: User, by: Identity, body: AssignmentBody) -> str | None:
    """The one that was named, or one that both are in, or the person's first."""
    if body.team_id is not None:
        return body.team_id
    return min(by.team_ids & set(user.team_ids) or user.team_ids, default=None)


def _view(
    each: Assignment, calls: Iterable[CallFigures], called: dict[str, str], now: datetime
) -> AssignmentView:
    return AssignmentView(
        id=each.id,
        user_id=each.user_id,
        name=called.get(each.user_id, ""),
        team_id=each.team_id,
        author_id=each.author_id,
        author_name=called.get(each.author_id or "", ""),
        batch_id=each.batch_id,
        title=each.title,
        objection=each.objection,
        session_type=each.session_type,
        due_at=each.due_at,
        attempts_allowed=each.attempts_allowed,
        pass_mark=each.pass_mark,
        status=each.status,
        is_overdue=each.status == "open" and each.due_at < now,
        attempts=each.attempts,
        best=each.best,
        sessions=[
            AttemptView(id=call.id, start_time=call.start_time, score=score_of(call.metrics))
            for call in calls
            if call.assignment_id == each.id
        ],
        created_at=each.created_at,
        updated_at=each.updated_at,
        version=each.version,
    )


def _out_of_reach() -> Problem:
    return Problem(403, "You can give this to people of your own teams alone.", code="forbidden")


def _wrong(field: str, message: str) -> Problem:
    errors = [{"field": field, "message": message}]
    return Problem(422, f"{field}: {message}.", errors=errors)
