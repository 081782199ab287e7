"""What routes take and give: one model per JSON body, and a session as its journal tells it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
    computed_field,
)

from engine.events import Metrics, SessionState, SessionType, Wire

Decibels = Annotated[float, Field(ge=-120, le=20)]


SessionId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]


class SessionPath(BaseModel):
    id: SessionId


class ResourcePath(SessionPath):
    resource: Annotated[str, Field(max_length=64)]


class BaselineBody(Wire):
    speech_level_dbfs: Decibels
    noise_floor_dbfs: Decibels


class Device(Wire):
    """The microphone as the browser reports it (`track.label`, `track.getSettings()`)."""

    label: Annotated[str, Field(max_length=200)] = ""
    settings: Annotated[
        dict[str, bool | int | float | str | None], Field(default_factory=dict, max_length=40)
    ]


class VolumeFeedback(Wire):
    """Whether level is judged, and if not, why not."""

    enabled: bool
    reason: str | None = None


class CreateSession(Wire):
    session_type: SessionType
    baseline: BaselineBody | None = None
    device: Device = Device()
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] = "en"
    """What the trainee speaks, as ISO 639-1; it does not change during a call."""

    def volume_feedback(self) -> VolumeFeedback:
        """Level is judged only against a baseline and only with automatic gain control off."""
        if self.device.settings.get("autoGainControl") is not False:
            return VolumeFeedback(
                enabled=False,
                reason="The browser does not report automatic gain control as off, "
                "so volume cannot be judged.",
            )
        if self.baseline is None:
            return VolumeFeedback(
                enabled=False, reason="Without a microphone check volume cannot be judged."
            )
        return VolumeFeedback(enabled=True)


def _required(given: bool) -> bool:
    if not given:
        raise ValueError("a call needs consent to coaching")
    return given


class ConsentView(Wire):
    """`coaching` must be true: without it there is no call."""

    coaching: Annotated[
        StrictBool,
        AfterValidator(_required),
        WithJsonSchema({"type": "boolean", "const": True}),
    ]
    recording: StrictBool
    text_version: Annotated[str, Field(min_length=1, max_length=40)]


class PlaybookView(Wire):
    """Which playbook a call is held with; `digest` names its content, see `/playbooks/DIGEST`."""

    id: str
    version: str
    digest: str


class SessionView(Wire):
    id: str
    session_type: SessionType
    status: SessionState
    created_at: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration_ms: int = 0
    recording_consent: bool | None = None
    volume_feedback: VolumeFeedback
    playbook: PlaybookView | None = None
    has_recording: bool = False
    metrics: Metrics | None = None
    feedback_count: int = 0

    @computed_field  # type: ignore[prop-decorator]
    @property
    def whip_url(self) -> str:
        return f"/api/v1/sessions/{self.id}/whip"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def socket_url(self) -> str:
        return f"/api/v1/sessions/{self.id}/socket"


class MicrophoneCheckView(Wire):
    speech_level_dbfs: float
    noise_floor_dbfs: float
    snr_db: float
    clipped_pct: float
    speech_ms: int
    verdict: Literal["ok", "too_quiet", "too_loud", "noisy", "no_speech"]
    advice: str


def summary_of(records: Iterable[dict[str, Any]]) -> SessionView | None:
    """A session as its journal tells it; None for a journal without a first record."""
    view: SessionView | None = None
    status: SessionState = "created"
    duration_ms = feedback_count = 0
    start_time: datetime | None = None
    metrics: Metrics | None = None
    for record in records:
        kind = record["k"]
        if kind == "session":
            view = SessionView(
                id=record["id"],
                session_type=record["created"]["session_type"],
                status="created",
                created_at=datetime.fromisoformat(record["createdAt"]),
                recording_consent=record["consent"]["recording"],
                volume_feedback=VolumeFeedback.model_validate(record["volumeFeedback"]),
                playbook=record.get("playbook"),
            )
        elif kind == "begin":
            start_time = datetime.fromisoformat(record["at"])
        elif kind == "features":
            duration_ms = max(duration_ms, record["f"]["t_ms"])
        elif kind == "event":
            event = record["e"]
            duration_ms = max(duration_ms, event["t"])
            if event["type"] == "session.state":
                status = event["data"]["state"]
            elif event["type"] == "metrics":
                metrics = Metrics.model_validate(event["data"])
            elif event["type"] == "feedback":
                feedback_count += 1
    if view is None:
        return None
    end_time = None
    if status == "completed" and start_time is not None:
        end_time = start_time + timedelta(milliseconds=duration_ms)
    return view.model_copy(
        update={
            "status": status,
            "start_time": start_time,
            "end_time": end_time,
            "duration_ms": duration_ms,
            "metrics": metrics,
            "feedback_count": feedback_count,
        }
    )
