"""One byte range of what is too large to be held in memory (RFC 9110, 14)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.past import Recorded
from api.problems import Problem

_ONE = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*")


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes ``[start, end)``."""

    start: int
    end: int


def range_of(request: Request, size: int) -> Range | None:
    """What of `size` bytes is asked for; None: all of it.

    So it is, too, for several ranges, for other units, and where a validator is shown (`If-Range`):
    there are none. Raises `Problem` (416) for a range beyond the end.
    """
    asked = request.headers.get("range", "")
    found = _ONE.fullmatch(asked)
    if request.method not in ("GET", "HEAD") or found is None or "if-range" in request.headers:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= end:
        detail = f"There are {size} bytes: the range begins behind them."
        raise Problem(416, detail, headers={"Content-Range": f"bytes */{size}"})
    return Range(start, end)


def ranged(request: Request, recorded: Recorded, media_type: str) -> Response:
    """`recorded`, or the range of it that is asked for, sent as it is read."""
    part = range_of(request, recorded.size)
    start, end = (part.start, part.end) if part is not None else (0, recorded.size)
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "Content-Length": str(end - start),
    }
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{recorded.size}"
    status = 200 if part is None else 206
    if request.method == "HEAD":
        return Response(b"", status, headers, media_type=media_type)
    body: AsyncIterator[bytes] = recorded.read(start, end)
    return StreamingResponse(body, status, headers, media_type=media_type)
