"""Consent to a call: stored before anything is recorded, withdrawn at any time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api.call import Call
from api.keep import Keep
from api.problems import Problem
from api.store.base import Duplicate
from api.store.documents import Consent, moment
from api.views import ConsentView


async def give(keep: Keep, call: Call, given: ConsentView, user_id: str | None = None) -> None:
    """Store what the trainee, or `user_id`, said last. Raises `StoreError`."""
    dealership_id, user_id = call.owner.dealership_id, user_id or call.owner.user_id
    consents, now = keep.store.consents, moment(datetime.now(UTC))
    fields: dict[str, Any] = {**given.model_dump(), "given_at": now, "withdrawn_at": None}
    before = await consents.get(dealership_id, call.id, user_id)
    if before is None:
        new = Consent.new(dealership_id, now, session_id=call.id, user_id=user_id, **fields)
        try:
            await consents.add(dealership_id, new)
        except Duplicate:
            # Unavailable a moment ago, and yet it was stored.
            before = await consents.get(dealership_id, call.id, user_id)
    if before is not None:
        await consents.save(dealership_id, before.changed(now, **fields))
    if user_id == call.owner.user_id:
        await keep.store.sessions.change(
            dealership_id, call.id, lambda _: {"recording_consent": given.recording}
        )


async def withdraw(keep: Keep, dealership_id: str, session_id: str, user_id: str) -> None:
    """It may have been withdrawn before. Raises `Problem` where none was given, `StoreError`."""
    consents = keep.store.consents
    if await consents.withdraw(dealership_id, session_id, user_id):
        return
    if await consents.get(dealership_id, session_id, user_id) is None:
        raise no_consent()


def no_consent() -> Problem:
    return Problem(404, "No consent has been given for this session yet.")
