"""The node's calls: the live ones by their rooms, the past ones by their journals.

A journal begins with a ``session`` record (what the call was created with, consent included) and a
``begin`` record (when its first packet came). Calls whose recording was refused have a journal in
memory only and are forgotten soon after their end.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from api.problems import Problem
from api.settings import Settings
from api.views import (
    ConsentView,
    CreateSession,
    SessionView,
    VolumeFeedback,
    summary_of,
)
from engine.asr.window import Recognizer
from engine.features import Baseline
from engine.frames import FRAME_SAMPLES, sample_of
from engine.journal import FileJournal, Journal, MemoryJournal, read
from engine.session import CRASH_SEQ_STEP, Session, SessionConfig
from signaling.peer import IceSettings
from signaling.recorder import Recorder, Writer
from signaling.room import TRAINEE, Beginning, Busy, Room, token_digest
from signaling.sdp import BadOffer

log = structlog.get_logger(__name__)

MAX_CREATED = 1_000
"""Sessions created and not yet begun; the oldest are forgotten beyond this."""
FORGET_REFUSED_AFTER_S = 120.0
SYNC_EVERY_S = 1.0
RETRY_AFTER_S = 30


def new_id() -> str:
    """A 24-hex ObjectId: 4 bytes of seconds, 8 random bytes."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def is_id(text: str) -> bool:
    return len(text) == 24 and all(c in "0123456789abcdef" for c in text)


@dataclass(slots=True)
class Call:
    """One session this node holds in memory."""

    id: str
    created: CreateSession
    created_at: datetime
    volume_feedback: VolumeFeedback
    digest: bytes
    consent: ConsentView | None = None
    journal: Journal | None = None
    room: Room | None = None
    resource: str = field(default_factory=lambda: secrets.token_hex(8))

    def first_record(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "created": self.created.model_dump(mode="json"),
            "createdAt": self.created_at.isoformat(),
            "volumeFeedback": self.volume_feedback.model_dump(),
            "resumeDigest": self.digest.hex(),
            "consent": self.consent.model_dump() if self.consent else None,
            "versions": {"forecourt": version("forecourt"), "aiortc": version("aiortc")},
        }


