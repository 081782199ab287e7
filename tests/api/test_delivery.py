"""What is said in a call comes into the store: sealed, in order, once, whatever breaks on the way;
and what must not be kept is nowhere."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from api import completion, delivery
from api.call import Call
from api.calls import Calls
from api.delivery import MAX_PENDING, Delivery
from api.ids import new_id
from api.keep import Keep
from api.payloads import opened_event, opened_field
from api.problems import Problem
from api.store.base import StoreError, Unavailable
from api.store.documents import Event as StoredEvent
from api.store.documents import TrainingSession
from engine.events import Bookmark, Note, TranscriptFinal
from engine.session import Session
from tests.api.keeping import (
    CONSENT,
    CUE,
    DEALER,
    METRICS,
    OWNER,
    REFUSED,
    begun,
    calling,
    consented,
    keeping,
)
from tests.api.test_calls import ended, files_of, stored
from tests.mongod import running
from tests.recording import length_ms
from tests.signaling.calling import until
from tests.signaling.packets import RATE, encode, voice

T = TypeVar("T")

WORDS = ["Northwind", "financing", "quokka"]
NOTE = "Ask about the wombat trade-in"
PHONE = "0171-5550-4711"
SECRETS = [*WORDS, "wombat", PHONE, "5550-4711"]
SPEECH = encode(voice(2))


def speak(calls: Calls, session_id: str) -> list[int]:
    """Two seconds of voice, with words, a note and a bookmark; the numbers of the events."""
    room = calls._calls[session_id].room
    assert room is not None
    for index, payload in enumerate(SPEECH):
        room.packet(index * RATE // 50, payload)
    session = room.session
    words = [(word, 100 * n, 100 * n + 80, 0.9) for n, word in enumerate(WORDS)]
    session.record("hypothesis", t=1_000, words=words)
    said = TranscriptFinal(utterance=1, start_ms=0, end_ms=2_000, words=words)
    note = Note(id="0" * 24, kind="note", text=NOTE, author="c", author_id="1" * 24, at_ms=1)
    events = [said, METRICS, CUE, note, Bookmark(at_ms=1, label=PHONE)]
    return [session.emit(event, "trainee").seq for event in events]


async def seqs(keep: Keep, session_id: str) -> list[int]:
    return [event.seq for event in await keep.store.events.after(DEALER, session_id)]


def dump(data: Path) -> bytes:
    """Everything in the data folder as bytes, and the database once more as its statements."""
    parts = [path.read_bytes() for path in data.rglob("*") if path.is_file()]
    with sqlite3.connect(f"file:{data / 'store.db'}?mode=ro", uri=True) as database:
        parts += [line.encode() for line in database.iterdump()]
    database.close()
    return b"\n".join(parts)


def assert_silent(data: Path) -> None:
    held = dump(data)
    assert b"training_sessions" in held
    for secret in SECRETS:
        assert secret.encode() not in held, secret
    # Nor the packets of what was said.
    assert not any(payload in held for payload in SPEECH[20:60] if len(payload) > 20)


def live_session(calls: Calls, session_id: str) -> Session:
    session = calls.session(DEALER, session_id)
    assert session is not None
    return session


async def check_whole(keep: Keep, calls: Calls, session_id: str) -> TrainingSession:
    """That the store has all that `speak` said, once."""
    document = await stored(keep, session_id)
    key = keep.vault.key_of(document)
    assert key is not None
    (said,) = opened_field(key, document, "transcript")
    assert [word[0] for word in said["words"]] == WORDS
    (cue,) = opened_field(key, document, "feedback")
    assert (cue["type"], cue["code"], cue["message"]) == ("praise", "steady", CUE.message)
    assert datetime.fromisoformat(cue["timestamp"]).tzinfo is not None
    assert document.feedback_counts == {"steady": 1}
    assert document.journal is not None
    recording = await calls.recording(DEALER, session_id)
    assert recording is not None
    whole = b"".join([part async for part in recording.read(0, recording.size)])
    assert len(whole) == recording.size
    assert length_ms(whole) == pytest.approx(2_000, abs=40)
    part = b"".join([part async for part in recording.read(1_000, 5_000)])
    assert part == whole[1_000:5_000]
    told = await calls.events(DEALER, session_id, 0)
    assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
    assert told[-1]["data"]["state"] == "completed"
    assert [event["data"]["text"] for event in told if event["type"] == "note"] == [NOTE]
    blobs = [blob async for blob, _ in keep.blobs.list(DEALER, session_id)]
    assert len(blobs) == 2
    return document


async def test_no_word_note_or_number_is_anywhere_in_the_clear(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        seq = speak(calls, session_id)[-1]
        await until(lambda: calls._storing._deliveries[session_id].delivered_seq >= seq)
        journal = calls._calls[session_id].folder.journal
        await until(lambda: calls._calls[session_id].folder.recording().exists())
        await asyncio.sleep(0.2)
        assert journal.stat().st_size > 1_000
        assert_silent(tmp_path)  # while the call goes on
        await ended(calls, session_id)
        await check_whole(keep, calls, session_id)
        await until(lambda: files_of(tmp_path) == [])
        assert_silent(tmp_path)  # and when it is over


async def test_the_same_words_in_the_clear_would_be_found(tmp_path: Path) -> None:
    """The test above sees what it looks for."""
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        await begun(calls)
    (tmp_path / "blobs" / "leak").write_bytes(b"... quokka ...")
    with pytest.raises(AssertionError, match="quokka"):
        assert_silent(tmp_path)


async def test_of_a_call_whose_recording_was_refused_only_numbers_stay(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls, REFUSED)
        speak(calls, session_id)
        await ended(calls, session_id)
        document = await stored(keep, session_id)
        assert document.data_key is None
        assert (document.transcript, document.feedback, document.recording) == (None, None, None)
        assert document.feedback_counts == {}
        assert document.metrics.pace == METRICS.scores.pace
        assert document.start_time is not None
        assert document.end_time is not None
        assert await seqs(keep, session_id) == []
        assert [blob async for blob in keep.blobs.list()] == []
        assert files_of(tmp_path) == []
        assert_silent(tmp_path)


async def test_the_store_tells_how_a_live_call_stands(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        for state in ("paused", "active", "interrupted"):
            live_session(calls, session_id).enter(state)  # type: ignore[arg-type]
            await calls._storing._deliveries[session_id].deliver()
            document = await keep.store.sessions.get(DEALER, session_id)
            assert document is not None
            assert document.status == state
            assert document.start_time is not None


async def test_events_wait_while_the_store_is_away_and_arrive_in_order_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(delivery, "EVERY_S", 0.01)
    monkeypatch.setattr(delivery, "RETRY_S", 0.01)
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        first = speak(calls, session_id)
        deliveries = calls._storing._deliveries[session_id]
        await until(lambda: deliveries.delivered_seq == first[-1])
        await keep.store.database.close()
        session = live_session(calls, session_id)
        for n in range(300):
            session.emit(Bookmark(at_ms=n), "trainee")
            await asyncio.sleep(0.001)
        assert deliveries.delivered_seq == first[-1]
        assert capsys.readouterr().out.count("store_away") == 1
        await keep.store.database.open()
        await until(lambda: deliveries.delivered_seq == session.last_seq)
        assert await seqs(keep, session_id) == list(range(1, session.last_seq + 1))
        await ended(calls, session_id)
        await check_whole(keep, calls, session_id)


async def test_more_events_than_memory_holds_come_from_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "RETRY_S", 0.01)
    monkeypatch.setattr(delivery, "MAX_RETRY_S", 0.05)
    monkeypatch.setattr(delivery, "MAX_PENDING", 40)
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        deliveries = calls._storing._deliveries[session_id]
        await deliveries.deliver()
        await keep.store.database.close()
        session = live_session(calls, session_id)
        for n in range(175):
            session.emit(Bookmark(at_ms=n), "trainee")
            assert len(deliveries._pending) <= 40
        await keep.store.database.open()
        await deliveries.deliver()
        assert await seqs(keep, session_id) == list(range(1, session.last_seq + 1))
    assert MAX_PENDING >= 1_000


class Lossy:
    """The store's events, whose answer is lost every second time; the events are not."""

    def __init__(self, keep: Keep) -> None:
        self._append = keep.store.events.append
        self.lost = 0

    async def append(
        self, dealership_id: str, session_id: str, events: Sequence[StoredEvent]
    ) -> int:
        added = await self._append(dealership_id, session_id, events)
        if added:
            self.lost += 1
            raise Unavailable("the answer was lost")
        return added


