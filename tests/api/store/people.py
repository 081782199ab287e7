"""A dealership's documents, as the product would make them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from api.ids import new_id
from api.store.coaching import Annotation, Assignment, Scorecard
from api.store.content import (
    ContentComment,
    ContentProject,
    ContentVersion,
    Delivery,
    Facts,
    Subscriber,
    Vehicle,
    VehicleKeys,
    Webhook,
)
from api.store.documents import (
    AuditEntry,
    Consent,
    Dealership,
    Event,
    Link,
    Notification,
    RefreshToken,
    Team,
    TrainingSession,
    User,
)
from api.store.jobs import Job
from api.store.teaching import PlaybookVersion
from api.store.uploads import Batch, Upload


class Clock:
    """Stands still until it is moved on."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


def digest() -> str:
    """Of a secret that nobody else has."""
    return hashlib.sha256(new_id().encode()).hexdigest()


class Sample:
    """Makes documents of one dealership."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.dealership_id = new_id()
        self.user_id = new_id()
        self.session_id = new_id()

    def _new(self, model: Any, defaults: dict[str, Any], fields: dict[str, Any]) -> Any:
        return model.new(self.dealership_id, self.clock(), **(defaults | fields))

    def dealership(self, **fields: Any) -> Dealership:
        made: Dealership = self._new(
            Dealership, {"id": self.dealership_id, "name": "North Motors"}, fields
        )
        return made

    def team(self, **fields: Any) -> Team:
        made: Team = self._new(Team, {"name": f"Team {new_id()}"}, fields)
        return made

    def user(self, **fields: Any) -> User:
        defaults = {"email": f"{new_id()}@example.com", "role": "salesperson", "status": "active"}
        made: User = self._new(User, defaults, fields)
        return made

    def session(self, **fields: Any) -> TrainingSession:
        defaults = {
            "user_id": self.user_id,
            "session_type": "pitch",
            "node": "n1",
            "start_time": self.clock(),
        }
        made: TrainingSession = self._new(TrainingSession, defaults, fields)
        return made

    def event(self, seq: int, **fields: Any) -> Event:
        defaults = {
            "session_id": self.session_id,
            "seq": seq,
            "type": "speech.start",
            "t": 20 * seq,
            "payload": "sealed",
        }
        made: Event = self._new(Event, defaults, fields)
        return made

    def consent(self, **fields: Any) -> Consent:
        defaults = {
            "session_id": self.session_id,
            "user_id": self.user_id,
            "coaching": True,
            "recording": True,
            "text_version": "2026-11",
            "given_at": self.clock(),
        }
        made: Consent = self._new(Consent, defaults, fields)
        return made

    def token(self, **fields: Any) -> RefreshToken:
        defaults = {
            "user_id": self.user_id,
            "family": new_id(),
            "digest": digest(),
            "issued_at": self.clock(),
            "expires_at": self.clock() + timedelta(days=14),
        }
        made: RefreshToken = self._new(RefreshToken, defaults, fields)
        return made

    def link(self, **fields: Any) -> Link:
        defaults = {
            "purpose": "invite",
            "digest": digest(),
            "user_id": self.user_id,
            "expires_at": self.clock() + timedelta(days=3),
        }
        made: Link = self._new(Link, defaults, fields)
        return made

    def notification(self, **fields: Any) -> Notification:
        defaults = {"user_id": self.user_id, "kind": "call.completed", "parameters": {"score": 71}}
        made: Notification = self._new(Notification, defaults, fields)
        return made

    def playbook(self, number: int = 1, **fields: Any) -> PlaybookVersion:
        defaults = {
            "language": "en",
            "number": number,
            "status": "published",
            "digest": "0123456789abcdef",
            "published_at": self.clock(),
            "author_id": self.user_id,
            "source": "id: x",
        }
        made: PlaybookVersion = self._new(PlaybookVersion, defaults, fields)
        return made

    def annotation(self, **fields: Any) -> Annotation:
        defaults = {
            "session_id": self.session_id,
            "author_id": self.user_id,
            "kind": "comment",
            "at_ms": 4_000,
            "text": "sealed",
        }
        made: Annotation = self._new(Annotation, defaults, fields)
        return made

    def scorecard(self, **fields: Any) -> Scorecard:
        defaults = {
            "session_id": self.session_id,
            "user_id": self.user_id,
            "author_id": self.user_id,
            "criteria": [{"code": "opening", "title": "Opening", "weight": 10, "score": 4}],
        }
        made: Scorecard = self._new(Scorecard, defaults, fields)
        return made

    def assignment(self, **fields: Any) -> Assignment:
        defaults = {
            "user_id": self.user_id,
            "author_id": self.user_id,
            "batch_id": new_id(),
            "title": "The price is too high",
            "session_type": "objection",
            "due_at": self.clock() + timedelta(days=7),
            "pass_mark": 70,
        }
        made: Assignment = self._new(Assignment, defaults, fields)
        return made

    def batch(self, **fields: Any) -> Batch:
        defaults = {
            "user_id": self.user_id,
            "vin": "1G4AH59H45G118341",
            "look": {},
            "expires_at": self.clock() + timedelta(days=30),
        }
        made: Batch = self._new(Batch, defaults, fields)
        return made

    def upload(self, **fields: Any) -> Upload:
        defaults = {
            "user_id": self.user_id,
            "status": "ready",
            "kind": "picture",
            "name": "sealed",
            "media_type": "image/jpeg",
            "size_bytes": 4,
            "data_key": "k",
            "expires_at": self.clock() + timedelta(days=30),
        }
        made: Upload = self._new(Upload, defaults, fields)
        return made

    def job(self, **fields: Any) -> Job:
        defaults = {
            "user_id": self.user_id,
            "job_type": "background_removal",
            "input_files": [new_id()],
            "due_at": self.clock(),
        }
        made: Job = self._new(Job, defaults, fields)
        return made

    def vehicle(self, vin: str = "1G4AH59H45G118341", **fields: Any) -> Vehicle:
        facts = Facts(vin=vin, year=2022, make="Honda", model="Civic", stock_number="A1")
        defaults = {
            "user_id": self.user_id,
            "vin": vin,
            "facts": facts,
            "keys": VehicleKeys.of(facts),
        }
        made: Vehicle = self._new(Vehicle, defaults, fields)
        return made

    def project(self, **fields: Any) -> ContentProject:
        defaults = {
            "user_id": self.user_id,
            "title": "Civic",
            "type": "social",
            "vehicle_id": new_id(),
            "settings": {"platform": "x"},
            "facts": self.vehicle().facts,
            "content": {"text": [{"role": "body", "text": "Come and see it."}]},
        }
        made: ContentProject = self._new(ContentProject, defaults, fields)
        return made

    def content_version(self, project: ContentProject, **fields: Any) -> ContentVersion:
        defaults = {
            "project_id": project.id,
            "number": 1,
            "author_id": self.user_id,
            "origin": "template",
            "content": project.content,
            "settings": project.settings,
            "facts": project.facts,
        }
        made: ContentVersion = self._new(ContentVersion, defaults, fields)
        return made

    def content_comment(self, project: ContentProject, **fields: Any) -> ContentComment:
        defaults = {
            "project_id": project.id,
            "author_id": self.user_id,
            "revision": 1,
            "text": "Good.",
        }
        made: ContentComment = self._new(ContentComment, defaults, fields)
        return made

    def subscriber(self, **fields: Any) -> Subscriber:
        defaults = {"email": f"{new_id()}@example.com", "lists": ["Weekly"]}
        made: Subscriber = self._new(Subscriber, defaults, fields)
        return made

    def webhook(self, **fields: Any) -> Webhook:
        defaults = {
            "name": f"Site {new_id()}",
            "url": "https://site.example/in",
            "secret": "sealed",
            "author_id": self.user_id,
        }
        made: Webhook = self._new(Webhook, defaults, fields)
        return made

    def delivery(self, **fields: Any) -> Delivery:
        defaults = {
            "user_id": self.user_id,
            "project_id": new_id(),
            "revision": 1,
            "outlet": "email",
            "target": "Weekly",
            "due_at": self.clock(),
        }
        made: Delivery = self._new(Delivery, defaults, fields)
        return made

    def entry(self, node: str, seq: int, **fields: Any) -> AuditEntry:
        defaults = {
            "node": node,
            "seq": seq,
            "at": self.clock(),
            "actor_id": self.user_id,
            "action": "user.update",
            "target_type": "user",
            "target_id": self.user_id,
            "outcome": "allowed",
            "hmac": digest(),
        }
        made: AuditEntry = self._new(AuditEntry, defaults, fields)
        return made
