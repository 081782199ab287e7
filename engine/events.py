"""Every event on the wire: the contract between a node, its clients and its journals.

One pydantic model per event type. JSON is camelCase, Python snake_case. The envelope is
``{"v": 1, "seq": n, "t": session_ms, "track": ..., "type": ..., "data": {...}}``: ``t`` is the
newest session time (ms) that had been processed when the event was made, ``seq`` counts journalled
events of one session from 1 and survives a resume. `Meters` are numbered apart and never
journalled.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.alias_generators import to_camel

VERSION = 1

SessionType = Literal["pitch", "objection", "closing"]
SessionState = Literal["created", "active", "paused", "interrupted", "completed"]
Kind = Literal["suggestion", "correction", "praise"]
Severity = Literal["low", "medium", "high"]
Score = Annotated[int, Field(ge=0, le=100)]


class Wire(BaseModel):
    """Base of everything that crosses the wire: camelCase outside, frozen, no unknown fields."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class StateChanged(Wire):
    """`session.state`: the session entered `state`; `reason` is a code such as ``client_lost``."""

    state: SessionState
    reason: str | None = None


class SpeechStart(Wire):
    """`speech.start`: an utterance began at `start_ms` (session time)."""

    utterance: int
    start_ms: int


class SpeechEnd(Wire):
    """`speech.end`: the utterance's speech ended at `end_ms` (session time)."""

    utterance: int
    end_ms: int


class TranscriptPartial(Wire):
    """`transcript.partial`: what two successive hypotheses agree on, and the rest of the newest."""

    utterance: int
    committed: str
    tentative: str


Word = tuple[str, int, int, float]
"""(text, start_ms, end_ms, probability 0-1), times in session ms."""


class TranscriptFinal(Wire):
    """`transcript.final`: the utterance's words. Replaces every partial of the utterance."""

    utterance: int
    start_ms: int
    end_ms: int
    words: list[Word]


class Link(Wire):
    """Quality of the network link of one track over the last second.

    `lost_pct` is a share of the packets; `recovered_pct` (rebuilt from in-band FEC) and
    `concealed_pct` (lost for good: made up or silent) are shares of the media time that was due.
    `jitter_ms` is RFC 3550's, `lag_ms` how far the newest packet came behind the promptest of the
    last 10 s, `bitrate_kbps` counts received Opus payloads. `weak`: beyond a limit of
    `engine.feedback`, so that what is heard suffers.
    """

    lost_pct: float
    recovered_pct: float
    concealed_pct: float
    jitter_ms: float
    lag_ms: float
    bitrate_kbps: float
    weak: bool


class Meters(Wire):
    """`meters`: 10 Hz gauges. `None` means not measurable now (no voice, no speech yet)."""

    level_dbfs: float
    lufs_momentary: float | None
    pitch_hz: float | None
    syllables_per_s: float | None
    speaking: bool
    snr_db: float | None
    link: Link | None
    lufs_short_term: float | None = None


class Scores(Wire):
    """The four delivery scores, 0-100; `None` until there is enough speech to judge."""

    confidence: Score | None
    clarity: Score | None
    pace: Score | None
    volume: Score | None


class Quantities(Wire):
    """What the scores were computed from, over the whole call so far (text analyzers included).

    `lufs_integrated`: BS.1770, gated. `pitch_range_semitones` from the 5th to the 95th percentile,
    `pitch_variation_semitones` a standard deviation. `level_drift_db`: the last 30 s of speech
    against the first. `acceleration_pct`: syllables per second of the last 15 s of speech against
    all before. `final_falls`, `final_rises`: ends of speech at which the voice fell or rose;
    `falling_statements_pct`: of the ends that are statements, questions left out.
    `longest_monologue_ms`: speech without 2 s of silence. Known with another person's track only:
    `talk_share_pct` of all speech, `interruptions` of the other, `hesitation_ms`, the mean gap
    before an answer, and `patience_ms`, the median gap left, an interruption being none.
    """

    speech_s: float
    words: int
    rate_wpm: float | None
    syllables_per_s: float | None
    active_level_dbfs: float | None
    level_vs_baseline_db: float | None
    level_variation_db: float | None
    snr_db: float | None
    clipped_pct: float
    asr_certainty: float | None
    modulation_db: float | None = None
    consonants_db: float | None = None
    fillers: int
    hedges: int
    fillers_per_100_words: float | None
    hedges_per_100_words: float | None
    pauses: int
    longest_pause_ms: int
    lufs_integrated: float | None = None
    pitch_median_hz: float | None = None
    pitch_range_semitones: float | None = None
    pitch_variation_semitones: float | None = None
    level_drift_db: float | None = None
    acceleration_pct: float | None = None
    final_falls: int | None = None
    final_rises: int | None = None
    falling_statements_pct: float | None = None
    longest_monologue_ms: int | None = None
    questions: int | None = None
    talk_share_pct: float | None = None
    interruptions: int | None = None
    hesitation_ms: int | None = None
    patience_ms: int | None = None


