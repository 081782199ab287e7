"""deploy/nginx.conf in Debian's nginx, before a real node."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.deploy.conftest import HOST, ROOT, Prepared
from tests.node import Node, free_port, running

READY_WITHIN_S = 20.0
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Proxy:
    """`context` trusts its certificate, for any name."""

    plain_port: int
    port: int
    context: ssl.SSLContext
    log: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


def executable() -> str:
    path = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if path is None:
        raise RuntimeError("nginx is not installed. On Debian: apt-get install nginx-light")
    return path


def configured(folder: Path, secrets: Path, node_port: int) -> tuple[Path, int, int]:
    """The file as it is, but for places: this machine's ports and folders for the container's."""
    plain_port, port = free_port(), free_port()
    text = (ROOT / "deploy/nginx.conf").read_text()
    places = {
        "/run/secrets/": f"{secrets}/",
        "/tmp/": f"{folder}/",
        "/dev/stdout": f"{folder}/access.log",
        "error_log stderr": f"error_log {folder}/error.log",
        "forecourt:8080": f"127.0.0.1:{node_port}",
        "listen 8080": f"listen 127.0.0.1:{plain_port}",
        "listen 8443": f"listen 127.0.0.1:{port}",
    }
    assert all(inside in text for inside in places)
    # In one pass: what was put in may look like what is still to be replaced.
    text = re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], text)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path, plain_port, port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("behind") / "node", FORECOURT_LOG_LEVEL="info") as node:
        yield node


@pytest.fixture(scope="module")
def proxy(
    tmp_path_factory: pytest.TempPathFactory, prepared: Prepared, node: Node
) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    path, plain_port, port = configured(folder, prepared.secrets, node.port)
    # As root its workers would be www-data, who may not write to this folder.
    directives = "daemon off;" + (" user root;" if Path("/root").stat().st_uid == 0 else "")
    command = [executable(), "-e", f"{folder}/error.log", "-c", str(path), "-g", directives]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    context = ssl.create_default_context(cafile=str(prepared.secrets / "tls_certificate"))
    context.check_hostname = False
    try:
        give_up_at_s = time.monotonic() + READY_WITHIN_S
        while not listens(port):
            error = (folder / "error.log").read_text() if process.poll() is not None else ""
            assert process.poll() is None, error
            assert time.monotonic() < give_up_at_s
            time.sleep(0.02)
        yield Proxy(plain_port, port, context, folder / "access.log")
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(30)


@pytest.fixture
def http(proxy: Proxy, node: Node) -> Iterator[httpx.Client]:
    """The admin's client, through the proxy."""
    headers = node.account.headers()
    with httpx.Client(
        base_url=proxy.url, headers=headers, verify=proxy.context, timeout=30
    ) as http:
        yield http


def test_nginx_takes_the_configuration(tmp_path: Path, prepared: Prepared) -> None:
    path, _, _ = configured(tmp_path, prepared.secrets, 8080)
    checked = subprocess.run(
        [executable(), "-t", "-q", "-e", f"{tmp_path}/error.log", "-c", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_pages_come_over_tls_1_3_with_every_security_header_once(http: httpx.Client) -> None:
    answer = http.get("/")
    assert answer.status_code == 200
    assert "<title>" in answer.text
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    for name in ("content-security-policy", "x-content-type-options", "referrer-policy"):
        assert len(answer.headers.get_list(name)) == 1, name
    assert answer.headers["server"] == "nginx"


def test_older_tls_is_refused(proxy: Proxy) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", proxy.port), 10) as connection,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"),
    ):
        context.wrap_socket(connection)
    with (
        socket.create_connection(("127.0.0.1", proxy.port), 10) as connection,
        proxy.context.wrap_socket(connection) as secured,
    ):
        assert secured.version() == "TLSv1.3"


def test_plain_http_is_only_told_where_to_go(proxy: Proxy) -> None:
    url = f"http://127.0.0.1:{proxy.plain_port}/listen?x=1"
    answer = httpx.get(url, headers={"Host": HOST})
    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://{HOST}/listen?x=1"


