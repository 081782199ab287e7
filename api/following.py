"""A live session's events, one after the other, for one reader."""

from __future__ import annotations

import asyncio

from engine.events import Event
from engine.session import Session

MAX_WAITING = 1_000
"""Events waiting for a slow reader; one more and the reader is `is_behind`, to come again."""


class Following:
    """From now on. `close` it in the end."""

    def __init__(self, session: Session) -> None:
        self.is_behind = False
        self._session = session
        self._waiting: asyncio.Queue[Event] = asyncio.Queue(MAX_WAITING)
        self.close = session.subscribe(self._take)

    @property
    def is_over(self) -> bool:
        """Whether no event will come any more."""
        return self._session.state == "completed" and self._waiting.empty()

    async def next(self) -> Event:
        """The next event, however long that takes."""
        return await self._waiting.get()

    def _take(self, event: Event) -> None:
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.is_behind = True
