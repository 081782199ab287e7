"""The node's calls: what it holds, what it forgets, what it takes up after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api import calls as module
from api import storing
from api.accounts.vault import Vault
from api.auth.roles import Owner
from api.calls import MAX_AWAY_S, Calls
from api.folders import Folder
from api.ids import is_id, new_id
from api.keep import Keep
from api.payloads import sealed_event
from api.problems import Problem
from api.sealed import SealedDisk
from api.store.base import StoreError
from api.store.crypto import MasterKeys
from api.store.documents import TrainingSession
from api.store.repositories.sessions import SessionFilter
from api.views import ConsentView
from engine.events import Event, StateChanged
from engine.journal import FileJournal
from tests.api.keeping import (
    CONSENT,
    CUE,
    DEALER,
    METRICS,
    OTHER,
    OWNER,
    PITCH,
    REFUSED,
    SCORES,
    TEAM,
    begun,
    broken_off,
    calling,
    consented,
    keeping,
    running,
    session_of,
    stored_call,
)
from tests.signaling.calling import until
from tests.signaling.offers import CHROMIUM


def test_ids_are_24_hex_digits_that_sort_by_time() -> None:
    assert is_id(new_id())
    assert not any(is_id(text) for text in ("", "..", "x" * 24, "A" * 24, "0" * 23, "0" * 25))


async def test_of_too_many_sessions_that_nobody_begins_the_oldest_can_no_longer_be_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CREATED", 3)
    async with running(tmp_path) as calls:
        ids = [await consented(calls) for _ in range(5)]
        for gone in ids[:2]:
            with pytest.raises(Problem, match="over"):
                await calls.publish(gone, CHROMIUM, None)
        await calls.publish(ids[2], CHROMIUM, None)


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
        view, token = await calls.create(PITCH, OWNER)
        await calls.consent(DEALER, view.id, CONSENT)
        await calls.publish(view.id, CHROMIUM, None)
        waiting = await consented(calls)
        calls.drain()
        for refused in (
            calls.publish(waiting, CHROMIUM, None),
            calls.create(PITCH, OWNER),
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
        ids = [await begun(calls, consent) for consent in (CONSENT, REFUSED)]
        refused = calls.session(DEALER, ids[1])
        assert refused is not None
        await calls.stop(resumable=True)
        assert refused.state == "completed"
        # Whoever comes back to this node in its last moments is sent to the next one.
        for session_id in ids:
            with pytest.raises(Problem, match="stopping") as refusal:
                await calls.publish(session_id, CHROMIUM, "any")
            assert refusal.value.status == 503
    async with running(tmp_path) as calls:
        last = await calls.events(DEALER, ids[0], 0)
        assert [event["data"]["reason"] for event in last[-2:]] == [
            "node_stopped",
            "node_restarted",
        ]
        assert [event["seq"] for event in last] == list(range(1, len(last) + 1))
        assert calls.live == 1
        assert (await calls.view(DEALER, ids[1])).status == "completed"


async def test_a_disk_that_takes_nothing_refuses_calls_that_are_to_be_recorded(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as calls:
        kept, refused = await consented(calls), await consented(calls, REFUSED)
        (tmp_path / "sessions" / DEALER).write_text("a file where a folder should be")
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
        await asyncio.gather(*calls._storing._tasks)
        assert files_of(tmp_path) == []
        await calls.consent(DEALER, session_id, REFUSED)
        assert (await calls.view(DEALER, session_id)).recording_consent is False


async def test_the_consent_in_force_is_the_one_in_the_store_and_in_the_journal(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as calls:
        session_id = await consented(calls)
        with pytest.raises(Problem):
            await calls.publish(session_id, "nonsense", None)
        later = ConsentView(coaching=True, recording=True, text_version="2")
        await calls.consent(DEALER, session_id, later)
        await calls.publish(session_id, CHROMIUM, None)
        assert await calls.consent_of(DEALER, session_id) == later
        journal = calls._calls[session_id].journal
        assert journal is not None
        consents = [record["consent"] for record in journal.records() if record["k"] == "session"]
        assert consents == [later.model_dump()]


async def test_nothing_can_be_published_before_consent_is_stored(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        session_id = (await calls.create(PITCH, OWNER))[0].id
        with pytest.raises(Problem, match="consented") as refusal:
            await calls.publish(session_id, CHROMIUM, None)
        assert refusal.value.status == 403
        await keep.store.close()
        with pytest.raises(StoreError):
            await calls.consent(DEALER, session_id, CONSENT)
        with pytest.raises(Problem, match="consented"):
            await calls.publish(session_id, CHROMIUM, None)


async def test_a_refused_call_touches_no_disk(tmp_path: Path) -> None:
    async with running(tmp_path) as calls:
        await calls.publish(await consented(calls, REFUSED), CHROMIUM, None)
        assert files_of(tmp_path) == []


async def test_a_refused_call_is_forgotten_soon_after_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "FORGET_REFUSED_AFTER_S", 0.3)
    async with running(tmp_path) as calls:
        session_id = await begun(calls, REFUSED)
        room = calls._calls[session_id].room
        assert room is not None
        await room.end("ended")
        assert calls.live == 0
        assert session_id in calls._calls
        assert (await calls.events(DEALER, session_id, 0))[-1]["data"]["reason"] == "ended"
        await until(lambda: session_id not in calls._calls)
        view = await calls.view(DEALER, session_id)
        assert (view.status, view.recording_consent) == ("completed", False)


async def test_a_broken_off_call_is_taken_up_as_interrupted(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep:
        journal = await broken_off(tmp_path, keep)
        journal.close()
        session_id = session_of(journal)
        async with calling(tmp_path, keep) as calls:
            view = await calls.view(DEALER, session_id)
            assert (view.status, view.duration_ms) == ("interrupted", 4_000)
            assert (view.scores, view.feedback_counts) == (SCORES, {"steady": 1})
            assert (view.user_id, view.team_id) == (OWNER.user_id, OWNER.team_id)
            last = (await calls.events(DEALER, session_id, 3))[-1]
            assert last["seq"] == 3 + 1_000
            assert last["data"] == {"state": "interrupted", "reason": "node_restarted"}
            assert list(calls.owners()) == [(session_id, OWNER)]


async def test_what_was_measured_before_a_crash_is_not_overwritten_by_nothing(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as keep:
        journal = await broken_off(tmp_path, keep)
        journal.close()
        async with calling(tmp_path, keep) as calls:
            assert calls.live == 1  # nobody comes back, and the node is stopped
        async with calling(tmp_path, keep) as calls:
            view = await calls.view(DEALER, session_of(journal))
            assert (view.status, view.metrics) == ("completed", METRICS)
            assert view.feedback_counts == {"steady": 1}


async def test_a_call_that_broke_off_long_ago_is_over(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep:
        journal = await broken_off(tmp_path, keep, ago_s=MAX_AWAY_S + 60)
        journal.close()
        async with calling(tmp_path, keep) as calls:
            await stored(keep, session_of(journal))
            view = await calls.view(DEALER, session_of(journal))
            assert (view.status, view.duration_ms) == ("completed", 4_000)


async def test_a_call_that_ended_as_the_node_was_killed_is_put_away_at_the_next_start(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as keep:
        over = StateChanged(state="completed", reason="ended")
        journal = await broken_off(tmp_path, keep, over)
        journal.close()
        session_id = session_of(journal)
        async with calling(tmp_path, keep) as calls:
            assert calls.live == 0
            await stored(keep, session_id)
            view = await calls.view(DEALER, session_id)
            assert view.status == "completed"
            assert view.start_time is not None
            assert view.end_time == view.start_time + timedelta(seconds=4)
            seqs = [event["seq"] for event in await calls.events(DEALER, session_id, 0)]
            assert seqs == [1, 2, 3, 4]
            await until(lambda: files_of(tmp_path) == [])


async def test_a_call_whose_folder_is_lost_is_completed_with_what_the_store_has(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as keep:
        begun_at = datetime.now(UTC) - timedelta(seconds=10)
        session, key = await stored_call(keep, status="active", start_time=begun_at)
        events = [StateChanged(state="active"), METRICS, CUE]
        told = [Event.of(n, 4_000, "trainee", one) for n, one in enumerate(events, 1)]
        await keep.store.events.append(
            DEALER,
            session.id,
            [sealed_event(key, DEALER, session.id, e.model_dump(), begun_at) for e in told],
        )
        refused, _ = await stored_call(keep, REFUSED, status="active", start_time=begun_at)
        async with calling(tmp_path, keep) as calls:
            view = await calls.view(DEALER, session.id)
            assert (view.status, view.duration_ms, view.metrics) == ("completed", 4_000, METRICS)
            assert len(await calls.events(DEALER, session.id, 0)) == 3
        document = await keep.store.sessions.get(DEALER, refused.id)
        assert document is not None
        assert (document.status, document.data_key) == ("completed", None)


def cut(path: Path) -> None:
    """Its beginning is gone: the header, or whole segments."""
    path.write_bytes(path.read_bytes()[100:])


def garbled(path: Path) -> None:
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def with_a_flipped_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)


def of_another_call(path: Path) -> None:
    """As somebody would do it who wants one person's words under another's name."""
    other = next(one for one in path.parent.parent.iterdir() if one != path.parent)
    path.write_bytes((other / path.name).read_bytes())


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    "damage", [cut, garbled, emptied, with_a_flipped_bit, of_another_call, gone]
)
async def test_a_damaged_journal_keeps_no_node_from_starting_and_is_set_aside(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    async with keeping(tmp_path) as keep:
        whole, damaged = [await broken_off(tmp_path, keep) for _ in range(2)]
        for journal in (whole, damaged):
            journal.close()
        damage(damaged.path)
        async with calling(tmp_path, keep) as calls:
            assert (await calls.view(DEALER, session_of(whole))).status == "interrupted"
            assert (await calls.view(DEALER, session_of(damaged))).status == "completed"
            assert len((await calls.page(DEALER)).items) == 2
        aside = damaged.path.parent.with_name(damaged.path.parent.name + ".damaged")
        assert aside.is_dir()
        async with calling(tmp_path, keep):
            assert aside.is_dir()


async def test_with_another_master_key_nothing_is_touched(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep:
        journal = await broken_off(tmp_path, keep)
        journal.close()
        wrong = replace(keep, vault=Vault(MasterKeys({"k2": bytes(32)}, "k2")))
        before = files_of(tmp_path)
        async with calling(tmp_path, wrong) as calls:
            assert calls.live == 0
        assert files_of(tmp_path) == before
        async with calling(tmp_path, keep) as calls:
            assert calls.live == 1


async def test_what_is_no_session_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sessions" / "lost+found").mkdir(parents=True)
    (tmp_path / "sessions" / DEALER / new_id()).mkdir(parents=True)
    (tmp_path / "sessions" / DEALER / "notes").mkdir()
    (tmp_path / "sessions" / "notes.txt").write_text("mine")
    before = sorted((tmp_path / "sessions").rglob("*"))
    async with running(tmp_path) as calls:
        assert (await calls.page(DEALER)).items == []
    assert sorted((tmp_path / "sessions").rglob("*")) == before


async def test_a_journal_that_never_began_is_cleared_away_unless_more_is_there(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as keep:
        folders = []
        for _ in range(2):
            session, key = await stored_call(keep)
            folder = Folder(tmp_path / "sessions", DEALER, session.id)
            folder.root.mkdir(exist_ok=True)
            folder.make()
            journal = FileJournal(folder.journal, SealedDisk(key, DEALER, session.id))
            journal.append("session", id=session.id)
            journal.close()
            folders.append(folder)
        folders[1].recording().write_bytes(b"something")
        async with calling(tmp_path, keep):
            assert [folder.path.exists() for folder in folders] == [False, True]


async def test_a_disk_that_does_not_sync_is_tried_again_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(storing, "SYNC_EVERY_S", 0.01)
    async with running(tmp_path) as calls:
        journal: Any = calls._calls[await begun(calls)].journal
        sync, attempts = journal.sync, []

        def fail() -> None:
            attempts.append(1)
            raise OSError(5, "Input/output error")

        journal.sync = fail
        await until(lambda: len(attempts) >= 3)
        assert capsys.readouterr().out.count("journal_sync_failed") == 1
        journal.sync = sync


async def test_another_dealerships_calls_are_not_there(tmp_path: Path) -> None:
    async with running(tmp_path) as calls:
        for session_id in (await begun(calls), await consented(calls)):
            for asked in (
                calls.view(OTHER.dealership_id, session_id),
                calls.consent(OTHER.dealership_id, session_id, CONSENT),
                calls.consent_of(OTHER.dealership_id, session_id),
                calls.recording(OTHER.dealership_id, session_id),
                calls.listener_links(OTHER.dealership_id, session_id),
                calls.withdraw(OTHER.dealership_id, session_id, OWNER.user_id),
                calls.events(OTHER.dealership_id, session_id, 0),
            ):
                with pytest.raises(Problem) as refusal:
                    await asked
                assert refusal.value.status == 404
            assert await calls.owner_of(OTHER.dealership_id, session_id) is None
            assert calls.session(OTHER.dealership_id, session_id) is None
            await calls.erase(OTHER.dealership_id, session_id)
            owner = await calls.owner_of(DEALER, session_id)
            assert owner == Owner(DEALER, OWNER.user_id, frozenset({TEAM}))
        assert (await calls.page(OTHER.dealership_id)).total == 0
        assert calls.live == 1


async def test_a_page_shows_live_calls_as_they_stand_and_past_ones_from_the_store(
    tmp_path: Path,
) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        over, live = await begun(calls), await begun(calls)
        for session_id in (over, live):
            session = calls.session(DEALER, session_id)
            assert session is not None
            session.emit(METRICS, "trainee")
            session.emit(CUE, "trainee")
        await ended(calls, over)
        await stored(keep, over)
        page = await calls.page(DEALER, SessionFilter(user_ids=[OWNER.user_id]), "createdAt")
        assert [view.id for view in page.items] == [over, live]
        assert [view.status for view in page.items] == ["completed", "active"]
        for view in page.items:
            assert (view.metrics, view.scores) == (METRICS, SCORES)
            assert (view.feedback_count, view.feedback_counts) == (1, {"steady": 1})
            assert view.playbook is None
            assert view.volume_feedback == PITCH.volume_feedback()
            assert view.recording_consent is True
        counted = await calls.page(DEALER, SessionFilter(feedback_code="steady"))
        assert [view.id for view in counted.items] == [over]


async def test_whoever_is_signed_out_or_shut_out_has_their_calls_ended(tmp_path: Path) -> None:
    async with running(tmp_path) as calls:
        other_family = replace(OWNER, family=new_id())
        other_person = replace(OWNER, user_id=new_id(), family=new_id())
        first, second, third = [
            await begun(calls, owner=owner) for owner in (OWNER, other_family, other_person)
        ]
        waiting = await consented(calls)
        rooms = {one: calls._calls[one].room for one in (first, second, third)}
        assert calls.revoke(family=OWNER.family) == 2
        assert [room.is_over for room in rooms.values() if room] == [True, False, False]
        with pytest.raises(Problem, match="over"):
            await calls.publish(waiting, CHROMIUM, None)
        assert calls.revoke(user_id=OWNER.user_id, family=OWNER.family) == 0
        assert {owner.family for _, owner in calls.owners()} == {
            other_family.family,
            other_person.family,
        }
        assert calls.revoke(user_id=OWNER.user_id) == 1
        assert [room.is_over for room in rooms.values() if room] == [True, True, False]


async def test_only_the_sessions_own_token_is_its_grant(tmp_path: Path) -> None:
    async with running(tmp_path) as calls:
        (first, token), (second, _) = [await calls.create(PITCH, OWNER) for _ in range(2)]
        assert calls.is_granted(first.id, token)
        assert not calls.is_granted(second.id, token)
        assert not calls.is_granted(new_id(), token)
        assert not calls.is_granted(first.id, "")


async def test_sessions_that_nobody_began_are_removed_after_their_time(tmp_path: Path) -> None:
    async with keeping(tmp_path) as keep, calling(tmp_path, keep) as calls:
        waiting, live = await consented(calls), await begun(calls)
        old, _ = await stored_call(keep, status="created")
        soon = datetime.now(UTC) + timedelta(seconds=1)
        assert await calls.forget_unbegun_before(DEALER, soon - timedelta(hours=1)) == 0
        assert await calls.forget_unbegun_before(DEALER, soon) == 2
        assert [view.id for view in (await calls.page(DEALER)).items] == [live]
        for gone_id in (waiting, old.id):
            assert await keep.store.consents.of_session(DEALER, gone_id) == []


def files_of(data: Path) -> list[Path]:
    """Of calls, on this node's disk."""
    return sorted(path for path in (data / "sessions").rglob("*") if path.is_file())


async def ended(calls: Calls, session_id: str) -> None:
    room = calls._calls[session_id].room
    assert room is not None
    await room.end("ended")


async def stored(keep: Keep, session_id: str) -> TrainingSession:
    """The session's document once it is completed."""
    async with asyncio.timeout(20):
        while True:
            document = await keep.store.sessions.get(DEALER, session_id)
            if document is not None and document.status == "completed":
                return document
            await asyncio.sleep(0.02)
