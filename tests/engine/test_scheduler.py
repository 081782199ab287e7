"""Workers serve every session: the most urgent first, and nobody waits for one that died."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.asr.process import WorkerLost
from engine.asr.scheduler import MAX_ATTEMPTS, MAX_WAITING, Model, Scheduler
from engine.asr.window import Hypothesis, Kind
from tests.engine.desk import FAKE, Desk, alive, open_desk, until, window
from tests.engine.obedient_worker import BABBLE, DIE, HANG, MISCOUNT


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path) as one:
        yield one


async def test_each_window_is_answered_with_its_own_words(desk: Desk) -> None:
    desk.ask(window(7), window(8, s=4.0), window(9, s=8.0))
    answers = await desk.answered(3)
    assert {int(a.window.pcm[0]): a.words[0].text for a in answers} == {7: "7", 8: "8", 9: "9"}
    assert all(answer.failed is None for answer in answers)
    assert answers[0].average_log_probability == -0.5


async def test_a_newer_window_of_an_utterance_supersedes_the_one_that_waits(desk: Desk) -> None:
    await desk.close()
    desk.ask(*(window(order, session="a") for order in (10, 11, 12)))
    desk.open()
    await desk.answered(1)
    desk.ask(window(13, session="b"))
    await desk.answered(2)
    assert desk.orders == [12, 13]
    assert desk.scheduler.statistics().superseded == 2


async def test_a_final_window_is_never_superseded(desk: Desk) -> None:
    await desk.close()
    desk.ask(window(10, Kind.FINAL, session="a"), window(11, session="a"))
    desk.open()
    await desk.answered(1)
    assert desk.orders == [10]


async def test_the_most_urgent_kind_goes_first(desk: Desk) -> None:
    await desk.close()
    desk.ask(
        window(23, Kind.REFRESH, s=1.0),
        window(24, Kind.REFRESH, s=1.0),
        window(22, Kind.FIRST, s=4.0),
        window(21, Kind.SPECULATIVE, s=8.0),
        window(20, Kind.FINAL, s=12.0),
    )
    desk.open()
    await desk.answered(5)
    assert desk.batches[1:] == [[20, 21, 22, 23], [24]]


async def test_windows_of_one_kind_go_in_the_order_they_were_asked(desk: Desk) -> None:
    await desk.close()
    desk.ask(window(20, s=1.0), window(21, s=4.0), window(22, s=8.0))
    desk.open()
    await desk.answered(3)
    assert desk.orders == [20, 21, 22]


async def test_an_utterance_asked_about_again_keeps_its_place_in_line(desk: Desk) -> None:
    """It used to go to the end of the line at each step, and under load it was never its turn."""
    await desk.close()
    desk.ask(window(20, session="a", s=1.0), window(21, session="b", s=5.0))
    desk.ask(window(22, session="a", s=1.5))
    desk.open()
    await desk.answered(2)
    assert desk.orders == [22, 21]


@pytest.mark.parametrize("size", [1, 3])
async def test_a_batch_has_as_many_windows_as_the_worker_asks_for_whatever_their_length(
    tmp_path: Path, size: int
) -> None:
    async with open_desk(tmp_path, options={"batch": size}) as desk:
        await desk.close()
        desk.ask(*(window(20 + n, s=1.0 + 3 * n) for n in range(7)))
        desk.open()
        await desk.answered(7)
        waited = list(range(20, 27))
        assert desk.batches[1:] == [waited[n : n + size] for n in range(0, 7, size)]


async def test_a_request_names_each_windows_utterance_and_whether_it_wants_times(
    desk: Desk,
) -> None:
    await desk.close()
    desk.ask(window(20, Kind.FINAL, session="a", utterance=3), window(21, session="b"))
    desk.open()
    await desk.answered(2)
    asked = desk.requests[-1]
    assert asked["names"] == [["a", "trainee", 3], ["b", "trainee", 1]]
    assert asked["times"] == [True, False]


async def test_a_worker_killed_mid_decode_is_replaced_and_its_windows_answered(desk: Desk) -> None:
    await desk.close()
    desk.ask(window(20, Kind.FINAL), window(21))
    before = desk.pid
    os.kill(before, signal.SIGKILL)
    desk.open()
    await desk.answered(2)
    assert sorted(desk.orders) == [20, 21]
    assert desk.pid != before
    assert desk.scheduler.statistics().restarts == 1
    assert not alive(before)


async def test_a_worker_killed_while_idle_is_replaced_before_anyone_asks(desk: Desk) -> None:
    before = desk.pid
    os.kill(before, signal.SIGKILL)
    await desk.replaced(before)
    desk.ask(window(20))
    await desk.answered(1)
    assert desk.scheduler.statistics().restarts == 1


@pytest.mark.parametrize("order", [DIE, BABBLE, MISCOUNT], ids=["dies", "babbles", "miscounts"])
async def test_a_window_that_always_fails_is_answered_as_failed(desk: Desk, order: int) -> None:
    desk.ask(window(order, Kind.FINAL))
    (answer,) = await desk.answered(1)
    assert answer.failed is not None
    assert answer.words == []
    assert desk.batches == [[order]] * MAX_ATTEMPTS
    assert desk.scheduler.statistics().restarts == MAX_ATTEMPTS


async def test_a_window_that_kills_the_worker_fails_alone(desk: Desk) -> None:
    """Windows that shared its batches failed with it."""
    await desk.close()
    desk.ask(*(window(order, Kind.FINAL) for order in (20, DIE, 21, 22)))
    desk.open()
    answers = await desk.answered(4)
    failed = [int(answer.window.pcm[0]) for answer in answers if answer.failed is not None]
    assert failed == [DIE]


async def test_a_worker_that_hangs_is_taken_for_dead(tmp_path: Path) -> None:
    async with open_desk(tmp_path, answer_timeout_s=0.3) as desk:
        first = desk.pid
        desk.ask(window(HANG), window(20, s=9.0))
        await desk.answered(2)
        assert {int(a.window.pcm[0]): a.failed is None for a in desk.answers} == {
            HANG: False,
            20: True,
        }
        assert not alive(first)


async def test_a_newer_window_replaces_one_whose_worker_died(desk: Desk) -> None:
    await desk.close()
    desk.ask(window(20, session="a"))
    desk.open()
    await desk.answered(1)
    (desk.folder / "closed").touch()
    desk.ask(window(21, session="a"))
    await until(lambda: desk.batches[-1] == [21])
    desk.ask(window(22, session="a"))
    os.kill(desk.pid, signal.SIGKILL)
    desk.open()
    await desk.answered(2)
    assert desk.orders == [20, 22]


async def test_a_speculation_being_decoded_becomes_the_final_when_silence_lasts(desk: Desk) -> None:
    """It used to be decoded twice, which kept every other call's words waiting."""
    (desk.folder / "closed").touch()
    desk.ask(window(20, Kind.SPECULATIVE, session="a"))
    await until(lambda: desk.batches == [[20]])
    desk.ask(window(21, Kind.FINAL, session="a"))
    desk.open()
    await desk.answered(1)
    desk.ask(window(30, session="b"))
    await desk.answered(2)
    assert [answer.window.kind for answer in desk.answers] == [Kind.FINAL, Kind.REFRESH]
    assert desk.answers[0].words[0].text == "20"
    assert desk.batches == [[20], [30]]


