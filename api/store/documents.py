"""The documents of the store: one frozen model each; camelCase in JSON.

A `Sealed` field holds text that `api.store.crypto` made and only its keys open: what a person said
or wrote, names, phone numbers. Nothing can be asked of it. Times are UTC in whole milliseconds, the
most that both databases keep.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

from api.ids import new_id
from api.store.plain import Line
from engine.events import Score, SessionState, SessionType

Role = Literal["admin", "manager", "coach", "salesperson"]
UserStatus = Literal["invited", "active", "disabled"]
LinkPurpose = Literal["invite", "verify", "reset", "first_admin", "enrol"]
Outcome = Literal["allowed", "refused", "failed"]
MIB = 2**20


def moment(time: datetime) -> datetime:
    """In UTC, cut to milliseconds. Raises `ValueError` for a time without a zone."""
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    time = time.astimezone(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def written(time: datetime) -> str:
    """RFC 3339 of one width, so that it sorts as text: ``2026-11-23T02:11:10.123Z``."""
    return f"{moment(time).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


Moment = Annotated[
    AwareDatetime,
    AfterValidator(moment),
    PlainSerializer(written, return_type=str, when_used="json"),
]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,80}$")]
Short = Annotated[str, StringConstraints(max_length=200)]
Words = Annotated[str, StringConstraints(max_length=40), Line]
Sealed = Annotated[str, StringConstraints(max_length=4 * MIB)]
Wrapped = Annotated[str, StringConstraints(max_length=400)]
Email = Annotated[
    str,
    StringConstraints(
        to_lower=True,
        max_length=254,
        # As HTML has it for <input type=email>, without dots at the ends of the domain.
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$",
    ),
]
Count = Annotated[int, Field(ge=0, le=2**53)]
Number = Annotated[int, Field(ge=1, le=2**53)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,80}$")]


class Part(BaseModel):
    """Base of everything stored; errors never quote what was given."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )


class Document(Part):
    """Of one dealership. `version` starts at 1 and is its ETag."""

    id: Id
    dealership_id: Id
    version: Number = 1
    created_at: Moment
    updated_at: Moment

    @classmethod
    def new(cls, dealership_id: str, now: datetime, **fields: object) -> Self:
        """Version 1 with a new id; `fields` go by their Python names, and may name the id."""
        own = {"id": new_id(), "dealership_id": dealership_id}
        return cls.model_validate(own | fields | {"created_at": now, "updated_at": now})

    def changed(self, now: datetime, **fields: object) -> Self:
        """The next version. Raises pydantic's `ValidationError`."""
        held = {name: getattr(self, name) for name in type(self).model_fields}
        fixed = {"version": self.version + 1, "updated_at": now}
        return type(self).model_validate(held | fields | fixed)


class Policy(Part):
    """A dealership's own rules."""

    totp_required: tuple[Role, ...] = ()
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 365


class Criterion(Part):
    """What a call is judged by, and how much it counts."""

    code: Code
    title: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    weight: Annotated[int, Field(ge=1, le=100)]


class Contact(Part):
    """How a dealership's customers reach it: what copy may say of that."""

    phone: Words = ""
    address: Annotated[str, StringConstraints(max_length=200), Line] = ""
    """A postal address, which every advertising e-mail must have (15 USC 7704(a)(5))."""
    website: Annotated[str, StringConstraints(max_length=200, pattern=r"^(https://\S+)?$")] = ""


class Dealership(Document):
    """Its own tenant: `dealership_id` is its id."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    policy: Policy = Policy()
    contact: Contact = Contact()
    rubric: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=20)] | None = None
    """Its own; None: the one that is shipped (`api.coaching.rubric`)."""
    key_check: Wrapped | None = None
    """By it a node tells whether its master keys are those that this store was written with."""


class Team(Document):
    """Who is in it stands in its members' `team_ids`."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    manager_ids: Annotated[tuple[Id, ...], Field(max_length=50)] = ()


class Notifications(Part):
    """Which kinds also go out by e-mail."""

    email: bool = True
    muted: Annotated[tuple[Code, ...], Field(max_length=50)] = ()


class Preferences(Part):
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    theme: Literal["light", "dark", "system"] = "system"
    notifications: Notifications = Notifications()


class Totp(Part):
    """A second factor: its secret, the last step used (RFC 6238), hashes of unspent codes."""

    secret: Sealed
    enabled: bool = False
    last_step: Count = 0
    recovery_hashes: Annotated[tuple[Short, ...], Field(max_length=20)] = ()


class User(Document):
    """A person. `email` is unique over all dealerships; `profile` is JSON of firstName, lastName,
    phone and dealership, sealed with the person's own `data_key`."""

    email: Email
    email_verified: bool = False
    password_hash: Short | None = None
    role: Role
    team_ids: Annotated[tuple[Id, ...], Field(max_length=50)] = ()
    data_key: Wrapped | None = None
    profile: Sealed | None = None
    preferences: Preferences = Preferences()
    status: UserStatus = "invited"
    totp: Totp | None = None
    failed_sign_ins: Count = 0
    locked_until: Moment | None = None
    sessions_valid_from: Moment | None = None
    """Tokens issued before it are void."""


