"""One node, and one call by each client, at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks import reading
from signaling.publisher import FRAME, RATE
from tests.clients.call import Call, Speech, by_ffmpeg, by_werift, packets_of
from tests.node import Node, running

SENTENCE_MS = 13_000
SILENCE_MS = 1_000


@pytest.fixture(scope="session")
def speech(two_cities: Path, tmp_path_factory: pytest.TempPathFactory) -> Speech:
    """13 s of A Tale of Two Cities and a second of silence; stereo, as FFmpeg's muxer wants it."""
    said = reading.upto(reading.load("two_cities", two_cities), SENTENCE_MS)
    pcm = np.concatenate([said.audio, np.zeros(SILENCE_MS * RATE // 1000, np.int16)])
    file = tmp_path_factory.mktemp("speech") / "speech.opus"
    with av.open(str(file), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="stereo")
        stream.bit_rate = 48_000
        for start in range(0, len(pcm), FRAME):
            both = pcm[start : start + FRAME].repeat(2)[None]
            frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return Speech(file, said, packets_of(file))


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("clients") / "node") as node:
        yield node


@pytest.fixture(scope="session")
def calls(
    node: Node, speech: Speech, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Call]]]:
    folder = tmp_path_factory.mktemp("werift")
    with ThreadPoolExecutor() as pool:
        yield {
            "werift": pool.submit(by_werift, node, speech, folder),
            "ffmpeg": pool.submit(by_ffmpeg, node, speech),
        }
