"""Who listens to a call: untouched packets of all who speak go to each of them."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from signaling.faults import Faults

log = structlog.get_logger(__name__)

MAX_GUESTS = 200
"""Listeners of one call; one more is refused."""


class Guest(Protocol):
    """One listener. `packet` runs on the media loop and must not wait."""

    @property
    def track(self) -> str | None:
        """That of the listener's own voice, which they do not hear; None for who is silent."""

    def packet(self, source: str, start_rtp: int, payload: bytes) -> None:
        """An Opus packet of the track `source` that starts at `start_rtp`: session time in 48 kHz
        ticks."""

    def forget(self, source: str) -> None:
        """`source` is not heard any more."""

    async def close(self) -> None:
        """Safe to call at any time, more than once."""


class Full(RuntimeError):
    """No more listeners can be taken: 503."""


class Audience:
    """The listeners of one call, at most `limit`."""

    def __init__(self, limit: int = MAX_GUESTS) -> None:
        self.limit = limit
        self._faults = Faults()
        self._guests: list[Guest] = []

    def __len__(self) -> int:
        return len(self._guests)

    @property
    def faults(self) -> int:
        """Packets that a listener of ours failed at."""
        return self._faults.count

    def join(self, guest: Guest) -> None:
        """Send `guest` every packet from now on. Raises `Full`."""
        if len(self._guests) >= self.limit:
            raise Full(f"{self.limit} people listen already; no more can.")
        self._guests.append(guest)

    def leave(self, guest: Guest) -> None:
        if guest in self._guests:
            self._guests.remove(guest)

    def packet(self, source: str, start_rtp: int, payload: bytes) -> None:
        """Hand a packet to everybody but whoever said it."""
        for guest in self._guests:
            if guest.track == source:
                continue
            try:
                guest.packet(source, start_rtp, payload)
            except Exception:
                # One listener's fault must not take the packet from the others, or from the call.
                if self._faults.is_news():
                    log.exception("guest_fault", n=self.faults)

    def forget(self, source: str) -> None:
        """`source` is not heard any more."""
        for guest in self._guests:
            guest.forget(source)

    async def close(self) -> None:
        """The call is over: let everybody go. A guest that cannot go keeps nobody."""
        guests, self._guests = self._guests, []
        closing = (guest.close() for guest in guests)
        for fault in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(fault, Exception):
                log.error("guest_close_failed", error=repr(fault))