class SessionMetrics(Part):
    """Whole-call scores, 0-100; None where there was nothing to judge."""

    confidence: Score | None = None
    clarity: Score | None = None
    pace: Score | None = None
    volume: Score | None = None


class PlaybookRef(Part):
    id: Short
    version: Short
    digest: Short


class Recording(Part):
    """Where a call's audio is: the id of its sealed blob, and its size when sealed."""

    blob_id: Short
    size_bytes: Count
    duration_ms: Count
    media_type: Short = "audio/ogg"


class JournalBlob(Part):
    """Where a call's journal is: the id of its sealed blob, and its size when sealed."""

    blob_id: Short
    size_bytes: Count


class VolumeJudgement(Part):
    """Whether level was judged, and if not, why not."""

    enabled: bool
    reason: Short | None = None


class SessionHead(Document):
    """A call as lists show it; without its words."""

    user_id: Id
    team_id: Id | None = None
    session_type: SessionType
    status: SessionState = "created"
    start_time: Moment | None = None
    end_time: Moment | None = None
    duration_ms: Count = 0
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    recording_consent: bool | None = None
    volume_feedback: VolumeJudgement | None = None
    metrics: SessionMetrics = SessionMetrics()
    quantities: Annotated[dict[Name, float | None], Field(max_length=100)] | None = None
    """What the scores were computed from (`engine.events.Quantities`)."""
    feedback_count: Count = 0
    feedback_counts: Annotated[dict[Name, Count], Field(max_length=500)] = {}
    playbook: PlaybookRef | None = None
    data_key: Wrapped | None = None
    """Wrapped by a master key; None once erased, which makes the rest unreadable for ever."""
    node: Short
    assignment_id: Id | None = None
    """What it is an attempt at."""
    partner_id: Id | None = None
    """Who played the customer, where another person did."""
    job_id: Id | None = None
    """Of an uploaded call: the job that made it of a recording."""
    recording: Recording | None = None
    recordings: Annotated[dict[Name, Recording], Field(max_length=10)] = {}
    """Of tracks beside the trainee's."""
    journal: JournalBlob | None = None
    timeline: JournalBlob | None = None
    """What it looks like (`api.timeline`), once that is drawn."""


class TrainingSession(SessionHead):
    """A call; `transcript`, `feedback` and `summary` are JSON, sealed, written when it is over."""

    transcript: Sealed | None = None
    feedback: Sealed | None = None
    summary: Sealed | None = None


class Event(Document):
    """The truth of a call: (`session_id`, `seq`) is unique; `t` in ms since it started."""

    session_id: Id
    seq: Number
    type: Code
    t: Annotated[int, Field(ge=-(2**53), le=2**53)]
    payload: Sealed


class Consent(Document):
    """What one recorded person agreed to for one call."""

    session_id: Id
    user_id: Id
    coaching: bool
    recording: bool
    text_version: Short
    given_at: Moment
    attested_by: Id | None = None
    """Of an uploaded call: who said that all who are heard in it agreed."""
    withdrawn_at: Moment | None = None


class RefreshToken(Document):
    """One of a `family` that began with a sign-in; `digest` is SHA-256 of the token."""

    user_id: Id
    family: Id
    digest: Digest
    issued_at: Moment
    expires_at: Moment
    used_at: Moment | None = None
    replaced_by: Id | None = None
    revoked_at: Moment | None = None
    user_agent: Short = ""


class Link(Document):
    """A single-use secret that was mailed; `digest` is the keyed SHA-256 of it."""

    purpose: LinkPurpose
    digest: Digest
    user_id: Id
    email: Email | None = None
    """Of a verification: the address that it confirms."""
    expires_at: Moment
    used_at: Moment | None = None


class Notification(Document):
    """In a person's inbox: a message of the catalogue by `kind`; `parameters` hold no speech."""

    user_id: Id
    kind: Code
    parameters: Annotated[dict[Name, Short | Count | float | None], Field(max_length=20)] = {}
    read_at: Moment | None = None


class AuditEntry(Document):
    """One link of a node's chain; ids only. Never changed, never deleted."""

    node: Short
    seq: Number
    at: Moment
    actor_id: Short | None
    action: Code
    target_type: Code | None = None
    target_id: Short | None = None
    outcome: Outcome
    hmac: Digest


class IdempotencyKey(Document):
    """A create that was asked for once: the request's digest, then the answer to give again."""

    user_id: Id
    key: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    digest: Digest
    status: Annotated[int, Field(ge=100, le=599)] | None = None
    body: Sealed | None = None
    expires_at: Moment
