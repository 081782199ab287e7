"""What goes wrong below the routes, as problems: the store, the audit log, the keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from api import problems
from api.audit.record import NotRecorded
from api.entity_tags import stale
from api.problems import Problem
from api.store.base import Duplicate, Full, Missing, Stale, StoreError

log = structlog.get_logger(__name__)

LATER = {"Retry-After": "5"}


async def _on_store(request: Request, error: Exception) -> Response:
    match error:
        case Stale():
            return problems.response(stale())
        case Missing():
            return problems.response(Problem(404, "It is not there any more."))
        case Duplicate():
            return problems.response(Problem(409, "There is one like it already."))
        case Full():
            log.error("disk_full", path=request.url.path, error=str(error))
            detail = "The server's disk is full, so nothing was kept; tell its operator."
            return problems.response(Problem(507, detail, code="disk_full"))
    log.error("store_failed", path=request.url.path, error=str(error))
    detail = "The store does not answer just now; try again in a few seconds."
    return problems.response(Problem(503, detail, headers=LATER))


async def _on_audit(request: Request, error: Exception) -> Response:
    log.error("audit_failed", path=request.url.path, error=str(error))
    detail = "This could not be written down in the audit log, so it was not done; try again soon."
    return problems.response(Problem(503, detail, headers=LATER))


HANDLERS: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    StoreError: _on_store,
    NotRecorded: _on_audit,
}