class Metrics(Wire):
    """`metrics`: every 2 s during a call and once at its end."""

    scores: Scores
    quantities: Quantities


class Feedback(Wire):
    """`feedback`: one cue for the trainee. `message`: at most six words; `evidence` explains it."""

    kind: Kind
    severity: Severity
    code: str
    parameters: dict[str, float | int | str]
    message: str
    evidence: str
    span_ms: tuple[int, int]


class Point(Wire):
    """A strength, or something to work on; `moments` are spans of session time (ms)."""

    code: str
    parameters: dict[str, float | int | str]
    message: str
    moments: list[tuple[int, int]]


class Summary(Wire):
    """`summary`: at the end of a call, at most three strengths and three things to work on."""

    strengths: list[Point]
    work_on: list[Point]


class Note(Wire):
    """`note`: what somebody who listens says about the moment `at_ms`: words, or a stamp."""

    id: str
    kind: Literal["note", "stamp"]
    text: Annotated[str, Field(max_length=2000)] = ""
    stamp: Annotated[str, Field(max_length=80)] | None = None
    author: Annotated[str, Field(max_length=200)]
    author_id: str
    at_ms: int


class Bookmark(Wire):
    """`bookmark`: a moment flagged by a person; `author` is None for whoever sent the command."""

    at_ms: int
    label: Annotated[str, Field(max_length=200)] = ""
    author: Annotated[str, Field(max_length=200)] | None = None


Mode = Literal["monitor", "whisper", "barge"]
"""How a listener takes part: heard by nobody, by the trainee alone, or by all (and recorded)."""


class Present(Wire):
    """Somebody beside the trainee. `mode` is a listener's; `track` is where their words come."""

    person_id: str
    name: Annotated[str, Field(max_length=200)]
    role: Literal["partner", "listener"]
    mode: Mode | None = None
    track: str | None = None


class Presence(Wire):
    """`presence`: all who are in the call beside the trainee, each time that changes."""

    people: list[Present]


class Objection(Wire):
    code: str
    margin: float


class Playbook(Wire):
    """`playbook`: what of the call's playbook was heard at `span_ms`, by its codes.

    One of: a `stage` reached or something that must be said (`must_say`), each once; something that
    must never be said (`never_say`), each time; `objections`, the best two with their margins, and
    the `card` to show, if one is asserted and was not shown a moment ago.
    """

    stage: str | None = None
    must_say: str | None = None
    never_say: str | None = None
    objections: list[Objection] = []
    card: str | None = None
    span_ms: tuple[int, int] | None = None


class Degraded(Wire):
    """`degraded`: what was reduced, why, and until when (session ms; `None`: not known)."""

    what: str
    why: str
    until_ms: int | None = None


class Error(Wire):
    """`error`: a client message could not be used; `detail` says what was expected."""

    code: str
    detail: str


Data = (
    StateChanged
    | SpeechStart
    | SpeechEnd
    | TranscriptPartial
    | TranscriptFinal
    | Metrics
    | Feedback
    | Summary
    | Note
    | Bookmark
    | Presence
    | Playbook
    | Degraded
    | Error
    | Meters
)

TYPES: dict[str, type[Wire]] = {
    "session.state": StateChanged,
    "speech.start": SpeechStart,
    "speech.end": SpeechEnd,
    "transcript.partial": TranscriptPartial,
    "transcript.final": TranscriptFinal,
    "meters": Meters,
    "metrics": Metrics,
    "feedback": Feedback,
    "summary": Summary,
    "note": Note,
    "bookmark": Bookmark,
    "presence": Presence,
    "playbook": Playbook,
    "degraded": Degraded,
    "error": Error,
}
NAMES: dict[type[Wire], str] = {model: name for name, model in TYPES.items()}

URGENT = frozenset(
    {"transcript.partial", "transcript.final", "speech.start", "speech.end", "feedback"}
)
"""Types that leave within 20 ms; the others are batched at 10 Hz."""


class Event(BaseModel):
    """The envelope. `data` is the model of `type`, already as camelCase JSON values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    seq: int
    t: int
    track: str | None
    type: str
    data: dict[str, Any]

    @classmethod
    def of(cls, seq: int, t_ms: int, track: str | None, data: Wire) -> Event:
        """Wrap `data`, whose class names the event's type."""
        return cls(
            seq=seq,
            t=t_ms,
            track=track,
            type=NAMES[type(data)],
            data=data.model_dump(by_alias=True),
        )

    def parsed(self) -> Wire:
        """The typed data. Raises `KeyError` for an unknown type, `ValidationError` for bad data."""
        return TYPES[self.type].model_validate(self.data)


class Command(BaseModel):
    """A message from the client: `type` and what it carries. Unknown types are ignored."""

    model_config = ConfigDict(extra="ignore")

    type: Annotated[str, Field(max_length=32)]
    label: Annotated[str, Field(max_length=200)] = ""
    settings: dict[str, bool | int | float | str | None] = Field(default={}, max_length=32)


COMMANDS = frozenset({"pause", "resume", "device", "end", "bookmark", "ping"})
COMMAND = TypeAdapter(Command)