async def test_a_forgotten_session_is_not_answered_any_more(desk: Desk) -> None:
    (desk.folder / "closed").touch()
    desk.ask(window(20, Kind.FINAL, session="a"))
    await until(lambda: desk.batches == [[20]])
    desk.ask(window(21, session="a", utterance=2), window(22, session="b"))
    desk.scheduler.forget("a")
    desk.open()
    await desk.answered(1)
    assert desk.orders == [22]
    assert [21] not in desk.batches


async def test_one_session_that_fails_does_not_stop_the_words_of_others(desk: Desk) -> None:
    def refuse(answer: Hypothesis) -> None:
        raise RuntimeError("a fault of this session")

    await desk.close()
    desk.scheduler.submit(window(20), refuse)
    desk.ask(window(21))
    desk.open()
    await desk.answered(1)
    assert desk.orders == [21]


async def test_the_queue_is_bounded_and_drops_the_least_urgent(desk: Desk) -> None:
    await desk.close()
    desk.ask(*(window(n, session="a", utterance=n) for n in range(2, 2 + MAX_WAITING)))
    assert desk.scheduler.statistics().waiting == MAX_WAITING
    desk.ask(window(9_000, Kind.REFRESH))
    assert desk.scheduler.statistics().dropped == 1
    desk.ask(window(9_001, Kind.FIRST), window(9_002, Kind.FINAL))
    assert desk.scheduler.statistics().dropped == 3
    assert desk.scheduler.statistics().waiting == MAX_WAITING
    desk.open()
    await desk.answered(MAX_WAITING)
    assert 9_000 not in desk.orders
    assert {9_001, 9_002} <= set(desk.orders)


async def test_a_final_that_finds_no_room_is_answered_as_failed_not_forgotten(desk: Desk) -> None:
    await desk.close()
    finals = [window(n, Kind.FINAL, session="a", utterance=n) for n in range(2, 3 + MAX_WAITING)]
    desk.ask(*finals)
    desk.open()
    answers = await desk.answered(len(finals))
    failed = [answer for answer in answers if answer.failed is not None]
    assert len(answers) == len(finals)
    assert len(failed) == 1


async def test_depth_and_age_of_the_queue_can_be_read(desk: Desk) -> None:
    assert desk.scheduler.statistics().oldest_s == 0.0
    await desk.close()
    desk.ask(window(20), window(21))
    statistics = desk.scheduler.statistics()
    assert statistics.waiting == 2
    await until(lambda: desk.scheduler.statistics().oldest_s > statistics.oldest_s > 0.0)
    desk.open()
    await desk.answered(2)
    assert desk.scheduler.statistics().decoded == 3


async def test_stopping_leaves_no_process(tmp_path: Path) -> None:
    for busy in (False, True):
        async with open_desk(tmp_path) as desk:
            pid = desk.pid
            if busy:
                await desk.close()
                desk.ask(window(20))
        assert not alive(pid)
        assert not desk.scheduler.ready
        assert desk.scheduler.statistics().waiting == 0
        assert desk.answers == []


async def test_stopping_while_a_worker_is_being_replaced_leaves_no_process(tmp_path: Path) -> None:
    scheduler = Scheduler({"en": Model(tmp_path)}, worker=FAKE)
    await scheduler.start()
    (first,) = scheduler.pids
    os.kill(first, signal.SIGKILL)
    await until(lambda: scheduler.pids not in ([first], []))
    (second,) = scheduler.pids
    await scheduler.stop()
    assert not alive(second)
    assert scheduler.pids == []


async def test_a_worker_that_does_not_start_is_said_so_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    scheduler = Scheduler({"en": Model(tmp_path, {"broken": True})}, workers=2, worker=FAKE)
    with pytest.raises(WorkerLost, match="did not start"):
        await scheduler.start()
    assert scheduler.pids == []
    assert not scheduler.ready


async def test_a_start_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    scheduler = Scheduler({"en": Model(tmp_path, {"mute": True})}, worker=FAKE)
    starting = asyncio.create_task(scheduler.start())
    await until(lambda: scheduler.pids != [])
    (pid,) = scheduler.pids
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not alive(pid)
