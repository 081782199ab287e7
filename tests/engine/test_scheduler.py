"""One worker serves every session: the most urgent first, and nobody waits for one that died."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from engine.asr import weights
from engine.asr.scheduler import MAX_ATTEMPTS, MAX_BATCH, MAX_WAITING, Scheduler, WorkerLost
from engine.asr.window import Hypothesis, Kind, Window
from engine.frames import SAMPLE_RATE, Pcm
from tests.engine import obedient_worker
from tests.engine.obedient_worker import BABBLE, DIE, HANG, MISCOUNT

FAKE = (sys.executable, obedient_worker.__file__)


def window(
    order: int, kind: Kind = Kind.REFRESH, *, utterance: int = 1, session: str = "", s: float = 1.0
) -> Window:
    """A window of `s` seconds whose first sample is `order`; each order is another session."""
    pcm = np.zeros(int(s * SAMPLE_RATE), np.int16)
    pcm[0] = order
    return Window(session or f"s{order}", "trainee", utterance, kind, 0, len(pcm), len(pcm), pcm)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process brings about."""
    while not condition():
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Desk:
    """A scheduler with an obedient worker, and what was answered."""

    def __init__(self, folder: Path, scheduler: Scheduler) -> None:
        self.folder = folder
        self.scheduler = scheduler
        self.answers: list[Hypothesis] = []

    def ask(self, *windows: Window) -> None:
        for each in windows:
            self.scheduler.submit(each, self.answers.append)

    async def answered(self, count: int) -> list[Hypothesis]:
        await until(lambda: len(self.answers) >= count)
        return self.answers

    @property
    def orders(self) -> list[int]:
        return [int(answer.window.pcm[0]) for answer in self.answers]

    @property
    def batches(self) -> list[list[int]]:
        path = self.folder / "batches"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def close(self) -> None:
        """Keep the worker busy with one window, so that others wait."""
        (self.folder / "closed").touch()
        seen = len(self.batches)
        self.scheduler.submit(window(1, Kind.FINAL), lambda answer: None)
        await until(lambda: len(self.batches) > seen)

    def open(self) -> None:
        (self.folder / "closed").unlink()


@asynccontextmanager
async def open_desk(folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    scheduler = Scheduler(folder, worker=FAKE, **settings)
    await scheduler.start()
    try:
        yield Desk(folder, scheduler)
    finally:
        await scheduler.stop()


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
        window(22, Kind.FIRST, s=4.0),
        window(21, Kind.SPECULATIVE, s=8.0),
        window(20, Kind.FINAL, s=12.0),
    )
    desk.open()
    await desk.answered(4)
    assert desk.batches[1:] == [[20], [21], [22], [23]]


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


async def test_windows_of_like_length_share_a_batch(desk: Desk) -> None:
    await desk.close()
    desk.ask(*(window(20 + n, s=3.0 + n / 10) for n in range(MAX_BATCH + 1)))
    desk.ask(window(40, s=9.0))
    desk.open()
    await desk.answered(MAX_BATCH + 2)
    assert desk.batches[1:] == [list(range(20, 20 + MAX_BATCH)), [20 + MAX_BATCH], [40]]


async def test_a_worker_killed_mid_decode_is_replaced_and_its_windows_answered(desk: Desk) -> None:
    await desk.close()
    desk.ask(window(20, Kind.FINAL), window(21))
    before = desk.scheduler.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    desk.open()
    await desk.answered(2)
    assert sorted(desk.orders) == [20, 21]
    assert desk.scheduler.pid != before
    assert desk.scheduler.statistics().restarts == 1
    assert not alive(before)


async def test_a_worker_killed_while_idle_is_replaced_before_anyone_asks(desk: Desk) -> None:
    before = desk.scheduler.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)
    await until(lambda: desk.scheduler.ready and desk.scheduler.pid not in (before, None))
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
        first = desk.scheduler.pid
        assert first is not None
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
    assert desk.scheduler.pid is not None
    os.kill(desk.scheduler.pid, signal.SIGKILL)
    desk.open()
    await desk.answered(2)
    assert desk.orders == [20, 22]


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
    await asyncio.sleep(0.02)
    statistics = desk.scheduler.statistics()
    assert statistics.waiting == 2
    assert statistics.oldest_s >= 0.02
    desk.open()
    await desk.answered(2)
    assert desk.scheduler.statistics().decoded == 3


