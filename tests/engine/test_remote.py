"""A recognizer elsewhere: a real server that speaks the API, and all the ways it may misbehave."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from benchmarks.wer import word_error_rate
from engine.asr import client, remote
from engine.asr.remote import RemoteError, RemoteRecognizer, Statistics
from engine.asr.window import Hypothesis, Kind, Pressure, Refused, Window
from engine.events import Event
from engine.frames import SAMPLE_RATE, Pcm
from engine.journal import MemoryJournal
from engine.session import Session, SessionConfig
from tests.engine.desk import until, window
from tests.engine.timeline import TRACK, TWO_CITIES, frames_of, silence
from tests.node import free_port
from tests.transcription import HUGE_BYTES, Server, serving

pytestmark = pytest.mark.slow

KEY = SecretStr("north-by-northwest")
PATIENT_S = 60.0
"""For real decoding on a machine that is busy with other things."""


@pytest.fixture(scope="module")
def process(default_model: Path) -> Iterator[Server]:
    with serving(default_model) as server:
        yield server


@pytest.fixture
def server(process: Server) -> Server:
    """A server that behaves well; what it saw before is `server.seen()` at the beginning."""
    process.behave()
    return process


class Desk:
    """A recognizer, and what was answered by it."""

    def __init__(self, recognizer: RemoteRecognizer) -> None:
        self.recognizer = recognizer
        self.answers: list[Hypothesis] = []

    def ask(self, *windows: Window) -> None:
        for each in windows:
            self.recognizer.submit(each, self.answers.append)

    async def answered(self, count: int) -> list[Hypothesis]:
        await until(lambda: len(self.answers) >= count)
        return self.answers

    async def heard(self, asked: Window) -> Hypothesis:
        before = len(self.answers)
        self.ask(asked)
        return (await self.answered(before + 1))[before]

    @property
    def statistics(self) -> Statistics:
        return self.recognizer.statistics()

    @property
    def orders(self) -> list[int]:
        return [int(answer.window.pcm[0]) for answer in self.answers]

    @property
    def failed(self) -> list[str]:
        return [answer.failed for answer in self.answers if answer.failed is not None]


@asynccontextmanager
async def open_desk(url: str, **settings: Any) -> AsyncIterator[Desk]:
    recognizer = RemoteRecognizer(url, KEY, "whisper-1", **settings)
    await recognizer.start()
    try:
        yield Desk(recognizer)
    finally:
        await recognizer.stop()


@pytest.fixture
async def desk(server: Server) -> AsyncIterator[Desk]:
    async with open_desk(server.url, timeout_s=PATIENT_S) as one:
        yield one


def speech(reading: Pcm, kind: Kind = Kind.FINAL, session: str = "s") -> Window:
    """The first sentence half of the reading, 5.2 s."""
    pcm = reading[: int(5.2 * SAMPLE_RATE)]
    return Window(session, TRACK, 1, kind, 0, len(pcm), len(pcm), pcm)


SAID = "It was the best of times, it was the worst of times"


async def passed(server: Server, requests: int) -> None:
    """Until the server has seen as many requests."""
    while (await asyncio.to_thread(server.seen)).requests < requests:
        await asyncio.sleep(0.01)


# what is sent, and what comes back


@pytest.mark.parametrize("kind", Kind)
async def test_real_speech_comes_back_as_words(desk: Desk, reading: Pcm, kind: Kind) -> None:
    answer = await desk.heard(speech(reading, kind))
    assert answer.failed is None
    assert answer.window.kind is kind
    assert word_error_rate(SAID, " ".join(word.text for word in answer.words))[0] <= 0.1
    assert -1.0 < answer.average_log_probability < 0.0
    assert "times," in [word.text for word in answer.words]
    times = [word.start_ms for word in answer.words]
    assert times == sorted(times)
    assert (times[-1] > 3_000) == (kind <= Kind.SPECULATIVE)


async def test_a_server_without_word_times_is_heard_too(server: Server, reading: Pcm) -> None:
    for segments in (True, False):
        server.behave(times=False, segments=segments)
        async with open_desk(server.url, timeout_s=PATIENT_S) as desk:
            answer = await desk.heard(speech(reading))
        assert word_error_rate(SAID, " ".join(word.text for word in answer.words))[0] <= 0.1
        ends = [word.end_ms for word in answer.words]
        assert ends == sorted(ends)
        assert 4_500 < ends[-1] <= 5_200


async def test_the_request_is_openais(desk: Desk, server: Server, reading: Pcm) -> None:
    await desk.heard(speech(reading))
    seen = server.seen()
    assert seen.forms[-1] == {
        "model": ["whisper-1"],
        "language": ["en"],
        "response_format": ["verbose_json"],
        "temperature": ["0"],
        "timestamp_granularities[]": ["segment", "word"],
    }
    assert seen.seconds[-1] == pytest.approx(5.2)
    assert seen.headers["authorization"] == f"Bearer {KEY.get_secret_value()}"


async def test_who_has_no_key_shows_none(server: Server) -> None:
    await RemoteRecognizer(server.url + "/", SecretStr(""), "whisper-1").probe()
    assert "authorization" not in server.seen().headers


async def test_a_whole_session_is_transcribed(desk: Desk, reading: Pcm) -> None:
    """As fast as the server answers: its time is none of the session's."""
    begun_s = time.monotonic()
    session = Session(
        "0123456789abcdef01234567",
        SessionConfig("pitch", None, False),
        desk.recognizer,
        MemoryJournal(),
        lambda: time.monotonic() - begun_s,
    )
    events: list[Event] = []
    session.subscribe(events.append)
    session.add_track(TRACK)
    session.enter("active")
    said = np.concatenate([reading[: 13 * SAMPLE_RATE], silence(1.0)])
    for frame in frames_of(said):
        session.push([frame])
        await until(lambda: desk.statistics.waiting + desk.statistics.requests == 0)
    session.flush()
    await until(lambda: session.finals_due == 0)
    session.complete("ended")
    finals = [event.data for event in events if event.type == "transcript.final"]
    text = " ".join(word[0] for data in finals for word in data["words"])
    wrong, words = word_error_rate(TWO_CITIES[: TWO_CITIES.index(", it was the season")], text)
    assert words > 30
    assert wrong <= 0.1, text
    assert not [event for event in events if event.type == "degraded"]
    partials = [event for event in events if event.type == "transcript.partial"]
    assert len(partials) >= len(finals) >= 2
    starts = [word[1] for data in finals for word in data["words"]]
    assert all(a <= b for a, b in pairwise(starts))
    assert 11_000 < starts[-1] < 13_000


