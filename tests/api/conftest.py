"""One node for all tests of the HTTP interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.node import Node, running

CONSENT = {"coaching": True, "recording": True, "textVersion": "2026-11"}


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    # Many tests leave calls behind that nobody talks in.
    data = tmp_path_factory.mktemp("api") / "node"
    with running(data, FORECOURT_ASR_ADMISSION="off") as node:
        yield node


@pytest.fixture(scope="session")
def http(node: Node) -> Iterator[httpx.Client]:
    """The admin's client. Addresses are below /api/v1."""
    with node.client() as http:
        yield http


@pytest.fixture(scope="session")
def anonymous(node: Node) -> Iterator[httpx.Client]:
    """The client of somebody who is not signed in. Addresses are below /api/v1."""
    with httpx.Client(base_url=f"{node.url}/api/v1", timeout=30) as anonymous:
        yield anonymous


@pytest.fixture
def session(http: httpx.Client) -> dict[str, Any]:
    """A session that nobody has consented to."""
    body: dict[str, Any] = http.post("/sessions", json={"sessionType": "pitch"}).json()
    return body


@pytest.fixture
def consented(http: httpx.Client, session: dict[str, Any]) -> dict[str, Any]:
    http.put(f"/sessions/{session['id']}/consent", json=CONSENT).raise_for_status()
    return session


Refused = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def refused() -> Refused:
    """Checks that an answer is a problem of this status, with a sentence; returns its body."""

    def check(answer: httpx.Response, status: int) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        body: dict[str, Any] = answer.json()
        assert {"type", "title", "status", "detail"} <= set(body)
        assert body["status"] == status
        assert len(body["detail"]) > 15
        assert body["detail"].endswith(".")
        return body

    return check
