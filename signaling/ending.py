"""The end of a call: the last words first, then the recording whole, then the news of it."""

from __future__ import annotations

import asyncio
from typing import Literal

import structlog

from engine.session import Session
from signaling.company import Company
from signaling.speaker import Speaker

log = structlog.get_logger(__name__)

FINALS_WITHIN_S = 4.0
"""Mostly they take 0.2 s; behind a recognizer's worker that has to be started again, 2 s more."""
RECORDED_WITHIN_S = 2.0
"""How long `completed` waits for the recording to be whole on disk."""

LastState = Literal["completed", "interrupted"]
"""What a call is left as: over, or for a later node to take up from its journal."""


async def finish(
    session: Session, trainee: Speaker, company: Company, state: LastState, reason: str
) -> None:
    """Leave `session` as `state`; everybody's connections may be closed behind this."""
    for voice in (trainee, *company.voices):
        voice.receiver.close()
    if session.state == "paused":
        trainee.receiver.advance()
    session.flush()
    await _await_finals(session)
    await _await_recordings(session, trainee, company)
    if not trainee.receiver.counts.received:
        # Nobody came (back): an empty summary would take the place of the one before a crash.
        session.enter(state, reason)
    elif state == "completed":
        session.complete(reason)
    else:
        session.suspend(reason)
    farewells = [trainee.outbox.farewell()]
    if company.partner is not None:
        farewells.append(company.partner.outbox.farewell())
    await asyncio.gather(*farewells)


async def _await_finals(session: Session) -> None:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + FINALS_WITHIN_S
    while session.finals_due and loop.time() < deadline_s:
        await asyncio.sleep(0.01)
    if session.finals_due:
        log.warning("finals_missing", session=session.id, due=session.finals_due)


async def _await_recordings(session: Session, trainee: Speaker, company: Company) -> None:
    """So that whoever is told of the end finds the recordings whole."""
    own = trainee.close_recording()
    closing = [*([own] if own is not None else []), *company.close_recordings()]
    if closing:
        futures = {asyncio.wrap_future(each) for each in closing}
        _, late = await asyncio.wait(futures, timeout=RECORDED_WITHIN_S)
        if late:
            log.warning("recording_late", session=session.id, tracks=len(late))
