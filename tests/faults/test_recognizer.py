"""The recognizer's process is killed during calls: no last word is lost and the calls go on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks import reading
from benchmarks.wer import word_error_rate
from signaling.publisher import Publisher
from tests.faults.scenarios import PATIENCE_S, Json, Outcome, Pcm, Together, outcome, until
from tests.node import Node, children, command_line, running

pytestmark = pytest.mark.slow

MOST_WRONG = 0.1
CALLS = 2
APART_S = 1.7
"""Between the beginnings of calls, so that a kill finds them at different words."""
KILLS_WHILE_STARTING = 3

Strike = Callable[[Node], Awaitable[None]]


@pytest.fixture(scope="module")
def struck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("struck") / "node"
    with running(folder, FORECOURT_ASR_STEP="fixed") as node:
        yield node


@pytest.fixture(scope="module")
def sentence(two_cities: Path) -> str:
    """What `speech` says."""
    return reading.upto(reading.load("two_cities", two_cities), 13_000).text


def workers(node: Node) -> list[int]:
    """Recognizer processes, those still starting included."""
    return [pid for pid in children(node.pid) if "engine.asr.worker" in command_line(pid)]


def recognizer(node: Node) -> Json:
    """What the node tells of its recognizer, `ready` included; it answers while that is gone."""
    health: Json = httpx.get(f"{node.url}/healthz", timeout=10).json()
    return health["recognizer"] | {"ready": health["status"] == "ok"}


def is_running(pid: int) -> bool:
    """Whether it computes: a recognizer that is idle sleeps."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    except FileNotFoundError:
        return False


async def ready(node: Node) -> None:
    while not (await asyncio.to_thread(recognizer, node))["ready"]:
        await asyncio.sleep(0.05)


async def noticed(node: Node, times: int) -> None:
    """Until the node has noticed `times` losses; before it does, it says that it is ready."""
    async with asyncio.timeout(PATIENCE_S):
        while (await asyncio.to_thread(recognizer, node))["restarts"] < times:
            await asyncio.sleep(0.05)


async def kill_while_idle(node: Node) -> None:
    """Nobody has spoken yet; it is not back before they do."""
    os.kill(node.worker_pid, signal.SIGKILL)


async def kill_while_decoding(node: Node) -> None:
    """Three times, each time in the middle of a decode."""
    await asyncio.sleep(2)
    before = (await asyncio.to_thread(recognizer, node))["restarts"]
    for kills in range(1, 4):
        await ready(node)
        (pid,) = workers(node)
        until_s = time.monotonic() + 10
        while not is_running(pid):
            assert time.monotonic() < until_s, "nobody asks the recognizer for anything"
            await asyncio.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
        await noticed(node, before + kills)


async def kill_while_starting(node: Node) -> None:
    """Once in mid-call, and whatever takes its place before it is ready."""
    await asyncio.sleep(3)
    killed = {node.worker_pid}
    os.kill(node.worker_pid, signal.SIGKILL)
    for wait_s in (0.0, 0.3, 0.6)[:KILLS_WHILE_STARTING]:
        await until(lambda: set(workers(node)) - killed, "another worker")
        await asyncio.sleep(wait_s)
        for pid in set(workers(node)) - killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)


async def call(node: Node, speech: Pcm, begin_s: float) -> Outcome:
    """A call that ends once all its last words have come."""

    def finals_due() -> int:
        kinds = [item.event.type for item in publisher.received]
        return kinds.count("speech.start") - kinds.count("transcript.final")

    publisher = Publisher(node.account, speech)
    await publisher.create()
    await asyncio.sleep(begin_s)
    await publisher.connect()
    await publisher.play()
    await asyncio.sleep(1)
    await until(lambda: finals_due() == 0, "last words")
    before_end = len(publisher.received)
    await publisher.end()
    return await outcome(node, publisher, before_end=before_end)


async def calls(node: Node, speech: Pcm, strike: Strike) -> list[Outcome]:
    """Some calls at once, struck meanwhile."""
    async with asyncio.TaskGroup() as group:
        group.create_task(strike(node))  # type: ignore[arg-type]
        talking = [group.create_task(call(node, speech, APART_S * n)) for n in range(CALLS)]
    return [task.result() for task in talking]


@pytest.fixture(scope="module", params=[kill_while_idle, kill_while_decoding, kill_while_starting])
def survivors(
    request: pytest.FixtureRequest, struck: Node, speech: Pcm
) -> tuple[Strike, list[Outcome], int, int]:
    """(how it was killed, the calls, restarts before, restarts after)."""
    strike: Strike = request.param
    before = recognizer(struck)["restarts"]
    survived = Together(calls=calls(struck, speech, strike))["calls"]
    return strike, survived, before, recognizer(struck)["restarts"]


def test_every_utterance_has_its_last_words_and_they_are_right(
    survivors: tuple[Strike, list[Outcome], int, int], sentence: str
) -> None:
    for survivor in survivors[1]:
        starts = [event["data"]["utterance"] for event in survivor.of("speech.start")]
        finals = [event["data"]["utterance"] for event in survivor.of("transcript.final")]
        assert sorted(finals) == sorted(starts)
        wrong, words = word_error_rate(sentence, survivor.text)
        assert words > 30
        assert wrong <= MOST_WRONG, survivor.text


def test_the_calls_go_on_and_nothing_is_told_to_be_lost(
    survivors: tuple[Strike, list[Outcome], int, int],
) -> None:
    for survivor in survivors[1]:
        assert survivor.states == [("active", None), ("completed", "ended")]
        assert "transcript" not in [event["data"]["what"] for event in survivor.of("degraded")]
        sequence = [event["seq"] for event in survivor.events]
        assert sequence == list(range(1, len(sequence) + 1))


def test_each_kill_is_counted_once(
    survivors: tuple[Strike, list[Outcome], int, int],
) -> None:
    strike, _, before, after = survivors
    assert after - before == (3 if strike is kill_while_decoding else 1)


def test_a_call_that_ends_with_its_recognizer_gone_keeps_the_words_that_were_seen(
    struck: Node, speech: Pcm
) -> None:
    """The end of a call waits for last words a second at most."""

    async def ending() -> Outcome:
        await ready(struck)
        publisher = Publisher(struck.account, speech)
        await publisher.create()
        await publisher.connect()
        await publisher.play()
        os.kill(struck.worker_pid, signal.SIGKILL)
        seen = [item.event for item in publisher.received]
        await publisher.end()
        return await outcome(struck, publisher, seen=seen)

    ended: Outcome = Together(call=ending())["call"]
    assert ended.states[-1] == ("completed", "ended")
    starts = [event["data"]["utterance"] for event in ended.of("speech.start")]
    finals = [event["data"]["utterance"] for event in ended.of("transcript.final")]
    assert sorted(finals) == sorted(starts)
    assert len(ended.text.split()) > 15


def test_a_node_that_was_struck_takes_calls_as_before(
    struck: Node, speech: Pcm, sentence: str
) -> None:
    for spared in Together(calls=calls(struck, speech, ready))["calls"]:
        assert word_error_rate(sentence, spared.text)[0] <= MOST_WRONG
    assert len(workers(struck)) == 1
