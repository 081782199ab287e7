"""A typed layer on Starlette: what an endpoint takes and gives is declared once, and checked.

An `Endpoint` names the models of its path, query and body; the handler gets them as arguments and
returns a model or a response. `api.openapi` describes the same declarations to others. What does
not fit is refused before the handler runs: 404 for a path, 415, 413 and 422 for a body, 422 for a
query, whose fields may neither repeat nor be unknown.

Each also names the action of the role table (`api.auth.roles`) that it is, and whose the thing is
that it is about: `api.guard` asks both before anything of the request but its path is read.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from api.auth.roles import ACTIONS, Owner
from api.problems import MAX_JSON_BYTES, Problem, invalid, json_of

Handler = Callable[..., Awaitable[BaseModel | Response]]
OwnerOf = Callable[[Request, Any], Awaitable[Owner | None]]
"""Whose the thing is that a path names; None where there is no such thing."""
NOWHERE = Problem(404, "There is nothing at this address.")
OPEN: Final = "open"
"""The action of endpoints that anybody may ask."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One status that an endpoint answers with: `what` it means, and its body, if it has one."""

    what: str
    model: type[BaseModel] | None = None
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Media:
    """A body that is no JSON: the handler reads it."""

    media_type: str
    what: str


Again = Callable[[], Awaitable[Response]]


class Guard(Protocol):
    """What stands before every endpoint (`api.guard`)."""

    async def admit(self, request: Request, each: Endpoint, params: BaseModel | None) -> None:
        """Raises `Problem` for who may not. Sets `request.state.identity`."""

    async def once(self, request: Request, each: Endpoint, said: bytes, answer: Again) -> Response:
        """`answer` to a create that says `said`, or what it answered before under the same
        idempotency key."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path below `/api/v1`. Its summary and description are the handler's
    docstring. `answers` are by status, the usual one first; `errors` are statuses of problems
    beside those that follow from what it takes.

    Without `owner` an action is about nothing that is anybody's yet, or a list: its handler keeps
    to how far the role reaches. `media`: the cookie of a session's media serves as well.
    `granted`: so does the session's grant, which the handler checks. `once`: it takes an
    idempotency key. `most_bytes`: of a JSON body.
    """

    method: str
    path: str
    handler: Handler
    answers: Mapping[int, Answer]
    action: str
    owner: OwnerOf | None = None
    params: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | Media | None = None
    errors: tuple[int, ...] = ()
    tag: str = ""
    media: bool = False
    granted: bool = False
    once: bool = False
    most_bytes: int = MAX_JSON_BYTES

    def __post_init__(self) -> None:
        if self.action != OPEN and self.action not in ACTIONS:
            raise ValueError(f"{self.method} {self.path}: {self.action} is not in the role table")

    @property
    def name(self) -> str:
        """Its operation id: the module's last word and the handler's name."""
        module = self.handler.__module__.rpartition(".")[2]
        return f"{module}_{self.handler.__name__}"

    @property
    def text(self) -> tuple[str, str]:
        """Summary and description."""
        first, _, rest = (inspect.getdoc(self.handler) or self.name).partition("\n")
        return first.rstrip("."), rest.strip()

    async def __call__(self, request: Request) -> Response:
        given: dict[str, BaseModel] = {}
        if self.params is not None:
            try:
                given["params"] = self.params.model_validate_strings(request.path_params)
            except ValidationError as error:
                raise NOWHERE from error
        guard: Guard = request.app.state.guard
        if self.action != OPEN:
            await guard.admit(request, self, given.get("params"))
        if self.query is not None:
            given["query"] = _query(request, self.query)
        if isinstance(self.body, type):
            given["body"] = await json_of(request, self.body, self.most_bytes)
        if self.once and "idempotency-key" in request.headers:
            said = given["body"].model_dump_json().encode()
            return await guard.once(request, self, said, partial(self._answer, request, given))
        return await self._answer(request, given)

    async def _answer(self, request: Request, given: Mapping[str, BaseModel]) -> Response:
        result = await self.handler(request, **given)
        if isinstance(result, Response):
            return result
        status = next(iter(self.answers))
        content = result.model_dump_json(by_alias=True)
        return Response(content, status, media_type="application/json")


Declare = Callable[[Handler], Endpoint]


def endpoint(
    method: str,
    path: str,
    action: str,
    *,
    answers: Mapping[int, Answer | type[BaseModel]],
    owner: OwnerOf | None = None,
    params: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | Media | None = None,
    errors: Iterable[int] = (),
    media: bool = False,
    granted: bool = False,
    once: bool = False,
    most_bytes: int = MAX_JSON_BYTES,
) -> Declare:
    """Declare a handler: ``handler(request, params=…, query=…, body=…)``, as far as declared."""
    told = {
        status: Answer("Success", each) if isinstance(each, type) else each
        for status, each in answers.items()
    }

    def declare(handler: Handler) -> Endpoint:
        return Endpoint(
            method,
            path,
            handler,
            told,
            action,
            owner,
            params,
            query,
            body,
            tuple(errors),
            path.split("/")[1],
            media,
            granted,
            once,
            most_bytes,
        )

    return declare


def routes(endpoints: Iterable[Endpoint]) -> list[BaseRoute]:
    """One route per path, so that a 405 lists every method of the path in `Allow`."""
    tables: dict[str, dict[str, Endpoint]] = {}
    for each in endpoints:
        table = tables.setdefault(each.path, {})
        if each.method in table:
            raise ValueError(f"{each.method} {each.path} is declared twice")
        table[each.method] = each
    return [
        Route(path, partial(_dispatch, table), methods=list(table))
        for path, table in tables.items()
    ]


async def _dispatch(table: Mapping[str, Endpoint], request: Request) -> Response:
    return await table["GET" if request.method == "HEAD" else request.method](request)


def _query(request: Request, model: type[BaseModel]) -> BaseModel:
    given = request.query_params.multi_items()
    values = dict(given)
    if len(values) < len(given):
        twice = next(name for name, _ in given if len(request.query_params.getlist(name)) > 1)
        raise Problem(422, f"{twice[:40]}: give it once.")
    try:
        return model.model_validate_strings(values)
    except ValidationError as error:
        raise invalid(error, "The query") from error
