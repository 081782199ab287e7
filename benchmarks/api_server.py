"""The node's side of `benchmarks.api`: the API and calls in one loop on one core.

As a process (`python -m benchmarks.api_server CORE FOLDER`) it is asked, see `benchmarks.child`:
`ports` (of the API, and of a bare Starlette application that answers the same list), and what
`benchmarks.server` is asked of calls. The recognizer is off.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path

import structlog
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.app import create_app
from api.playbooks import open_playbooks
from api.services import open_services
from api.settings import Settings
from api.store import open_database
from api.store.store import Store
from benchmarks import child
from benchmarks.server import Full, NoWords
from benchmarks.stamps import Stamps
from engine.embedding.embedder import Statistics

LIMIT = 50


class Silent(NoWords):
    """A node's recognizer that is not there."""

    ready = True
    waiting = dropped = superseded = decoded = restarts = calls = refused = 0
    oldest_s = busy = 0.0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def statistics(self) -> Silent:
        return self


def bare(store: Store, dealership_id: str) -> Starlette:
    """The same list of the same store: no sign-in, no roles, no checks, no description."""

    async def sessions(request: Request) -> Response:
        page = await store.sessions.page(dealership_id, limit=LIMIT)
        items = [head.model_dump(mode="json", by_alias=True) for head in page.items]
        content = json.dumps({"items": items, "total": page.total})
        return Response(content, media_type="application/json")

    return Starlette(routes=[Route("/sessions", sessions)])


def _listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


async def _served(app: Starlette, serving: list[asyncio.Task[None]]) -> int:
    """The port on which `app` is served, by a task of `serving`, once this returns."""
    listener = _listening()
    config = uvicorn.Config(
        app, loop="none", http="httptools", log_config=None, access_log=False, lifespan="on"
    )
    server = uvicorn.Server(config)
    serving.append(asyncio.create_task(server.serve(sockets=[listener])))
    while not server.started:
        await asyncio.sleep(0.02)
    port: int = listener.getsockname()[1]
    return port


async def _main(folder: Path, dealership_id: str) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    settings = Settings(
        data=folder, ice_loopback=True, objections="phrases", sign_ins_per_address=100_000
    )
    silent: Statistics | Silent = Silent()
    app = create_app(
        settings,
        lambda: open_services(settings, lambda: "http://127.0.0.1"),
        silent,  # type: ignore[arg-type]
        open_playbooks(settings),
    )
    serving: list[asyncio.Task[None]] = []
    api_port = await _served(app, serving)
    store = Store(open_database(settings.store_url))
    await store.database.open()
    bare_port = await _served(bare(store, dealership_id), serving)
    stamps = Stamps()
    recordings = folder / "bench"
    recordings.mkdir()
    calls = Full(stamps, recordings)

    async def ports() -> child.Reply:
        return {"api": api_port, "bare": bare_port}

    async def clear() -> child.Reply:
        stamps.clear()
        return {}

    async def save(path: str) -> child.Reply:
        stamps.save(Path(path))
        return {}

    await child.serve({"answer": calls.answer, "clear": clear, "save": save, "ports": ports})


if __name__ == "__main__":
    data, dealership = child.pin()
    uvloop.run(_main(Path(data), dealership))
