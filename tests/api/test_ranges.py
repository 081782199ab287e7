"""One range at a time; what is no range is all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.problems import Problem, on_problem
from api.ranges import ranged

CONTENT = bytes(range(256)) * 400


class Recording:
    size = len(CONTENT)
    read_bytes = 0

    async def read(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        end = self.size if end is None else end
        for at in range(start, end, 1_000):
            part = CONTENT[at : min(at + 1_000, end)]
            self.read_bytes += len(part)
            yield part


async def asked(
    method: str = "GET", recording: Recording | None = None, **headers: str
) -> httpx.Response:
    async def answer(request: Request) -> Response:
        return ranged(request, recording or Recording(), "audio/ogg")

    app = Starlette(
        routes=[Route("/", answer, methods=["GET"])], exception_handlers={Problem: on_problem}
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as http:
        return await http.request(method, "/", headers=headers)


@pytest.mark.parametrize(
    ("asks", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-1999", 5, 2_000),
        ("bytes=102399-", 102_399, 102_400),
        ("bytes=1000-999999999", 1_000, 102_400),
        ("bytes=-10", 102_390, 102_400),
        ("bytes=-999999999", 0, 102_400),
        ("bytes=0-", 0, 102_400),
    ],
)
async def test_a_range_is_answered_with_its_bytes_alone(asks: str, start: int, end: int) -> None:
    recording = Recording()
    answer = await asked(recording=recording, Range=asks)
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/102400"
    assert answer.headers["content-length"] == str(end - start)
    assert recording.read_bytes == end - start


@pytest.mark.parametrize("asks", ["bytes=102400-", "bytes=999999-1000000", "bytes=-0"])
async def test_a_range_behind_the_end_is_refused_with_the_size(asks: str) -> None:
    answer = await asked(Range=asks)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */102400"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "asks",
    ["bytes=5-4", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "", "bytes=" + "9" * 40],
)
async def test_what_is_no_single_range_is_answered_with_everything(asks: str) -> None:
    answer = await asked(Range=asks)
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["accept-ranges"] == "bytes"


async def test_a_range_that_holds_only_for_a_known_version_is_answered_with_everything() -> None:
    answer = await asked(**{"Range": "bytes=0-1", "If-Range": '"x"'})
    assert (answer.status_code, len(answer.content)) == (200, len(CONTENT))


async def test_head_tells_the_size_and_reads_nothing() -> None:
    recording = Recording()
    answer = await asked("HEAD", recording)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "102400"
    assert answer.headers["accept-ranges"] == "bytes"
    assert recording.read_bytes == 0