# bounds and order


async def test_200_windows_at_once_stay_within_both_bounds(server: Server) -> None:
    before = server.seen()
    server.behave(stall=True)
    async with open_desk(server.url, most_requests=4, most_waiting=64) as desk:
        desk.ask(*(window(n, Kind.REFRESH, s=0.3) for n in range(100)))
        desk.ask(*(window(n, Kind.FINAL, s=0.3) for n in range(100, 200)))
        assert desk.statistics.waiting == 64
        await passed(server, before.requests + 4)
        assert desk.statistics.requests == 4
        server.behave(text="hello")
        await desk.answered(100)
        await until(lambda: desk.statistics.waiting == desk.statistics.requests == 0)
        assert server.seen().most <= 4
        finals = [answer for answer in desk.answers if answer.window.kind is Kind.FINAL]
        assert len(finals) == 100
        assert len(desk.failed) == 100 - 64
        assert all("overloaded" in why for why in desk.failed)
        # of the refreshes those under way were answered, and no FINAL had to wait for another
        assert len(desk.answers) == 104
        assert desk.statistics.dropped == 96 + 36


async def test_the_most_urgent_are_sent_first(server: Server) -> None:
    server.behave(stall=True)
    async with open_desk(server.url, most_requests=1) as desk:
        desk.ask(window(9, Kind.REFRESH))
        for order, kind in enumerate(reversed(Kind)):
            desk.ask(window(order, kind))
        server.behave(text="hello")
        await desk.answered(5)
        assert desk.orders == [9, 3, 2, 1, 0]


async def test_a_newer_window_of_an_utterance_is_sent_instead_of_the_one_that_waits(
    server: Server,
) -> None:
    server.behave(stall=True)
    async with open_desk(server.url, most_requests=1) as desk:
        desk.ask(*(window(order, session="a") for order in (10, 11, 12)))
        server.behave(text="hello")
        await desk.answered(2)
        assert desk.orders == [10, 12]
        assert desk.statistics.superseded == 1