async def test_an_answer_that_is_lost_stores_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "RETRY_S", 0.01)
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        lossy = Lossy(keep)
        monkeypatch.setattr(keep.store.events, "append", lossy.append)
        session_id = await begun(calls)
        speak(calls, session_id)
        await ended(calls, session_id)
        await check_whole(keep, calls, session_id)
        assert lossy.lost >= 1


class Killed(Exception):
    """The node is killed here."""


STEPS = ["recording", "journal", "session", "folder"]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_of_putting_a_call_away_is_made_good_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    real = completion.stored
    killed = asyncio.Event()

    async def killing(action: Callable[[], Awaitable[T]], session_id: str, what: str) -> T:
        if what == step and moment == "before":
            killed.set()
            raise Killed
        result = await real(action, session_id, what)
        if what == step:
            killed.set()
            raise Killed
        return result

    async with keeping(tmp_path) as keep:
        with monkeypatch.context() as patch:
            patch.setattr(completion, "stored", killing)
            async with calling(tmp_path, keep) as calls:
                session_id = await begun(calls)
                speak(calls, session_id)
                await ended(calls, session_id)
                await killed.wait()
        async with calling(tmp_path, keep) as calls:
            document = await check_whole(keep, calls, session_id)
            assert document.end_time == document.start_time + timedelta(  # type: ignore[operator]
                milliseconds=document.duration_ms
            )
            await until(lambda: files_of(tmp_path) == [])
            assert calls.live == 0


