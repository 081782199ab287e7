"""Three times as many calls as the recognizer can serve: words come late, none is lost."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack

from benchmarks import conversation, reading
from benchmarks.reading import Reading
from benchmarks.wer import errors_by_utterance
from engine.asr import weights
from engine.asr.load import LONGEST_S, OVERLOADED
from engine.asr.scheduler import MAX_WAITING, Model, Scheduler
from engine.asr.window import Hypothesis, Kind, Pressure, Refused, Window
from engine.frames import SAMPLE_RATE, Pcm
from signaling.publisher import RATE, Publisher, PublishError
from tests.admission import begun
from tests.faults import scenarios
from tests.faults.crowd import Crowd, Talker, resident_mb, slowed
from tests.node import Node, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SHARE = 0.25
"""The recognizer runs on a core a fourth as fast: fewer calls are too many, the test is short."""
FEW = 6
OVERLOAD = 3
TALK_S = 16.0
PATIENCE_S = 120.0
MOST_WRONG = 0.15
GROWTH_MB = 900
"""What a worker may keep of 32 utterances under way, each of up to 15 s."""
KINDS = len(Kind)
AT_ONCE = 200


@asynccontextmanager
async def recognizing(model: Path, step_s: float | None = None) -> AsyncIterator[Scheduler]:
    """A scheduler whose one worker has one core, and not all of that."""
    options = weights.options("whisper-tiny.en")
    scheduler = Scheduler({"en": Model(model, options)}, step_s=step_s)
    await scheduler.start()
    try:
        (pid,) = scheduler.pids
        os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})
        async with slowed(pid, SHARE):
            yield scheduler
    finally:
        await scheduler.stop()


@dataclass(slots=True)
class Rush:
    """What was seen while too many talked, and after."""

    capacity: float
    talkers: list[Talker]
    pressures: list[tuple[float, Pressure]] = field(default_factory=list)
    """At each change: seconds since they began to talk."""
    most_waiting: int = 0
    node_mb: list[float] = field(default_factory=list)
    worker_mb: list[float] = field(default_factory=list)
    refused_after_s: float | None = None
    quiet_s: float = 0.0
    """When the last of them had spoken."""
    recovered_s: float = 0.0
    is_admitting: bool = False


def talking(material: dict[str, Reading], seconds: float, count: int) -> list[Reading]:
    return [conversation.conversation(material, seconds, seed).reading for seed in range(count)]


async def capacity(model: Path, material: dict[str, Reading]) -> float:
    """How many calls take all of the worker's time with the longest step there is."""
    async with recognizing(model, LONGEST_S) as scheduler:
        crowd = Crowd(scheduler)
        for number, said in enumerate(talking(material, 14.0, FEW)):
            crowd.join(f"few{number}", said)
        await crowd.talk(4.0)
        busy = []
        for _ in range(20):
            await crowd.talk(0.5)
            busy.append(scheduler.statistics().busy)
        crowd.leave()
    return FEW * OVERLOADED / float(np.mean(busy))


