"""A coach's judgement of a call: a mark and a reason for each criterion, a draft, then published.

A scorecard keeps the criteria that it was begun with. The trainee sees it once it is published;
whoever changes it afterwards makes it a draft again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.auth.roles import Owner, allows
from api.bus import Bus
from api.coaching import proposal, texts
from api.coaching.proposal import Facts
from api.coaching.rubric import rubric_of, total_of
from api.coaching.subject import Subject, erased, key_of, still_kept, subject
from api.entity_tags import stale
from api.identity import Identity
from api.playbooks import Playbooks
from api.problems import Problem
from api.services import Services
from api.store.base import Duplicate
from api.store.coaching import MAX_CRITERIA, JudgedCriterion, Mark, Scorecard
from api.store.crypto import DataKey
from engine.catalogue import catalogue
from engine.events import Wire

MAX_PREVIOUS = 5
Reason = Annotated[str, StringConstraints(max_length=2_000)]
MAX_BODY_BYTES = 256 * 1024


class MarkBody(Wire):
    """`score` None: not judged."""

    code: Annotated[str, StringConstraints(max_length=80)]
    score: Mark | None = None
    reason: Reason | None = None


class ScorecardBody(Wire):
    """Criteria that are left out are not judged."""

    criteria: Annotated[list[MarkBody], Field(max_length=MAX_CRITERIA)]
    comment: Reason | None = None


class MarkView(Wire):
    code: str
    score: int | None


class PreviousView(Wire):
    session_id: str
    published_at: datetime | None
    total: int | None
    criteria: list[MarkView]


class JudgedView(Wire):
    code: str
    title: str
    weight: int
    proposed: int | None
    score: int | None
    reason: str | None


class ScorecardView(Wire):
    """`total`: 0-100, the weighted mean of the marks times 20, without what was not judged.
    `previous`: the trainee's last published before this one, the newest first."""

    id: str
    session_id: str
    user_id: str
    trainee_name: str
    team_id: str | None
    author_id: str | None
    author_name: str
    status: Literal["draft", "published"]
    criteria: list[JudgedView]
    comment: str | None
    total: int | None
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int
    previous: list[PreviousView]


class ProposedView(Wire):
    """`why`: a sentence in your language."""

    code: str
    title: str
    weight: int
    proposed: int | None
    why: str


class ProposalView(Wire):
    criteria: list[ProposedView]
    previous: list[PreviousView]


