"""A typed layer on Starlette: what an endpoint takes and gives is declared once, and checked.

An `Endpoint` names the models of its path, query and body; the handler gets them as arguments and
returns a model or a response. `api.openapi` describes the same declarations to others. What does
not fit is refused before the handler runs: 404 for a path, 415, 413 and 422 for a body, 422 for a
query, whose fields may neither repeat nor be unknown.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from api.problems import Problem, invalid, json_of

Handler = Callable[..., Awaitable[BaseModel | Response]]
NOWHERE = Problem(404, "There is nothing at this address.")


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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path below `/api/v1`. Its summary and description are the handler's
    docstring. `answers` are by status, the usual one first; `errors` are statuses of problems
    beside those that follow from what it takes."""

    method: str
    path: str
    handler: Handler
    answers: Mapping[int, Answer]
    params: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | Media | None = None
    errors: tuple[int, ...] = ()
    tag: str = ""

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
        if self.query is not None:
            given["query"] = _query(request, self.query)
        if isinstance(self.body, type):
            given["body"] = await json_of(request, self.body)
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
    *,
    answers: Mapping[int, Answer | type[BaseModel]],
    params: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | Media | None = None,
    errors: Iterable[int] = (),
) -> Declare:
    """Declare a handler: ``handler(request, params=…, query=…, body=…)``, as far as declared."""
    told = {
        status: Answer("Success", each) if isinstance(each, type) else each
        for status, each in answers.items()
    }
    tag = path.split("/")[1]
    return partial(_declared, method, path, told, params, query, body, tuple(errors), tag)


def _declared(
    method: str,
    path: str,
    answers: Mapping[int, Answer],
    params: type[BaseModel] | None,
    query: type[BaseModel] | None,
    body: type[BaseModel] | Media | None,
    errors: tuple[int, ...],
    tag: str,
    handler: Handler,
) -> Endpoint:
    return Endpoint(method, path, handler, answers, params, query, body, errors, tag)


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
