"""The windows that wait for a recognizer, whichever it is: who is next, and who gives way.

At most one window of an utterance waits, the newest, and a FINAL one is never replaced. The most
urgent kind is next; of one kind, the earliest deadline. A window that supersedes another takes over
its place: an utterance asked about again and again is not the last in line for ever. When the line
is full the least urgent window is dropped and counted; a FINAL one is answered, as failed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from engine.asr.window import Hypothesis, Kind, Window

log = structlog.get_logger(__name__)

Done = Callable[[Hypothesis], None]

OVERLOADED = "the recognizer is overloaded"
ASKED_BEFORE = "the last words of this utterance had been asked for before"


@dataclass(slots=True, eq=False)
class Ticket:
    """A window in line, or taken out of it to be decoded. Times in monotonic seconds.

    `deadline_s` is its place among its kind: when it, or the first of those that it superseded, was
    asked for. `attempts` counts those that failed, for its owner.
    """

    window: Window
    done: Done
    deadline_s: float
    asked_s: float
    attempts: int = 0

    @property
    def utterance(self) -> tuple[str, str, int]:
        return self.window.session, self.window.track, self.window.utterance

    @property
    def urgency(self) -> tuple[int, float]:
        """The smaller, the more urgent."""
        return self.window.kind, self.deadline_s


@dataclass(frozen=True, slots=True)
class LineStatistics:
    waiting: int
    oldest_s: float
    dropped: int
    superseded: int


class Line:
    """At most `most_waiting` tickets wait; those taken are the owner's to bound.

    The owner takes a ticket and then does one of three things with it: `answer`, `give_up` or
    `give_back`. None of them does anything to a ticket that was forgotten meanwhile. Everything
    runs on the event loop that the answers are wanted on.
    """

    def __init__(self, most_waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_waiting = most_waiting
        self._clock = clock
        self._waiting: dict[tuple[str, str, int], Ticket] = {}
        self._taken: set[Ticket] = set()
        self._dropped = self._superseded = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def statistics(self) -> LineStatistics:
        now_s = self._clock()
        oldest_s = max((now_s - t.deadline_s for t in self._waiting.values()), default=0.0)
        return LineStatistics(len(self._waiting), oldest_s, self._dropped, self._superseded)

    def add(self, window: Window, done: Done) -> None:
        """Put `window` in line; see `engine.asr.window.Recognizer.submit`.

        A FINAL one whose audio is being decoded already, as a speculation, is answered by that.
        """
        now_s = self._clock()
        ticket = Ticket(window, done, now_s, now_s)
        before = self._waiting.get(ticket.utterance)
        if window.kind is Kind.FINAL:
            if self._has_final(ticket.utterance):
                self._fail_soon(ticket, ASKED_BEFORE)
                return
            if self._promote(ticket):
                if before is not None:
                    self._supersede(before)
                return
        elif before is not None and before.window.kind is Kind.FINAL:
            self._superseded += 1
            return
        if before is not None:
            ticket.deadline_s = before.deadline_s
            self._superseded += 1
        self._waiting[ticket.utterance] = ticket
        self._make_room()

    def ranked(self) -> list[Ticket]:
        """The tickets that wait, most urgent first."""
        return sorted(self._waiting.values(), key=lambda ticket: ticket.urgency)

    def take(self, ticket: Ticket | None = None) -> Ticket | None:
        """Take `ticket`, by default the most urgent, out of the line; None if it is not there."""
        if ticket is None:
            if not self._waiting:
                return None
            ticket = min(self._waiting.values(), key=lambda ticket: ticket.urgency)
        elif self._waiting.get(ticket.utterance) is not ticket:
            return None
        del self._waiting[ticket.utterance]
        self._taken.add(ticket)
        return ticket

    def answer(self, ticket: Ticket, hypothesis: Hypothesis) -> None:
        """Hand a taken ticket's answer to who asked."""
        if ticket not in self._taken:
            return
        self._taken.discard(ticket)
        try:
            ticket.done(hypothesis)
        except Exception:
            # One session's fault must not stop the words of the others.
            log.exception("hypothesis_refused", session=ticket.window.session)

    def give_up(self, ticket: Ticket, why: str) -> None:
        """There will be no words for a taken ticket: a FINAL one is told why, others are counted.

        Another look at an utterance is asked for soon; its last words are not.
        """
        if ticket.window.kind is Kind.FINAL:
            self.answer(ticket, Hypothesis(ticket.window, failed=why))
        elif ticket in self._taken:
            self._taken.discard(ticket)
            self._dropped += 1

    def give_back(self, ticket: Ticket) -> None:
        """Put a taken ticket back in its place, unless a newer window of its utterance waits."""
        if ticket not in self._taken:
            return
        self._taken.discard(ticket)
        newer = self._waiting.get(ticket.utterance)
        if newer is not None:
            self._superseded += 1
            if ticket.window.kind is not Kind.FINAL:
                return
        self._waiting[ticket.utterance] = ticket
        self._make_room()

    def forget(self, session: str) -> list[Ticket]:
        """Drop what waits for `session`; the taken tickets that nobody wants answered any more."""
        for key in [key for key in self._waiting if key[0] == session]:
            del self._waiting[key]
        unwanted = [ticket for ticket in self._taken if ticket.window.session == session]
        self._taken.difference_update(unwanted)
        return unwanted

    def clear(self) -> None:
        """Drop everything; nothing is answered any more."""
        self._waiting.clear()
        self._taken.clear()

    def _promote(self, final: Ticket) -> bool:
        """Whether the audio of `final` is being decoded already: then that becomes the final."""
        for ticket in self._taken:
            if (
                ticket.utterance == final.utterance
                and ticket.window.kind is Kind.SPECULATIVE
                and ticket.window.voiced_end_sample == final.window.voiced_end_sample
            ):
                ticket.window, ticket.done = final.window, final.done
                ticket.asked_s = final.asked_s
                self._superseded += 1
                return True
        return False

    def _has_final(self, utterance: tuple[str, str, int]) -> bool:
        waiting = self._waiting.get(utterance)
        tickets = [*self._taken] if waiting is None else [waiting, *self._taken]
        return any(t.utterance == utterance and t.window.kind is Kind.FINAL for t in tickets)

    def _supersede(self, ticket: Ticket) -> None:
        del self._waiting[ticket.utterance]
        self._superseded += 1

    def _make_room(self) -> None:
        if len(self._waiting) <= self._most_waiting:
            return
        least = self.ranked()[-1]
        del self._waiting[least.utterance]
        self._dropped += 1
        if least.window.kind is Kind.FINAL:
            self._fail_soon(least, OVERLOADED)

    def _fail_soon(self, ticket: Ticket, why: str) -> None:
        """Not at once: who asks is not ready for an answer before `add` has returned."""
        self._taken.add(ticket)
        failed = Hypothesis(ticket.window, failed=why)
        asyncio.get_running_loop().call_soon(self.answer, ticket, failed)
