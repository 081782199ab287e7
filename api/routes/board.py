"""`/api/v1/board`: the calls that go on now, as they change."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from api import streaming
from api.auth.roles import Owner, allows
from api.board import Board, BoardView, MayRead
from api.bus import bus_of
from api.endpoint import Answer, endpoint
from api.guard import Guard
from api.identity import Identity, identity_of
from api.problems import Problem
from api.services import services_of

ACTION = "board.read"
RETRY_AFTER_S = 30


@endpoint(
    "GET",
    "/board",
    ACTION,
    answers={200: Answer("Live calls; a stream where that is accepted", BoardView)},
    errors=[503],
)
async def get_board(request: Request) -> Response | BoardView:
    """The live calls that you may see: those of your teams, or all of the dealership.

    With `Accept: text/event-stream`: first a `snapshot`, then a `call` with the whole card each
    time one changes (at most four times a second) and a `gone` with its `id` for each that is over,
    or that you may not see any more.
    """
    board, identity = bus_of(request).board, identity_of(request)
    if not streaming.is_wanted(request):
        return board.view(_sight(identity))
    if board.is_full:
        later = {"Retry-After": str(RETRY_AFTER_S)}
        raise Problem(503, "Too many people read the board now; try again soon.", headers=later)
    return streaming.streamed(_stream(board, services_of(request).guard, identity))


async def _stream(board: Board, guard: Guard, identity: Identity) -> AsyncIterator[bytes]:
    """Until the board is closed, or its reader may read no more."""
    reader = board.join()
    try:
        while not board.is_closed:
            standing = await guard.standing(identity)
            if standing is None or standing.reach(ACTION) == "-":
                return
            changes = reader.changes(_sight(standing))
            if changes:
                yield changes
            await streaming.soon(reader.news())
    finally:
        reader.leave()


def _sight(identity: Identity) -> MayRead:
    def may_read(owner: Owner) -> bool:
        return allows(identity.role, ACTION, actor=identity.actor, owner=owner)

    return may_read


endpoints = [get_board]