def test_errors_of_nginx_tell_no_version_and_keep_hsts(http: httpx.Client) -> None:
    answer = http.get("/metrics")
    assert answer.status_code == 404
    assert not re.search(r"nginx/\d", str(answer.headers) + answer.text)
    assert "strict-transport-security" in answer.headers


def test_bodies_are_limited_before_they_reach_the_node(http: httpx.Client) -> None:
    refused = http.post("/api/v1/sessions", content=b" " * MEBIBYTE)
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "text/html; charset=utf-8"
    # More than that is let through where recordings go, up to the node's own limit and its words.
    let_through = http.post(
        "/api/v1/microphone-checks",
        content=b"0" * (4 * MEBIBYTE + 1),
        headers={"Content-Type": "audio/wav"},
    )
    assert let_through.status_code == 413
    assert let_through.headers["content-type"] == "application/problem+json"


def test_health_is_for_inside(http: httpx.Client) -> None:
    assert http.get("/healthz").json()["status"] == "ok"
    proxied = (ROOT / "deploy/nginx.conf").read_text()
    (place,) = re.findall(r"location = /healthz \{([^}]*)\}", proxied)
    assert re.findall(r"(?:allow|deny) \S+;", place) == ["allow 127.0.0.1;", "deny all;"]


def consented(http: httpx.Client) -> dict[str, str]:
    session: dict[str, str] = http.post("/api/v1/sessions", json={"sessionType": "pitch"}).json()
    consent = {"coaching": True, "recording": False, "textVersion": "1"}
    http.put(f"/api/v1/sessions/{session['id']}/consent", json=consent).raise_for_status()
    return session


@contextmanager
def published(http: httpx.Client, session: dict[str, str]) -> Iterator[ClientConnection]:
    """A call over a WebSocket, as a page of this origin opens it, with 200 ms of silence so far."""
    origin = str(http.base_url).rstrip("/")
    url = origin.replace("https", "wss") + session["socketUrl"]
    hello = {"type": "hello", "token": session["resumeToken"], "format": "pcm", "rate": 48000}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connect(url, subprotocols=["forecourt.v1"], origin=origin, ssl=context) as socket:
        socket.send(json.dumps(hello))
        assert json.loads(socket.recv(10)) == []
        for number in range(10):
            header = struct.pack(">BBHI", 0x12, 0, number, number * 960)
            socket.send(header + bytes(2 * 960))
        yield socket


def test_events_come_through_while_the_call_goes_on(http: httpx.Client) -> None:
    session = consented(http)
    path = f"/api/v1/sessions/{session['id']}/events"
    with (
        published(http, session) as socket,
        http.stream("GET", path, headers={"Accept": "text/event-stream"}) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        states = (
            json.loads(line.removeprefix("data:"))["data"]["state"]
            for line in stream.iter_lines()
            if line.startswith("data:") and "session.state" in line
        )
        # Nothing more is sent until this has come: held back by nginx, it would never be seen.
        assert next(states) == "active"
        socket.send(json.dumps({"type": "end"}))
        assert next(states) == "completed"


def test_a_page_of_another_origin_may_not_publish(http: httpx.Client) -> None:
    session = consented(http)
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol": "forecourt.v1",
        # Right but for TLS: the node knows of that only by what nginx says.
        "Origin": str(http.base_url).replace("https", "http").rstrip("/"),
    }
    assert http.get(session["socketUrl"], headers=handshake).status_code == 403


def test_a_host_that_is_not_the_nodes_is_refused(http: httpx.Client) -> None:
    assert http.get("/", headers={"Host": "rebound.example.net"}).status_code == 400


def test_nginx_writes_no_query_into_its_log(http: httpx.Client, proxy: Proxy) -> None:
    http.get("/listen?call=9d1f0e")
    give_up_at_s = time.monotonic() + READY_WITHIN_S
    while "/listen" not in proxy.log.read_text():
        assert time.monotonic() < give_up_at_s
        time.sleep(0.02)
    assert "9d1f0e" not in proxy.log.read_text()
