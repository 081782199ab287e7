"""A receiver of webhooks on loopback that answers as it is told, well or not."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

Manner = Literal["", "stall", "drip", "endless", "headers", "cut", "nonsense"]


@dataclass(frozen=True, slots=True)
class Answer:
    """`manner` is how it goes wrong; `headers` are lines with their ends."""

    status: int = 204
    headers: str = ""
    manner: Manner = ""


@dataclass(frozen=True, slots=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told


class Receiver:
    """Gives `answers` in turn, then 204."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.received: list[Received] = []
        self.port = 0
        self.names: list[str | None] = []
        """Of hosts, as TLS asked for them."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.received.append(Received(first.split()[1], headers, body))
            answer = self.answers.pop(0) if self.answers else Answer()
            await _answer(writer, answer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _answer(writer: asyncio.StreamWriter, answer: Answer) -> None:
    head = f"HTTP/1.1 {answer.status} Told\r\n{answer.headers}".encode()
    match answer.manner:
        case "stall":
            await asyncio.sleep(60)
        case "drip":
            for byte in head:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.05)
        case "endless":
            writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
                await writer.drain()
        case "headers":
            writer.write(head)
            while True:
                writer.write(b"X-More: " + b"x" * 8_000 + b"\r\n")
                await writer.drain()
        case "cut":
            writer.write(head[:12])
        case "nonsense":
            writer.write(b"\x00\xff" * 500)
        case _:
            writer.write(head + b"Content-Length: 0\r\n\r\n")
    await writer.drain()


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: receiver.names.append(name)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
