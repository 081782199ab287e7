"""A clamd for tests: INSTREAM as clamd(8) has it, with one signature."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!" + b"$H+H*"
"""The test file that every scanner knows (eicar.org); in parts, or scanners would find it here."""


class FakeClamd:
    """On loopback, or at a socket's `path`. `streams` are those it was sent whole."""

    def __init__(self, path: Path | None = None, max_bytes: int = 25 * 2**20) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._now = 0
        self.streams: list[bytes] = []
        self.most_at_once = 0

    async def __aenter__(self) -> FakeClamd:
        if self._path is not None:
            self._server = await asyncio.start_unix_server(self._serve, self._path)
            self.address = f"unix://{self._path}"
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.address = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            writer.write(await self._answer(reader) + b"\0")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # who asked has gone
        finally:
            self._now -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        if await reader.readuntil(b"\0") != b"zINSTREAM\0":
            return b"UNKNOWN COMMAND"
        stream = b""
        while length := int.from_bytes(await reader.readexactly(4), "big"):
            if len(stream) + length > self._max_bytes:
                return b"INSTREAM size limit exceeded. ERROR"
            stream += await reader.readexactly(length)
        self.streams.append(stream)
        return b"stream: Eicar-Test-Signature FOUND" if EICAR in stream else b"stream: OK"
