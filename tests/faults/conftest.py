"""Calls in batches, in real time and at once; their tests look at what became of them."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from signaling import stack
from signaling.publisher import RATE, load_audio
from tests.faults import scenarios
from tests.faults.scenarios import Pcm, Together
from tests.node import Node, running


@dataclass(frozen=True, slots=True)
class BrokenNodes:
    calls: Together
    operated: Node


@pytest.fixture(scope="session", autouse=True)
def loopback() -> Iterator[None]:
    stack.configure()
    stack.use_loopback(True)
    yield
    stack.use_loopback(False)


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("faults") / "node") as node:
        yield node


@pytest.fixture(scope="session")
def speech(two_cities: Path) -> Pcm:
    """The first 13 s of A Tale of Two Cities: one sentence, 48 kHz."""
    return load_audio(two_cities)[: 13 * RATE]


@pytest.fixture(scope="session")
def speech_file(speech: Pcm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(speech.tobytes())
    return path


def steady_noise(seconds: float) -> Pcm:
    """A fan: low-passed noise and mains hum at about -38 dBFS."""
    count = int(seconds * RATE)
    white = np.random.default_rng(7).normal(0, 1, count + 64)
    low = np.convolve(white, np.ones(64) / 8, "valid")[:count]
    hum = np.sin(2 * np.pi * 50 * np.arange(count) / RATE)
    return np.asarray(300 * low + 200 * hum, np.int16)


@pytest.fixture(scope="session")
def first_calls(node: Node, speech: Pcm) -> Together:
    return Together(
        lossy=scenarios.lossy(node, speech),
        streamed=scenarios.streamed(node, speech[: 8 * RATE]),
        commanded=scenarios.commanded(node),
        silent=scenarios.wordless(node, np.zeros(8 * RATE, np.int16)),
    )


@pytest.fixture(scope="session")
def second_calls(node: Node, speech: Pcm, speech_file: Path) -> Together:
    return Together(
        refused=scenarios.refused(node, speech[: 7 * RATE]),
        noisy=scenarios.wordless(node, steady_noise(8)),
        vanished=scenarios.vanished(node, speech_file, speech[: 5 * RATE]),
        contested=scenarios.contested(node),
        cut_off=scenarios.cut_off(node, speech),
    )


@pytest.fixture(scope="session")
def broken_nodes(speech: Pcm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokenNodes]:
    folder = tmp_path_factory.mktemp("broken")
    crashing = Node(folder / "crashing")
    operated = Node(folder / "operated", FORECOURT_LOG_LEVEL="debug")
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.start, (crashing, operated)))
        calls = Together(
            crashed=scenarios.crashed(crashing, speech),
            operated=scenarios.operated(operated, speech),
        )
        yield BrokenNodes(calls, operated)
    finally:
        crashing.stop()
        operated.stop()