async def rush(model: Path, material: dict[str, Reading]) -> Rush:
    served = await capacity(model, material)
    async with recognizing(model) as scheduler:
        crowd = Crowd(scheduler)
        for number, said in enumerate(talking(material, TALK_S, round(OVERLOAD * served))):
            crowd.join(f"call{number}", said)
        seen = Rush(served, crowd.talkers)
        begun_s = time.monotonic()

        async def watch() -> None:
            while True:
                at_s = time.monotonic() - begun_s
                if not seen.pressures or seen.pressures[-1][1] is not scheduler.pressure:
                    seen.pressures.append((at_s, scheduler.pressure))
                seen.most_waiting = max(seen.most_waiting, scheduler.statistics().waiting)
                if seen.refused_after_s is None and scheduler.pressure is Pressure.FINALS_ONLY:
                    with pytest.raises(Refused) as refusal:
                        scheduler.admit("one more", "en")
                    seen.refused_after_s = refusal.value.retry_after_s
                await asyncio.sleep(0.05)

        async def weigh() -> None:
            while True:
                seen.node_mb.append(resident_mb(os.getpid()))
                seen.worker_mb.append(resident_mb(scheduler.pids[0]))
                await asyncio.sleep(1.0)

        watching = [asyncio.create_task(watch()), asyncio.create_task(weigh())]
        while not all(talker.has_spoken for talker in crowd.talkers):
            await crowd.talk(0.5)
        seen.quiet_s = time.monotonic() - begun_s
        until_s = time.monotonic() + PATIENCE_S
        while crowd.finals_due or scheduler.pressure is not Pressure.NONE:
            assert time.monotonic() < until_s, (crowd.finals_due, scheduler.statistics())
            await crowd.talk(0.1)
        seen.recovered_s = time.monotonic() - begun_s
        await crowd.talk(1.0)
        for task in watching:
            task.cancel()
        for outcome in await asyncio.gather(*watching, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                raise AssertionError from outcome
        crowd.leave()
        scheduler.admit("one more", "en")
        seen.is_admitting = True
        print(f"\ncapacity {served:.1f} calls; {len(seen.talkers)} talked for {seen.quiet_s:.1f} s")
        print(
            f"recovered after {seen.recovered_s - seen.quiet_s:.1f} s; {seen.most_waiting} waited"
        )
        print("pressure", [(round(at_s, 1), each.name) for at_s, each in seen.pressures])
        for what, used in (("node", seen.node_mb), ("worker", seen.worker_mb)):
            print(f"{what}: {used[0]:.0f} to {max(used):.0f} MB")
    return seen


@pytest.fixture(scope="module")
def material() -> dict[str, Reading]:
    return conversation.recordings()


@pytest.fixture(scope="module")
def seen(default_model: Path, material: dict[str, Reading]) -> Rush:
    return asyncio.run(rush(default_model, material))


def test_every_utterance_of_every_call_has_its_last_words(seen: Rush) -> None:
    assert len(seen.talkers) > 2 * seen.capacity
    for talker in seen.talkers:
        assert talker.numbers("speech.start")
        assert talker.numbers("transcript.final") == talker.numbers("speech.start")
        assert talker.told("transcript") == []


def test_the_last_words_are_right(seen: Rush) -> None:
    pairs = [errors_by_utterance([t.words], t.text)[0] for t in seen.talkers]
    errors, words = (sum(column) for column in zip(*pairs, strict=True))
    assert words > 10 * len(seen.talkers)
    assert errors / words <= MOST_WRONG


def test_the_steps_are_stretched_then_there_are_last_words_alone_then_all_is_well(
    seen: Rush,
) -> None:
    kinds = [pressure for _, pressure in seen.pressures]
    assert kinds.index(Pressure.STRETCHED) < kinds.index(Pressure.FINALS_ONLY)
    assert kinds[-1] is Pressure.NONE


def test_who_talks_is_told_that_words_come_late_and_that_it_is_over(seen: Rush) -> None:
    for talker in seen.talkers:
        told = talker.told("words")
        assert told[0]["untilMs"] is None
        assert told[-1]["untilMs"] is not None


def test_one_more_call_is_refused_during_the_rush_and_taken_after_it(seen: Rush) -> None:
    assert seen.refused_after_s is not None
    assert seen.refused_after_s > 0
    assert seen.is_admitting


def test_line_and_memory_are_bounded(seen: Rush) -> None:
    assert seen.most_waiting <= min(MAX_WAITING, len(seen.talkers) * 4)
    assert max(seen.node_mb) - seen.node_mb[0] < 100
    assert max(seen.worker_mb) - seen.worker_mb[0] < GROWTH_MB


# two hundred at once


@pytest.fixture(scope="module")
def phrase(two_cities: Path) -> Reading:
    """It was the best of times, it was the worst of times."""
    return reading.load("two_cities", two_cities).between(0, 12, 300)


def windows(pcm: Pcm) -> Iterator[Window]:
    """One of each kind for each of 200 calls, the least urgent first."""
    for kind in reversed(Kind):
        for number in range(AT_ONCE):
            end = len(pcm)
            yield Window(f"call{number}", "trainee", kind + 1, kind, 0, end, end, pcm)


async def test_of_windows_that_200_calls_ask_at_once_no_last_words_are_lost(
    default_model: Path, phrase: Reading
) -> None:
    """800 windows of the same instant, of which the line holds 512."""
    pcm = reading.narrowed(phrase.audio)[: 2 * SAMPLE_RATE]
    options = weights.options("whisper-tiny.en")
    scheduler = Scheduler({"en": Model(default_model, options)})
    await scheduler.start()
    answers: list[Hypothesis] = []
    try:
        before_mb = resident_mb(scheduler.pids[0])
        for window in windows(pcm):
            scheduler.submit(window, answers.append)
        assert scheduler.statistics().waiting == MAX_WAITING
        while sum(answer.window.kind is Kind.FINAL for answer in answers) < AT_ONCE:
            await asyncio.sleep(0.05)
            assert scheduler.statistics().waiting <= MAX_WAITING
        dropped = scheduler.statistics().dropped
        for number in range(AT_ONCE):
            scheduler.forget(f"call{number}")
        assert scheduler.statistics().waiting == 0
        grown_mb = resident_mb(scheduler.pids[0]) - before_mb
        begun_s = time.monotonic()
        while scheduler.pressure is not Pressure.NONE:
            assert time.monotonic() - begun_s < PATIENCE_S
            await asyncio.sleep(0.05)
        scheduler.admit("one more", "en")
    finally:
        await scheduler.stop()
    assert dropped == KINDS * AT_ONCE - MAX_WAITING
    assert grown_mb < GROWTH_MB
    finals = [answer for answer in answers if answer.window.kind is Kind.FINAL]
    assert [answer.failed for answer in finals] == [None] * AT_ONCE
    texts = {" ".join(word.text for word in answer.words) for answer in finals}
    assert len(texts) <= 2, "equal audio, other words"
    assert "best of time" in min(texts).lower()
    # Last words come before all else that was asked in the same instant.
    ahead = answers[: answers.index(finals[-1])]
    assert len([a for a in ahead if a.window.kind is not Kind.FINAL]) <= 16


async def offered() -> tuple[RTCPeerConnection, str]:
    """A connection of its own and its offer."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(AudioStreamTrack())
    await connection.setLocalDescription(await connection.createOffer())
    return connection, connection.localDescription.sdp


async def publish_at_once(node: Node, audio: Pcm) -> tuple[list[httpx.Response], list[object]]:
    """200 sessions, published in the same moment: the answers to those that only ask, and what
    became of those that talk (a `Publisher` or why it was refused)."""
    talkers = [Publisher(node.account, audio) for _ in range(AT_ONCE // 5)]
    limits = httpx.Limits(max_connections=AT_ONCE)
    base = f"{node.url}/api/v1/sessions"
    async with httpx.AsyncClient(auth=node.account, timeout=60, limits=limits) as http:
        connection, offer = await offered()
        asking = []
        for _ in range(AT_ONCE - len(talkers)):
            created = (await http.post(base, json={"sessionType": "pitch"})).json()
            consent = {"coaching": True, "recording": False, "textVersion": "file"}
            await http.put(f"{base}/{created['id']}/consent", json=consent)
            asking.append(created)
        for talker in talkers:
            await talker.create()
        # With their grants: one person may publish thirty times a minute only.
        posts = [
            http.post(
                f"{base}/{session['id']}/whip",
                content=offer,
                headers={
                    "Content-Type": "application/sdp",
                    "Authorization": f"Bearer {session['resumeToken']}",
                },
            )
            for session in asking
        ]
        connects = [talker.connect(resume=True) for talker in talkers]
        results = await asyncio.gather(*connects, *posts, return_exceptions=True)
        await connection.close()
        answers = []
        for answer in results[len(talkers) :]:
            assert isinstance(answer, httpx.Response), answer
            answers.append(answer)
            if answer.status_code == 201:
                await http.delete(f"{node.url}{answer.headers['location']}")
    outcomes: list[object] = []
    for talker, result in zip(talkers, results[: len(talkers)], strict=True):
        outcomes.append(talker if result is None else result)
        if result is not None:
            await talker.close()
    return answers, outcomes


async def test_of_200_calls_that_begin_at_once_the_admitted_work_and_the_rest_are_told_when(
    tmp_path: Path, phrase: Reading, loopback: None
) -> None:
    audio = np.concatenate([phrase.audio, np.zeros(RATE, np.int16)])
    with running(tmp_path / "node", FORECOURT_MAX_CALLS="12") as node:
        answers, outcomes = await publish_at_once(node, audio)
        admitted = [one for one in outcomes if isinstance(one, Publisher)]
        refused = [answer for answer in answers if answer.status_code != 201]
        assert len(admitted) + len(answers) - len(refused) <= 12
        assert admitted, "none of those that talk was admitted"
        for answer in refused:
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0
            assert "seconds" in answer.json()["detail"] or "minute" in answer.json()["detail"]
        for outcome in outcomes:
            if not isinstance(outcome, Publisher):
                assert isinstance(outcome, PublishError), outcome
                assert str(outcome).startswith("503")
        for publisher in admitted:
            await publisher.play()
        await asyncio.sleep(1.5)
        for publisher in admitted:
            await publisher.end()
            events = [item.event for item in publisher.received]
            finals = [event.data for event in events if event.type == "transcript.final"]
            text = " ".join(word[0] for data in finals for word in data["words"]).lower()
            assert "the worst of time" in text
        again = Publisher(node.account, audio)
        await begun(again)
        await scenarios.play_to_end(again)
        assert any(item.event.type == "transcript.final" for item in again.received)