class Judging:
    """Raises `Problem` for what cannot be done, `StoreError`, and `NotRecorded`."""

    def __init__(self, services: Services, calls: Bus, books: Playbooks) -> None:
        self._services = services
        self._store = services.store
        self._calls = calls
        self._books = books

    async def find(self, by: Identity, session_id: str) -> Scorecard:
        """404 where there is none, or `by` is not to see it yet."""
        found = await self._store.scorecards.of_session(by.dealership_id, session_id)
        if found is None or (found.status == "draft" and by.reach("scorecard.write") == "-"):
            raise Problem(404, "This call has no scorecard yet.")
        return found

    async def write(
        self, by: Identity, session_id: str, body: ScorecardBody, found: Scorecard | None
    ) -> Scorecard:
        """A new one, or `found` anew. 412 where another began one meanwhile; raises `Stale`."""
        about = await self._about(by, session_id)
        now = self._services.now()
        if found is None:
            card = await self._begun(by, about)
        else:
            card = found.changed(now, author_id=by.user_id, status="draft", published_at=None)
        criteria = _judged(card, body.criteria, about.key)
        sealed = texts.sealed(about.key, card, "comment", body.comment) if body.comment else None
        total = total_of([(each.weight, each.score) for each in criteria])
        fields = {"criteria": criteria, "comment": sealed, "total": total}
        card = Scorecard.model_validate({**dict(card), **fields})
        await self._services.audit.allowed(by, "scorecard.write", "session", session_id)
        if found is not None:
            await self._store.scorecards.save(by.dealership_id, card)
        else:
            try:
                await self._store.scorecards.add(by.dealership_id, card)
            except Duplicate as error:
                raise stale() from error
        if not await still_kept(self._services, about.session):
            await self._store.scorecards.remove_of(by.dealership_id, session_id)
            raise erased()
        return card

    async def publish(self, by: Identity, found: Scorecard) -> Scorecard:
        """The trainee sees it and is told. Again it does nothing. 409 where nothing is judged;
        raises `Stale`."""
        if found.status == "published":
            return found
        if found.total is None:
            detail = "Give at least one criterion a mark before you publish."
            raise Problem(409, detail, code="nothing_judged")
        now = self._services.now()
        published = found.changed(now, status="published", published_at=now)
        await self._services.audit.allowed(by, "scorecard.publish", "session", found.session_id)
        await self._store.scorecards.save(by.dealership_id, published)
        trainee = await self._store.users.get(by.dealership_id, found.user_id)
        if trainee is not None and trainee.id != by.user_id:
            await self._services.post.tell(
                trainee,
                "scorecard_published",
                path=f"/replay#{found.session_id}",
                sessionId=found.session_id,
                total=found.total,
            )
        return published

    async def propose(self, by: Identity, session_id: str) -> ProposalView:
        """409 for a call that goes on, or of which nothing is kept."""
        about = await self._about(by, session_id)
        facts = await self._facts(about)
        found = await self._store.scorecards.of_session(by.dealership_id, session_id)
        card = found if found is not None else await self._begun(by, about, facts)
        reader = await self._store.users.get(by.dealership_id, by.user_id)
        told = catalogue("en" if reader is None else reader.preferences.language)
        views = []
        for each in card.criteria:
            suggested = proposal.suggest(each.code, facts)
            views.append(
                ProposedView(
                    code=each.code,
                    title=each.title,
                    weight=each.weight,
                    proposed=suggested.mark,
                    why=told.text(f"proposal.{suggested.why}", **suggested.parameters),
                )
            )
        return ProposalView(criteria=views, previous=await self._previous(by, card))

    async def view(self, by: Identity, card: Scorecard) -> ScorecardView:
        session = await self._store.sessions.get(by.dealership_id, card.session_id)
        key = None if session is None else key_of(self._services, session)
        called = await self._services.people.names(by.dealership_id, (card.user_id, card.author_id))

        def opened(field: str, stored: str | None) -> str | None:
            return None if key is None else texts.opened(key, card, field, stored)

        return ScorecardView(
            id=card.id,
            session_id=card.session_id,
            user_id=card.user_id,
            trainee_name=called.get(card.user_id, ""),
            team_id=card.team_id,
            author_id=card.author_id,
            author_name=called.get(card.author_id or "", ""),
            status=card.status,
            criteria=[
                JudgedView(
                    code=each.code,
                    title=each.title,
                    weight=each.weight,
                    proposed=each.proposed,
                    score=each.score,
                    reason=opened(texts.reason_of(each.code), each.reason),
                )
                for each in card.criteria
            ],
            comment=opened("comment", card.comment),
            total=card.total,
            published_at=card.published_at,
            created_at=card.created_at,
            updated_at=card.updated_at,
            version=card.version,
            previous=await self._previous(by, card),
        )

    # the inside

    async def _about(self, by: Identity, session_id: str) -> Subject:
        about = await subject(self._services, self._calls, by.dealership_id, session_id)
        if not about.is_over or about.session.status != "completed":
            detail = "This call is not over, or is just being put away: judge it afterwards."
            raise Problem(409, detail, code="live")
        return about

    async def _begun(self, by: Identity, about: Subject, facts: Facts | None = None) -> Scorecard:
        """An empty one by the dealership's present rubric, with what is proposed."""
        session = about.session
        dealership = await self._store.dealerships.get(by.dealership_id)
        if dealership is None:
            raise Problem(404, "This dealership was removed.")
        rubric = rubric_of(dealership)
        facts = facts or await self._facts(about)
        marks = proposal.marks_of((each.code for each in rubric), facts)
        return Scorecard.new(
            by.dealership_id,
            self._services.now(),
            session_id=session.id,
            user_id=session.user_id,
            team_id=session.team_id,
            author_id=by.user_id,
            criteria=[{**dict(each), "proposed": marks[each.code]} for each in rubric],
        )

    async def _facts(self, about: Subject) -> Facts:
        session = about.session
        used = None
        if session.playbook is not None:
            used = await self._books.find(session.dealership_id, session.playbook.digest)
        events = await self._calls.events(session.dealership_id, session.id, 0, ["playbook"])
        return Facts(
            session.session_type,
            session.duration_ms,
            session.metrics,
            session.quantities,
            session.feedback_counts,
            used,
            tuple(event["data"] for event in events),
        )

    async def _previous(self, by: Identity, card: Scorecard) -> list[PreviousView]:
        """Of the same trainee, as far as `by` may read them."""
        found = await self._store.scorecards.published_of(
            by.dealership_id, card.user_id, before=card.published_at, limit=4 * MAX_PREVIOUS
        )
        return [
            PreviousView(
                session_id=each.session_id,
                published_at=each.published_at,
                total=each.total,
                criteria=[MarkView(code=one.code, score=one.score) for one in each.criteria],
            )
            for each in found
            if each.session_id != card.session_id
            and allows(by.role, "scorecard.read", actor=by.actor, owner=Owner.of(each))
        ][:MAX_PREVIOUS]


def _judged(card: Scorecard, marks: Sequence[MarkBody], key: DataKey) -> list[JudgedCriterion]:
    """The card's criteria with `marks` alone. Raises `Problem` (422)."""
    given = {mark.code: mark for mark in marks}
    unknown = given.keys() - {each.code for each in card.criteria}
    if unknown or len(given) < len(marks):
        message = "each criterion of the scorecard once, and no other"
        errors = [{"field": "criteria", "message": message}]
        raise Problem(422, f"criteria: {message}.", errors=errors)
    judged = []
    for each in card.criteria:
        mark = given.get(each.code, MarkBody(code=each.code))
        reason = None
        if mark.reason:
            reason = texts.sealed(key, card, texts.reason_of(each.code), mark.reason)
        judged.append(each.model_copy(update={"score": mark.score, "reason": reason}))
    return judged
