"""Publish a session's audio over a WebSocket (signaling.websocket), where UDP is blocked."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from api import problems
from api.calls import Calls
from api.endpoint import OPEN, Answer, endpoint
from api.problems import Problem
from api.views import SessionPath
from signaling.websocket import SUBPROTOCOL, Goodbye, Hello, Socket, farewell, greeted

log = structlog.get_logger(__name__)

MAX_WAITING = 100
"""Sockets whose hello has not come; one more is refused."""
_waiting: set[WebSocket] = set()
_PORTS = {"http": 80, "https": 443}


class _Wire:
    """Starlette's WebSocket as signaling.websocket.Wire."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes:
        try:
            message = await self._socket.receive()
        except WebSocketDisconnected as error:
            raise Goodbye(1006, "The client has gone.") from error
        if message["type"] == "websocket.disconnect":
            raise Goodbye(message.get("code") or 1005, "The client closed the connection.")
        text: str | None = message.get("text")
        data: bytes = message.get("bytes") or b""
        return text if text is not None else data

    async def send(self, text: str) -> None:
        try:
            await self._socket.send_text(text)
        except (WebSocketDisconnect, WebSocketDisconnected) as error:
            raise Goodbye(1006, "The client has gone.") from error

    async def close(self, code: int, reason: str) -> None:
        try:
            await self._socket.close(code, reason)
        except (WebSocketDisconnect, WebSocketDisconnected) as error:
            raise Goodbye(1006, "The client has gone.") from error


async def publish(socket: WebSocket) -> None:
    refusal = _refusal(socket)
    if refusal is not None:
        await socket.send_denial_response(problems.response(refusal))
        return
    calls: Calls = socket.app.state.calls
    session_id: str = socket.path_params["id"]
    wire = _Wire(socket)
    begun_s = time.perf_counter()
    hello: Hello | None = None
    carried: Socket | None = None
    goodbye = Goodbye(1011, "Something went wrong on our side; the log has the details.")
    try:
        hello = await _hello(socket, wire)
        made = Socket(wire, hello)
        room = await calls.attach_socket(session_id, hello.token, made)
        carried = made
        log.info("socket_opened", session=session_id, format=hello.format)
        goodbye = await carried.carry(room)
    except Goodbye as refused:
        goodbye = refused
    except Problem as problem:
        goodbye = Goodbye(4000 + problem.status, problem.detail)
    finally:
        if carried is None:
            await farewell(wire, goodbye)
        traffic = {} if carried is None else carried.traffic.as_dict()
        ms = round((time.perf_counter() - begun_s) * 1000, 1)
        log.info("socket_closed", session=session_id, code=goodbye.code, ms=ms, **traffic)


async def _hello(socket: WebSocket, wire: _Wire) -> Hello:
    _waiting.add(socket)
    try:
        await socket.accept(SUBPROTOCOL)
        return await greeted(wire)
    finally:
        _waiting.discard(socket)


def _refusal(socket: WebSocket) -> Problem | None:
    """Why this handshake is not taken up, if it is not."""
    if not _is_same_origin(socket):
        return Problem(403, "This page may not publish here: it comes from another origin.")
    if SUBPROTOCOL not in socket.scope.get("subprotocols", ()):
        return Problem(400, f"Ask for the subprotocol {SUBPROTOCOL}.")
    if len(_waiting) >= MAX_WAITING:
        return Problem(503, "Too many connections are being opened; try again in a few seconds.")
    return None


def _is_same_origin(socket: WebSocket) -> bool:
    """A browser always says where a page comes from; other clients need not."""
    origins = socket.headers.getlist("origin")
    if not origins:
        return True
    scheme = "https" if socket.url.scheme == "wss" else "http"
    host = socket.headers.get("host", "")
    given, own = _origin(origins[0]), _origin(f"{scheme}://{host}")
    return len(origins) == 1 and given is not None and given == own


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port (RFC 6454, 4); None for what is no web origin."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
    bare = f"{parts.scheme}://{parts.netloc}".lower() == url.lower()
    if not bare or host is None or port is None or "@" in parts.netloc:
        return None
    return parts.scheme, host, port


@endpoint(
    "GET",
    "/sessions/{id}/socket",
    OPEN,
    params=SessionPath,
    answers={101: Answer("With an upgrade to WebSocket, where UDP is blocked")},
    errors=[400, 403, 426, 503],
)
async def explain(request: Request, params: SessionPath) -> Response:
    """Publish over a WebSocket."""
    raise Problem(
        426,
        f"This address speaks WebSocket, subprotocol {SUBPROTOCOL}.",
        headers={"Upgrade": "websocket", "Connection": "Upgrade"},
    )


endpoints = [explain]
sockets = [WebSocketRoute("/sessions/{id}/socket", publish)]
