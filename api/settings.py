"""Every knob of a node, with a default that works on a laptop. Environment: ``FORECOURT_NAME``."""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from processing.scan import Clamd


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/forecourt``, by default ``~/.local/share/forecourt``."""
    import os

    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "forecourt"


def default_workers() -> int:
    """One for each core that this process may use, at most 4."""
    import os

    return min(len(os.sched_getaffinity(0)), 4)


_HOST = r"[A-Za-z0-9.-]+(:\d{1,5})?"
_ORIGIN = r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?"
NodeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
HostName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])$")]
StunUrl = Annotated[str, StringConstraints(pattern=rf"^stun:{_HOST}$")]
TurnUrl = Annotated[str, StringConstraints(pattern=rf"^turns?:{_HOST}(\?transport=(udp|tcp))?$")]


def _is_address(text: str) -> str:
    """An http or https address that others can be put behind, or nothing."""
    wrong = "must be like https://host:port/v1: no user, password, query or fragment"
    if any(c in "?#@" or c.isspace() for c in text):
        raise ValueError(wrong)
    try:
        if text:
            AnyHttpUrl(text)
    except ValidationError as error:
        raise ValueError(wrong) from error
    return text


def _is_origin(text: str) -> str:
    """Scheme, host and perhaps a port, as a browser's address bar begins; or nothing."""
    if text and not re.fullmatch(_ORIGIN, text):
        raise ValueError("must be like https://coach.example.com, without a path")
    return text


def _is_blobs(text: str) -> str:
    if text and not re.match(r"(s3|file)://", text):
        raise ValueError("must be like s3://bucket/prefix or file:///absolute/folder")
    return text


def _is_clamd(text: str) -> str:
    if text:
        Clamd(text)
    return text


def _none_if_empty(text: object) -> object:
    return None if text == "" else text


