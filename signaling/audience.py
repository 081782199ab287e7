"""Who listens to a call beside its own trainee: untouched packets go to each of them."""

from __future__ import annotations

import asyncio
from typing import Protocol

MAX_GUESTS = 200
"""Listeners of one call; one more is refused."""


class Guest(Protocol):
    """One listener. `packet` runs on the media loop and must not wait."""

    def packet(self, start_rtp: int, payload: bytes) -> None:
        """An Opus packet that starts at `start_rtp`: session time in 48 kHz ticks."""

    async def close(self) -> None:
        """Safe to call at any time, more than once."""


class Full(RuntimeError):
    """No more listeners can be taken: 503."""


class Audience:
    """The listeners of one call."""

    def __init__(self) -> None:
        self._guests: list[Guest] = []

    def __len__(self) -> int:
        return len(self._guests)

    def join(self, guest: Guest) -> None:
        """Send `guest` every packet from now on. Raises `Full`."""
        if len(self._guests) >= MAX_GUESTS:
            raise Full(f"{MAX_GUESTS} people listen already; no more can.")
        self._guests.append(guest)

    def leave(self, guest: Guest) -> None:
        if guest in self._guests:
            self._guests.remove(guest)

    def packet(self, start_rtp: int, payload: bytes) -> None:
        for guest in self._guests:
            guest.packet(start_rtp, payload)

    async def close(self) -> None:
        """The call is over: let everybody go."""
        guests, self._guests = self._guests, []
        await asyncio.gather(*(guest.close() for guest in guests))