async def test_a_speculation_under_way_becomes_the_final(server: Server) -> None:
    before = server.seen().requests
    server.behave(stall=True)
    async with open_desk(server.url) as desk:
        desk.ask(window(20, Kind.SPECULATIVE, session="a"))
        await passed(server, before + 1)
        desk.ask(window(21, Kind.FINAL, session="a"))
        server.behave(text="hello")
        (answer,) = await desk.answered(1)
        assert answer.window.kind is Kind.FINAL
        assert server.seen().requests == before + 1


# trouble


TROUBLES: dict[str, dict[str, Any]] = {
    "breaks off": {"body": "cut"},
    "answers html": {"body": "<html>Please log in</html>", "content_type": "text/html"},
    "answers nonsense": {"body": '{"task": "transcribe"}'},
    "answers without end": {"body": "huge"},
    "trickles": {"body": "drip"},
    "is out of order": {"status": 500},
    "is overloaded": {"status": 503},
    "has enough of us": {"status": 429, "retry_after": "nonsense"},
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
async def test_a_final_is_asked_again_when_the_server(
    server: Server, trouble: dict[str, Any]
) -> None:
    server.behave(left=2, text="hello", **trouble)
    async with open_desk(server.url, timeout_s=2.0) as desk:
        answer = await desk.heard(window(20, Kind.FINAL))
        assert answer.failed is None
        assert desk.statistics.retried == desk.statistics.restarts == 1
        assert desk.recognizer.ready


async def test_an_answer_without_end_is_not_read_to_its_end(server: Server) -> None:
    server.behave(body="huge")
    with pytest.raises(RemoteError, match="too long"):
        await RemoteRecognizer(server.url, KEY, "whisper-1").probe()
    assert server.seen().sent_bytes < HUGE_BYTES / 4


@pytest.mark.parametrize(
    ("status", "about"), [(401, "key"), (403, "key"), (404, "model"), (307, "address")]
)
async def test_what_asking_again_does_not_help_is_told_at_once(
    server: Server, status: int, about: str
) -> None:
    server.behave(status=status, left=1)
    async with open_desk(server.url) as desk:
        answer = await desk.heard(window(20, Kind.FINAL))
        assert answer.failed is not None
        assert about in answer.failed
        assert str(status) in answer.failed
        assert desk.statistics.retried == 0


async def test_one_request_that_is_refused_stops_no_other(server: Server) -> None:
    server.behave(status=400, left=1, text="hello")
    async with open_desk(server.url, most_requests=1) as desk:
        desk.ask(window(20, Kind.FINAL), window(21, Kind.FINAL))
        await desk.answered(2)
        assert [answer.failed is None for answer in desk.answers] == [False, True]
        assert desk.statistics.restarts == 0


async def test_a_look_in_between_that_fails_is_counted_and_not_asked_again(server: Server) -> None:
    server.behave(status=503, left=1, text="hello")
    async with open_desk(server.url) as desk:
        desk.ask(window(20, Kind.REFRESH))
        await until(lambda: desk.statistics.restarts == 1)
        assert (await desk.heard(window(21, Kind.FINAL))).failed is None
        assert desk.orders == [21]
        assert (desk.statistics.failed, desk.statistics.dropped) == (1, 1)


async def test_a_server_that_asks_for_a_pause_gets_it(server: Server) -> None:
    before = server.seen().requests
    server.behave(status=429, retry_after="2", left=1, text="hello")
    async with open_desk(server.url) as desk:
        await desk.heard(window(20, Kind.FINAL))
    refused_s, tried_s, asked_s = server.seen().at_s[before:]
    assert tried_s - refused_s >= 2.0
    assert asked_s > tried_s


def test_a_pause_that_is_asked_for_is_bounded() -> None:
    def asked(value: str | None) -> float:
        headers = {} if value is None else {"Retry-After": value}
        return client.retry_after_s(httpx.Response(503, headers=headers))

    now = datetime.now(UTC)
    assert asked("2") == 2.0
    assert asked("99999999999999999999") == client.LONGEST_ASKED_PAUSE_S
    assert asked(format_datetime(now + timedelta(hours=1), usegmt=True)) == (
        client.LONGEST_ASKED_PAUSE_S
    )
    assert 7.0 < asked(format_datetime(now + timedelta(seconds=9), usegmt=True)) <= 9.0
    for nothing in (None, "", "-3", "soon", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert asked(nothing) == 0.0


def test_pauses_grow_to_a_bound() -> None:
    pauses = [remote._pause_s(troubles, 0.0) for troubles in (1, 2, 3, 4, 5, 6, 50, 5_000)]
    assert pauses[0] <= remote.FIRST_PAUSE_S
    assert all(a < b for a, b in pairwise(pauses[:4]))
    assert all(pause <= remote.LONGEST_PAUSE_S for pause in pauses)
    assert remote._pause_s(1, 3.0) == 3.0


async def test_no_final_is_lost_while_the_server_is_dead_for_3_s(
    process: Server, reading: Pcm
) -> None:
    """It dies in the middle of requests, and finals are asked for meanwhile."""
    process.behave(stall=True)
    before = process.seen().requests
    async with open_desk(process.url, timeout_s=PATIENT_S, final_patience_s=PATIENT_S) as desk:
        desk.ask(*(speech(reading, session=f"a{n}") for n in range(3)))
        await passed(process, before + 3)
        process.kill()
        died_s = time.monotonic()
        await until(lambda: not desk.recognizer.ready)
        desk.ask(*(speech(reading, session=f"b{n}") for n in range(3)))
        desk.ask(*(speech(reading, Kind.REFRESH, session=f"c{n}") for n in range(3)))
        await asyncio.sleep(died_s + 3.0 - time.monotonic())
        assert desk.answers == []
        await asyncio.to_thread(process.start)
        await desk.answered(9)
        assert desk.failed == []
        for answer in desk.answers:
            text = " ".join(word.text for word in answer.words)
            assert word_error_rate(SAID, text)[0] <= 0.1
        assert desk.recognizer.ready
        assert desk.statistics.restarts == 1


async def test_final_words_that_wait_too_long_for_a_dead_server_are_told_to_be_lost() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    async with open_desk(url, most_requests=2, final_patience_s=0.6) as desk:
        desk.ask(*(window(n, Kind.FINAL) for n in range(2, 12)))
        answers = await desk.answered(10)
        assert all("cannot be reached" in (answer.failed or "") for answer in answers)
        assert desk.statistics.waiting == 0
        assert not desk.recognizer.ready


async def test_a_window_that_the_server_cannot_stand_fails_by_itself(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silence that the server is tried with goes through, the window never does."""
    monkeypatch.setattr(remote, "FIRST_PAUSE_S", 0.01)
    server.behave(poison=20, status=500, text="hello")
    async with open_desk(server.url, most_requests=1) as desk:
        desk.ask(window(20, Kind.FINAL), window(21, Kind.FINAL))
        await desk.answered(2)
        assert {int(a.window.pcm[0]): a.failed is None for a in desk.answers} == {
            20: False,
            21: True,
        }
        assert desk.statistics.retried == remote.MAX_ATTEMPTS - 1


async def test_a_dead_server_is_not_hammered() -> None:
    """It takes connections and drops them; windows keep coming all the time."""
    connections = 0

    def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, open_desk(f"http://127.0.0.1:{port}/v1", most_requests=3) as desk:
        for n in range(2, 202):
            desk.ask(window(n, Kind.REFRESH, s=0.1), window(n, Kind.FINAL, s=0.1))
            await asyncio.sleep(0.005)
        assert 1 <= connections <= 3 + 4
        assert desk.statistics.waiting <= 200
        assert desk.answers == []


# how many calls


async def test_a_lost_server_takes_no_new_calls_but_keeps_its_own(server: Server) -> None:
    server.behave(status=503, left=1, text="hello")
    async with open_desk(server.url) as desk:
        desk.recognizer.admit("old", "en")
        desk.ask(window(20, Kind.FINAL, session="old"))
        await until(lambda: not desk.recognizer.ready)
        with pytest.raises(Refused, match="lost") as refusal:
            desk.recognizer.admit("new", "en")
        assert refusal.value.retry_after_s == remote.RETRY_AFTER_S
        desk.recognizer.admit("old", "en")
        assert math.isinf(desk.recognizer.step_s)
        assert desk.recognizer.pressure is Pressure.FINALS_ONLY
        await desk.answered(1)
        desk.recognizer.admit("new", "en")
        assert desk.recognizer.step_s == remote.STEP_S
        assert (desk.statistics.calls, desk.statistics.refused) == (2, 1)


async def test_no_more_calls_are_taken_than_the_server_has_time_for(server: Server) -> None:
    async with open_desk(server.url, most_requests=2) as desk:
        taken = 0
        while desk.statistics.refused == 0:
            with suppress(Refused):
                desk.recognizer.admit(f"s{taken}", "en")
            taken = desk.statistics.calls
        assert 1 <= taken <= 10
        desk.recognizer.forget("s0")
        desk.recognizer.admit("another", "en")
        assert desk.statistics.calls == taken


async def test_a_server_that_falls_behind_is_asked_for_last_words_alone(server: Server) -> None:
    server.behave(stall=True)
    async with open_desk(server.url, most_requests=1, timeout_s=PATIENT_S) as desk:
        desk.ask(*(window(n, Kind.REFRESH) for n in range(2, 8)))
        await until(lambda: desk.recognizer.pressure is Pressure.FINALS_ONLY)
        assert math.isinf(desk.recognizer.step_s)
        server.behave(text="hello")
        await desk.answered(6)
        await until(lambda: desk.recognizer.pressure is Pressure.NONE)
        assert desk.recognizer.step_s == remote.STEP_S


# who has gone


async def test_forgetting_a_session_breaks_off_its_requests(server: Server) -> None:
    before = server.seen()
    server.behave(stall=True)
    async with open_desk(server.url, most_requests=2) as desk:
        desk.ask(window(20, Kind.FINAL, session="a"), window(21, Kind.REFRESH, session="a2"))
        await passed(server, before.requests + 2)
        desk.ask(window(22, Kind.FINAL, session="b"))
        desk.recognizer.forget("a")
        await passed(server, before.requests + 3)
        await until(lambda: server.seen().gone == before.gone + 1)
        server.behave(text="hello")
        await desk.answered(2)
        assert sorted(desk.orders) == [21, 22]


async def test_a_session_forgotten_before_its_request_began_holds_no_place(server: Server) -> None:
    """A task that is cancelled before its first step never runs its own clean-up."""
    async with open_desk(server.url, most_requests=1) as desk:
        for n in range(2, 8):
            desk.ask(window(n, Kind.FINAL, session="a", utterance=n))
            desk.recognizer.forget("a")
        assert (await desk.heard(window(20, Kind.FINAL))).failed is None
        assert desk.orders == [20]
        assert desk.statistics.requests <= 1


@pytest.mark.parametrize("how", ["idle", "busy", "lost"])
async def test_stopping_leaves_nothing_behind(server: Server, how: str) -> None:
    before = asyncio.all_tasks()
    server.behave(stall=how == "busy", status=503 if how == "lost" else 200)
    async with open_desk(server.url) as desk:
        if how != "idle":
            desk.ask(*(window(n, Kind.FINAL) for n in range(2, 30)))
            await until(lambda: desk.statistics.requests > 0)
        if how == "lost":
            await until(lambda: not desk.recognizer.ready)
        await desk.recognizer.stop()
        assert asyncio.all_tasks() == before
        assert not desk.recognizer.ready
        assert desk.statistics.waiting == desk.statistics.requests == 0
        desk.ask(window(40, Kind.FINAL))
        await asyncio.sleep(0.05)
        assert desk.answers == []


# what is told


def refused(server_or_url: Server | str) -> str:
    url = server_or_url if isinstance(server_or_url, str) else server_or_url.url
    with pytest.raises(RemoteError) as refusal:
        asyncio.run(RemoteRecognizer(url, KEY, "whisper-1").probe())
    assert KEY.get_secret_value() not in str(refusal.value)
    return str(refusal.value)


def test_a_probe_says_what_is_wrong_and_never_shows_the_key(server: Server) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    assert f"{url}/audio/transcriptions: " in (message := refused(url))
    assert "cannot be reached" in message
    assert "(404" in refused(server.url.removesuffix("/v1"))
    server.behave(key="another")
    message = refused(server)
    assert "key" in message
    assert "Incorrect API key provided: Bearer ***." in message
    server.behave(body="<html>", content_type="text/html")
    assert "text/html" in refused(server)
    server.behave(status=422)
    assert "Not now." in refused(server)


async def test_neither_key_nor_words_are_logged(
    server: Server, reading: Pcm, capfd: pytest.CaptureFixture[str]
) -> None:
    server.behave(left=3, body='{"text": 3, "said": "the worst of times"}')
    async with open_desk(server.url) as desk:
        await desk.heard(speech(reading))
        server.behave(status=401, left=1)
        assert (await desk.heard(speech(reading, session="b"))).failed is not None
    printed = "".join(capfd.readouterr())
    assert "asr_server_lost" in printed
    assert KEY.get_secret_value() not in printed
    assert "worst of" not in printed
