"""The Starlette application of one node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount, Router

from api import endpoint, failures, openapi, problems
from api.calls import Calls
from api.coaching.mailing import Mailing
from api.content.hooks import Hooks
from api.content.images import Images
from api.content.letters import Letters
from api.content.projects import Projects
from api.content.renderings import Renderings
from api.content.rewrite import Rewriter
from api.content.sending import Deliverer
from api.jobs.calls import CallShelf, by_type
from api.jobs.desk import Desk
from api.jobs.lane import Crew, Lane
from api.jobs.news import News
from api.jobs.shelf import UploadShelf
from api.keep import Keep
from api.logs import RequestLog
from api.playbook_editing import Editing
from api.playbooks import Playbooks
from api.previews import Previews
from api.recognizer import NodeRecognizer
from api.retention import Retention
from api.routes import (
    annotations as remarks,
)
from api.routes import (
    assignments,
    audit,
    auth,
    batches,
    board,
    catalogues,
    content,
    description,
    digest,
    jobs,
    me,
    media,
    metrics,
    microphone,
    notifications,
    outlets,
    pages,
    partners,
    playbooks,
    progress,
    renderings,
    scorecards,
    sessions,
    teams,
    timeline,
    unsubscribe,
    uploads,
    users,
    vehicles,
    versions,
    websocket,
    whep,
    whip,
)
from api.routes import (
    calls as uploaded_calls,
)
from api.services import Services
from api.settings import Settings
from api.watch import Watch
from api.workbench import Workbench
from engine import features, silero
from engine.asr.correction import Corrector
from processing.queue import Queue
from signaling import stack
from signaling.collector import Collector
from signaling.recorder import Writer

SECURITY_HEADERS = {
    "Content-Security-Policy": pages.POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), screen-wake-lock=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


ENDPOINTS = [
    *auth.endpoints,
    *me.endpoints,
    *users.endpoints,
    *teams.endpoints,
    *notifications.endpoints,
    *audit.endpoints,
    *sessions.endpoints,
    *board.endpoints,
    *timeline.endpoints,
    *remarks.endpoints,
    *scorecards.endpoints,
    *assignments.endpoints,
    *media.endpoints,
    *whip.endpoints,
    *whep.endpoints,
    *partners.endpoints,
    *microphone.endpoints,
    *catalogues.endpoints,
    *versions.endpoints,  # before `/playbooks/{digest}`, which would match their paths, too
    *playbooks.endpoints,
    *uploads.endpoints,
    *batches.endpoints,
    *jobs.endpoints,
    *uploaded_calls.endpoints,
    *vehicles.endpoints,
    *content.endpoints,
    *renderings.endpoints,
    *outlets.endpoints,
    *progress.endpoints,
    *digest.endpoints,
    *websocket.endpoints,
    *description.endpoints,
]
PREFIX = "/api/v1"


Opening = Callable[[], Awaitable[Services]]


def create_app(
    settings: Settings,
    opening: Opening,
    recognizer: NodeRecognizer,
    books: Playbooks,
    corrector: Corrector | None = None,
) -> Starlette:
    """The application; it opens and closes its services, `recognizer` and `books`. `corrector` puts
    domain words right."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        stack.configure(stock=settings.receive == "stock")
        stack.use_loopback(settings.ice_loopback)
        writer = Writer()
        writer.start()
        services = await opening()
        keep = Keep(services.store, services.blobs, services.vault, services.node)
        calls = Calls(settings, keep, recognizer, books, writer, corrector)
        app.state.services, app.state.guard = services, services.guard
        app.state.playbooks = books
        app.state.editing = Editing(services, books, calls.words)
        app.state.metrics_token = settings.metrics_token.get_secret_value()
        document = json.dumps(openapi.document(ENDPOINTS, PREFIX)).encode()
        app.state.description = description.Description(document)
        app.state.recognizer, app.state.writer, app.state.calls = recognizer, writer, calls
        starting = books.start(services.store.playbooks)
        await asyncio.gather(asyncio.to_thread(_warm), recognizer.start(), starting)
        await calls.start()
        collector = Collector()
        collector.start()
        watch = Watch(calls, services.sign_ins, services.audit)
        retention = Retention(services, calls)
        watch.start()
        retention.start()
        mailing = Mailing(services)
        mailing.start()
        lane = _lane(settings, services, keep, books, corrector)
        app.state.desk, app.state.job_news = Desk(services, lane.queue), News(services)
        images, rewriter = Images(services), Rewriter(settings)
        app.state.images = images
        app.state.projects = Projects(services, images, rewriter)
        await lane.start()
        bench = Workbench(services.uploading, settings.data / "previews")
        app.state.previews = Previews(bench)
        app.state.renderings = renderings = Renderings(services, bench)
        await bench.start()
        letters = Letters(services, renderings)
        hooks = Hooks(settings.hooks_to_private)
        app.state.deliverer = deliverer = Deliverer(services, hooks, letters.begin)
        deliverer.start()
        try:
            yield
        finally:
            await deliverer.stop()
            await hooks.close()
            await bench.stop()
            await lane.stop()
            await rewriter.close()
            await mailing.stop()
            await retention.stop()
            await watch.stop()
            await collector.stop()
            await calls.stop()
            await recognizer.stop()
            await books.stop()
            await asyncio.to_thread(writer.stop)
            await services.close()

    api = [*endpoint.routes(ENDPOINTS), *websocket.sockets]
    app = Starlette(
        routes=[
            Mount(PREFIX, Router(api, redirect_slashes=False)),
            *metrics.routes,
            *unsubscribe.routes,
            *pages.routes,
        ],
        middleware=[
            Middleware(RequestLog, headers=SECURITY_HEADERS),
            Middleware(problems.Problems),
            Middleware(
                TrustedHostMiddleware,
                # What an attacker's DNS points at this machine (rebinding) is no name of this node.
                allowed_hosts=list(settings.allowed_hosts),
                www_redirect=False,
            ),
        ],
        exception_handlers={
            problems.Problem: problems.on_problem,
            HTTPException: problems.on_http_exception,
            **failures.HANDLERS,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def _lane(
    settings: Settings,
    services: Services,
    keep: Keep,
    books: Playbooks,
    corrector: Corrector | None,
) -> Lane:
    """With Redis, which `forecourt worker` needs, jobs are done there; without, on this node."""
    redis_url = settings.redis.get_secret_value() or None
    crew = Crew(settings.data / "jobs", 0 if redis_url else settings.job_workers)
    uploads = UploadShelf(services.store, services.uploading)
    terms = None if corrector is None else corrector.terms.terms
    compares = settings.objections == "model"
    calls = CallShelf(keep, uploads, books, services.now, terms=terms, compares=compares)
    shelves = by_type(uploads, calls)
    queue = Queue(redis_url)
    return Lane(services.store.jobs, shelves, queue, crew, services.node, services.now)


def _warm() -> None:
    """Compile the kernels and load the voice-activity model before the node says ready."""
    features.warm()
    silero.warm()
