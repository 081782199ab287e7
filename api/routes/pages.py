"""The browser client's pages and files, and the node's health."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from api.assets import Assets, Pages, vendored

WEB = Path(__file__).parent.parent / "web"
DESCRIPTORS = Path("/dev/fd")

WAVEFORM_STYLE = "sha256-GDz2FZP0i7VZaDhs1mgc43IRUXU2xajPIjvThHvZvbs="
POLICY = "; ".join(
    [
        "default-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data: blob:",
        # wavesurfer.js writes one style into its own tree, for waveforms of 56 px (js/timeline.js).
        f"style-src 'self' '{WAVEFORM_STYLE}'",
        "media-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)


ASSETS = Assets(WEB / "static", vendored(WEB / "node_modules"))
PAGES = {
    "/": "practice.html",
    "/board": "board.html",
    "/listen": "listen.html",
    "/join": "join.html",
    "/docs": "docs.html",
    "/sign-in": "sign-in.html",
    "/link": "link.html",
    "/account": "account.html",
    "/calls": "calls.html",
    "/replay": "replay.html",
    "/monday": "monday.html",
    "/assignments": "assignments.html",
    "/progress": "progress.html",
    "/playbooks": "playbooks.html",
    "/people": "people.html",
    "/teams": "teams.html",
    "/audit": "audit.html",
    "/inbox": "inbox.html",
    "/photos": "photos.html",
    "/vehicles": "vehicles.html",
    "/studio": "studio.html",
    "/outlets": "outlets.html",
    "/recordings": "recordings.html",
}
"""The file of each page, by its path."""


async def health(request: Request) -> Response:
    """200 once the recognizer is loaded, else 503; 503 too once no new calls are taken."""
    state = request.app.state
    ready = state.recognizer.ready and not state.calls.is_draining
    statistics = state.recognizer.statistics()
    body = {
        "status": "draining" if state.calls.is_draining else "ok" if ready else "starting",
        "liveCalls": state.calls.live,
        "recognizer": {
            "waiting": statistics.waiting,
            "oldestS": round(statistics.oldest_s, 3),
            "dropped": statistics.dropped,
            "superseded": statistics.superseded,
            "decoded": statistics.decoded,
            "restarts": statistics.restarts,
        },
        "recorder": {"waiting": state.writer.depth(), "dropped": state.writer.dropped},
        "process": {
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
            "descriptors": _descriptors(),
        },
    }
    return JSONResponse(body, 200 if ready else 503)


def _descriptors() -> int | None:
    """Open files and sockets of this process; None where the system does not list them."""
    return sum(1 for _ in DESCRIPTORS.iterdir()) if DESCRIPTORS.is_dir() else None


_served = Pages(WEB, PAGES, ASSETS)
routes = [
    *(Route(path, _served.get, methods=["GET"]) for path in PAGES),
    Route("/healthz", health, methods=["GET"]),
    Mount("/static", ASSETS, name="static"),
]
