"""Calls that this node does not hold in memory, as the store tells them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import structlog

from api.auth.roles import Owner
from api.consenting import no_consent
from api.keep import Keep
from api.payloads import opened_event
from api.problems import Problem
from api.store.base import MAX_MANY
from api.store.blobs import BlobId
from api.store.crypto import Damaged, DataKey, WrongKey
from api.store.documents import Event, SessionHead, TrainingSession
from api.views import ConsentView, PlaybookView, SessionView, VolumeFeedback
from engine.events import Metrics, Quantities, Scores
from engine.session import TRAINEE

log = structlog.get_logger(__name__)


class Recorded(Protocol):
    """A recording, to be read in ranges."""

    @property
    def size(self) -> int:
        """Bytes there are by now."""
        ...

    def read(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Those from `start` up to `end`."""
        ...


def unknown() -> Problem:
    return Problem(404, "There is no session with this id.")


def view_of(session: SessionHead) -> SessionView:
    scores = Scores(**dict(session.metrics))
    metrics = None
    if session.quantities is not None:
        quantities = Quantities.model_validate(session.quantities)
        metrics = Metrics(scores=scores, quantities=quantities)
    judged, playbook = session.volume_feedback, session.playbook
    return SessionView(
        id=session.id,
        user_id=session.user_id,
        team_id=session.team_id,
        session_type=session.session_type,
        status=session.status,
        created_at=session.created_at,
        start_time=session.start_time,
        end_time=session.end_time,
        duration_ms=session.duration_ms,
        recording_consent=session.recording_consent,
        volume_feedback=VolumeFeedback(
            enabled=judged is not None and judged.enabled,
            reason=judged.reason if judged is not None else None,
        ),
        playbook=None if playbook is None else PlaybookView(**dict(playbook)),
        has_recording=session.recording is not None,
        partner_id=session.partner_id,
        assignment_id=session.assignment_id,
        is_uploaded=session.job_id is not None,
        tracks=[*([TRAINEE] if session.recording is not None else []), *session.recordings],
        language=session.language,
        metrics=metrics,
        scores=scores,
        feedback_count=session.feedback_count,
        feedback_counts=dict(session.feedback_counts),
    )


class Past:
    """Every question is asked within a dealership; another's calls are not there."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._store = keep.store

    async def find(self, dealership_id: str, session_id: str) -> TrainingSession:
        """Raises `Problem` for an unknown session."""
        found = await self._store.sessions.get(dealership_id, session_id)
        if found is None:
            raise unknown()
        return found

    async def owner(self, dealership_id: str, session_id: str) -> Owner | None:
        found = await self._store.sessions.get(dealership_id, session_id)
        return None if found is None else Owner.of(found)

    async def consent(self, dealership_id: str, session_id: str) -> ConsentView:
        """What is in force. Raises `Problem` where there is none."""
        session = await self.find(dealership_id, session_id)
        given = await self._store.consents.get(dealership_id, session_id, session.user_id)
        if given is None:
            raise no_consent()
        if given.withdrawn_at is not None:
            raise Problem(404, "The consent to this call was withdrawn.")
        return ConsentView(
            coaching=given.coaching, recording=given.recording, text_version=given.text_version
        )

    async def events(
        self, dealership_id: str, session_id: str, after_seq: int, types: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Those behind `after_seq`, oldest first, of `types` or of all. Raises `Problem` for an
        unknown session."""
        session = await self.find(dealership_id, session_id)
        key = self._key_of(session)
        if key is None:
            return []
        events: list[dict[str, Any]] = []
        while found := await self._store.events.after(
            dealership_id, session_id, after_seq, types=types
        ):
            after_seq = found[-1].seq
            events += await asyncio.to_thread(_opened, key, found)
            if len(found) < MAX_MANY:
                break
        return events

    async def recording(
        self, dealership_id: str, session_id: str, track: str = TRAINEE
    ) -> Recorded | None:
        """Raises `Problem` for an unknown session, and for a recording that cannot be read."""
        session = await self.find(dealership_id, session_id)
        key = self._key_of(session)
        made = session.recording if track == TRAINEE else session.recordings.get(track)
        if key is None or made is None:
            return None
        blob = BlobId(dealership_id, session_id, made.blob_id)
        try:
            return await self._keep.blobs.get(key, blob)
        except (Damaged, WrongKey) as error:
            log.error("recording_damaged", session=session_id, error=str(error))
            raise Problem(404, "The recording of this call is damaged.") from error

    def _key_of(self, session: TrainingSession) -> DataKey | None:
        try:
            return self._keep.vault.key_of(session)
        except (Damaged, WrongKey) as error:
            log.error("session_locked", session=session.id, error=str(error))
            detail = "The key of this call is damaged: nothing that was said in it can be read."
            raise Problem(404, detail) from error


def _opened(key: DataKey, stored: Sequence[Event]) -> list[dict[str, Any]]:
    events = []
    for one in stored:
        try:
            events.append(opened_event(key, one))
        except Damaged as error:
            log.error("event_damaged", session=one.session_id, seq=one.seq, error=str(error))
    return events
