"""Errors over HTTP: RFC 9457 problem details, each with a sentence that a person can act on."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger(__name__)

MAX_JSON_BYTES = 64 * 1024
MAX_ERRORS = 50
BODY_WITHIN_S = 30.0
"""A body that takes longer to come is given up."""

M = TypeVar("M", bound=BaseModel)


class Problem(Exception):
    """Raised by a route; becomes an ``application/problem+json`` answer."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
        code: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code
        self.errors = errors or []
        self.headers = headers or {}


class ProblemView(BaseModel):
    """A problem's body (RFC 9457). `errors` name each field of a request that is wrong; `code` is
    there where a client must tell cases of one status apart."""

    type: str
    title: str
    status: int
    detail: str
    code: str = ""
    errors: list[dict[str, str]] = []


def response(problem: Problem) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.code:
        body["code"] = problem.code
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
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise too_large
                parts.append(part)
    except TimeoutError as error:
        detail = f"The body did not come within {BODY_WITHIN_S:.0f} s; send it again."
        raise Problem(408, detail, headers={"Connection": "close"}) from error
    except ClientDisconnect as error:
        raise Problem(400, "The connection ended before the body did; send it again.") from error
    return b"".join(parts)


async def json_of(request: Request, model: type[M], limit: int = MAX_JSON_BYTES) -> M:
    """The JSON body as `model`. 415, 413, or 422 with one entry per field that is wrong."""
    body = await body_of(request, "application/json", limit)
    try:
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise invalid(error, "The body") from error


def invalid(error: ValidationError, whole: str) -> Problem:
    """422 with one entry per field that is wrong; `whole` is what holds the fields."""
    errors = [
        {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    first = errors[0]
    where = first["field"][:80] or whole
    return Problem(422, f"{where}: {first['message']}.", errors=errors[:MAX_ERRORS])
