"""Somebody on a call, while a browser does something else: real speech over real WebRTC."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from signaling import stack
from signaling.publisher import Publisher, Server, load_audio

CONNECTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 30.0


class Caller:
    """One call in a thread of its own. Created on entry; `connect` begins it, `end` ends it."""

    def __init__(self, server: Server, speech: Path) -> None:
        self._publisher = Publisher(server, load_audio(speech))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="caller", daemon=True)
        self._connected = False

    @property
    def session_id(self) -> str:
        return self._publisher.session_id

    def create(self) -> None:
        """A session that waits for its first packet."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._publisher.create(), self._loop).result(
            CONNECTS_WITHIN_S
        )

    def connect(self) -> None:
        """Begin to speak."""
        asyncio.run_coroutine_threadsafe(self._publisher.connect(), self._loop).result(
            CONNECTS_WITHIN_S
        )
        self._connected = True

    def bookmark(self) -> None:
        self._loop.call_soon_threadsafe(self._publisher.command, "bookmark")

    def pause(self, paused: bool) -> None:
        self._loop.call_soon_threadsafe(self._publisher.command, "pause" if paused else "resume")

    def end(self) -> None:
        """End the call, if it goes on."""
        if self._connected:
            self._connected = False
            asyncio.run_coroutine_threadsafe(self._publisher.end(), self._loop).result(
                ENDS_WITHIN_S
            )

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ENDS_WITHIN_S)
        self._loop.close()


@contextmanager
def calling(server: Server, speech: Path) -> Iterator[Caller]:
    """A caller whose session waits for `connect`."""
    stack.use_loopback(True)
    caller = Caller(server, speech)
    caller.create()
    try:
        yield caller
        caller.end()
    finally:
        caller.stop()
        stack.use_loopback(False)