async def test_a_node_that_stops_while_the_store_is_away_leaves_the_rest_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.storing.STORED_WITHIN_S", 0.2)
    async with keeping(tmp_path) as keep:
        async with calling(tmp_path, keep) as calls:
            session_id = await begun(calls)
            speak(calls, session_id)
            await keep.store.database.close()
        await keep.store.database.open()
        async with calling(tmp_path, keep) as calls:
            await check_whole(keep, calls, session_id)


async def test_withdrawing_consent_ends_a_live_call_and_destroys_what_was_said(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        speak(calls, session_id)
        await calls._storing._deliveries[session_id].deliver()
        call = calls._calls[session_id]
        room, key = call.room, call.key
        assert room is not None
        stored_event = (await keep.store.events.after(DEALER, session_id))[1]
        assert opened_event(key, stored_event)["type"] == "transcript.final"
        await calls.withdraw(DEALER, session_id, OWNER.user_id)
        assert room.is_over
        assert room.session.state == "completed"
        document = await keep.store.sessions.get(DEALER, session_id)
        assert document is not None
        assert (document.status, document.data_key) == ("completed", None)
        assert (document.transcript, document.recording, document.feedback_counts) == (
            None,
            None,
            {},
        )
        assert document.end_time is not None
        assert await seqs(keep, session_id) == []
        assert [blob async for blob in keep.blobs.list()] == []
        assert files_of(tmp_path) == []
        consent = await keep.store.consents.get(DEALER, session_id, OWNER.user_id)
        assert consent is not None
        assert consent.withdrawn_at is not None
        assert await calls.recording(DEALER, session_id) is None
        assert await calls.events(DEALER, session_id, 0) == []
        with pytest.raises(Problem, match="withdrawn"):
            await calls.consent_of(DEALER, session_id)
        await calls.withdraw(DEALER, session_id, OWNER.user_id)  # once more changes nothing
    assert files_of(tmp_path) == []


async def test_consent_can_be_withdrawn_after_the_call_and_before_it(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        speak(calls, session_id)
        await ended(calls, session_id)
        await check_whole(keep, calls, session_id)
        await calls.withdraw(DEALER, session_id, OWNER.user_id)
        assert [blob async for blob in keep.blobs.list()] == []
        assert await calls.recording(DEALER, session_id) is None
        waiting = await consented(calls)
        await calls.withdraw(DEALER, waiting, OWNER.user_id)
        with pytest.raises(Problem, match="consented"):
            await calls.publish(waiting, "v=0", None)
        await calls.consent(DEALER, waiting, CONSENT)
        never = (await calls.create(calls._calls[waiting].created, OWNER))[0].id
        with pytest.raises(Problem, match="No consent"):
            await calls.withdraw(DEALER, never, OWNER.user_id)


async def test_consent_that_is_withdrawn_while_the_store_is_away_is_withdrawn_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "MAX_RETRY_S", 0.05)
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        speak(calls, session_id)
        room = calls._calls[session_id].room
        assert room is not None
        await keep.store.database.close()
        with pytest.raises(StoreError):
            await calls.withdraw(DEALER, session_id, OWNER.user_id)
        assert room.is_over
        assert await calls.recording(DEALER, session_id) is None
        await keep.store.database.open()
        await until(lambda: files_of(tmp_path) == [])
        document = await stored(keep, session_id)
        assert document.data_key is None
        consent = await keep.store.consents.get(DEALER, session_id, OWNER.user_id)
        assert consent is not None
        assert consent.withdrawn_at is not None


@pytest.mark.parametrize("when", ["created", "live", "over"])
async def test_an_erased_call_leaves_nothing(tmp_path: Path, when: str) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await consented(calls) if when == "created" else await begun(calls)
        if when != "created":
            speak(calls, session_id)
        if when == "over":
            await ended(calls, session_id)
            await check_whole(keep, calls, session_id)
        for _ in range(2):
            await calls.erase(DEALER, session_id)
            with pytest.raises(Problem, match="no session"):
                await calls.view(DEALER, session_id)
        assert await keep.store.consents.of_session(DEALER, session_id) == []
        assert await seqs(keep, session_id) == []
        assert [blob async for blob in keep.blobs.list()] == []
        assert files_of(tmp_path) == []
        assert calls.live == 0


async def test_every_call_of_an_erased_person_goes_and_no_other(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        live, waiting = await begun(calls), await consented(calls)
        past = await begun(calls)
        speak(calls, past)
        await ended(calls, past)
        await stored(keep, past)
        colleague = await begun(
            calls, owner=type(OWNER)(DEALER, new_id(), None, new_id(), datetime.now(UTC))
        )
        await calls.erase_of(DEALER, OWNER.user_id)
        assert [view.id for view in (await calls.page(DEALER)).items] == [colleague]
        assert calls.live == 1
        for gone in (live, waiting, past):
            assert await calls.owner_of(DEALER, gone) is None


async def test_an_erasure_that_was_cut_off_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping(tmp_path) as keep:
        async with calling(tmp_path, keep) as calls:
            session_id = await begun(calls)
            speak(calls, session_id)
            await ended(calls, session_id)
            await check_whole(keep, calls, session_id)

            async def refuse(*_: Any) -> int:
                raise Unavailable("the store is away")

            with monkeypatch.context() as patch:
                patch.setattr(keep.store.events, "remove_of", refuse)
                with pytest.raises(StoreError):
                    await calls.erase(DEALER, session_id)
            document = await keep.store.sessions.get(DEALER, session_id)
            assert document is not None
            assert document.data_key is None  # from the first moment on nobody can read it
            assert await calls.events(DEALER, session_id, 0) == []
        async with calling(tmp_path, keep):
            assert await keep.store.sessions.get(DEALER, session_id) is None
            assert await seqs(keep, session_id) == []
            assert [blob async for blob in keep.blobs.list()] == []
            assert files_of(tmp_path) == []


async def test_what_is_erased_while_it_is_put_away_stays_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        speak(calls, session_id)
        putting, go_on = asyncio.Event(), asyncio.Event()
        real = keep.blobs.put

        async def slow(*arguments: Any) -> int:
            putting.set()
            await go_on.wait()
            return await real(*arguments)

        monkeypatch.setattr(keep.blobs, "put", slow)
        await ended(calls, session_id)
        await putting.wait()
        await calls.erase(DEALER, session_id)
        go_on.set()
        await asyncio.sleep(0.05)
        assert [blob async for blob in keep.blobs.list()] == []
        assert await keep.store.sessions.get(DEALER, session_id) is None
        assert files_of(tmp_path) == []


async def test_a_live_recording_is_read_in_ranges_while_it_grows(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        assert await calls.recording(DEALER, session_id) is None
        speak(calls, session_id)
        await asyncio.sleep(0.3)
        recording = await calls.recording(DEALER, session_id)
        assert recording is not None
        whole = b"".join([part async for part in recording.read(0, recording.size)])
        assert whole.startswith(b"OggS")
        assert length_ms(whole) > 1_500
        some = b"".join([part async for part in recording.read(300, 900)])
        assert some == whole[300:900]


async def test_a_delivery_that_is_stopped_delivers_nothing_more(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = await begun(calls)
        call: Call = calls._calls[session_id]
        other = Delivery(keep, call)
        other.start(live_session(calls, session_id))
        await other.stop()
        before = other.pending
        live_session(calls, session_id).emit(Bookmark(at_ms=1), "trainee")
        assert other.pending == before


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_database_that_is_stopped_for_20_s_during_a_call_loses_no_event(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "server") as mongod:
        async with (
            keeping(tmp_path, mongod.url("calls")) as keep,
            calling(tmp_path, keep) as calls,
        ):
            session_id = await begun(calls)
            speak(calls, session_id)
            session = live_session(calls, session_id)
            for second in range(30):
                if second == 4:
                    await asyncio.to_thread(mongod.stop)
                elif second == 24:
                    await asyncio.to_thread(mongod.start)
                for n in range(20):
                    session.emit(Bookmark(at_ms=1_000 * second + n), "trainee")
                await asyncio.sleep(1)
            await ended(calls, session_id)
            async with asyncio.timeout(60):
                await check_whole(keep, calls, session_id)
            told = await calls.events(DEALER, session_id, 0)
            assert sum(event["type"] == "bookmark" for event in told) == 30 * 20 + 1
