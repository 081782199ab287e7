"""The collections: what can be asked of each, and the indexes that make it quick."""

from __future__ import annotations

from typing import Any

from api.store.base import Index, Kind
from api.store.coaching import Annotation, Assignment, Scorecard
from api.store.content import (
    ContentComment,
    ContentHead,
    ContentProject,
    ContentVersion,
    Delivery,
    Subscriber,
    Vehicle,
    Webhook,
)
from api.store.documents import (
    AuditEntry,
    Consent,
    Dealership,
    Event,
    IdempotencyKey,
    Link,
    Notification,
    RefreshToken,
    SessionHead,
    Team,
    TrainingSession,
    User,
)
from api.store.jobs import Job
from api.store.teaching import CallFigures, PlaybookHead, PlaybookVersion, WeeklyDigest
from api.store.uploads import Batch, Upload

DEALERSHIPS = Kind("dealerships", Dealership, Dealership)
TEAMS = Kind(
    "teams",
    Team,
    Team,
    fields=("name", "managerIds"),
    arrays=("managerIds",),
    indexes=(Index(("dealershipId", "name"), unique=True),),
)
USERS = Kind(
    "users",
    User,
    User,
    fields=("email", "role", "status", "teamIds"),
    arrays=("teamIds",),
    indexes=(Index(("email",), unique=True), Index(("dealershipId", "email"))),
)
SESSIONS = Kind(
    "training_sessions",
    TrainingSession,
    SessionHead,
    fields=(
        "userId",
        "teamId",
        "sessionType",
        "status",
        "startTime",
        "endTime",
        "durationMs",
        "metrics.confidence",
        "metrics.clarity",
        "metrics.pace",
        "metrics.volume",
        "node",
        "assignmentId",
        "jobId",
    ),
    counts=("feedbackCounts",),
    indexes=(
        Index(("dealershipId", "userId", "startTime")),
        Index(("dealershipId", "teamId", "startTime")),
        Index(("dealershipId", "startTime")),
        Index(("dealershipId", "createdAt")),
        Index(("dealershipId", "durationMs")),
        Index(("dealershipId", "metrics.confidence")),
        Index(("dealershipId", "metrics.clarity")),
        Index(("dealershipId", "metrics.pace")),
        Index(("dealershipId", "metrics.volume")),
        Index(("node", "status")),
        Index(("dealershipId", "assignmentId", "startTime")),
        Index(("dealershipId", "jobId")),
    ),
)
EVENTS = Kind(
    "events",
    Event,
    Event,
    fields=("sessionId", "seq", "type"),
    indexes=(Index(("dealershipId", "sessionId", "seq"), unique=True),),
)
CONSENTS = Kind(
    "consents",
    Consent,
    Consent,
    fields=("sessionId", "userId"),
    indexes=(
        Index(("dealershipId", "sessionId", "userId"), unique=True),
        Index(("dealershipId", "userId")),
    ),
)
REFRESH_TOKENS = Kind(
    "refresh_tokens",
    RefreshToken,
    RefreshToken,
    fields=("userId", "family", "digest", "expiresAt", "usedAt", "revokedAt"),
    indexes=(
        Index(("digest",), unique=True),
        Index(("dealershipId", "userId", "family")),
        Index(("dealershipId", "expiresAt")),
    ),
)
LINKS = Kind(
    "links",
    Link,
    Link,
    fields=("digest", "purpose", "userId", "expiresAt", "usedAt"),
    indexes=(
        Index(("digest",), unique=True),
        Index(("dealershipId", "userId")),
        Index(("dealershipId", "expiresAt")),
    ),
)
NOTIFICATIONS = Kind(
    "notifications",
    Notification,
    Notification,
    fields=("userId", "readAt"),
    indexes=(
        Index(("dealershipId", "userId", "createdAt")),
        Index(("dealershipId", "createdAt")),
    ),
)
AUDIT_LOG = Kind(
    "audit_log",
    AuditEntry,
    AuditEntry,
    fields=("node", "seq", "at", "actorId", "action", "targetId", "outcome"),
    indexes=(
        Index(("node", "seq"), unique=True),
        Index(("dealershipId", "at")),
        Index(("dealershipId", "actorId", "at")),
    ),
)
IDEMPOTENCY_KEYS = Kind(
    "idempotency_keys",
    IdempotencyKey,
    IdempotencyKey,
    fields=("userId", "key", "expiresAt"),
    indexes=(
        Index(("dealershipId", "userId", "key"), unique=True),
        Index(("dealershipId", "expiresAt")),
    ),
)
PLAYBOOKS = Kind(
    "playbooks",
    PlaybookVersion,
    PlaybookHead,
    fields=("language", "number", "status", "digest", "publishedAt"),
    indexes=(
        Index(("dealershipId", "language", "number"), unique=True),
        Index(("dealershipId", "language", "status", "publishedAt")),
        Index(("dealershipId", "digest")),
        Index(("dealershipId", "createdAt")),
    ),
)
DIGESTS = Kind(
    "digests",
    WeeklyDigest,
    WeeklyDigest,
    fields=("userId", "week"),
    indexes=(
        Index(("dealershipId", "userId", "week"), unique=True),
        Index(("dealershipId", "createdAt")),
    ),
)
ANNOTATIONS = Kind(
    "annotations",
    Annotation,
    Annotation,
    fields=("sessionId", "authorId", "atMs", "parentId", "mentions"),
    arrays=("mentions",),
    indexes=(
        Index(("dealershipId", "sessionId", "atMs", "createdAt")),
        Index(("dealershipId", "parentId")),
        Index(("dealershipId", "authorId", "createdAt")),
    ),
)
SCORECARDS = Kind(
    "scorecards",
    Scorecard,
    Scorecard,
    fields=("sessionId", "userId", "authorId", "status", "publishedAt"),
    indexes=(
        Index(("dealershipId", "sessionId"), unique=True),
        Index(("dealershipId", "userId", "publishedAt")),
        Index(("dealershipId", "authorId")),
    ),
)
ASSIGNMENTS = Kind(
    "assignments",
    Assignment,
    Assignment,
    fields=("userId", "teamId", "authorId", "status", "dueAt"),
    indexes=(
        Index(("dealershipId", "userId", "dueAt")),
        Index(("dealershipId", "teamId", "dueAt")),
        Index(("dealershipId", "dueAt")),
        Index(("dealershipId", "authorId")),
    ),
)
BATCHES = Kind(
    "batches",
    Batch,
    Batch,
    fields=("userId", "teamId", "vin", "expiresAt"),
    indexes=(
        Index(("dealershipId", "vin"), unique=True),
        Index(("dealershipId", "userId", "createdAt")),
        Index(("dealershipId", "teamId", "createdAt")),
        Index(("dealershipId", "createdAt")),
        Index(("dealershipId", "expiresAt")),
    ),
)
UPLOADS = Kind(
    "uploads",
    Upload,
    Upload,
    fields=("userId", "teamId", "kind", "status", "batchId", "shot", "jobId", "expiresAt"),
    indexes=(
        Index(("dealershipId", "userId", "createdAt")),
        Index(("dealershipId", "userId", "kind")),
        Index(("dealershipId", "teamId", "createdAt")),
        Index(("dealershipId", "createdAt")),
        Index(("dealershipId", "batchId", "shot")),
        Index(("dealershipId", "jobId")),
        Index(("dealershipId", "expiresAt")),
    ),
)
JOBS = Kind(
    "processing_jobs",
    Job,
    Job,
    fields=(
        "userId",
        "teamId",
        "batchId",
        "jobType",
        "status",
        "priority",
        "turn",
        "dueAt",
        "leaseUntil",
        "node",
    ),
    indexes=(
        Index(("dealershipId", "userId", "createdAt")),
        Index(("dealershipId", "teamId", "createdAt")),
        Index(("dealershipId", "createdAt")),
        Index(("dealershipId", "updatedAt")),
        Index(("dealershipId", "batchId", "createdAt")),
        Index(("status", "priority", "turn", "createdAt")),
        Index(("status", "leaseUntil")),
    ),
)
VEHICLES = Kind(
    "vehicles",
    Vehicle,
    Vehicle,
    fields=("userId", "vin", "keys.make", "keys.model", "keys.stock", "keys.vin"),
    indexes=(
        Index(("dealershipId", "vin"), unique=True),
        Index(("dealershipId", "createdAt")),
        Index(("dealershipId", "keys.make")),
        Index(("dealershipId", "keys.model")),
        Index(("dealershipId", "keys.stock")),
        Index(("dealershipId", "keys.vin")),
    ),
)
CONTENT_PROJECTS = Kind(
    "content_projects",
    ContentProject,
    ContentHead,
    fields=("userId", "teamId", "type", "status", "vehicleId"),
    indexes=(
        Index(("dealershipId", "userId", "createdAt")),
        Index(("dealershipId", "teamId", "createdAt")),
        Index(("dealershipId", "createdAt")),
        Index(("dealershipId", "vehicleId", "createdAt")),
        Index(("dealershipId", "status", "createdAt")),
    ),
)
CONTENT_VERSIONS = Kind(
    "content_versions",
    ContentVersion,
    ContentVersion,
    fields=("projectId", "number", "authorId"),
    indexes=(
        Index(("dealershipId", "projectId", "number"), unique=True),
        Index(("dealershipId", "authorId")),
    ),
)
CONTENT_COMMENTS = Kind(
    "content_comments",
    ContentComment,
    ContentComment,
    fields=("projectId", "authorId"),
    indexes=(
        Index(("dealershipId", "projectId", "createdAt")),
        Index(("dealershipId", "authorId", "createdAt")),
    ),
)
SUBSCRIBERS = Kind(
    "subscribers",
    Subscriber,
    Subscriber,
    fields=("email", "lists", "unsubscribedAt"),
    arrays=("lists",),
    indexes=(
        Index(("dealershipId", "email"), unique=True),
        Index(("dealershipId", "createdAt")),
    ),
)
WEBHOOKS = Kind(
    "webhooks",
    Webhook,
    Webhook,
    fields=("name", "authorId"),
    indexes=(Index(("dealershipId", "name"), unique=True),),
)
DELIVERIES = Kind(
    "content_deliveries",
    Delivery,
    Delivery,
    fields=("userId", "projectId", "outlet", "status", "dueAt", "leaseUntil"),
    indexes=(
        Index(("dealershipId", "projectId", "createdAt")),
        Index(("dealershipId", "userId", "createdAt")),
        Index(("dealershipId", "createdAt")),
        Index(("status", "dueAt")),
        Index(("status", "leaseUntil")),
    ),
)
CALL_FIGURES = Kind(
    SESSIONS.name,
    TrainingSession,
    CallFigures,
    fields=("userId", "teamId", "status", "startTime", "durationMs", "assignmentId"),
)
"""Calls read for their numbers alone: for questions about many, never for writing."""

KINDS: tuple[Kind[Any, Any], ...] = (
    DEALERSHIPS,
    TEAMS,
    USERS,
    SESSIONS,
    EVENTS,
    CONSENTS,
    REFRESH_TOKENS,
    LINKS,
    NOTIFICATIONS,
    AUDIT_LOG,
    IDEMPOTENCY_KEYS,
    PLAYBOOKS,
    DIGESTS,
    ANNOTATIONS,
    SCORECARDS,
    ASSIGNMENTS,
    BATCHES,
    UPLOADS,
    JOBS,
    VEHICLES,
    CONTENT_PROJECTS,
    CONTENT_VERSIONS,
    CONTENT_COMMENTS,
    SUBSCRIBERS,
    WEBHOOKS,
    DELIVERIES,
)
"""All of them, in the order of exports: what others refer to comes first."""
