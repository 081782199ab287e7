"""The node's calls: what it holds, what it forgets, what it takes up after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api import calls as module
from api.calls import FORGET_REFUSED_AFTER_S, MAX_AWAY_S, Calls
from api.ids import is_id, new_id
from api.playbooks import Playbooks
from api.problems import Problem
from api.settings import Settings
from api.views import ConsentView, CreateSession
from benchmarks.server import NoWords
from engine.events import Event, Feedback, Metrics, Quantities, Scores, StateChanged, Wire
from engine.journal import FileJournal, read
from signaling import stack
from signaling.recorder import Writer
from tests.signaling.calling import until
from tests.signaling.offers import CHROMIUM
from tests.signaling.virtual_loop import run

PITCH = CreateSession(session_type="pitch")
CONSENT = ConsentView(coaching=True, recording=True, text_version="1")
REFUSED = ConsentView(coaching=True, recording=False, text_version="1")
SCORES = Scores(confidence=70, clarity=80, pace=90, volume=None)
QUANTITIES = Quantities(
    speech_s=3.0,
    words=9,
    rate_wpm=150,
    syllables_per_s=4,
    active_level_dbfs=-30,
    level_vs_baseline_db=None,
    level_variation_db=2,
    snr_db=30,
    clipped_pct=0,
    asr_certainty=0.9,
    fillers=0,
    hedges=0,
    fillers_per_100_words=0,
    hedges_per_100_words=0,
    pauses=0,
    longest_pause_ms=0,
)
CUE = Feedback(
    kind="praise",
    severity="low",
    code="steady",
    parameters={},
    message="Good pace",
    evidence="150 words a minute",
    span_ms=(0, 3_000),
)


@asynccontextmanager
async def running(data: Path, **settings: Any) -> AsyncIterator[Calls]:
    stack.use_loopback(True)
    writer = Writer()
    writer.start()
    books = Playbooks(data / "playbooks", None)
    calls = Calls(Settings(data=data, **settings), NoWords(), books, writer)
    await calls.start()
    try:
        yield calls
    finally:
        await calls.stop()
        writer.stop()
        stack.use_loopback(False)


async def consented(calls: Calls, consent: ConsentView = CONSENT) -> str:
    session_id = calls.create(PITCH)[0].id
    await calls.consent(session_id, consent)
    return session_id


def broken_off(data: Path, session_id: str, ago_s: float = 5.0, *more: Wire) -> FileJournal:
    """The journal that a node leaves when it is killed `ago_s` ago, 4 s into a call."""
    folder = data / "sessions" / session_id
    folder.mkdir(parents=True)
    journal = FileJournal(folder / "journal.jsonl")
    begun = datetime.now(UTC) - timedelta(seconds=ago_s + 4)
    journal.append(
        "session",
        id=session_id,
        created=PITCH.model_dump(mode="json"),
        createdAt=begun.isoformat(),
        volumeFeedback=PITCH.volume_feedback().model_dump(),
        resumeDigest="00" * 32,
        consent=CONSENT.model_dump(),
        versions={},
    )
    journal.append("begin", at=begun.isoformat())
    events = [StateChanged(state="active"), Metrics(scores=SCORES, quantities=QUANTITIES), CUE]
    for seq, data_ in enumerate([*events, *more], 1):
        event = Event.of(seq, 4_000, "trainee", data_)
        journal.append("event", e=event.model_dump())
    return journal


def test_ids_are_24_hex_digits_that_sort_by_time() -> None:
    assert is_id(new_id())
    assert not any(is_id(text) for text in ("", "..", "x" * 24, "A" * 24, "0" * 23, "0" * 25))


async def test_sessions_that_nobody_begins_are_forgotten_oldest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CREATED", 3)
    async with running(tmp_path) as calls:
        ids = [calls.create(PITCH)[0].id for _ in range(5)]
        for gone in ids[:2]:
            with pytest.raises(Problem, match="no session"):
                await calls.view(gone)
        assert {view.id for view in await calls.newest(10)} == set(ids[2:])


async def test_a_full_node_refuses_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with running(tmp_path, max_calls=1) as calls:
        first, second = await consented(calls), await consented(calls)
        _, resource = await calls.publish(first, CHROMIUM, None)
        with pytest.raises(Problem, match="full") as refusal:
            await calls.publish(second, CHROMIUM, None)
        assert refusal.value.status == 503
        assert int(refusal.value.headers["Retry-After"]) > 0
        await calls.end(first, resource)
        await calls.publish(second, CHROMIUM, None)


async def test_a_draining_node_takes_no_new_calls_and_keeps_the_ones_it_has(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as calls:
        view, token = calls.create(PITCH)
        await calls.consent(view.id, CONSENT)
        await calls.publish(view.id, CHROMIUM, None)
        waiting = await consented(calls)
        calls.drain()
        for refused in (
            calls.publish(waiting, CHROMIUM, None),
            asyncio.to_thread(calls.create, PITCH),
        ):
            with pytest.raises(Problem, match="no new calls") as refusal:
                await refused
            assert refusal.value.status == 503
            assert int(refusal.value.headers["Retry-After"]) > 0
        await calls.publish(view.id, CHROMIUM, token)
        assert calls.live == 1


async def test_a_stopped_node_leaves_what_is_on_disk_to_the_next_and_completes_the_rest(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as calls:
        ids = [await consented(calls, consent) for consent in (CONSENT, REFUSED)]
        for session_id in ids:
            call = calls._calls[session_id]
            call.room = await calls._open(call)
            call.room._on_begun()
            call.room.session.enter("active")
        refused = calls.session(ids[1])
        assert refused is not None
        await calls.stop(resumable=True)
        assert refused.state == "completed"
        # Whoever comes back to this node in its last moments is sent to the next one.
        for session_id in ids:
            with pytest.raises(Problem, match="stopping") as refusal:
                await calls.publish(session_id, CHROMIUM, "any")
            assert refusal.value.status == 503
    async with running(tmp_path) as calls:
        last = await calls.events(ids[0], 0)
        assert [event["data"]["reason"] for event in last[-2:]] == [
            "node_stopped",
            "node_restarted",
        ]
        assert [event["seq"] for event in last] == list(range(1, len(last) + 1))
        assert calls.live == 1


async def test_a_disk_that_takes_nothing_refuses_calls_that_are_to_be_recorded(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as calls:
        kept, refused = await consented(calls), await consented(calls, REFUSED)
        (tmp_path / "sessions" / kept).write_text("a file where a folder should be")
        with pytest.raises(Problem, match="disk") as refusal:
            await calls.publish(kept, CHROMIUM, None)
        assert refusal.value.status == 503
        assert int(refusal.value.headers["Retry-After"]) > 0
        await calls.publish(refused, CHROMIUM, None)
        assert calls.live == 1


async def test_offers_that_come_to_nothing_take_no_place(tmp_path: Path) -> None:
    async with running(tmp_path, max_calls=1) as calls:
        for _ in range(3):
            with pytest.raises(Problem, match="session description"):
                await calls.publish(await consented(calls), "nonsense", None)
        assert calls.live == 0
        await calls.publish(await consented(calls), CHROMIUM, None)
        assert calls.live == 1


async def test_an_offer_that_came_to_nothing_leaves_nothing_on_disk(tmp_path: Path) -> None:
    async with running(tmp_path) as calls:
        session_id = await consented(calls)
        with pytest.raises(Problem):
            await calls.publish(session_id, "nonsense", None)
        await asyncio.gather(*calls._tasks)
        assert list((tmp_path / "sessions").iterdir()) == []
        await calls.consent(session_id, REFUSED)
        assert (await calls.view(session_id)).recording_consent is False


async def test_the_consent_in_force_is_the_one_in_the_journal(tmp_path: Path) -> None:
    async with running(tmp_path) as calls:
        session_id = await consented(calls)
        with pytest.raises(Problem):
            await calls.publish(session_id, "nonsense", None)
        later = ConsentView(coaching=True, recording=True, text_version="2")
        await calls.consent(session_id, later)
        await calls.publish(session_id, CHROMIUM, None)
    records = list(read(tmp_path / "sessions" / session_id / "journal.jsonl"))
    consents = [record["consent"] for record in records if record["k"] == "session"]
    assert consents == [later.model_dump()]


async def test_a_refused_call_touches_no_disk(tmp_path: Path) -> None:
    async with running(tmp_path) as calls:
        await calls.publish(await consented(calls, REFUSED), CHROMIUM, None)
        assert list((tmp_path / "sessions").iterdir()) == []


def test_a_refused_call_is_forgotten_soon_after_its_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as calls:
            session_id = await consented(calls, REFUSED)
            call = calls._calls[session_id]
            call.room = await calls._open(call)
            call.room.session.enter("active")
            await call.room.end("ended")
            assert calls.live == 0
            await asyncio.sleep(FORGET_REFUSED_AFTER_S - 1)
            assert (await calls.view(session_id)).status == "completed"
            await asyncio.sleep(2)
            assert session_id not in calls._calls

    run(scenario())


async def test_a_broken_off_call_is_taken_up_as_interrupted(tmp_path: Path) -> None:
    session_id = new_id()
    broken_off(tmp_path, session_id).close()
    async with running(tmp_path) as calls:
        view = await calls.view(session_id)
        assert (view.status, view.duration_ms, view.feedback_count) == ("interrupted", 4_000, 1)
        assert view.metrics is not None
        assert view.metrics.scores == SCORES
        last = (await calls.events(session_id, 3))[-1]
        assert last["seq"] == 3 + 1_000
        assert last["data"] == {"state": "interrupted", "reason": "node_restarted"}


async def test_what_was_measured_before_a_crash_is_not_overwritten_by_nothing(
    tmp_path: Path,
) -> None:
    session_id = new_id()
    broken_off(tmp_path, session_id).close()
    async with running(tmp_path) as calls:
        assert calls.live == 1  # nobody comes back, and the node is stopped
    async with running(tmp_path) as calls:
        view = await calls.view(session_id)
        assert view.status == "completed"
        assert view.metrics is not None
        assert view.metrics.scores == SCORES


async def test_a_call_that_broke_off_long_ago_is_over(tmp_path: Path) -> None:
    session_id = new_id()
    broken_off(tmp_path, session_id, MAX_AWAY_S + 60).close()
    async with running(tmp_path) as calls:
        ending = calls._calls[session_id].room
        assert ending is not None
        await ending.end("already")
        view = await calls.view(session_id)
        assert (view.status, view.duration_ms) == ("completed", 4_000)


async def test_a_call_that_ended_stays_as_it_is(tmp_path: Path) -> None:
    session_id = new_id()
    broken_off(tmp_path, session_id, 5, StateChanged(state="completed", reason="ended")).close()
    async with running(tmp_path) as calls:
        assert calls.live == 0
        view = await calls.view(session_id)
        assert view.status == "completed"
        assert view.start_time is not None
        assert view.end_time == view.start_time + timedelta(seconds=4)


def without_its_beginning(path: Path) -> None:
    lines = path.read_bytes().splitlines(True)
    path.write_bytes(b"".join(line for line in lines if b'"begin"' not in line))


def garbled(path: Path) -> None:
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_another_version(path: Path) -> None:
    path.unlink()
    journal = FileJournal(path)
    journal.append("session", id=path.parent.name, format=99)
    journal.close()


def of_another_session(path: Path) -> None:
    path.parent.rename(path.parent.with_name(new_id()))


@pytest.mark.parametrize(
    "damage", [without_its_beginning, garbled, emptied, of_another_version, of_another_session]
)
async def test_a_damaged_journal_keeps_no_node_from_starting(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    whole, damaged = new_id(), new_id()
    broken_off(tmp_path, whole).close()
    broken_off(tmp_path, damaged).close()
    damage(tmp_path / "sessions" / damaged / "journal.jsonl")
    before = sorted(path for path in (tmp_path / "sessions").rglob("*") if path.is_file())
    async with running(tmp_path) as calls:
        assert (await calls.view(whole)).status == "interrupted"
        assert whole in {view.id for view in await calls.newest(10)}
        for session_id in await asyncio.to_thread(calls._past.ids):
            with suppress(Problem):
                await calls.view(session_id)
    assert sorted(path for path in (tmp_path / "sessions").rglob("*") if path.is_file()) == before


async def test_what_is_no_session_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sessions" / "lost+found").mkdir(parents=True)
    (tmp_path / "sessions" / new_id()).mkdir()
    (tmp_path / "sessions" / "notes.txt").write_text("mine")
    async with running(tmp_path) as calls:
        assert await calls.newest(10) == []


async def test_a_journal_that_never_began_is_cleared_away_unless_more_is_there(
    tmp_path: Path,
) -> None:
    empty, kept = new_id(), new_id()
    for session_id in (empty, kept):
        folder = tmp_path / "sessions" / session_id
        broken_off(tmp_path, session_id).close()
        lines = (folder / "journal.jsonl").read_bytes().splitlines(True)
        (folder / "journal.jsonl").write_bytes(lines[0])
    (tmp_path / "sessions" / kept / "trainee.ogg").write_bytes(b"OggS")
    async with running(tmp_path):
        assert [path.name for path in (tmp_path / "sessions").iterdir()] == [kept]


async def test_a_disk_that_does_not_sync_is_tried_again_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SYNC_EVERY_S", 0.01)
    session_id = new_id()
    broken_off(tmp_path, session_id).close()
    async with running(tmp_path) as calls:
        journal: Any = calls._calls[session_id].journal
        sync, attempts = journal.sync, []

        def fail() -> None:
            attempts.append(1)
            raise OSError(5, "Input/output error")

        journal.sync = fail
        await until(lambda: len(attempts) >= 3)
        assert capsys.readouterr().out.count("journal_sync_failed") == 1
        journal.sync = sync
