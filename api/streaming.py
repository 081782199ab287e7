"""What all streams of server-sent events share: who may read on is asked again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

T = TypeVar("T")

MEDIA_TYPE = "text/event-stream"
LOOK_EVERY_S = 0.5
"""How often a stream on which nothing happens looks whether its reader may still read."""
STREAM_GRACE_S = 4.0
"""How long a stream may go on when the node stops: its call is ended first, and that is told."""


def is_wanted(request: Request) -> bool:
    """Whether `request` asks for a stream rather than for what there is now."""
    return MEDIA_TYPE in request.headers.get("accept", "")


async def soon(awaited: Awaitable[T]) -> T | None:
    """What `awaited` yields before it is time to look again; None where it takes longer."""
    try:
        async with asyncio.timeout(LOOK_EVERY_S):
            return await awaited
    except TimeoutError:
        return None


def streamed(events: AsyncIterator[ServerSentEvent | bytes]) -> EventSourceResponse:
    return EventSourceResponse(events, shutdown_grace_period=STREAM_GRACE_S)
