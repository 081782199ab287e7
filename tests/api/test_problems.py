"""Errors, hosts and headers: the same for every address."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.routing import Route

from api import problems, recognizer
from api.app import SECURITY_HEADERS, create_app
from api.playbooks import Playbooks
from api.services import open_services
from api.settings import Settings
from tests.api.conftest import Refused
from tests.node import Node

ID = "0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/sessions", {"GET", "HEAD", "POST"}),
        ("PUT", "/sessions", {"GET", "HEAD", "POST"}),
        ("POST", f"/sessions/{ID}", {"DELETE", "GET", "HEAD"}),
        ("POST", f"/sessions/{ID}/consent", {"DELETE", "GET", "HEAD", "PUT"}),
        ("GET", f"/sessions/{ID}/whip", {"OPTIONS", "POST"}),
        ("PUT", f"/sessions/{ID}/whip/abc", {"DELETE", "OPTIONS", "PATCH"}),
        ("GET", "/microphone-checks", {"POST"}),
        ("TRACE", "/sessions", {"GET", "HEAD", "POST"}),
        ("POST", "/../../healthz", {"GET", "HEAD"}),
        ("POST", "/../../static/practice.css", {"GET", "HEAD"}),
        ("POST", "/../../", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_an_address_does_not_take_is_told_which_it_takes(
    http: httpx.Client, refused: Refused, method: str, path: str, allowed: set[str]
) -> None:
    answer = http.request(method, path)
    refused(answer, 405)
    assert {name.strip() for name in answer.headers["allow"].split(",")} == allowed


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/../../nothing", "/../../static/nothing.css", "/../../static/../x"]
)
def test_an_address_that_is_none_is_not_found(
    http: httpx.Client, refused: Refused, path: str
) -> None:
    refused(http.get(path), 404)


@pytest.mark.parametrize("path", ["/static/..%2f..%2fsettings.py", "/static/%2e%2e/%2e%2e/app.py"])
def test_nothing_beside_the_static_files_is_served(node: Node, refused: Refused, path: str) -> None:
    refused(httpx.get(node.url + path), 404)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "evil.localhost.example.com",
        "localhost.",
        "127.0.0.1.nip.io",
        "testserver",
        "0.0.0.0",
        "",
        "a b",
        "[::1",
        "127.0.0.1:x",
    ],
)
@pytest.mark.parametrize("path", ["/healthz", "/", "/api/v1/sessions"])
def test_a_strangers_host_name_is_refused(
    node: Node, refused: Refused, host: str, path: str
) -> None:
    """A name that resolves to this machine is not its name (DNS rebinding)."""
    refused(httpx.get(node.url + path, headers={"Host": host}), 400)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9", "127.0.0.1:80", "[::1]:8080"])
def test_this_machines_names_are_served(node: Node, host: str) -> None:
    assert httpx.get(f"{node.url}/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/healthz", {}),
        ("/nothing", {}),
        ("/api/v1/sessions", {}),
        ("/api/v1/sessions/x", {}),
        ("/healthz", {"Host": "example.com"}),
    ],
)
def test_every_answer_carries_the_security_headers_and_a_request_id(
    node: Node, path: str, headers: dict[str, str]
) -> None:
    answer = httpx.get(node.url + path, headers=headers)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers[name] == value
    assert len(answer.headers["x-request-id"]) == 16
    assert "server" not in answer.headers


def test_no_script_or_frame_from_elsewhere_is_allowed() -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "object-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


def test_no_other_origin_is_let_in(node: Node) -> None:
    """Every body has a media type that a page of another origin must ask for first, in vain."""
    origin = {"Origin": "https://example.com"}
    preflight = origin | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    url = f"{node.url}/api/v1/sessions"
    for answer in (httpx.options(url, headers=preflight), httpx.get(url, headers=origin)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_the_health_page_tells_every_queue(node: Node) -> None:
    body = httpx.get(f"{node.url}/healthz").json()
    assert body["status"] == "ok"
    assert set(body["recognizer"]) >= {"waiting", "oldestS", "dropped", "restarts"}
    assert set(body["recorder"]) == {"waiting", "dropped"}


async def failing(request: Request) -> None:
    raise RuntimeError("a secret of the inside")


def test_an_error_of_ours_is_a_problem_with_all_headers_and_no_inside(
    tmp_path: Path, refused: Refused
) -> None:
    settings = Settings(data=tmp_path)
    books = Playbooks(tmp_path / "playbooks", None)
    opening = partial(open_services, settings, lambda: "http://localhost")
    app = create_app(settings, opening, recognizer.local(settings, tmp_path), books)
    app.router.routes.insert(0, Route("/failing", failing))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            return await http.get("/failing")

    answer = asyncio.run(ask())
    refused(answer, 500)
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"]


async def test_a_library_s_plain_error_becomes_a_problem_and_keeps_what_matters() -> None:
    async def library(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain"), (b"content-range", b"bytes */7")]
        await send({"type": "http.response.start", "status": 416, "headers": headers})
        await send({"type": "http.response.body", "body": b"plain ", "more_body": True})
        await send({"type": "http.response.body", "body": b"text"})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is received")

    await problems.Problems(library)({"type": "http"}, receive, send)
    start, body = sent
    assert start["status"] == 416
    assert (b"content-range", b"bytes */7") in start["headers"]
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert b"plain text" not in body["body"]
