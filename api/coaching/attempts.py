"""Calls that are held for an assignment.

An attempt is a completed call of `ATTEMPT_MS`, begun for the assignment. Its score is the mean of
its known scores. It passes with the pass mark, where the assignment is about an objection only if
that objection came up. Whether it did is known of recorded calls alone. A call that is removed is
no attempt any more; what was passed stays so.

Attempts are counted anew each time and never added up: a crash in between changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from api.identity import Identity
from api.keep import Keep
from api.payloads import opened_event
from api.problems import Problem
from api.store.base import Stale
from api.store.coaching import Assignment, AssignmentStatus
from api.store.crypto import Damaged, WrongKey
from api.store.documents import SessionHead, SessionMetrics
from api.store.repositories.scoped import ATTEMPTS, utc_now
from api.store.repositories.sessions import SessionFilter
from api.store.store import Store
from api.store.teaching import CallFigures
from api.views import CreateSession

log = structlog.get_logger(__name__)

ATTEMPT_MS = 30_000
MAX_CALLS = 1_000
"""Of one assignment, or of a page of them: the newest."""
MAX_LOOKED_AT = 20
"""Calls that are good enough and of which the objection is looked for: the newest."""


def score_of(metrics: SessionMetrics) -> int | None:
    """A call's: the mean of the scores that it has."""
    known = [score for _, score in metrics if score is not None]
    return round(sum(known) / len(known)) if known else None


async def attempts_at(
    store: Store, dealership_id: str, assignment_ids: Sequence[str]
) -> list[CallFigures]:
    """The newest first."""
    if not assignment_ids:
        return []
    only = SessionFilter(assignment_ids=assignment_ids, status="completed")
    found = await store.sessions.figures(dealership_id, only, MAX_CALLS)
    return [call for call in found if call.duration_ms >= ATTEMPT_MS]


async def check_attempt(store: Store, identity: Identity, wanted: CreateSession) -> None:
    """Raises `Problem` (422) unless the assignment is one's own and open, and of this type."""
    assert wanted.assignment_id is not None
    found = await store.assignments.get(identity.dealership_id, wanted.assignment_id)
    if found is None or found.user_id != identity.user_id:
        message = "you have no such assignment"
    elif found.status != "open":
        message = "this assignment is closed"
    elif found.session_type != wanted.session_type:
        message = f"this assignment is for a {found.session_type} session"
    else:
        return
    errors = [{"field": "assignmentId", "message": message}]
    raise Problem(422, f"assignmentId: {message}.", errors=errors, code="assignment")


async def on_completed(keep: Keep, session: SessionHead) -> None:
    """A call is over, and the store tells so. May come again. Raises `StoreError`."""
    if session.assignment_id is not None:
        await settle(keep, session.dealership_id, session.assignment_id)


async def settle(keep: Keep, dealership_id: str, assignment_id: str) -> Assignment | None:
    """Bring an assignment to what its attempts are by now. Raises `StoreError`."""
    assignments = keep.store.assignments
    for attempt in range(ATTEMPTS):
        # Read before its calls are: who comes later has counted what this one did not see.
        found = await assignments.get(dealership_id, assignment_id)
        if found is None:
            return None
        changed = await _settled(keep, found)
        if changed is None:
            return found
        try:
            await assignments.save(dealership_id, changed)
        except Stale:
            if attempt == ATTEMPTS - 1:
                raise
            continue
        if changed.status != found.status:
            log.info("assignment_settled", assignment=found.id, status=changed.status)
        return changed
    raise AssertionError("unreachable")


async def _settled(keep: Keep, assignment: Assignment) -> Assignment | None:
    """None where nothing changes."""
    calls = await attempts_at(keep.store, assignment.dealership_id, [assignment.id])
    scores = [score for call in calls if (score := score_of(call.metrics)) is not None]
    if assignment.best is not None:
        scores.append(assignment.best)
    status = assignment.status
    if status in ("open", "failed"):
        status = await _status(keep, assignment, calls)
    now = (status, len(calls), max(scores, default=None))
    if now == (assignment.status, assignment.attempts, assignment.best):
        return None
    return assignment.changed(utc_now(), status=now[0], attempts=now[1], best=now[2])


async def _status(
    keep: Keep, assignment: Assignment, calls: Sequence[CallFigures]
) -> AssignmentStatus:
    good = [call for call in calls if (score_of(call.metrics) or 0) >= assignment.pass_mark]
    good = [call for call in good if score_of(call.metrics) is not None][:MAX_LOOKED_AT]
    for call in good:
        if assignment.objection is None or await _came_up(keep, call, assignment.objection):
            return "passed"
    allowed = assignment.attempts_allowed
    return "failed" if allowed is not None and len(calls) >= allowed else "open"


async def _came_up(keep: Keep, call: CallFigures, objection: str) -> bool:
    """Whether an objection was heard in a call."""
    session = await keep.store.sessions.get(call.dealership_id, call.id)
    try:
        key = None if session is None else keep.vault.key_of(session)
    except (Damaged, WrongKey) as error:
        log.error("session_locked", session=call.id, error=str(error))
        return False
    after = 0
    while key is not None:
        events = await keep.store.events.after(
            call.dealership_id, call.id, after, types=["playbook"]
        )
        if not events:
            return False
        after = events[-1].seq
        for event in events:
            try:
                heard = opened_event(key, event)["data"]["objections"]
            except Damaged as error:
                log.error("event_damaged", session=call.id, seq=event.seq, error=str(error))
                continue
            if heard and heard[0]["code"] == objection:
                return True
    return False
