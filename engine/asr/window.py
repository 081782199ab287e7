"""What is asked of a recognizer and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from engine.frames import Pcm


class Kind(IntEnum):
    """Why a window is decoded; the smaller, the more urgent."""

    FINAL = 0
    """The utterance is over, or is being cut: its last words, with times."""
    SPECULATIVE = 1
    """Silence has begun and may be the end: as final, thrown away if speech goes on."""
    FIRST = 2
    """The first words of an utterance."""
    REFRESH = 3
    """Another look at an utterance that goes on."""


@dataclass(frozen=True, slots=True)
class Window:
    """The audio of one utterance from its start. `pcm` is int16 at 16 kHz, at most 28 s."""

    session: str
    track: str
    utterance: int
    kind: Kind
    start_sample: int
    end_sample: int
    voiced_end_sample: int
    pcm: Pcm

    @property
    def wants_times(self) -> bool:
        return self.kind <= Kind.SPECULATIVE


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as decoded, original casing and punctuation; times in ms from the window's start.

    Times are zero where the window did not ask for them.
    """

    text: str
    start_ms: int = 0
    end_ms: int = 0
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The answer to one window. `failed` says why there is none, in a sentence."""

    window: Window
    words: list[SpokenWord] = field(default_factory=list)
    average_log_probability: float = 0.0
    no_speech_probability: float = 0.0
    full_context: bool = False
    failed: str | None = None


class Recognizer(Protocol):
    """Turns windows into hypotheses, in any order, later, on the caller's event loop."""

    def submit(self, window: Window, done: Callable[[Hypothesis], None]) -> None:
        """Ask for `window`. A newer window of the same utterance supersedes one still waiting:
        the older one's `done` is then never called, unless the older one is FINAL."""

    def forget(self, session: str) -> None:
        """Drop all that waits for `session`."""