class Calls:
    """Creates, publishes, lists and recovers calls. Lives on the media loop."""

    def __init__(self, settings: Settings, recognizer: Recognizer, writer: Writer) -> None:
        self._settings = settings
        self._recognizer = recognizer
        self._writer = writer
        self._calls: dict[str, Call] = {}
        self._past: dict[str, tuple[int, SessionView]] = {}
        self._syncer: asyncio.Task[None] | None = None

    # life of the node

    async def start(self) -> None:
        """Take up what a crash left behind, then keep journals on disk."""
        self._settings.sessions.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(self._settings.sessions.glob("*/journal.jsonl")):
            view = await asyncio.to_thread(summary_of, read(path))
            if view is not None and view.status not in ("created", "completed"):
                self._recover(path, view)
        self._syncer = asyncio.create_task(self._sync_forever(), name="journal-sync")

    async def stop(self) -> None:
        """End every live call cleanly."""
        rooms = [call.room for call in self._calls.values() if call.room is not None]
        await asyncio.gather(*(room.end("node_stopped") for room in rooms))
        if self._syncer is not None:
            self._syncer.cancel()
            await asyncio.gather(self._syncer, return_exceptions=True)

    @property
    def live(self) -> int:
        return sum(1 for call in self._calls.values() if call.room is not None)

    # what routes ask

    def create(self, request: CreateSession) -> tuple[SessionView, str]:
        """A new session and its resume token."""
        waiting = [call for call in self._calls.values() if call.room is None]
        if len(waiting) >= MAX_CREATED:
            del self._calls[waiting[0].id]
        token = secrets.token_urlsafe(32)
        call = Call(
            new_id(),
            request,
            datetime.now(UTC),
            request.volume_feedback(),
            token_digest(token),
        )
        self._calls[call.id] = call
        return self._view_of_created(call), token

    def consent(self, session_id: str, consent: ConsentView) -> ConsentView:
        """Store consent. It cannot change once the call has begun."""
        call = self._calls.get(session_id)
        if call is None or call.room is not None:
            if call is None and not self._journal_path(session_id).exists():
                raise _unknown(session_id)
            raise Problem(409, "This call has begun: its consent cannot change any more.")
        call.consent = consent
        return consent

    def consent_of(self, session_id: str) -> ConsentView:
        call = self._calls.get(session_id)
        if call is not None and call.consent is not None:
            return call.consent
        for record in self._records(session_id):
            if record["k"] == "session" and record["consent"]:
                return ConsentView.model_validate(record["consent"])
        raise Problem(404, "No consent has been given for this session yet.")

    async def publish(self, session_id: str, offer: str, token: str | None) -> tuple[str, str]:
        """Answer a WHIP offer: (answer, resource id)."""
        call = self._calls.get(session_id)
        if call is None:
            if self._journal_path(session_id).exists():
                raise Problem(409, "This call is over; start a new one.")
            raise _unknown(session_id)
        if call.consent is None:
            raise Problem(
                403, "Nobody has consented to this call yet: PUT its /consent before publishing."
            )
        if call.room is None:
            if self.live >= self._settings.max_calls:
                raise Problem(
                    503,
                    "This node is full; try again in half a minute.",
                    headers={"Retry-After": str(RETRY_AFTER_S)},
                )
            call.room = self._open(call)
        try:
            answer = await call.room.publish(offer, token)
        except Busy as error:
            raise Problem(409, str(error)) from error
        except BadOffer as error:
            raise Problem(400, str(error)) from error
        return answer, call.resource

    async def end(self, session_id: str, resource: str) -> None:
        """WHIP DELETE: finals, `completed`, closed."""
        call = self._calls.get(session_id)
        if call is None or call.room is None or not secrets.compare_digest(call.resource, resource):
            raise Problem(404, "There is no such WHIP resource; the call may be over already.")
        await call.room.end("deleted")

    async def view(self, session_id: str) -> SessionView:
        call = self._calls.get(session_id)
        if call is not None:
            return self._view_of(call)
        return await asyncio.to_thread(self._view_of_past, session_id)

    async def list(self, limit: int) -> list[SessionView]:
        """Newest first: live, created and past sessions."""
        views = {call.id: self._view_of(call) for call in self._calls.values()}
        ids = await asyncio.to_thread(self._past_ids)
        newest = sorted({*views, *ids}, reverse=True)
        items: list[SessionView] = []
        for session_id in newest:
            if len(items) == limit:
                break
            view = views.get(session_id)
            if view is None:
                view = await asyncio.to_thread(self._view_or_none, session_id)
            if view is not None:
                items.append(view)
        return items

    async def events(self, session_id: str, after_seq: int) -> list[dict[str, Any]]:
        """Journalled events behind `after_seq`, oldest first."""
        await self.view(session_id)
        return await asyncio.to_thread(self._events, session_id, after_seq)

    def session(self, session_id: str) -> Session | None:
        """The live session, for subscribing to its events; None when it is not live."""
        call = self._calls.get(session_id)
        return call.room.session if call is not None and call.room is not None else None

    def recording(self, session_id: str) -> Path | None:
        path = self._folder(session_id) / f"{TRAINEE}.ogg"
        return path if path.exists() else None

    # the inside

    def _folder(self, session_id: str) -> Path:
        if not is_id(session_id):
            raise _unknown(session_id)
        return self._settings.sessions / session_id

    def _journal_path(self, session_id: str) -> Path:
        return self._folder(session_id) / "journal.jsonl"

    def _open(self, call: Call) -> Room:
        assert call.consent is not None
        recorder = None
        if call.consent.recording:
            folder = self._folder(call.id)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            call.journal = FileJournal(folder / "journal.jsonl")
            recorder = Recorder(self._writer, folder / f"{TRAINEE}.ogg")
        else:
            call.journal = MemoryJournal()
        call.journal.append("session", **call.first_record())
        beginning = Beginning()
        session = Session(
            call.id, _config(call), self._recognizer, call.journal, _clock(beginning)
        )
        return self._room(call, session, beginning, recorder)

    def _room(
        self, call: Call, session: Session, beginning: Beginning, recorder: Recorder | None
    ) -> Room:
        journal = session.journal
        return Room(
            session,
            beginning,
            call.digest,
            recorder,
            IceSettings(self._settings.ice_servers),
            on_begun=lambda: journal.append("begin", at=datetime.now(UTC).isoformat()),
            on_closed=lambda room: self._closed(call),
        )

    def _closed(self, call: Call) -> None:
        if isinstance(call.journal, MemoryJournal):
            asyncio.get_running_loop().call_later(
                FORGET_REFUSED_AFTER_S, self._calls.pop, call.id, None
            )
            return
        self._calls.pop(call.id, None)
        if call.journal is not None:
            call.journal.close()

    def _recover(self, path: Path, view: SessionView) -> None:
        """Take up an unfinished call as interrupted; its browser may come back within 60 s."""
        records = list(read(path))
        first = next(record for record in records if record["k"] == "session")
        events = [record["e"] for record in records if record["k"] == "event"]
        utterances = [e["data"]["utterance"] for e in events if e["type"] == "speech.start"]
        call = Call(
            first["id"],
            CreateSession.model_validate(first["created"]),
            datetime.fromisoformat(first["createdAt"]),
            VolumeFeedback.model_validate(first["volumeFeedback"]),
            bytes.fromhex(first["resumeDigest"]),
            ConsentView.model_validate(first["consent"]),
            journal=FileJournal(path),
        )
        assert call.journal is not None and view.start_time is not None
        elapsed_s = (datetime.now(UTC) - view.start_time).total_seconds()
        beginning = Beginning(asyncio.get_running_loop().time() - elapsed_s)
        session = Session(
            call.id,
            _config(call),
            self._recognizer,
            call.journal,
            _clock(beginning),
            state="active",
            next_seq=max(e["seq"] for e in events) + CRASH_SEQ_STEP,
            first_utterance=max(utterances, default=0) + 1,
            start_sample=sample_of(view.duration_ms) // FRAME_SAMPLES * FRAME_SAMPLES,
        )
        recorder = Recorder(self._writer, path.parent / f"{TRAINEE}.ogg")
        call.room = self._room(call, session, beginning, recorder)
        self._calls[call.id] = call
        session.enter("interrupted", "node_restarted")
        log.info("session_recovered", session=call.id, duration_ms=view.duration_ms)

    async def _sync_forever(self) -> None:
        while True:
            await asyncio.sleep(SYNC_EVERY_S)
            for call in list(self._calls.values()):
                if call.journal is not None and call.room is not None:
                    await asyncio.to_thread(call.journal.sync)

    def _records(self, session_id: str) -> Iterable[dict[str, Any]]:
        call = self._calls.get(session_id)
        if call is not None and call.journal is not None:
            return call.journal.records()
        path = self._journal_path(session_id)
        if not path.exists():
            raise _unknown(session_id)
        return read(path)

    def _events(self, session_id: str, after_seq: int) -> list[dict[str, Any]]:
        call = self._calls.get(session_id)
        if call is not None and call.journal is None:
            return []
        return [
            record["e"]
            for record in self._records(session_id)
            if record["k"] == "event" and record["e"]["seq"] > after_seq
        ]

    def _past_ids(self) -> list[str]:
        names = os.listdir(self._settings.sessions) if self._settings.sessions.exists() else []
        return [name for name in names if is_id(name)]

    def _view_or_none(self, session_id: str) -> SessionView | None:
        try:
            return self._view_of_past(session_id)
        except Problem:
            return None

    def _view_of_past(self, session_id: str) -> SessionView:
        path = self._journal_path(session_id)
        try:
            size = path.stat().st_size
        except OSError as error:
            raise _unknown(session_id) from error
        cached = self._past.get(session_id)
        if cached is not None and cached[0] == size:
            return cached[1]
        view = summary_of(read(path))
        if view is None:
            raise _unknown(session_id)
        view = view.model_copy(update={"has_recording": self.recording(session_id) is not None})
        self._past[session_id] = size, view
        return view

    def _view_of_created(self, call: Call) -> SessionView:
        return SessionView(
            id=call.id,
            session_type=call.created.session_type,
            status="created",
            created_at=call.created_at,
            recording_consent=call.consent.recording if call.consent else None,
            volume_feedback=call.volume_feedback,
        )

    def _view_of(self, call: Call) -> SessionView:
        view = self._view_of_created(call)
        if call.room is None:
            return view
        session = call.room.session
        begun_s = call.room.begun_s
        start_time = end_time = None
        if begun_s is not None:
            ago_s = asyncio.get_running_loop().time() - begun_s
            start_time = datetime.fromtimestamp(time.time() - ago_s, UTC)
            if session.state == "completed":
                end_time = datetime.fromtimestamp(
                    start_time.timestamp() + session.t_ms / 1000, UTC
                )
        return view.model_copy(
            update={
                "status": session.state,
                "start_time": start_time,
                "end_time": end_time,
                "duration_ms": session.t_ms,
                "has_recording": self.recording(call.id) is not None,
                "metrics": session.metrics,
                "feedback_count": session.feedback_count,
            }
        )


def _unknown(session_id: str) -> Problem:
    return Problem(404, "There is no session with this id on this node.")


def _clock(beginning: Beginning) -> Any:
    loop = asyncio.get_running_loop()
    return lambda: 0.0 if beginning.at_s is None else loop.time() - beginning.at_s


def _config(call: Call) -> SessionConfig:
    baseline = call.created.baseline
    return SessionConfig(
        call.created.session_type,
        None
        if baseline is None
        else Baseline(baseline.speech_level_dbfs, baseline.noise_floor_dbfs),
        call.volume_feedback.enabled,
    )