async def test_stopping_leaves_no_process(tmp_path: Path) -> None:
    for busy in (False, True):
        async with open_desk(tmp_path) as desk:
            pid = desk.scheduler.pid
            assert pid is not None
            if busy:
                await desk.close()
                desk.ask(window(20))
        assert not alive(pid)
        assert not desk.scheduler.ready
        assert desk.scheduler.statistics().waiting == 0
        assert desk.answers == []


async def test_stopping_while_a_worker_is_being_replaced_leaves_no_process(tmp_path: Path) -> None:
    scheduler = Scheduler(tmp_path, worker=FAKE)
    await scheduler.start()
    first = scheduler.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: scheduler.pid not in (first, None))
    second = scheduler.pid
    assert second is not None
    await scheduler.stop()
    assert not alive(second)
    assert scheduler.pid is None


async def test_a_worker_that_does_not_start_is_said_so_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    scheduler = Scheduler(tmp_path, {"broken": True}, worker=FAKE)
    with pytest.raises(WorkerLost, match="did not start"):
        await scheduler.start()
    assert scheduler.pid is None
    assert not scheduler.ready


async def test_a_start_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    scheduler = Scheduler(tmp_path, {"mute": True}, worker=FAKE)
    starting = asyncio.create_task(scheduler.start())
    await until(lambda: scheduler.pid is not None)
    pid = scheduler.pid
    assert pid is not None
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not alive(pid)


async def test_the_real_worker_survives_ctrl_c_and_its_own_death(
    default_model: Path, reading: Pcm
) -> None:
    """Two sessions on real speech: SIGINT (Ctrl-C reaches the whole group) changes nothing, SIGKILL
    while both decode costs no window."""
    normal = EnglishTextNormalizer()
    reference = normal("It was the best of times, it was the worst of times")
    speech = reading[int(0.6 * SAMPLE_RATE) : int(5.0 * SAMPLE_RATE)]
    scheduler = Scheduler(default_model, weights.options("whisper-tiny.en"))
    await scheduler.start()
    answers: list[Hypothesis] = []

    def ask(utterance: int) -> None:
        for session in ("a", "b"):
            end = len(speech)
            each = Window(session, "trainee", utterance, Kind.FINAL, 0, end, end, speech)
            scheduler.submit(each, answers.append)

    try:
        first = scheduler.pid
        assert first is not None
        os.kill(first, signal.SIGINT)
        ask(1)
        await until(lambda: len(answers) == 2)
        assert scheduler.pid == first
        ask(2)
        await asyncio.sleep(0.05)
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(answers) == 4)
        second = scheduler.pid
        assert second is not None
        assert second != first
        assert scheduler.statistics().restarts == 1
    finally:
        await scheduler.stop()
    assert sorted((a.window.session, a.window.utterance) for a in answers) == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("b", 2),
    ]
    for answer in answers:
        text = normal(" ".join(word.text for word in answer.words))
        assert jiwer.wer(reference, text) <= 0.1
        assert answer.words[-1].end_ms > answer.words[0].start_ms
    assert not alive(first)
    assert not alive(second)


NODE = textwrap.dedent(
    """
    import asyncio, sys
    from pathlib import Path
    from engine.asr.scheduler import Scheduler

    async def main():
        scheduler = Scheduler(Path(sys.argv[1]))
        await scheduler.start()
        print(scheduler.pid, flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())
    """
)


def test_the_real_worker_ends_with_its_node(default_model: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NODE, str(default_model)],
        stdout=subprocess.PIPE,
        text=True,
    ) as node:
        assert node.stdout is not None
        worker = int(next(line for line in node.stdout if line.strip().isdigit()))
        assert alive(worker)
        node.send_signal(signal.SIGKILL)
    while alive(worker) and not _is_zombie(worker):
        time.sleep(0.01)


def _is_zombie(pid: int) -> bool:
    """Whether it ended and only waits for an init process that collects nothing."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"
