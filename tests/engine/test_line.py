"""The line in front of a recognizer: bounded, in order, and no last words lost in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.asr.line import ASKED_BEFORE, OVERLOADED, Line, Ticket
from engine.asr.window import Hypothesis, Kind, Window

MOST = 3
SILENCE = np.zeros(0, np.int16)


def window(
    kind: Kind, session: str = "a", utterance: int = 1, voiced_end: int = 0, start: int = 0
) -> Window:
    return Window(session, "trainee", utterance, kind, start, start, voiced_end, SILENCE)


@dataclass(slots=True)
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(slots=True)
class Queue:
    """A line on a clock of its own, and what was answered, by number of the question."""

    clock: Clock = field(default_factory=Clock)
    line: Line = field(init=False)
    asked: list[Window] = field(default_factory=list)
    answers: list[tuple[int, Hypothesis]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line = Line(MOST, self.clock)

    def ask(self, each: Window) -> int:
        number = len(self.asked)
        self.asked.append(each)
        self.line.add(each, lambda answer: self.answers.append((number, answer)))
        self.clock.now_s += 1
        return number

    def drain(self) -> list[Window]:
        """Take and answer all that waits; the windows in that order."""
        order = []
        while (ticket := self.line.take()) is not None:
            order.append(ticket.window)
            self.line.answer(ticket, Hypothesis(ticket.window))
        return order

    @property
    def failed(self) -> dict[int, str]:
        return {number: answer.failed for number, answer in self.answers if answer.failed}


def test_the_most_urgent_kind_goes_first_and_of_one_kind_the_earliest() -> None:
    queue = Queue()
    for session, kind in (("a", Kind.REFRESH), ("b", Kind.FINAL), ("c", Kind.REFRESH)):
        queue.ask(window(kind, session))
    assert [each.session for each in queue.drain()] == ["b", "a", "c"]


def test_a_newer_window_takes_over_the_place_of_the_one_that_it_supersedes() -> None:
    queue = Queue()
    queue.ask(window(Kind.REFRESH, "a"))
    queue.ask(window(Kind.REFRESH, "b"))
    queue.ask(window(Kind.REFRESH, "a", start=1))
    statistics = queue.line.statistics()
    assert (statistics.waiting, statistics.superseded, statistics.oldest_s) == (2, 1, 3.0)
    assert [(each.session, each.start_sample) for each in queue.drain()] == [("a", 1), ("b", 0)]


def test_a_final_that_waits_is_not_superseded() -> None:
    queue = Queue()
    final = queue.ask(window(Kind.FINAL))
    queue.ask(window(Kind.REFRESH))
    queue.drain()
    assert [number for number, _ in queue.answers] == [final]


async def test_when_it_is_full_the_least_urgent_gives_way_the_newest_of_them_first() -> None:
    queue = Queue()
    for session in "abc":
        queue.ask(window(Kind.REFRESH, session))
    queue.ask(window(Kind.REFRESH, "d"))
    queue.ask(window(Kind.FIRST, "e"))
    assert queue.line.statistics().dropped == 2
    assert [each.session for each in queue.drain()] == ["e", "a", "b"]


async def test_a_final_without_room_is_answered_but_not_before_add_has_returned() -> None:
    queue = Queue()
    for session in "abcd":
        queue.ask(window(Kind.FINAL, session))
    assert queue.answers == []
    await asyncio.sleep(0)
    assert queue.failed == {3: OVERLOADED}
    assert len(queue.line) == MOST


async def test_a_second_final_of_an_utterance_is_told_that_there_is_one() -> None:
    for is_taken in (False, True):
        queue = Queue()
        first = queue.ask(window(Kind.FINAL))
        ticket = queue.line.take() if is_taken else None
        second = queue.ask(window(Kind.FINAL, start=1))
        await asyncio.sleep(0)
        assert queue.failed == {second: ASKED_BEFORE}
        if ticket is not None:
            queue.line.answer(ticket, Hypothesis(ticket.window))
        queue.drain()
        assert [number for number, _ in queue.answers] == [second, first]


@pytest.mark.parametrize("voiced_end", [5, 6], ids=["silence lasted", "speech went on"])
def test_a_speculation_being_decoded_becomes_the_final_if_silence_lasted(voiced_end: int) -> None:
    queue = Queue()
    speculation = queue.ask(window(Kind.SPECULATIVE, voiced_end=5))
    ticket = queue.line.take()
    assert ticket is not None
    final = queue.ask(window(Kind.FINAL, voiced_end=voiced_end))
    queue.line.answer(ticket, Hypothesis(ticket.window))
    answered = final if voiced_end == 5 else speculation
    assert [number for number, _ in queue.answers] == [answered]
    assert len(queue.drain()) == (0 if voiced_end == 5 else 1)


def test_a_window_given_back_has_its_place_again_unless_a_newer_one_waits() -> None:
    queue = Queue()
    queue.ask(window(Kind.REFRESH, "a"))
    ticket = queue.line.take()
    assert ticket is not None
    queue.ask(window(Kind.REFRESH, "b"))
    queue.line.give_back(ticket)
    assert queue.line.take() is ticket
    queue.ask(window(Kind.REFRESH, "a", start=1))
    queue.line.give_back(ticket)
    assert [(each.session, each.start_sample) for each in queue.drain()] == [("b", 0), ("a", 1)]


def test_a_ticket_that_has_left_the_line_cannot_be_taken() -> None:
    """Who is told of one lost window may leave, and its other windows with it."""
    queue = Queue()
    queue.ask(window(Kind.FINAL, utterance=1))
    queue.ask(window(Kind.FINAL, utterance=2))
    first, second = queue.line.ranked()
    assert queue.line.take(second) is second
    assert queue.line.take(second) is None
    queue.line.forget("a")
    assert queue.line.take(first) is None


def test_who_cannot_take_an_answer_does_not_stop_the_others() -> None:
    def refuse(answer: Hypothesis) -> None:
        raise RuntimeError("a fault of this session")

    queue = Queue()
    queue.line.add(window(Kind.FINAL, "a"), refuse)
    other = queue.ask(window(Kind.FINAL, "b"))
    queue.drain()
    assert [number for number, _ in queue.answers] == [other]


# any sequence of events


@dataclass(slots=True)
class Owner(Queue):
    """Does with taken tickets what an owner may, and keeps account."""

    taken: list[Ticket] = field(default_factory=list)
    forgotten: set[int] = field(default_factory=set)

    def take(self) -> None:
        ranked = self.line.ranked()
        ticket = self.line.take()
        assert ticket is (ranked[0] if ranked else None)
        if ticket is not None:
            mine = ticket.window.kind, ticket.deadline_s
            assert all(mine <= (other.window.kind, other.deadline_s) for other in ranked)
            self.taken.append(ticket)

    def end(self, index: int, how: Callable[[Line, Ticket], None]) -> None:
        if self.taken:
            how(self.line, self.taken.pop(index % len(self.taken)))

    def forget(self, session: str) -> None:
        answered = {number for number, _ in self.answers}
        self.forgotten |= {
            number
            for number, each in enumerate(self.asked)
            if each.session == session and number not in answered
        }
        unwanted = self.line.forget(session)
        assert all(ticket.window.session == session for ticket in unwanted)

    def check(self) -> None:
        waiting = [ticket.utterance for ticket in self.line.ranked()]
        assert len(waiting) == len(set(waiting)) == len(self.line) <= MOST
        numbers = [number for number, _ in self.answers]
        assert len(numbers) == len(set(numbers)), "answered twice"
        assert not self.forgotten & set(numbers), "answered after it was forgotten"


def answer(line: Line, ticket: Ticket) -> None:
    line.answer(ticket, Hypothesis(ticket.window))


def give_up(line: Line, ticket: Ticket) -> None:
    line.give_up(ticket, "the server is gone")


sessions = st.sampled_from("ab")
asking = st.builds(
    lambda kind, session, utterance, voiced: (
        lambda owner: owner.ask(window(kind, session, utterance, voiced))
    ),
    st.sampled_from(Kind),
    sessions,
    st.integers(1, 2),
    st.integers(0, 1),
)
taking = st.just(lambda owner: owner.take())
ending = st.builds(
    lambda index, how: lambda owner: owner.end(index, how),
    st.integers(0, 9),
    st.sampled_from([answer, give_up, Line.give_back]),
)
forgetting = st.builds(lambda session: lambda owner: owner.forget(session), sessions)
passing = st.just(None)


@given(st.lists(st.one_of(asking, asking, taking, ending, forgetting, passing), max_size=60))
def test_whatever_happens_it_stays_bounded_in_order_and_answers_every_final(
    events: list[Callable[[Owner], None] | None],
) -> None:
    async def scenario() -> None:
        owner = Owner()
        for event in events:
            if event is None:
                await asyncio.sleep(0)
            else:
                event(owner)
            owner.check()
        while owner.taken:
            owner.end(0, answer)
        owner.drain()
        await asyncio.sleep(0)
        owner.check()
        numbers = {number for number, _ in owner.answers}
        finals = {n for n, each in enumerate(owner.asked) if each.kind is Kind.FINAL}
        assert finals - owner.forgotten <= numbers
        statistics = owner.line.statistics()
        lost = len(owner.asked) - len(numbers) - len(owner.forgotten)
        assert statistics.waiting == 0
        assert lost <= statistics.superseded + statistics.dropped

    asyncio.run(scenario())
