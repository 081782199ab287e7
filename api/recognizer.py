"""The recognizer that a node runs: its own worker, or a server elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import structlog

from api.settings import Settings
from engine.asr import weights
from engine.asr.remote import STEP_S, RemoteRecognizer
from engine.asr.scheduler import Model, Scheduler
from engine.asr.window import Pressure, Recognizer
from engine.models import ModelError, catalogue

log = structlog.get_logger(__name__)


class Counts(Protocol):
    """What a recognizer tells of itself at any time; totals since it began, but for the first two.

    `waiting` windows now, the oldest of them for `oldest_s`. `restarts`: how often it was lost
    (its worker, its server) and has come back. `calls` admitted now; `refused` for want of room;
    `busy` is a share of its time; for `step_s` and `pressure` see `Recognizer`.
    """

    @property
    def waiting(self) -> int: ...
    @property
    def oldest_s(self) -> float: ...
    @property
    def dropped(self) -> int: ...
    @property
    def superseded(self) -> int: ...
    @property
    def decoded(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def calls(self) -> int: ...
    @property
    def refused(self) -> int: ...
    @property
    def busy(self) -> float: ...
    @property
    def step_s(self) -> float: ...
    @property
    def pressure(self) -> Pressure: ...


class NodeRecognizer(Recognizer, Protocol):
    """A recognizer for all calls of a node, from the node's start to its end."""

    async def start(self) -> None:
        """Take work from now on. Raises where that cannot be."""

    async def stop(self) -> None:
        """Give up what waits and what is being decoded. May be called again."""

    @property
    def ready(self) -> bool:
        """Whether it takes work now; False, too, while it recovers."""

    @property
    def languages(self) -> frozenset[str] | None:
        """Those it recognizes, as ISO 639-1; None where only somebody else knows."""

    def statistics(self) -> Counts: ...


def local(settings: Settings, model: Path) -> NodeRecognizer:
    """Workers on this machine. `model` is the verified folder of the weights for English; those
    for other languages are used where they are in the cache."""
    models = {"en": Model(model, weights.options(settings.model))}
    known = catalogue()
    for language, name in settings.asr_languages.items():
        if language == "en":
            continue
        try:
            models[language] = Model(known.verify(name), weights.options(name))
        except ModelError as error:
            log.warning("asr_language_unavailable", language=language, error=str(error))
    return Scheduler(
        models,
        workers=settings.asr_workers,
        takes_all=settings.asr_admission == "off",
        step_s=None if settings.asr_step == "adaptive" else settings.asr_fixed_step_s,
    )


def remote(settings: Settings) -> RemoteRecognizer:
    """The server that `asr_url` names."""
    return RemoteRecognizer(
        settings.asr_url,
        settings.asr_api_key,
        settings.asr_model,
        most_requests=settings.asr_requests,
        timeout_s=settings.asr_timeout_s,
        step_s=STEP_S if settings.asr_step == "adaptive" else settings.asr_fixed_step_s,
    )
