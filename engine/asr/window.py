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
    language: str = "en"

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
    ran_away: bool = False
    """These are not the words that were said: another look is needed."""


class Refused(Exception):
    """The recognizer takes no such call, now or ever; the message is a sentence for people.

    `retry_after_s`: when there may be room; None where waiting does not help.
    """

    def __init__(self, why: str, retry_after_s: float | None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Pressure(IntEnum):
    """What a recognizer reduces when it has too much to do."""

    NONE = 0
    STRETCHED = 1
    """Words under way are looked at so rarely that they come noticeably late."""
    FINALS_ONLY = 2
    """They are not looked at any more; last words alone are decoded."""


class Recognizer(Protocol):
    """Turns windows into hypotheses, in any order, later, on the caller's event loop."""

    def submit(self, window: Window, done: Callable[[Hypothesis], None]) -> None:
        """Ask for `window`. A newer window of the same utterance supersedes one still waiting:
        the older one's `done` is then never called, unless the older one is FINAL."""

    def admit(self, session: str, language: str) -> None:
        """Take on the calls of `session` until it is forgotten. Raises `Refused`.

        Returns at once, and no other call can take the room in between.
        """

    def forget(self, session: str) -> None:
        """Drop all that waits for `session`, and give its room to others."""

    @property
    def step_s(self) -> float:
        """How much speech there should be between two looks at words under way; inf: no looks."""

    @property
    def pressure(self) -> Pressure:
        """What is reduced, for want of time, for all calls."""
