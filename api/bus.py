"""The bus: all that routes may ask of calls, live ones among them.

A live call may be on another node. So routes reach it through `Bus` alone, whose questions and
answers are data that can cross a network; what a call is made of (rooms, sessions, connections)
they do not see, which import-linter holds. With one node `api.calls.Calls` is the bus, in this
process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from starlette.requests import Request

from api.auth.roles import Owner
from api.board import Board
from api.call import Call, CallOwner, Invitation
from api.identity import Identity
from api.past import Recorded
from api.store.blobs import OpenBlob
from api.store.documents import JournalBlob
from api.store.repositories.sessions import SessionFilter
from api.views import ConsentView, CreateSession, SessionPage, SessionView
from engine.events import Bookmark, Event, Mode, Note


class Followed(Protocol):
    """A live call's events for one reader; `close` it in the end."""

    @property
    def is_over(self) -> bool:
        """Whether no event will come any more."""

    @property
    def is_behind(self) -> bool:
        """Whether the reader was too slow, and has to come again."""

    async def next(self) -> Event:
        """The next event, however long that takes."""
        ...

    def close(self) -> None: ...


class Bus(Protocol):
    """Raises `api.problems.Problem` for who asks in vain, `StoreError` where the store is away."""

    @property
    def board(self) -> Board: ...

    # sessions

    async def create(self, request: CreateSession, owner: CallOwner) -> tuple[SessionView, str]: ...

    async def owner_of(self, dealership_id: str, session_id: str) -> Owner | None: ...

    async def view(self, dealership_id: str, session_id: str) -> SessionView: ...

    async def page(
        self,
        dealership_id: str,
        only: SessionFilter | None = None,
        sort: str = "-createdAt",
        offset: int = 0,
        limit: int = 50,
    ) -> SessionPage: ...

    async def consent(
        self, dealership_id: str, session_id: str, consent: ConsentView
    ) -> ConsentView: ...

    async def consent_of(self, dealership_id: str, session_id: str) -> ConsentView: ...

    async def has_consent_of(self, dealership_id: str, session_id: str, user_id: str) -> bool: ...

    async def withdraw(self, dealership_id: str, session_id: str, user_id: str) -> None: ...

    async def erase(self, dealership_id: str, session_id: str) -> None: ...

    async def erase_of(self, dealership_id: str, user_id: str) -> None: ...

    async def events(
        self, dealership_id: str, session_id: str, after_seq: int, types: Sequence[str] = ()
    ) -> list[dict[str, Any]]: ...

    def follow(self, dealership_id: str, session_id: str) -> Followed | None: ...

    async def recording(
        self, dealership_id: str, session_id: str, track: str = "trainee"
    ) -> Recorded | None: ...

    async def timeline(
        self, dealership_id: str, session_id: str
    ) -> tuple[JournalBlob, OpenBlob]: ...

    # whoever publishes

    def is_granted(self, session_id: str, token: str) -> bool: ...

    async def publish(self, session_id: str, offer: str, token: str | None) -> tuple[str, str]: ...

    async def trickle(self, session_id: str, resource: str, fragment: str) -> None: ...

    async def end(self, session_id: str, resource: str) -> None: ...

    async def answered_links(self, session_id: str) -> list[str]: ...

    async def ice_links(self, session_id: str, token: str | None) -> list[str]: ...

    # whoever listens, plays the customer, or has something to say

    async def listen(
        self, session_id: str, offer: str, identity: Identity, name: str
    ) -> tuple[str, str]: ...

    async def listener_links(self, dealership_id: str, session_id: str) -> list[str]: ...

    async def trickle_to_listener(
        self, identity: Identity, session_id: str, resource: str, fragment: str
    ) -> None: ...

    async def switch(
        self,
        identity: Identity,
        session_id: str,
        resource: str,
        mode: Mode,
        consent: ConsentView | None,
    ) -> str | None: ...

    async def leave(self, identity: Identity, session_id: str, resource: str) -> None: ...

    async def invite(self, dealership_id: str, session_id: str) -> Invitation: ...

    async def invited_to(self, dealership_id: str, code: str) -> Call: ...

    async def join(
        self, identity: Identity, name: str, code: str, consent: ConsentView
    ) -> tuple[Call, str]: ...

    async def note(self, dealership_id: str, session_id: str, said: Note | Bookmark) -> bool: ...


def bus_of(request: Request) -> Bus:
    """The bus of the node that serves `request`."""
    bus: Bus = request.app.state.calls
    return bus