class Settings(BaseSettings):
    """One node's settings."""

    model_config = SettingsConfigDict(
        env_prefix="FORECOURT_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    """Address to listen on; one beyond loopback needs `public_url` with https."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    public_url: Annotated[str, AfterValidator(_is_origin)] = ""
    """Where people reach the node, where that is not its own address: `https://coach.example.com`
    of the proxy before it."""
    trusted_hosts: tuple[HostName, ...] = ()
    """Further names that requests may be meant for, as a JSON list, without ports: of monitoring
    inside, mostly. Loopback, `host` and the name in `public_url` are trusted anyway."""
    data: Path = Field(default_factory=default_data_dir)
    """The node's folder: its secrets, calls that go on, and by default the store and the blobs."""
    node: NodeName = "node1"
    """The node's name, its own among all that share a store."""
    store: SecretStr = SecretStr("")
    """The database: `mongodb://user:password@host:port/name?replicaSet=rs0`, or by default SQLite
    in the node's folder, for one node alone."""
    blobs: Annotated[str, AfterValidator(_is_blobs)] = ""
    """Where recordings and journals of past calls lie: `s3://bucket/prefix`, or by default a folder
    in the node's folder."""
    redis: SecretStr = SecretStr("")
    """`redis://:password@host:port/0`, so that several nodes count attempts together."""
    metrics_token: SecretStr = SecretStr("")
    """What a scraper elsewhere shows `/metrics` as a bearer token; without one, it is told on this
    machine alone."""
    clamd: Annotated[str, AfterValidator(_is_clamd)] = ""
    """Where a clamd looks at uploads before they are kept: `tcp://host:3310` or
    `unix:///run/clamav/clamd.ctl`. None by default."""
    smtp_host: str = ""
    """The server that takes mails. Without one they are written to the folder `mail`."""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    """`none` only inside one machine or network: mails carry links that open accounts."""
    mail_from: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")] = (
        "forecourt@localhost"
    )
    """Whom mails come from."""
    hooks_to_private: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that webhooks may reach beside the public internet, there also without TLS, as a
    JSON list: `["10.0.0.0/8"]`."""
    rewrite_url: Annotated[str, AfterValidator(_is_address)] = ""
    """A language model that may say copy in other words, by OpenAI's chat API: its address up to
    `/chat/completions`, mostly `http://host:port/v1`. What it returns is taken only where it states
    what the facts hold. None by default."""
    rewrite_key: SecretStr = SecretStr("")
    """What that server knows us by, where it asks."""
    rewrite_model: Annotated[str, StringConstraints(max_length=200)] = "default"
    """The name that it has for its model."""
    sign_ins_per_address: Annotated[int, Field(ge=10, le=1_000_000)] = 60
    """Attempts to sign in from one address in five minutes; more, where many share one."""
    publishes_per_minute: Annotated[int, Field(ge=5, le=1_000_000)] = 30
    """Calls that one account may begin or come back to in a minute; eight times that from one
    address."""
    sign_in_idle: timedelta = timedelta(hours=12)
    """How long a sign-in lasts unused: 15 minutes at least (`PT12H`)."""
    sign_in_lasts: timedelta = timedelta(days=30)
    """How long it lasts in all: 90 days at most (`P30D`)."""
    model: str = "whisper-tiny.en"
    """Name of a recognizer in engine/models.toml."""
    model_path: Path | None = None
    """A folder that already holds the model, instead of the cache."""
    asr_workers: Annotated[int, Field(ge=1, le=64)] = Field(default_factory=default_workers)
    """Processes that recognize speech, each busy with up to one core and 0.3 GB; by default as many
    as there are cores, at most 4. They give way to the media process wherever it wants a core."""
    asr_admission: Literal["predicted", "off"] = "predicted"
    """Whether calls are refused that it would not keep up with; `max_calls` always holds."""
    asr_step: Literal["adaptive", "fixed"] = "adaptive"
    """How much speech lies between two looks at words under way: 0.5 to 1.5 s, by the load."""
    asr_fixed_step_s: Annotated[float, Field(ge=0.2, le=3)] = 0.5
    asr_languages: dict[Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")], str] = {
        "es": "whisper-base"
    }
    """Recognizers of engine/models.toml for languages beside English. One whose weights are not in
    the cache is not offered: `forecourt models fetch NAME`."""
    asr_url: Annotated[str, AfterValidator(_is_address)] = ""
    """A server that speaks OpenAI's transcription API, instead of a recognizer of our own: its
    address up to `/audio/transcriptions`, mostly `http://host:port/v1`. All speech goes there."""
    asr_api_key: SecretStr = SecretStr("")
    """What that server knows us by, where it asks."""
    asr_model: str = "whisper-1"
    """The name that it has for its model."""
    asr_requests: Annotated[int, Field(ge=1, le=64)] = 4
    """Requests to it at a time: as many as it decodes side by side; more only wait there."""
    asr_timeout_s: Annotated[float, Field(ge=0.5, le=60)] = 10
    """A request that takes longer has failed; final words are then asked for again."""
    domain: Literal["on", "off"] = "on"
    """Whether makes, models, trims and terms of the trade that were misheard are put right in
    English transcripts, by the list of engine/domain.toml."""
    domain_words: Annotated[Path | None, BeforeValidator(_none_if_empty)] = None
    """A dealership's own list of the same shape, which is added to that one and wins over it."""
    objections: Literal["model", "phrases"] = "model"
    """How objections are recognized in English: by sentences alike, in a process of 0.3 GB that is
    mostly idle, or by a playbook's phrases alone, as also where the model is not in the cache."""
    ice_loopback: bool = False
    """Offer 127.0.0.1 as the only candidate: development and tests on one machine."""
    ice_targets: Literal["public", "private", "loopback"] = "private"
    """How far inside a client may point the node's connectivity checks; each allows the ones
    before it. `private` are the addresses of local networks; `loopback`, which `ice_loopback`
    brings along, is for development on one machine."""
    ice_servers: tuple[StunUrl, ...] = ()
    """STUN servers, as a JSON list. None by default: nothing outside is asked."""
    turn_urls: tuple[TurnUrl, ...] = ()
    """TURN servers, as a JSON list: `["turn:relay.example.com:3478?transport=udp"]`. The node uses
    the first; clients are told all. They run coturn's `use-auth-secret`."""
    turn_secret: SecretStr = SecretStr("")
    """The secret shared with the TURN servers (coturn's `static-auth-secret`)."""
    turn_ttl_s: Annotated[int, Field(ge=60, le=7 * 86_400)] = 3_600
    """How long a TURN credential lives. coturn asks for it when a relay is allocated and lets calls
    that outlast it go on; where another server does not, they break off and resume."""
    ice_relay_only: bool = False
    """Media through the TURN server alone: for a node that nobody can reach otherwise."""
    receive: Literal["own", "stock"] = "own"
    """`stock` leaves it to aiortc: more delay and loss, for versions that our hooks do not fit."""
    hold_ms: Annotated[int, Field(ge=0, le=500)] = 60
    """The longest that a packet waits for a missing one before it."""
    job_workers: Annotated[int, Field(ge=0, le=64)] = 1
    """Processes for photos and uploaded calls, behind everything else on the machine: of this node
    without `redis`, and of each `forecourt worker`."""
    max_calls: Annotated[int, Field(ge=1)] = 40
    """Live calls before new ones are refused with 503."""
    drain_s: Annotated[float, Field(ge=0, le=86_400)] = 0
    """How long a node that is told to stop (SIGTERM) waits for its calls to end by themselves.
    Whatever stops it must wait some 10 s longer before it kills."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = True

    @model_validator(mode="after")
    def _turn_is_whole(self) -> Settings:
        if self.turn_urls and not self.turn_secret.get_secret_value():
            raise ValueError("FORECOURT_TURN_URLS needs FORECOURT_TURN_SECRET beside it")
        if self.ice_relay_only and not self.turn_urls:
            raise ValueError("FORECOURT_ICE_RELAY_ONLY needs FORECOURT_TURN_URLS")
        return self

    @model_validator(mode="after")
    def _key_is_a_header(self) -> Settings:
        key = self.asr_api_key.get_secret_value()
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError("FORECOURT_ASR_API_KEY holds a character that no key has")
        return self

    @model_validator(mode="after")
    def _sign_in_ends(self) -> Settings:
        least, most = timedelta(minutes=15), timedelta(days=90)
        if not least <= self.sign_in_idle <= self.sign_in_lasts <= most:
            raise ValueError(
                "FORECOURT_SIGN_IN_IDLE must be 15 minutes at least and no longer than "
                "FORECOURT_SIGN_IN_LASTS, which must be 90 days at most"
            )
        return self

    @property
    def store_url(self) -> str:
        """Where the database is; with its password."""
        return self.store.get_secret_value() or f"sqlite:///{self.data.absolute() / 'store.db'}"

    @property
    def blobs_url(self) -> str:
        return self.blobs or (self.data.absolute() / "blobs").as_uri()

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Names that a request's Host header may carry, without ports, IPv6 in brackets."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        public = urlsplit(self.public_url).netloc
        # "[::1]:8080" -> "[::1]"
        public = re.sub(r":\d+$", "", public)
        loopback = ("localhost", "127.0.0.1", "[::1]")
        names = dict.fromkeys((*loopback, own, public, *self.trusted_hosts))
        return tuple(name.lower() for name in names if name not in ("", "0.0.0.0", "[::]"))

    @property
    def sessions(self) -> Path:
        return self.data / "sessions"
