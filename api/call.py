"""One session as this node holds it in memory."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Self

from api.folders import Folder
from api.sealed import SealedDisk
from api.store.crypto import DataKey
from api.views import (
    NO_SCORES,
    ConsentView,
    CreateSession,
    PlaybookView,
    SessionView,
    VolumeFeedback,
)
from engine.asr.correction import Corrector
from engine.asr.domain import Term
from engine.events import Event
from engine.features import Baseline
from engine.journal import FileJournal, Journal
from engine.playbook import Playbook
from engine.session import SessionConfig
from signaling.company import Person
from signaling.recorder import Recorder
from signaling.room import Room


@dataclass(frozen=True, slots=True)
class CallOwner:
    """Whose a call is, and the sign-in it was begun with: where that ends, so does the call."""

    dealership_id: str
    user_id: str
    team_id: str | None
    family: str
    signed_in_at: datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "dealershipId": self.dealership_id,
            "userId": self.user_id,
            "teamId": self.team_id,
            "family": self.family,
            "signedInAt": self.signed_in_at.isoformat(),
        }

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> Self:
        """Raises `LookupError`, `TypeError` or `ValueError`."""
        return cls(
            given["dealershipId"],
            given["userId"],
            given["teamId"],
            given["family"],
            datetime.fromisoformat(given["signedInAt"]),
        )


@dataclass(frozen=True, slots=True)
class Partner:
    """Who plays the customer, by the sign-in they came with; `digest` is of what they show."""

    person: Person
    family: str
    recording: bool
    """Whether they agreed to be recorded."""
    digest: bytes

    def to_json(self) -> dict[str, Any]:
        return {
            "userId": self.person.id,
            "name": self.person.name,
            "family": self.family,
            "recording": self.recording,
            "digest": self.digest.hex(),
        }

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> Self:
        """Raises `LookupError`, `TypeError` or `ValueError`."""
        person = Person(given["userId"], given["name"])
        digest = bytes.fromhex(given["digest"])
        return cls(person, given["family"], bool(given["recording"]), digest)


@dataclass(frozen=True, slots=True)
class Invitation:
    """By whose code a partner joins."""

    code: str
    expires_at: datetime


@dataclass(slots=True)
class Call:
    """Created, then published to by way of its `room`; past calls are told by the store.

    `key` seals all that is kept of its words; it is never written down but wrapped.
    """

    id: str
    owner: CallOwner
    key: DataKey = field(repr=False)
    folder: Folder
    created: CreateSession
    created_at: datetime
    volume_feedback: VolumeFeedback
    digest: bytes
    consent: ConsentView | None = None
    journal: Journal | None = None
    recorders: dict[str, Recorder] = field(default_factory=dict)
    """By track."""
    partner: Partner | None = None
    invitation: Invitation | None = None
    room: Room | None = None
    start_time: datetime | None = None
    playbook: Playbook | None = None
    words: tuple[Term, ...] = ()
    """Of the dealership's own, beside the node's."""
    corrector: Corrector | None = None
    """Puts both right."""
    consented: set[str] = field(default_factory=set)
    """Listeners who agreed to be recorded, by user id."""
    resources: dict[str, str] = field(default_factory=dict)
    """The present publication of each track."""
    publishing: asyncio.Lock = field(default_factory=asyncio.Lock)
    feedback_counts: Counter[str] = field(default_factory=Counter)
    delivered_seq: int = 0
    """The newest of its events that was in the store when this node took it up."""
    is_erased: bool = False
    """Nothing of it may be stored any more."""

    @property
    def disk(self) -> SealedDisk:
        """By which its files are written and read."""
        return SealedDisk(self.key, self.owner.dealership_id, self.id)

    @property
    def is_open(self) -> bool:
        """Whether it has a room."""
        return self.room is not None

    @property
    def is_recorded(self) -> bool:
        """Whether anything of it is kept beside its numbers."""
        return isinstance(self.journal, FileJournal)

    def count(self, event: Event) -> None:
        """Take notice of an event of its session."""
        if event.type == "feedback":
            self.feedback_counts[event.data["code"]] += 1

    @property
    def has_begun(self) -> bool:
        """Whether consent can no longer change: somebody publishes, or is about to."""
        return self.room is not None or self.publishing.locked()

    def has_consent_of(self, user_id: str) -> bool:
        """Whether they are, or may be, heard in what is recorded."""
        is_partner = self.partner is not None and self.partner.person.id == user_id
        return is_partner or user_id in self.consented

    def new_resource(self, track: str) -> str:
        """The new publication's own: an earlier client's DELETE must not end a later one's call."""
        self.resources[track] = secrets.token_hex(8)
        return self.resources[track]

    def track_of(self, resource: str) -> str | None:
        """Whose publication `resource` is."""
        for track, present in self.resources.items():
            if secrets.compare_digest(present.encode(), resource.encode()):
                return track
        return None

    def first_record(self, corrector: Corrector | None) -> dict[str, Any]:
        """The journal's ``session`` record; `corrector` is the call's, which works in English."""
        versions = {"forecourt": version("forecourt"), "aiortc": version("aiortc")}
        if corrector is not None and self.created.language == "en":
            versions["domain"] = corrector.version
        return {
            "words": [term.model_dump(mode="json") for term in self.words],
            "id": self.id,
            "owner": self.owner.to_json(),
            "created": self.created.model_dump(mode="json"),
            "createdAt": self.created_at.isoformat(),
            "volumeFeedback": self.volume_feedback.model_dump(),
            "resumeDigest": self.digest.hex(),
            "consent": self.consent.model_dump() if self.consent else None,
            "partner": self.partner.to_json() if self.partner else None,
            "versions": versions,
            "playbook": view.model_dump() if (view := self.playbook_view()) else None,
        }

    def playbook_view(self) -> PlaybookView | None:
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
            user_id=self.owner.user_id,
            team_id=self.owner.team_id,
            session_type=self.created.session_type,
            language=self.created.language,
            status="created",
            created_at=self.created_at,
            recording_consent=self.consent.recording if self.consent else None,
            volume_feedback=self.volume_feedback,
            playbook=self.playbook_view(),
            partner_id=self.partner.person.id if self.partner else None,
            assignment_id=self.created.assignment_id,
        )
        if self.room is None:
            return view
        session = self.room.session
        end_time = None
        if session.state == "completed" and self.start_time is not None:
            end_time = self.start_time + timedelta(milliseconds=session.t_ms)
        metrics = session.metrics
        return view.model_copy(
            update={
                "status": session.state,
                "start_time": self.start_time,
                "end_time": end_time,
                "duration_ms": session.t_ms,
                "has_recording": self.room.has_recording,
                "tracks": self.room.recorded,
                "metrics": metrics,
                "scores": metrics.scores if metrics is not None else NO_SCORES,
                "feedback_count": session.feedback_count,
                "feedback_counts": dict(self.feedback_counts),
            }
        )
