"""Looking for malware in what was uploaded: a client of ClamAV's daemon, by its command INSTREAM.

clamd(8): ``zINSTREAM\\0``, then chunks of a length (32 bits, big-endian) and as many bytes, then a
chunk of no length; the answer ends with a NUL. clamd needs no access to the file, so that it may
run elsewhere. It sends the answer early, and hangs up, for a stream longer than its
``StreamMaxLength``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

FORMS: Final = "tcp://host:3310 or unix:///run/clamav/clamd.ctl"

_AT_ONCE = 4
"""Scans under way; clamd has some 10 threads of its own, and more of ours wait for a turn."""
_MAX_ANSWER = 4096


class Infected(Exception):
    """clamd knows this as malware; `signature` is its name for it."""

    def __init__(self, signature: str) -> None:
        super().__init__(f"clamd found {signature}.")
        self.signature = signature


class Unscanned(Exception):
    """clamd did not say what it is: it is away, slow, or refuses it. It may hold anything."""


class Clamd:
    """One clamd. `address` is one of `FORMS`; raises `ValueError` for others."""

    def __init__(self, address: str, within_s: float = 60.0) -> None:
        """`within_s` is how long a scan may take, from connecting to the answer."""
        self._unix, self._host, self._port = _parts(address)
        self._within_s = within_s
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def scan(self, chunks: AsyncIterator[bytes]) -> None:
        """Returns when clamd finds nothing. Raises `Infected`, `Unscanned`.

        What `chunks` raises comes through.
        """
        async with self._turns:
            answer = await self._asked(chunks)
        if answer == "stream: OK":
            return
        if answer.startswith("stream: ") and answer.endswith(" FOUND"):
            raise Infected(answer.removeprefix("stream: ").removesuffix(" FOUND"))
        raise Unscanned(f"clamd answered {answer[:200]!r}.")

    async def _asked(self, chunks: AsyncIterator[bytes]) -> str:
        try:
            async with asyncio.timeout(self._within_s) as limit:
                try:
                    reader, writer = await self._connected()
                except OSError as error:
                    raise Unscanned(f"clamd cannot be reached: {error.strerror}.") from error
                try:
                    await _send(writer, chunks)
                    return await _answer(reader)
                finally:
                    writer.transport.abort()
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Unscanned(f"clamd did not answer in {self._within_s:g} s.") from error

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._unix:
            return await asyncio.open_unix_connection(self._unix, limit=_MAX_ANSWER)
        return await asyncio.open_connection(self._host, self._port, limit=_MAX_ANSWER)


async def _send(writer: asyncio.StreamWriter, chunks: AsyncIterator[bytes]) -> None:
    """Until all is sent, or clamd hangs up: then its answer, which is read next, says why."""
    writer.write(b"zINSTREAM\0")
    async for chunk in chunks:
        if not chunk:  # it would end the stream
            continue
        writer.write(len(chunk).to_bytes(4, "big") + chunk)
        try:
            await writer.drain()
        except ConnectionError:
            return
    with contextlib.suppress(ConnectionError):
        writer.write(bytes(4))
        await writer.drain()


async def _answer(reader: asyncio.StreamReader) -> str:
    """Its one line. Raises `Unscanned`."""
    try:
        line = await reader.readuntil(b"\0")
    except asyncio.IncompleteReadError as error:
        line = error.partial
    except (ConnectionError, asyncio.LimitOverrunError) as error:
        raise Unscanned(f"clamd hung up or said too much: {error}.") from error
    return line.decode(errors="replace").strip("\0\n ")


def _parts(address: str) -> tuple[str, str, int]:
    """A socket's path, or host and port."""
    parts = urlsplit(address)
    if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
        return parts.path, "", 0
    # A port beyond 65535 is `ValueError`, too.
    if parts.scheme == "tcp" and parts.hostname and parts.port and parts.path in ("", "/"):
        return "", parts.hostname, parts.port
    raise ValueError(f"clamd's address must be like {FORMS}")
