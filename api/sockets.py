"""How this node speaks WebSocket: uvicorn's protocol with what it leaves unbounded bounded."""

from __future__ import annotations

import asyncio
import socket
from asyncio.transports import BaseTransport
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from signaling.bucket import Bucket

SEND_BUFFER_BYTES = 64 * 1024
"""What the kernel may hold for a client that does not read. By default it holds megabytes, and
events would wait behind them without anybody knowing."""
MAX_UNREAD_BYTES = 512 * 1024
MAX_FRAGMENTS = 16
RECEIVED_BYTES_PER_S, RECEIVED_BURST_BYTES = 250_000.0, 3_000_000.0
"""Twice what signaling.websocket allows, and pings and headers with it."""
GONE_WITHIN_S = 5.0


class BoundedSocket(WebSocketsSansIOProtocol):
    """Drops a client that floods below the level of messages: pings whose answers it does not
    read, fragments without end. Such a client gets no close code."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._received = Bucket(RECEIVED_BYTES_PER_S, RECEIVED_BURST_BYTES)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            # Nothing here reads it, and uvicorn would log it, with whatever a client put there.
            self.scope["query_string"] = b""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if (
            not self._received.take(self.loop.time(), len(data))
            or len(self.frames) > MAX_FRAGMENTS
            or self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES
        ):
            self.logger.warning("A WebSocket client floods; it is dropped.")
            self.transport.abort()

    async def send(self, message: Any) -> None:
        await super().send(message)
        # A refusal over HTTP is an end like any other; without this uvicorn logs an error.
        self.handshake_complete |= self.close_sent

    def on_task_complete(self, task: asyncio.Task[Any]) -> None:
        super().on_task_complete(task)
        # A closed connection waits for its client to read the rest, which it may never do.
        self.loop.call_later(GONE_WITHIN_S, self.transport.abort)
