"""A node that recognizes elsewhere: whole calls through a server that speaks OpenAI's API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from api.cli import main
from api.settings import Settings
from benchmarks import reading
from benchmarks.reading import Reading
from benchmarks.wer import word_error_rate
from signaling import stack
from signaling.publisher import RATE, Publisher
from tests.admission import begun
from tests.node import Node, children, command_line, free_port, running
from tests.transcription import Server, serving

pytestmark = pytest.mark.slow

KEY = "north-by-northwest"
SENTENCE_MS = 13_000
DEAD_S = 3.0
MOST_WRONG = 0.1


@pytest.fixture(scope="module", autouse=True)
def loopback() -> Iterator[None]:
    stack.configure()
    stack.use_loopback(True)
    yield
    stack.use_loopback(False)


@pytest.fixture(scope="module")
def server(default_model: Path) -> Iterator[Server]:
    with serving(default_model) as server:
        server.behave(key=KEY)
        yield server


@pytest.fixture(scope="module")
def node(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("remote") / "node"
    environment = {"FORECOURT_ASR_URL": server.url, "FORECOURT_ASR_API_KEY": KEY}
    with running(folder, **environment, FORECOURT_ASR_TIMEOUT_S="60") as node:
        yield node


@pytest.fixture(scope="module")
def said(two_cities: Path) -> Reading:
    return reading.upto(reading.load("two_cities", two_cities), SENTENCE_MS)


async def idle(node: Node) -> None:
    """Until nothing waits for the server and no request is under way."""
    async with httpx.AsyncClient() as http:
        while True:
            text = (await http.get(f"{node.url}/metrics")).text
            lines = text.splitlines()
            if {f"forecourt_recognizer_{name} 0.0" for name in ("requests", "waiting_windows")} <= {
                *lines
            }:
                return
            await asyncio.sleep(0.1)


async def health(node: Node) -> tuple[int, dict[str, float]]:
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{node.url}/healthz")
        return answer.status_code, answer.json()["recognizer"]


def understood(publisher: Publisher, said: Reading) -> None:
    """Every final word came, and nothing was told to be lost."""
    events = [item.event for item in publisher.received]
    finals = [event.data for event in events if event.type == "transcript.final"]
    # Of those that waited for the server the shortest may be answered first.
    finals.sort(key=lambda data: data["utterance"])
    text = " ".join(word[0] for data in finals for word in data["words"])
    wrong, words = word_error_rate(said.text, text)
    assert words > 30
    assert wrong <= MOST_WRONG, text
    degraded = [event.data["what"] for event in events if event.type == "degraded"]
    assert "transcript" not in degraded


async def test_a_whole_call_is_recognized_elsewhere(
    node: Node, server: Server, said: Reading
) -> None:
    before = server.seen().requests
    publisher = Publisher(node.account, np.concatenate([said.audio, np.zeros(2 * RATE, np.int16)]))
    await begun(publisher)
    await publisher.play()
    await idle(node)
    await publisher.end()
    understood(publisher, said)
    partials = [item for item in publisher.received if item.event.type == "transcript.partial"]
    assert len(partials) >= 3
    status, recognizer = await health(node)
    assert status == 200
    assert 5 <= recognizer["decoded"] <= server.seen().requests - before
    own = [pid for pid in children(node.pid) if "asr.worker" in command_line(pid)]
    assert own == [], "a worker of its own runs all the same"


@pytest.mark.slow
async def test_no_final_word_of_a_call_is_lost_with_the_server_for_3_s(
    node: Node, server: Server, said: Reading
) -> None:
    before = (await health(node))[1]["restarts"]
    silence = np.zeros(2 * RATE, np.int16)
    publisher = Publisher(node.account, np.concatenate([said.audio, silence]))
    await begun(publisher)
    await asyncio.sleep(4.0)
    server.kill()
    while (await health(node))[0] == 200:
        await asyncio.sleep(0.05)
    await asyncio.sleep(DEAD_S)
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.behave, key=KEY)
    await publisher.play()
    await idle(node)
    await publisher.end()
    understood(publisher, said)
    assert (await health(node))[1]["restarts"] > before


def test_metrics_tell_of_the_requests(node: Node) -> None:
    text = httpx.get(f"{node.url}/metrics").raise_for_status().text
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("forecourt_recognizer")
    }
    assert values["forecourt_recognizer_ready"] == 1
    assert values["forecourt_recognizer_requests"] == 0
    for name in ("failed_requests", "retried_windows", "decoded_windows"):
        assert values[f"forecourt_recognizer_{name}_total"] >= 0


def test_the_key_is_not_in_the_log_and_requests_are_not_either(node: Node) -> None:
    assert KEY not in node.log
    assert "audio/transcriptions" not in "".join(
        line for line in node.log.splitlines() if "asr_server" not in line
    )


# what a node does not start with


def serve(folder: Path, **environment: str) -> str:
    """The message of a node that does not start."""
    options = ["serve", "--port", "0", "--data", str(folder)]
    result = CliRunner(env=environment).invoke(main, options)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("Error: ")
    assert KEY not in result.output
    return result.stderr


def test_a_server_that_is_not_there_is_named_with_what_to_check(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    message = serve(tmp_path / "node", FORECOURT_ASR_URL=url)
    assert f"{url}/audio/transcriptions" in message
    assert "cannot be reached" in message
    assert "FORECOURT_ASR_URL" in message


def test_a_server_that_wants_another_key_is_named(server: Server, tmp_path: Path) -> None:
    server.behave(key="another")
    message = serve(tmp_path / "node", FORECOURT_ASR_URL=server.url, FORECOURT_ASR_API_KEY=KEY)
    server.behave(key=KEY)
    assert "FORECOURT_ASR_API_KEY" in message
    assert "401" in message


def test_a_server_that_does_not_speak_the_api_is_named(node: Node, tmp_path: Path) -> None:
    """Here a node itself: it answers 404, as a problem."""
    message = serve(tmp_path / "node", FORECOURT_ASR_URL=f"{node.url}/v1")
    assert "404" in message
    assert "FORECOURT_ASR_URL" in message


@pytest.mark.parametrize(
    ("given", "about"),
    [
        ({"asr_url": "ftp://a/v1"}, "asr_url"),
        ({"asr_url": "localhost:8000"}, "asr_url"),
        ({"asr_url": "http://someone:north@a/v1"}, "asr_url"),
        ({"asr_url": "http://a/v1?key=north"}, "asr_url"),
        ({"asr_url": "http://a:99999/v1"}, "asr_url"),
        ({"asr_url": " http://a/v1"}, "asr_url"),
        ({"asr_api_key": "north\r\nX: y"}, "FORECOURT_ASR_API_KEY"),
        ({"asr_api_key": "nörth"}, "FORECOURT_ASR_API_KEY"),
        ({"asr_requests": 0}, "asr_requests"),
        ({"asr_timeout_s": 0}, "asr_timeout_s"),
    ],
)
def test_settings_that_would_fail_at_every_request_are_refused(
    given: dict[str, object], about: str
) -> None:
    with pytest.raises(ValidationError, match=about) as refusal:
        Settings(**given)  # type: ignore[arg-type]
    assert "north" not in str(refusal.value)
    assert "nörth" not in str(refusal.value)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:8000/v1", "https://[::1]/v1/"])
def test_addresses_of_servers_are_taken(url: str) -> None:
    settings = Settings(asr_url=url, asr_api_key=KEY)
    assert settings.asr_url == url
    assert KEY not in repr(settings)
