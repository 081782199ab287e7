"""Where calls are at home: which worker, in which language, as long as there is room."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.asr.scheduler import Model, Scheduler
from engine.asr.window import Kind, Pressure, Refused
from tests.engine.desk import FAKE, Desk, open_desk, until, window
from tests.engine.obedient_worker import HANG


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as one:
        yield one


async def test_calls_are_spread_over_the_workers_and_each_stays_with_its_own(
    tmp_path: Path,
) -> None:
    async with open_desk(tmp_path, workers=2) as desk:
        sessions = ["a", "b", "c", "d"]
        for session in sessions:
            desk.scheduler.admit(session)
        for utterance in range(3):
            for order, session in enumerate(sessions):
                desk.ask(window(order, session=session, utterance=utterance))
            await desk.answered(4 * (utterance + 1))
        by_session: dict[str, set[int]] = {}
        for asked in desk.requests:
            for name in asked["names"]:
                by_session.setdefault(name[0], set()).add(asked["pid"])
        assert all(len(pids) == 1 for pids in by_session.values())
        homes = [pid for pids in by_session.values() for pid in pids]
        assert {homes.count(pid) for pid in desk.scheduler.pids} == {2}


async def test_a_worker_that_dies_keeps_no_window_of_another_worker_waiting(
    tmp_path: Path,
) -> None:
    async with open_desk(tmp_path, workers=2) as desk:
        desk.scheduler.admit("a")
        desk.scheduler.admit("b")
        desk.ask(window(HANG, session="a"))
        await until(lambda: desk.batches == [[HANG]])
        desk.ask(window(20, session="b"))
        await desk.answered(1)
        assert desk.orders == [20]


async def test_another_language_gets_a_worker_when_a_call_first_needs_it(tmp_path: Path) -> None:
    spanish = tmp_path / "es"
    spanish.mkdir()
    models = {"en": Model(tmp_path), "es": Model(spanish)}
    scheduler = Scheduler(models, worker=FAKE)
    await scheduler.start()
    desk, other = Desk(tmp_path, scheduler), Desk(spanish, scheduler)
    try:
        (first,) = scheduler.pids
        scheduler.admit("a", "en")
        scheduler.admit("b", "es")
        desk.ask(window(20, session="a"), window(21, session="b", language="es"))
        await desk.answered(2)
        assert (desk.batches, other.batches) == ([[20]], [[21]])
        assert scheduler.pids[0] == first
        assert len(scheduler.pids) == 2
        scheduler.admit("c", "es")
        desk.ask(window(22, session="c", language="es"))
        await desk.answered(3)
        assert len(scheduler.pids) == 2
    finally:
        await scheduler.stop()


# who is let in


async def test_a_language_that_no_model_knows_is_refused_for_good(desk: Desk) -> None:
    with pytest.raises(Refused, match="'fr', only en") as refusal:
        desk.scheduler.admit("a", "fr")
    assert refusal.value.retry_after_s is None
    assert desk.scheduler.statistics().calls == 0


async def test_calls_are_taken_until_the_predicted_load_is_full_and_again_when_one_ends(
    tmp_path: Path,
) -> None:
    """Each is expected to take 0.6 (0.4 + 0.4 x 0.25) = 0.3 of a worker; 0.75 is the most."""
    async with open_desk(tmp_path, options={"look_s": 0.4, "final_s": 0.25}) as desk:
        for session in "ab":
            desk.scheduler.admit(session)
        with pytest.raises(Refused, match="as many calls as it can") as refusal:
            desk.scheduler.admit("c")
        assert refusal.value.retry_after_s is not None
        assert refusal.value.retry_after_s > 0
        desk.scheduler.admit("a")
        statistics = desk.scheduler.statistics()
        assert (statistics.calls, statistics.refused) == (2, 1)
        desk.scheduler.forget("a")
        desk.scheduler.admit("c")
        assert desk.scheduler.statistics().calls == 2


async def test_a_call_that_was_never_admitted_is_recognized_all_the_same(tmp_path: Path) -> None:
    """One that goes on after a crash must not lose its words, however full the node is."""
    async with open_desk(tmp_path, options={"look_s": 9.0, "final_s": 9.0}) as desk:
        with pytest.raises(Refused):
            desk.scheduler.admit("a")
        desk.ask(window(20, session="b"))
        await desk.answered(1)
        assert desk.scheduler.statistics().calls == 1


# how often it wants to be asked


async def test_a_fixed_step_stays_as_it_is(tmp_path: Path) -> None:
    async with open_desk(tmp_path, step_s=0.7) as desk:
        desk.ask(*(window(20 + n) for n in range(9)))
        await desk.answered(9)
        assert desk.scheduler.step_s == 0.7
        assert desk.scheduler.pressure is Pressure.NONE


async def test_windows_that_wait_too_long_end_all_looks_until_the_rush_is_over(
    tmp_path: Path,
) -> None:
    async with open_desk(tmp_path, step_s=0.5) as desk:
        await desk.close()
        desk.ask(window(20))
        await until(lambda: desk.scheduler.pressure is Pressure.FINALS_ONLY)
        assert desk.scheduler.step_s == math.inf
        assert desk.scheduler.statistics().pressure is Pressure.FINALS_ONLY
        with pytest.raises(Refused):
            desk.scheduler.admit("late")
        desk.open()
        await until(lambda: desk.scheduler.pressure is Pressure.NONE)
        assert desk.scheduler.step_s == 0.5
        desk.scheduler.admit("late")


# what is told to the worker


async def test_the_last_words_in_a_language_that_is_offered_no_more_are_answered_as_failed(
    desk: Desk,
) -> None:
    """A call that goes on after a restart with other settings: nobody waits for them for ever."""
    desk.ask(window(20, language="es"), window(21, Kind.FINAL, language="es"), window(22))
    answers = await desk.answered(2)
    failed, heard = sorted(answers, key=lambda answer: answer.failed is None)
    assert failed.failed is not None
    assert "'es'" in failed.failed
    assert (failed.window.kind, heard.failed) == (Kind.FINAL, None)
    assert desk.batches == [[22]]


async def test_a_worker_learns_once_which_sessions_are_over(desk: Desk) -> None:
    for session in ("a", "b"):
        desk.scheduler.admit(session)
        desk.ask(window(20, session=session))
    await desk.answered(2)
    desk.scheduler.forget("a")
    for order in (21, 22):
        desk.ask(window(order, session="b"))
        await desk.answered(order - 18)
    assert [asked["over"] for asked in desk.requests][-2:] == [["a"], []]
