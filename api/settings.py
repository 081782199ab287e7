"""Every knob of a node, with a default that works on a laptop. Environment: ``FORECOURT_NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/forecourt``, by default ``~/.local/share/forecourt``."""
    import os

    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "forecourt"


class Settings(BaseSettings):
    """One node's settings."""

    model_config = SettingsConfigDict(env_prefix="FORECOURT_", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    """Address to listen on. Until accounts exist only loopback addresses are accepted."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    data: Path = Field(default_factory=default_data_dir)
    """Where journals and recordings live."""
    model: str = "whisper-tiny.en"
    """Name of a recognizer in engine/models.toml."""
    model_path: Path | None = None
    """A folder that already holds the model, instead of the cache."""
    ice_loopback: bool = False
    """Offer 127.0.0.1 as the only candidate: development and tests on one machine."""
    ice_servers: tuple[str, ...] = ()
    """STUN/TURN addresses. None by default: nothing outside is asked."""
    max_calls: Annotated[int, Field(ge=1)] = 40
    """Live calls before new ones are refused with 503."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = True

    @property
    def sessions(self) -> Path:
        return self.data / "sessions"
