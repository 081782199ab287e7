"""Errors over HTTP: RFC 9457 problem details, each with a sentence that a person can act on."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

MAX_JSON_BYTES = 64 * 1024

M = TypeVar("M", bound=BaseModel)


class Problem(Exception):
    """Raised by a route; becomes an ``application/problem+json`` answer."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors or []
        self.headers = headers or {}


def response(problem: Problem) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = problem.errors
    return Response(
        json.dumps(body),
        problem.status,
        problem.headers,
        media_type="application/problem+json",
    )


async def on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return response(error)


_HTTP_DETAILS = {
    400: "The request cannot be understood: look at its Host and Range headers.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    416: "The recording is shorter than the range that was asked for.",
}


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _HTTP_DETAILS.get(error.status_code, error.detail)
    return response(Problem(error.status_code, detail, headers=dict(error.headers or {})))


class Problems:
    """ASGI middleware: errors in a library's plain text, or caught by nobody, as problems."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False
        replacement: Response | None = None

        async def send_problem(message: Message) -> None:
            nonlocal begun, replacement
            if message["type"] == "http.response.start":
                begun = True
                replacement = _replacement(message)
                if replacement is not None:
                    await replacement(scope, receive, send)
            if replacement is None:
                await send(message)

        try:
            await self._app(scope, receive, send_problem)
        except Exception:
            log.exception("request_failed", path=scope["path"])
            if begun:
                raise
            detail = "Something went wrong on our side; the log has the details."
            await response(Problem(500, detail))(scope, receive, send)


def _replacement(start: Message) -> Response | None:
    headers = Headers(raw=start["headers"])
    given = headers.get("content-type", "")
    if start["status"] < 400 or given.startswith(("application/problem+json", "application/json")):
        return None
    detail = _HTTP_DETAILS.get(start["status"], HTTPStatus(start["status"]).description)
    kept = {name: headers[name] for name in ("allow", "content-range") if name in headers}
    return response(Problem(start["status"], detail, headers=kept))


async def body_of(request: Request, media_type: str, limit: int) -> bytes:
    """The request's body. 415 for another media type, 413 beyond `limit` bytes."""
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given != media_type:
        raise Problem(415, f"Send the body as {media_type}, not {given or 'without a type'}.")
    declared = request.headers.get("content-length", "0")
    too_large = Problem(413, f"The body is too large: at most {limit} bytes.")
    if len(declared) > 16 or (declared.isdecimal() and int(declared) > limit):
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise too_large
        parts.append(part)
    return b"".join(parts)


async def json_of(request: Request, model: type[M]) -> M:
    """The JSON body as `model`. 415, 413, or 422 with one entry per field that is wrong."""
    body = await body_of(request, "application/json", MAX_JSON_BYTES)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        errors = [
            {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
            for item in error.errors(include_url=False, include_input=False)
        ]
        first = errors[0]
        where = first["field"] or "The body"
        raise Problem(422, f"{where}: {first['message']}.", errors=errors) from error
