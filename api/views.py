"""What routes take and give: one model per JSON body."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
    computed_field,
)

from engine.events import Metrics, Scores, SessionState, SessionType, Wire

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
    assignment_id: SessionId | None = None
    """What the call is an attempt at."""

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


NO_SCORES = Scores(confidence=None, clarity=None, pace=None, volume=None)


class SessionView(Wire):
    """`scores` and `feedbackCounts` are of what has been said so far; `metrics` also says what they
    come from."""

    id: str
    user_id: str
    team_id: str | None = None
    session_type: SessionType
    status: SessionState
    created_at: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    duration_ms: int = 0
    recording_consent: bool | None = None
    volume_feedback: VolumeFeedback
    playbook: PlaybookView | None = None
    partner_id: str | None = None
    """Who plays the customer, if another person does."""
    assignment_id: str | None = None
    """What it is an attempt at."""
    is_uploaded: bool = False
    """Whether it was held elsewhere, and a recording of it uploaded."""
    tracks: Annotated[list[str], Field(default_factory=list)]
    """Those with a recording."""
    has_recording: bool = False
    language: str = "en"
    metrics: Metrics | None = None
    scores: Scores = NO_SCORES
    feedback_count: int = 0
    feedback_counts: dict[str, int] = Field(default_factory=dict)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def whip_url(self) -> str:
        return f"/api/v1/sessions/{self.id}/whip"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def socket_url(self) -> str:
        return f"/api/v1/sessions/{self.id}/socket"


class SessionPage(Wire):
    """Some of `total` sessions."""

    items: list[SessionView]
    total: int


class MicrophoneCheckView(Wire):
    speech_level_dbfs: float
    noise_floor_dbfs: float
    snr_db: float
    clipped_pct: float
    speech_ms: int
    verdict: Literal["ok", "too_quiet", "too_loud", "noisy", "no_speech"]
    advice: str


class LanesView(Wire):
    """One value for each step of time; none where there was nothing to measure."""

    syllables_per_s: list[float | None]
    level_dbfs: list[float | None]
    pitch_hz: list[float | None]


NO_LANES = LanesView(syllables_per_s=[], level_dbfs=[], pitch_hz=[])


class TimelineTrack(Wire):
    """`peaks`: base64 of a byte for each fraction of a second, 255 being full scale."""

    track: str
    peaks_per_s: int
    peaks: str
    lane_step_ms: int
    lanes: LanesView
    has_recording: bool


class TimelineView(Wire):
    duration_ms: int
    tracks: list[TimelineTrack]
