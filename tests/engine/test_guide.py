"""What a playbook makes of a conversation, as events."""

from __future__ import annotations

import json
from typing import Any

from engine import models, playbook
from engine.embedding.embedder import Embedder
from engine.embedding.minilm import MODEL
from engine.events import Objection, Wire
from engine.events import Playbook as PlaybookEvent
from engine.guide import CARD_AGAIN_MS, Guide, Lesson
from engine.matching import Role
from engine.objections import Judge, Scores
from tests.engine.desk import until
from tests.engine.test_playbook import words

CAR_SALES = playbook.shipped()
BY_PHRASES = Judge(CAR_SALES, None)


class Call:
    """A guide, and all that came of it."""

    def __init__(self, role: Role, judge: Judge | None = BY_PHRASES) -> None:
        self.events: list[Wire] = []
        self.never: list[str] = []
        self.records: list[dict[str, Any]] = []
        self.guide = Guide(
            Lesson(CAR_SALES, "objection", role, judge),
            emit=self.events.append,
            never=lambda found: self.never.append(found.never_say.code),
            record=lambda kind, **fields: self.records.append({"k": kind, **fields}),
        )


def test_what_was_said_becomes_events_and_what_must_not_be_said_goes_to_the_coach() -> None:
    call = Call("salesperson")
    said = words("I understand. It is too expensive for you, but it's bulletproof.")
    call.guide.push(1, said)
    understood, bulletproof = (said[0][1], said[1][2]), (said[-1][1], said[-1][2])
    assert call.events == [
        PlaybookEvent(stage="acknowledge", span_ms=understood),
        PlaybookEvent(must_say="acknowledge", span_ms=understood),
        PlaybookEvent(never_say="reliability_promise", span_ms=bulletproof),
    ]
    assert call.never == ["reliability_promise"]
    assert call.records == []


def test_what_must_be_said_is_missing_until_it_is_said() -> None:
    call = Call("salesperson")
    before = call.guide.unsaid
    call.guide.push(1, words("I understand."))
    after = call.guide.unsaid
    assert before is not None
    assert after is not None
    (ticked,) = set(before[0]) - set(after[0])
    assert ticked == next(each.title for each in CAR_SALES.must_say if each.code == "acknowledge")
    assert before[1] == after[1] == len(before[0])


def test_an_objection_becomes_an_event_with_its_card() -> None:
    call = Call("customer")
    call.guide.push(1, words("Nice car. But it's too expensive. Hm."))
    assert call.events == [
        PlaybookEvent(
            objections=[Objection(code="price_too_high", margin=1.0)],
            card="price_too_high",
            span_ms=tuple(call.records[1]["span"]),
        )
    ]
    assert call.never == []
    assert [record["phrases"] for record in call.records] == [(), ("price_too_high",)]


def test_a_card_that_was_just_shown_is_not_shown_again() -> None:
    call = Call("customer")
    text = "It's too expensive."
    end_ms = words(text)[-1][2]
    for utterance, start_ms in enumerate((0, CARD_AGAIN_MS - 1, CARD_AGAIN_MS)):
        call.guide.push(utterance, words(text, start_ms))
    assert end_ms < CARD_AGAIN_MS
    cards = [event.card for event in call.events if isinstance(event, PlaybookEvent)]
    assert cards == ["price_too_high", None, "price_too_high"]
    assert len(call.events) == 3


def test_a_replay_of_the_records_gives_the_same_events() -> None:
    live = Call("customer")
    conversation = [
        "I like it. It's too expensive though.",
        "I have to think about it, and it's too expensive.",
        "I'm just looking.",
        "It's too expensive, I said.",
    ]
    again = Call("customer", judge=None)
    for number, text in enumerate(conversation):
        said = words(text, 5_000 * number)
        live.guide.push(number, said)
        again.guide.push(number, said)
    assert again.events == []
    for record in json.loads(json.dumps(live.records)):
        assert record["k"] == "likeness"
        scores = Scores(record["likeness"], record["ordinary"], tuple(record["phrases"]))
        first, last = record["span"]
        again.guide.apply(scores, (first, last))
    assert again.events == live.events
    assert len(live.events) == 4


def test_an_answer_after_the_end_tells_nothing() -> None:
    call = Call("customer")
    call.guide.close()
    call.guide.push(1, words("It's too expensive."))
    assert (call.events, call.records) == ([], [])


async def test_an_objection_in_other_words_is_heard_by_the_model() -> None:
    """Neither sentence holds a phrase of the playbook."""
    embedder = Embedder(models.ensure(MODEL, progress=False))
    embedder.start()
    try:
        judge = Judge(CAR_SALES, embedder)
        await judge.prepare()
        call = Call("customer", judge)
        call.guide.push(
            1, words("The seats are lovely. I can't sign this before my husband has seen it.")
        )
        await until(lambda: len(call.records) == 2)
    finally:
        await embedder.stop()
    assert [record["phrases"] for record in call.records] == [(), ()]
    (event,) = call.events
    assert isinstance(event, PlaybookEvent)
    assert event.card == event.objections[0].code == "talk_to_spouse"
    json.dumps(call.records)
