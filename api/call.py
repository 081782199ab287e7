"""One session as this node holds it in memory."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any

from api.views import ConsentView, CreateSession, PlaybookView, SessionView, VolumeFeedback
from engine.asr.correction import Corrector
from engine.features import Baseline
from engine.journal import Journal
from engine.playbook import Playbook
from engine.session import SessionConfig
from signaling.room import Room


@dataclass(slots=True)
class Call:
    """Created, then published to by way of its `room`; past calls are told by their journals."""

    id: str
    created: CreateSession
    created_at: datetime
    volume_feedback: VolumeFeedback
    digest: bytes
    consent: ConsentView | None = None
    journal: Journal | None = None
    room: Room | None = None
    start_time: datetime | None = None
    playbook: Playbook | None = None
    resource: str = ""
    publishing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def has_begun(self) -> bool:
        """Whether consent can no longer change: somebody publishes, or is about to."""
        return self.room is not None or self.publishing.locked()

    def new_resource(self) -> str:
        """The new publication's own: an earlier client's DELETE must not end a later one's call."""
        self.resource = secrets.token_hex(8)
        return self.resource

    def first_record(self, corrector: Corrector | None) -> dict[str, Any]:
        """The journal's ``session`` record; `corrector` is the node's, which works in English."""
        versions = {"forecourt": version("forecourt"), "aiortc": version("aiortc")}
        if corrector is not None and self.created.language == "en":
            versions["domain"] = corrector.version
        return {
            "id": self.id,
            "created": self.created.model_dump(mode="json"),
            "createdAt": self.created_at.isoformat(),
            "volumeFeedback": self.volume_feedback.model_dump(),
            "resumeDigest": self.digest.hex(),
            "consent": self.consent.model_dump() if self.consent else None,
            "versions": versions,
            "playbook": view.model_dump() if (view := self._playbook_view()) else None,
        }

    def _playbook_view(self) -> PlaybookView | None:
        used = self.playbook
        if used is None:
            return None
        return PlaybookView(id=used.id, version=used.version, digest=used.digest)

    def config(self) -> SessionConfig:
        """What the session is started with."""
        given = self.created.baseline
        baseline = None
        if given is not None:
            baseline = Baseline(given.speech_level_dbfs, given.noise_floor_dbfs)
        return SessionConfig(
            self.created.session_type,
            baseline,
            self.volume_feedback.enabled,
            device_label=self.created.device.label,
            language=self.created.language,
        )

    def view(self) -> SessionView:
        view = SessionView(
            id=self.id,
            session_type=self.created.session_type,
            status="created",
            created_at=self.created_at,
            recording_consent=self.consent.recording if self.consent else None,
            volume_feedback=self.volume_feedback,
            playbook=self._playbook_view(),
        )
        if self.room is None:
            return view
        session = self.room.session
        end_time = None
        if session.state == "completed" and self.start_time is not None:
            end_time = self.start_time + timedelta(milliseconds=session.t_ms)
        return view.model_copy(
            update={
                "status": session.state,
                "start_time": self.start_time,
                "end_time": end_time,
                "duration_ms": session.t_ms,
                "has_recording": self.room.has_recording,
                "metrics": session.metrics,
                "feedback_count": session.feedback_count,
            }
        )
